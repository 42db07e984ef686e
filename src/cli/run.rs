//! `effllm run -- CMD`: the main job.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Args};

use crate::config::{Options, Settings, metrics_enabled};
use crate::error::Error;
use crate::process;
use crate::run;
use crate::text::say;

const NOT_JUDGED: &str = "\
effllm: warning: EFFICIENTLLM_METRICS_ENABLED=false: nothing is measured, and the gate is not judged
  unset the variable to judge the gate\n";

/// Run a command unmodified, and report the metrics of its run
#[derive(Debug, Args)]
#[command(
    before_help = "\
Examples:
  effllm run -- bash run_mcore_qwen.sh dsw 7B 4 …          a launch script
  effllm run -o - -- ./train.sh | jq .metrics              the report on stdout
  effllm run --pattern 'step (?P<iteration>\\d+)' -- ./toy  a custom log",
    after_help = "\
Exit status: the command's own, or death by the same signal; 127 command not found, 126 not \
executable, 125 effllm failed before the command ran, 99 the command succeeded and a requirement \
failed, 2 invalid flags, rules, expressions or settings."
)]
pub struct Run {
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,

    #[command(flatten)]
    _options: Options,
}

impl Run {
    pub fn run(self, arguments: &ArgMatches) -> Result<ExitCode, Error> {
        if !metrics_enabled()? {
            if Settings::has_requirements(arguments) {
                say(NOT_JUDGED);
            }
            return Err(process::exec(&self.command, None));
        }
        let settings = Settings::resolve(arguments)?;
        let origins = settings.origins.clone();
        run::run(settings, &self.command).map_err(|error| origins.attach_origin(error))?.imitate()
    }
}
