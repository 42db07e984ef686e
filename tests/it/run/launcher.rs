//! The main job over a launch script as people have them: `fixtures/launcher`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/launcher/run_mcore_tiny.sh");

/// Runs the script under effllm for so many iterations; answers with its output and the report.
fn run(folder: &Path, iterations: u32, prepare: impl FnOnce(&mut Command)) -> (Output, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_effllm"));
    command.current_dir(folder).args(["run", "--quiet", "--gpus", "none", "--", "bash", SCRIPT]);
    command.args("dsw tiny 1 8 1e-4 1e-5 128 128 bf16 1 1 1".split(' ')).arg(iterations.to_string());
    prepare(&mut command);
    let output = command.output().expect("effllm runs");
    let report = std::fs::read_to_string(folder.join("effllm-report.json")).expect("a report");
    (output, serde_json::from_str(&report).expect("JSON"))
}

fn lines_with(output: &Output, what: &str) -> usize {
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains(what)).count()
}

#[test]
fn a_launch_script_is_run_as_it_is_and_reported_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, report) = run(folder.path(), 4, |_| {});
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines_with(&output, "torchrun --nproc_per_node 1 "), 1);
    assert_eq!(lines_with(&output, "] iteration "), 4);
    assert_eq!(lines_with(&output, "validation loss at iteration"), 1);
    assert_eq!(lines_with(&output, "saving checkpoint at iteration"), 1);

    assert_eq!(report["log"]["profile"], "megatron");
    assert_eq!(report["iterations"]["count"], 4);
    assert_eq!(report["iterations"]["samples"], 32.0);
    assert_eq!(report["iterations"]["tokens"], 4096.0);
    assert_eq!(report["model"]["parameters"]["value"], 4_999_424.0);
    assert_eq!(report["job"]["world_size"], 1);
    // The elapsed times are measured, so they fit into the wall time.
    let iterating = report["iterations"]["seconds"].as_f64().expect("seconds");
    let wall = report["command"]["wall_seconds"].as_f64().expect("seconds");
    assert!(1.5 < iterating && iterating < wall, "{iterating} of {wall} s");
}

#[test]
fn the_launcher_starts_a_worker_for_each_gpu_of_a_cluster_container() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, report) = run(folder.path(), 2, |command| {
        let cluster = [("WORLD_SIZE", "1"), ("RANK", "0"), ("KUBERNETES_CONTAINER_RESOURCE_GPU", "4")];
        *command = with_env_argument(command, "dlc");
        command.envs(cluster);
    });
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines_with(&output, "] iteration "), 2, "only the last rank prints them");
    assert_eq!(report["job"]["world_size"], 4);
    assert_eq!(report["iterations"]["count"], 2);
}

/// The same command with another first argument for the script.
fn with_env_argument(command: &Command, env: &str) -> Command {
    let mut other = Command::new(command.get_program());
    other.args(command.get_args().map(|argument| if argument == "dsw" { env.as_ref() } else { argument }));
    other.current_dir(command.get_current_dir().expect("a folder"));
    other
}

#[test]
fn a_script_that_fails_hands_its_exit_status_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, report) = run(folder.path(), 2, |command| *command = with_env_argument(command, "nowhere"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["command"]["exit"]["code"], 1);
}
