//! The values that a shell completes. The options themselves accept more values than a list has, so the
//! lists are only for completions.

use clap::Command;
use clap::builder::PossibleValuesParser;

use crate::log::profiles;
use crate::process::TakenSignal;

/// The command with lists of values.
pub fn with_values(command: Command) -> Command {
    let command = command.mut_args(|arg| match values(arg.get_id().as_str()) {
        Some(values) => arg.value_parser(PossibleValuesParser::new(values)),
        None => arg,
    });
    command.mut_subcommands(with_values)
}

fn values(arg: &str) -> Option<Vec<&'static str>> {
    Some(match arg {
        "profile" => std::iter::once("auto").chain(profiles::names()).collect(),
        "profile_name" => profiles::names().collect(),
        "no_forward" => TakenSignal::names().collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_values_are_accepted() {
        let listed = |arg: &str| values(arg).unwrap_or_default();
        assert!(listed("no_forward").iter().all(|value| value.parse::<TakenSignal>().is_ok()));
        assert!(listed("profile_name").iter().all(|name| profiles::load(name).is_ok()));
        assert!(listed("no_forward").contains(&"USR1") && listed("profile").contains(&"megatron"));
    }
}
