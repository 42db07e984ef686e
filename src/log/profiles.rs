//! The built-in profiles: rules as users write them, compiled into the program.

use super::rules::Rules;
use crate::error::{self, Error};

/// Name and text of each, in the order in which they are tried.
const PROFILES: &[(&str, &str)] = &[
    ("nemo", include_str!("profiles/nemo.toml")),
    ("megatron", include_str!("profiles/megatron.toml")),
    ("torchtitan", include_str!("profiles/torchtitan.toml")),
    ("olmo", include_str!("profiles/olmo.toml")),
    ("composer", include_str!("profiles/composer.toml")),
    ("verl", include_str!("profiles/verl.toml")),
    ("torchtune", include_str!("profiles/torchtune.toml")),
    ("litgpt", include_str!("profiles/litgpt.toml")),
    ("nanogpt", include_str!("profiles/nanogpt.toml")),
    ("hf-trainer", include_str!("profiles/hf-trainer.toml")),
    ("lightning", include_str!("profiles/lightning.toml")),
    ("deepspeed", include_str!("profiles/deepspeed.toml")),
    ("sglang", include_str!("profiles/sglang.toml")),
    ("tensorrt-llm", include_str!("profiles/tensorrt-llm.toml")),
    ("vllm", include_str!("profiles/vllm.toml")),
    ("llama-cpp", include_str!("profiles/llama-cpp.toml")),
    ("tgi", include_str!("profiles/tgi.toml")),
];

/// The names of the built-in profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// The text of a built-in profile.
pub fn text(name: &str) -> Result<&'static str, Error> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).ok_or_else(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        let help = match error::nearest(name, names()) {
            Some(near) => format!("did you mean '{near}'? the built-in profiles are {known}"),
            None => format!("the built-in profiles are {known}; --rules FILE reads your own"),
        };
        Error::usage(format!("no profile is named '{name}'")).help(help)
    })
}

/// A built-in profile.
pub fn load(name: &str) -> Result<Rules, Error> {
    Rules::parse_lazily(text(name)?, &format!("profiles/{name}.toml"), name)
}

/// Every built-in profile.
pub fn load_all() -> Result<Vec<Rules>, Error> {
    names().map(load).collect()
}
