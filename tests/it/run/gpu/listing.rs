//! `effllm gpus`: the GPUs that are there.

use crate::harness::TestEnv;

#[test]
fn the_list_of_gpus_shows_what_can_be_measured_of_each_and_why_not() {
    let mut shell = TestEnv::new();
    shell.gpus(
        "driver = '570.86.15'
         gpu = [{ uuid = 'GPU-1a2b' }, { uuid = 'GPU-3c4d', energy = false }]",
    );
    let done = shell.effllm(["gpus"]).done();
    let stdout = done.stdout();
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(lines[0].starts_with("0  NVIDIA H100 80GB HBM3  GPU-1a2b  85.9 GB"), "{stdout}");
    assert!(lines[0].contains("  driver 570.86.15  "), "{stdout}");
    let all = "     memory ✓   utilization ✓   power ✓   energy counter ✓   temperature ✓   SM clock ✓";
    assert_eq!(lines[1], all);
    let second = stdout.split("1  NVIDIA").nth(1).expect("a second GPU");
    assert!(second.contains("power ✓   energy counter ✗"), "{stdout}");
    assert!(second.contains("     no energy counter: NVML: not supported (nvmlDeviceGetTotal"), "{stdout}");
}

#[test]
fn the_list_of_gpus_of_a_machine_without_any_is_a_plain_word_and_a_broken_library_a_failure() {
    let mut shell = TestEnv::new();
    shell.gpus("gpu = []");
    let done = shell.effllm(["gpus"]).done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "no GPU: NVML shows no GPU on this node\n"));
    shell.set("EFFLLM_NVML_LIB", "/nowhere/libnvidia-ml.so.1");
    let done = shell.effllm(["gpus"]).done();
    assert_eq!(done.code(), Some(1));
    assert!(done.stderr().contains("no GPU can be measured here: /nowhere/lib"), "{}", done.stderr());
    assert!(done.stderr().contains("works all the same"), "{}", done.stderr());
}
