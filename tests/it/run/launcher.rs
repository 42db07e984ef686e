//! The main job over a launch script as people have them: `fixtures/launcher`.

use crate::harness::{Call, Done, ROOT, TestEnv};

/// The script under effllm, with its first argument and a number of iterations.
fn launch<'a>(env: &'a TestEnv, environment: &str, iterations: u32) -> Call<'a> {
    let script = format!("{ROOT}/fixtures/launcher/run_mcore_tiny.sh");
    let arguments = format!("{environment} tiny 1 8 1e-4 1e-5 128 128 bf16 1 1 1 {iterations}");
    let effllm = ["run", "--quiet", "--gpus", "none", "--", "bash", &script];
    env.effllm(effllm.into_iter().chain(arguments.split(' ')))
}

fn lines_with(done: &Done, text: &str) -> usize {
    done.stdout().lines().filter(|line| line.contains(text)).count()
}

#[test]
fn a_launch_script_is_run_as_it_is_and_reported_on() {
    let env = TestEnv::new();
    let done = launch(&env, "dsw", 4).done();
    let report = done.report();
    assert_eq!(lines_with(&done, "torchrun --nproc_per_node 1 "), 1);
    assert_eq!(lines_with(&done, "] iteration "), 4);
    assert_eq!(lines_with(&done, "validation loss at iteration"), 1);
    assert_eq!(lines_with(&done, "saving checkpoint at iteration"), 1);

    assert_eq!(report.text("log.profile"), "megatron");
    assert_eq!(report.at("iterations.count"), 4);
    assert_eq!(report.number("iterations.samples"), 32.0);
    assert_eq!(report.number("iterations.tokens"), 4096.0);
    assert_eq!(report.number("model.parameters.value"), 4_999_424.0);
    assert_eq!(report.at("job.world_size"), 1);
    // The elapsed times are measured, so they fit into the wall time.
    let iterating = report.number("iterations.seconds");
    let wall = report.number("command.wall_seconds");
    assert!(1.5 < iterating && iterating < wall, "{iterating} of {wall} s");
}

#[test]
fn the_launcher_starts_a_worker_for_each_gpu_of_a_cluster_container() {
    let mut env = TestEnv::new();
    env.set("WORLD_SIZE", "1").set("RANK", "0").set("KUBERNETES_CONTAINER_RESOURCE_GPU", "4");
    let done = launch(&env, "dlc", 2).done();
    let report = done.report();
    assert_eq!(lines_with(&done, "] iteration "), 2, "only the last rank prints them");
    assert_eq!(report.at("job.world_size"), 4);
    assert_eq!(report.at("iterations.count"), 2);
}

#[test]
fn a_script_that_fails_hands_its_exit_status_on() {
    let env = TestEnv::new();
    assert_eq!(launch(&env, "nowhere", 2).done().code(), Some(1));
    assert_eq!(env.report().at("command.exit.code"), 1);
}
