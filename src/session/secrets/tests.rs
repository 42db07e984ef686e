use super::*;

fn masked(arguments: &[&str]) -> String {
    mask(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>()).join(" ")
}

#[track_caller]
fn are_masked(table: &[(&[&str], &str)]) {
    for (arguments, shown) in table {
        assert_eq!(masked(arguments), *shown);
    }
}

#[test]
fn an_argument_that_is_a_secret_with_its_name_is_masked_to_its_end() {
    are_masked(&[
        (&["train", "--token=abc"], "train --token=***"),
        (&["--password=p&ssw0rd"], "--password=***"),
        (&["--password=correct horse battery"], "--password=***"),
        (&["--token=abc;def"], "--token=***"),
        (&["--token= hunter2"], "--token=***"),
        (&["--token=it's \"so\"\nsecret"], "--token=***"),
        (&["env", "WANDB_API_KEY=aa bb", "python"], "env WANDB_API_KEY=*** python"),
        (
            &["docker", "run", "--env=HF_TOKEN=a b", "-eTOKEN=c d"],
            "docker run --env=HF_TOKEN=*** -eTOKEN=***",
        ),
        (&["-H", "Authorization: Bearer a, b"], "-H Authorization:***"),
        (&["-H", "Cookie: a=b; c=d"], "-H Cookie:***"),
        (&["+wandb.api_key=a b"], "+wandb.api_key=***"),
        (&["--password="], "--password="),
    ]);
}

#[test]
fn what_follows_the_flag_of_a_secret_is_masked() {
    are_masked(&[
        (&["--api-key", "abc", "x"], "--api-key *** x"),
        (&["--hf_token", "a b"], "--hf_token ***"),
        (&["--api-key", "-value"], "--api-key ***"),
        (&["--secret", "--verbose"], "--secret --verbose"),
        (&["--auth", "-v", "--", "x"], "--auth -v -- x"),
        (&["x", "--wandb-key=abc", "--auth", "abc"], "x --wandb-key=*** --auth ***"),
        (&["curl", "-u", "user:p:w", "--user", "me:x"], "curl -u user:*** --user me:***"),
        (&["curl", "-uuser:p w", "--user=me:a b"], "curl -uuser:*** --user=me:***"),
        (&["docker", "run", "-u", "1000:1000"], "docker run -u 1000:1000"),
    ]);
}

#[test]
fn in_a_script_a_secret_ends_with_its_word() {
    for (script, shown) in [
        ("export HF_TOKEN='a b'; run --password x; done", "export HF_TOKEN=***; run --password ***; done"),
        ("run --lr 3 --token x --seed 1", "run --lr 3 --token *** --seed 1"),
        ("WANDB_API_KEY=abc torchrun train.py", "WANDB_API_KEY=*** torchrun train.py"),
        ("HF_TOKEN= python train.py", "HF_TOKEN= python train.py"),
        ("x --token $'hun\\'ter2' y", "x --token *** y"),
        ("x --token a\"b c\"'d e'\\ f y", "x --token *** y"),
        ("x --token=$(cat my file) && y", "x --token=*** && y"),
        ("x '--token=a b' y", "x '--token=***' y"),
        ("curl -H \"Cookie: a=b; c=d\" -u me:pw host", "curl -H \"Cookie: ***\" -u me:*** host"),
        ("curl -u \"me:p w\" x; wget --user='me:p w' x", "curl -u \"me:***\" x; wget --user='me:***' x"),
        ("it's --token 'a b", "it's --token ***"),
        ("x=\"Bearer abc.def\" y", "x=\"Bearer ***\" y"),
        ("wandb.login(key='abc'); wandb.login()", "wandb.login(***); wandb.login()"),
        ("huggingface_hub.login(token = \"a)b\", x=1)", "huggingface_hub.login(***)"),
        ("os.environ['HF_TOKEN'] = 'a b'; main()", "os.environ['HF_TOKEN'] = ***; main()"),
        ("api_key = \"abc\"; print(1)", "api_key = ***; print(1)"),
        ("echo '{\"api_key\":\"abc\",\"lr\":3}'", "echo '{\"api_key\":***,\"lr\":3}'"),
        ("echo \"{\\\"api_key\\\": \\\"abc\\\"}\"", "echo \"{\\\"api_key\\\": ***}\""),
        ("echo Authorization: Bearer abc x", "echo Authorization: *** x"),
        ("curl -H Authorization:\\ Bearer\\ abc x", "curl -H Authorization:*** x"),
        ("x --api-key -value --api-key --lr 3", "x --api-key *** --api-key --lr 3"),
    ] {
        assert_eq!(masked(&["bash", "-c", script]), format!("bash -c {shown}"));
    }
    are_masked(&[
        (&["x", r#"{"api_key": "abc", "lr": 3}"#], r#"x {"api_key": ***, "lr": 3}"#),
        (&["srun", "--export=ALL,HF_TOKEN=abc"], "srun --export=ALL,HF_TOKEN=***"),
        (&["Protocol=https;AccountKey=a+b==;Suffix=net"], "Protocol=https;AccountKey=***;Suffix=net"),
    ]);
}

#[test]
fn secrets_of_a_known_shape_need_no_name() {
    let long = "a1B2".repeat(9);
    for secret in [
        format!("hf_{long}"),
        format!("sk-{long}"),
        format!("sk-proj-{long}_-x"),
        format!("ghp_{long}"),
        format!("github_pat_{long}_{long}"),
        format!("glpat-{long}"),
        format!("xoxb-12345-{long}"),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("AIza{long}"),
        format!("eyJ{long}.{long}.{long}"),
    ] {
        assert_eq!(masked(&["login", &secret]), "login ***");
        assert_eq!(masked(&["sh", "-c", &format!("x={secret},y")]), "sh -c x=***,y");
        assert_eq!(masked(&[&format!("https://{secret}:x@host")]), "https://***:***@host");
    }
    are_masked(&[
        (&["https://me:pass@host/x"], "https://me:***@host/x"),
        (&["mysql://u:a/b@h"], "mysql://u:***@h"),
        (&["git+https://u:p@ss@host/repo@v1"], "git+https://u:***@host/repo@v1"),
        (&["https://TOKEN@host/x"], "https://***@host/x"),
        (&["https://hooks.slack.com/services/T0/B0/x1"], "https://hooks.slack.com/services/***"),
        (&["https://host/x?token=abc&lr=3"], "https://host/x?token=***&lr=3"),
        (&["https://host/x?sv=1&sig=a%2F&se=2"], "https://host/x?sv=1&sig=***&se=2"),
    ]);
}

#[test]
fn an_argument_is_gone_through_once() {
    // It takes minutes, or all of the stack, where each name begins with the rest anew.
    for part in
        ["a=", "a='", "a://b:1/,", "--token $(a ", "login(", "x \"--token=", "--x 1 ", "a:\\\"b ", "`--pass "]
    {
        let text = part.repeat(100_000 / part.len()) + " --token hunter2";
        for before in ["-c", "x"] {
            assert!(!masked(&[before, &text]).contains("hunter2"), "{part}");
        }
    }
}

#[test]
fn what_is_no_secret_is_shown() {
    for arguments in [
        &["--max-tokens", "300", "--num-tokens", "2048", "--tokens-per-step", "4"][..],
        &["--eos-token", "</s>", "--pad_token=<pad>", "--eos-token-id", "2"],
        &["--tokenizer", "hf_tokenizer", "--tokenizer-model=x.model"],
        &["--key", "value", "--keys=a,b", "--sort-key", "name", "--passes", "3"],
        &["PWD=/tmp", "--cwd", "/tmp", "--sk-learn"],
        &["print the token please", "a=b=c", "--x", "--y=z"],
        &["", "-", "--", "=", "é=ü"],
        &["http://host:8080/path", "http://host:80/a@b", "user@host:file", "ssh://git@host/x"],
        &["torchrun", "--rdzv-endpoint=localhost:0", "--num-key-value-heads", "8", "--qk-layernorm"],
        &["sh", "-c", "MAX_TOKENS=5 python -u x.py --pad-token '<pad>' --train-tokens 300B && echo a: b"],
    ] {
        assert_eq!(masked(arguments), arguments.join(" "));
    }
}
