//! What a shell offers as the value of an option. The options' own types read more than a list can
//! say, and tell better what is wrong with a value, so that this is for completions alone.

use clap::Command;
use clap::builder::PossibleValuesParser;

use crate::log::profiles;
use crate::process::TakenSignal;

/// The command with the values of those options that have a list of them.
pub fn offered(command: Command) -> Command {
    let command = command.mut_args(|arg| match values(arg.get_id().as_str()) {
        Some(values) => arg.value_parser(PossibleValuesParser::new(values)),
        None => arg,
    });
    command.mut_subcommands(offered)
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
    fn what_is_offered_is_taken() {
        let offered = |arg: &str| values(arg).unwrap_or_default();
        assert!(offered("no_forward").iter().all(|value| value.parse::<TakenSignal>().is_ok()));
        assert!(offered("profile_name").iter().all(|name| profiles::load(name).is_ok()));
        assert!(offered("no_forward").contains(&"USR1") && offered("profile").contains(&"megatron"));
    }
}
