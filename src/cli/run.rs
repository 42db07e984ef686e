//! `effllm run -- CMD`: the main job.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::config::{Flags, Options, Settings, metrics_enabled};
use crate::error::Error;
use crate::process;
use crate::run;

const EXAMPLES: &str = "\
Examples:
  effllm run -- bash run_mcore_qwen.sh dsw 7B 4 …          a launch script as is
  effllm run -o - -- ./train.sh | jq .metrics              the report on stdout
  effllm run --pattern 'step (?P<iteration>\\d+)' -- ./toy  a log of one's own";

const EXIT_STATUS: &str = "\
Exit status: the command's own, and death by its signal; 127 no such command, 126 it cannot be \
executed, 125 effllm failed before it ran, 99 it succeeded and what was required does not hold, \
2 bad flags, rules, expressions or settings.";

const NOT_JUDGED: &str = "\
effllm: warning: nothing is measured with EFFICIENTLLM_METRICS_ENABLED=false, so what is required is not judged
  unset the variable where a gate is to fail\n";

/// Run a command as it is, and report the metrics of its run
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, after_help = EXIT_STATUS)]
pub struct Run {
    #[command(flatten)]
    flags: Flags<Options>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Run {
    pub fn run(self) -> Result<ExitCode, Error> {
        if !metrics_enabled()? {
            if Settings::has_requirements(self.flags) {
                say(NOT_JUDGED);
            }
            return Err(process::exec(&self.command, None));
        }
        let settings = Settings::resolve(self.flags)?;
        let origins = settings.origins.clone();
        run::run(settings, &self.command).map_err(|error| origins.attach_origin(error))?.imitate()
    }
}
