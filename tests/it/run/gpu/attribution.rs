//! Whose GPUs: those that the command's processes use, and who else uses them.

use super::measured;
use crate::harness::{Report, TestEnv, assert_near};

/// Four GPUs without energy counters; the list gives each one's processes.
fn gpus(processes: [&str; 4]) -> String {
    let gpu = |processes| format!("{{ power_watts = 100, energy = false, processes = [{processes}] }}");
    format!("gpu = [{}]", processes.map(gpu).join(", "))
}

const OURS: &str = "{ pid = 'descendants', used_mib = 1000 }";

/// A command that lasts until a condition of the shell holds.
fn until(condition: &str) -> String {
    format!("until {condition}; do sleep 0.05; done")
}

/// Lasts until so many GPUs count in the live metrics.
fn until_counted(gpus: u32) -> String {
    until(&format!("[ $(grep -c ^effllm_gpu_power_watts live.prom) = {gpus} ]"))
}

/// Lasts until the processes of the GPUs have been looked at some times.
fn until_looked_at() -> String {
    until("[ $(grep -c ComputeRunningProcesses nvml-calls.jsonl) -gt 24 ]")
}

fn run(env: &TestEnv, options: &str, script: &str) -> Report {
    env.write("live.prom", "");
    env.run(&format!("--interval 0.05 --openmetrics live.prom {options}"), script).done().report()
}

fn left_out(report: &Report) -> Vec<u64> {
    let gpus = report.at("gpus_left_out").as_array().expect("a list");
    gpus.iter().map(|gpu| gpu["index"].as_u64().expect("an index")).collect()
}

#[test]
fn only_gpus_that_processes_of_the_command_are_on_count() {
    let mut env = TestEnv::new();
    env.gpus(&gpus([OURS, "", OURS, ""]));
    // Workers in sessions of their own are the command's, too.
    let report = run(&env, "", &format!("setsid -w sh -c '{}'", until_counted(2)));
    assert_eq!((measured(&report), left_out(&report)), (vec![0, 2], vec![1, 3]));
    assert_near(report.metric("aec_total_watts"), 200.0, 1e-9);
    assert!(report.text("gpus.0.selected_because").ends_with("; processes of the command were on it"));
    assert_eq!(
        report.text("gpus_left_out.0.selected_because"),
        "left out: no process of the command was seen on it"
    );
    assert!(report.number("gpus_left_out.0.energy_joules") > 0.0);
    assert!(report.number("gpus.0.job_processes.memory_bytes_max") >= 1000.0 * 1024.0 * 1024.0);
    assert_eq!(report.at("gpus.0.other_processes.processes_max"), 0);
    assert_eq!(
        report.warnings(),
        ["GPUs 1, 3 left out: no process of the command was seen on it; --gpus all measures every GPU"]
    );
    let sums = report.at("phases.startup.sums.gpus");
    assert!(sums.is_null() || sums.as_object().is_some_and(|sums| sums.len() == 2), "{sums}");
    // Who is named, counts.
    let report = run(&env, "--gpus all", "sleep 0.3");
    assert_eq!((measured(&report), left_out(&report)), (vec![0, 1, 2, 3], vec![]));
}

#[test]
fn a_variable_that_a_script_sets_chooses_the_gpus() {
    let mut env = TestEnv::new();
    env.gpus(&gpus([""; 4]));
    let script = |gpus| format!("export CUDA_VISIBLE_DEVICES=1,3; sh -c '{}'", until_counted(gpus));
    let report = run(&env, "", &script(2));
    assert_eq!((measured(&report), left_out(&report)), (vec![1, 3], vec![0, 2]));
    assert_eq!(
        report.text("gpus.0.selected_because"),
        "CUDA_VISIBLE_DEVICES=1,3 of a process of the command"
    );
    assert_near(report.metric("aec_total_watts"), 200.0, 1e-9);
    // One variable for each worker: all of them count.
    let worker = |gpu: u32| format!("CUDA_VISIBLE_DEVICES={gpu} sh -c '{}' & ", until_counted(2));
    let report = run(&env, "", &format!("{}{}wait", worker(0), worker(3)));
    assert_eq!(measured(&report), [0, 3]);
    // Processes that are on a GPU tell more than a variable.
    let mut env = TestEnv::new();
    env.gpus(&gpus(["", OURS, "", ""]));
    assert_eq!(measured(&run(&env, "", &script(1))), [1]);
}

#[test]
fn pids_of_another_namespace_leave_nothing_out() {
    let mut env = TestEnv::new();
    env.gpus(&gpus(["{ pid = 999999999 }", "{ pid = 999999998 }", "", ""]));
    let report = run(&env, "", &until_looked_at());
    assert_eq!((measured(&report), left_out(&report)), (vec![0, 1, 2, 3], vec![]));
    assert!(report.at("gpus.0.other_processes").is_null());
    assert_eq!(report.warnings(), [""; 0]);
}

#[test]
fn others_on_the_gpus_are_told() {
    let mut env = TestEnv::new();
    let other = "{ pid = 'parent', used_mib = 2000 }";
    env.gpus(&gpus([&format!("{OURS}, {other}"), other, "", ""]));
    let report = run(&env, "", &format!("{}; {}", until_looked_at(), until_counted(1)));
    assert_eq!(measured(&report), [0]);
    assert_eq!(report.at("gpus.0.other_processes.processes_max"), 1);
    assert_near(report.number("gpus.0.other_processes.time_ratio"), 1.0, 1e-9);
    let told = "GPU 0: other processes used it for 100 % of the time (at most 1, with 2.1 GB)";
    assert!(report.warnings().contains(&told), "{:?}", report.warnings());
}

#[test]
fn a_gpu_that_joins_late_counts_from_then_on() {
    let mut env = TestEnv::new();
    env.gpus(&gpus([OURS, "{ pid = 'descendants', from_s = 7 }", "", ""]));
    let steps = "for i in $(seq 100); do sleep 0.1; echo \"step $i took 100.0 ms\"; done";
    let options = r"--interval 0.1 --pattern step.(?P<iteration>\d+).took.(?P<step_time_ms>[\d.]+)";
    let report = env.run(options, steps).done().report();
    assert_eq!(measured(&report), [0, 1]);
    let share = report.number("gpus.1.energy_joules") / report.number("gpus.0.energy_joules");
    assert!(0.0 < share && share < 0.6, "{share}");
    let mean = 100.0 * (1.0 + share);
    assert_near(report.metric("aec_total_watts"), mean, 0.05);
    assert!(report.metric("energy_joules") > 0.0);
}
