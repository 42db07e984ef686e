//! Which names secrets have, and which similar names belong to training.

/// Secrets, also as the end of a word (`PGPASSWORD`).
const SECRET_ENDINGS: &str = "\
    password passwd passphrase passcode secret secrets apikey apitoken authtoken";
/// Secrets, as a word of their own.
const SECRET_WORDS: &str = "\
    pwd credential credentials creds auth authorization cookie cookies bearer jwt sshpass pgpass accesskey \
    secretkey privatekey accountkey accesstoken hftoken";
/// Words before a secret `key`, `keys`, `tokens` or `pat`, unlike those of a vocabulary or a table.
const HOLDERS: &str = "\
    api access secret private auth account encryption license signing ssh deploy admin master refresh bearer \
    bot ai anthropic aws azure cohere comet deepseek gemini gh github gitlab google groq hf hub huggingface \
    kaggle mistral neptune openai slack wandb";
/// Words before the `token` of a vocabulary or a text.
const VOCABULARY: &str = "\
    eos bos pad padding unk unknown mask sep separator split cls class special extra additional reserved \
    dummy sentinel placeholder begin start end stop eot eod eom im boi eoi boundary newline prefix suffix \
    middle fim mem think thinking tool image img video vision audio speech patch trigger initializer text doc \
    document prompt response query language lang task system assistant decoder per by each one single multi \
    first last next new num n max min";
/// Words before a `pass` over the data.
const PASSES: &str = "\
    forward backward fwd bwd single one two multi first second last num n per low high band";
/// Words that make `auth` or `credentials` a switch.
const SWITCHES: &str = "\
    no use enable disable require allow with without";

/// Whether a value with this name (`--hf-token`, `WANDB_API_KEY`, `clientSecret`) is a secret.
pub fn is_secret(name: &str) -> bool {
    let words = words(name);
    let (last, before) = match words.as_slice() {
        [.., before, last] => (last.as_str(), Some(before.as_str())),
        [last] => (last.as_str(), None),
        [] => return false,
    };
    let is_after = |list| before.is_some_and(|before| has(list, before));
    let is_variable = before.is_some() && !name.chars().any(char::is_lowercase);
    match last {
        "pwd" => !["PWD", "OLDPWD"].contains(&name), // the current folder
        "token" => !is_after(VOCABULARY),
        "pass" => !is_after(PASSES),
        "key" | "pat" => is_after(HOLDERS) || is_variable,
        "keys" | "tokens" => is_after(HOLDERS),
        _ if has(SECRET_WORDS, last) => !is_after(SWITCHES),
        _ => SECRET_ENDINGS.split(' ').any(|ending| last.ends_with(ending)),
    }
}

fn has(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// The words of a name in lower case; punctuation or case separates them. Digits at the end number it
/// (`HF_TOKEN_2`).
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut signs = name.trim_end_matches(|sign: char| !sign.is_alphabetic()).chars().peekable();
    while let Some(sign) = signs.next() {
        let in_a_word = signs.peek().is_some_and(|next| next.is_lowercase());
        let begins = sign.is_uppercase() && (!before.is_uppercase() || in_a_word);
        if begins || !sign.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (sign.is_alphanumeric(), words.last_mut()) {
            word.extend(sign.to_lowercase());
        }
        before = sign;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "--token --hf-token --hf_token --hub_token --api-token --auth-token --use_auth_token HF_TOKEN",
            "HF_TOKENS GITHUB_TOKEN_2 HUGGING_FACE_HUB_TOKEN AWS_SESSION_TOKEN TOKEN1 HFToken hftoken",
            "--apiToken --authToken --accessToken --clientSecret --userPassword apiKey OpenAIKey apikey",
            "--password --passwd --passphrase --pass --pwd PGPASSWORD SSHPASS DB_PASS MYSQL_PWD password1",
            "--secret --client-secret AWS_SECRET_ACCESS_KEY --api-key --api_key --api-keys --wandb-key",
            "WANDB_API_KEY KAGGLE_KEY OPENAI_KEY AZURE_OPENAI_KEY SOME_KEY AccountKey x-api-key",
            "GITHUB_PAT GH_PAT AZURE_DEVOPS_EXT_PAT github-pat --auth --credentials --credential --http-auth",
            "Authorization Proxy-Authorization Cookie Set-Cookie Private-Token +trainer.wandb.api_key",
        ]
        .iter()
        .flat_map(|line| line.split(' '))
        {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn names_that_belong_to_training() {
        for name in [
            "--tokenizer --tokenizer-type --tokens-per-step --num-tokens --max-tokens --max-new-tokens --tokens",
            "--max-num-batched-tokens --train-tokens --lr-decay-tokens --special-tokens --token-budget",
            "MAX_TOKENS NUM_TOKENS --eos-token --eos-token-id --pad-token --bos_token --unk_token --image-token",
            "--moe-token-dispatcher-type --add-bos-token --use-cls-token --end-of-text-token --stop-token",
            "--placeholder_token --initializer_token --max-per-token bosToken --padToken",
            "--keys --key --key-padding --sort-key --text-key --image_key --keys-to-ignore KEY",
            "--pass-through --passes --forward-pass --single-pass --bypass --path --num-key-value-heads",
            "--qk-layernorm --kv-channels --ssl-keyfile --monkey --secretary --author --authors --pattern --pat",
            "--no-auth --allow-credentials --password-file --token-type --cwd PWD OLDPWD PATH KEYBOARD",
            "--patience --patch-size --compass --auto --hub_private_repo --lr - -- _ 1",
        ]
        .iter()
        .flat_map(|line| line.split(' '))
        {
            assert!(!is_secret(name), "{name}");
        }
    }
}
