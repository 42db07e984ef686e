//! Reports for tests: a pretraining run on eight GPUs, and lesser ones made from it.

use std::collections::BTreeMap;

use crate::metrics::registry::{METRICS, Metric, Metrics};
use crate::metrics::window::Basis;
use crate::report::{
    Command, EnergySource, Environment, Exit, Gpu, GpuNow, Host, Iterations, Job, Latency, Log, MeanMax,
    Model, Report, SCHEMA, Series, Status, Window,
};

/// Iteration 142 of 50000 on some GPUs; everything is known.
pub fn training(gpus: u32) -> Report {
    let gpus: Vec<Gpu> = (0..gpus).map(gpu).collect();
    let count = gpus.len();
    Report {
        schema: SCHEMA.to_owned(),
        effllm_version: "0.1.0".to_owned(),
        status: Status::Running,
        command: command(192.4),
        job: Job { world_size: Some(8), nodes: Some(1), ..Job::default() },
        model: Model::default(),
        gpus,
        gpus_left_out: Vec::new(),
        host: Host::default(),
        log: Log {
            profile: Some("megatron".to_owned()),
            profile_source: Some("line 214: 'iteration      127/   50000 | …'".to_owned()),
            lines: 812,
            bytes: 90_000,
            records: 15,
        },
        iterations: Iterations {
            count: 15,
            first: Some(128),
            last: Some(142),
            total: Some(50_000),
            tokens: Some(983_040.0),
            samples: Some(480.0),
            seconds: Some(18.465),
            latency_seconds: Latency { mean: Some(1.231), p95: Some(1.302), ..Latency::default() },
            loss_last: Some(3.245_678),
            ..Iterations::default()
        },
        window: Window::Train,
        phases: BTreeMap::new(),
        environment: Environment::default(),
        uncertainty: BTreeMap::new(),
        metrics: Metrics {
            amu_gb: Some(71.204),
            pcu_ratio: Some(0.987),
            al_seconds: Some(1.231),
            al_p95_seconds: Some(1.302),
            tt_tokens_per_param_per_sec: Some(6.99e-6),
            st_samples_per_param_per_sec: Some(3.413e-9),
            aec_watts: Some(612.4),
            energy_joules: Some(11.16e6),
            joules_per_token: Some(0.7412),
            tokens_per_sec: Some(53_238.0),
            mfu_ratio: Some(0.4123),
            ..Metrics::default()
        },
        metrics_whole_run: Metrics {
            amu_gb: Some(65.31),
            pcu_ratio: Some(0.891),
            aec_watts: Some(540.2),
            energy_joules: Some(13.64e6),
            ..Metrics::default()
        },
        provenance: texts(&[
            ("amu_gb", &format!("NVML memory, {count} GPUs, 2282 samples")),
            ("pcu_ratio", "NVML utilization"),
            ("al_seconds", "log, elapsed time per iteration"),
            ("al_p95_seconds", "log, elapsed time per iteration"),
            (
                "tt_tokens_per_param_per_sec",
                "consumed samples × sequence length 2048, 7.62e9 parameters (log)",
            ),
            ("st_samples_per_param_per_sec", "consumed samples"),
            ("aec_watts", "energy counter"),
            ("energy_joules", "energy counter"),
            ("joules_per_token", "energy counter over consumed tokens"),
            ("tokens_per_sec", "consumed samples × sequence length 2048"),
            ("mfu_ratio", "6 × parameters × tokens/s over 989 TFLOP/s (H100 SXM)"),
        ]),
        unavailable: texts(&[("it_tokens_per_sec", "no generated tokens in this log")]),
        unavailable_whole_run: BTreeMap::new(),
        warnings: Vec::new(),
        gate: None,
        series: Series::default(),
    }
}

/// A log with so many counted iterations of a second each, and nothing else in it.
pub fn counted(iterations: u64) -> Report {
    let why = |metric: &Metric| {
        let is_of_gpus = metric.is_based_on(Basis::is_of_gpus);
        let reason =
            if is_of_gpus { "no GPU was measured" } else { "no iterations were recognised in the log" };
        reason.to_owned()
    };
    let mut report = Report {
        status: Status::Completed,
        command: Command::of(vec!["log".to_owned()]),
        job: Job::default(),
        gpus: Vec::new(),
        log: Log::default(),
        iterations: Iterations::default(),
        window: Window::Run,
        metrics: Metrics::default(),
        metrics_whole_run: Metrics::default(),
        provenance: BTreeMap::new(),
        unavailable: METRICS.iter().map(|metric| (metric.name.to_owned(), why(metric))).collect(),
        ..training(0)
    };
    if iterations > 0 {
        report.window = Window::Train;
        report.iterations.count = iterations;
        report.iterations.seconds = Some(iterations as f64);
    }
    report
}

/// The same run on a machine without a driver.
pub fn without_gpus() -> Report {
    let mut report = training(0);
    let why = "libnvidia-ml.so.1 is not on this machine (effllm gpus explains)";
    for metrics in [&mut report.metrics, &mut report.metrics_whole_run] {
        metrics.amu_gb = None;
        metrics.pcu_ratio = None;
        metrics.aec_watts = None;
        metrics.energy_joules = None;
        metrics.joules_per_token = None;
        metrics.mfu_ratio = None;
    }
    for name in ["amu_gb", "pcu_ratio", "aec_watts", "energy_joules", "joules_per_token", "mfu_ratio"] {
        report.provenance.remove(name);
        report.unavailable.insert(name.to_owned(), why.to_owned());
    }
    report
}

/// A command whose log told of no iterations.
pub fn without_iterations(gpus: u32) -> Report {
    let mut report = training(gpus);
    report.iterations = Iterations::default();
    report.window = Window::Run;
    report.log = Log { lines: 40, ..Log::default() };
    report.metrics = report.metrics_whole_run.clone();
    for name in ["al_seconds", "tt_tokens_per_param_per_sec", "st_samples_per_param_per_sec"] {
        report.unavailable.insert(name.to_owned(), "no iterations were recognised in the log".to_owned());
    }
    report
}

/// The report once the command has ended.
pub fn ended(mut report: Report) -> Report {
    report.status = Status::Completed;
    report.command = Command { exit: Some(Exit::Code(0)), ..command(2530.0) };
    report.iterations.seconds = report.iterations.seconds.map(|_| 2282.0);
    report
}

fn command(wall_seconds: f64) -> Command {
    let argv = "bash run_mcore_qwen.sh dsw 7B 4 32 1e-5 1e-6 2048 2048 bf16 2 1 1 true true true false false";
    Command {
        argv: argv.split(' ').map(str::to_owned).collect(),
        cwd: None,
        started_at: None,
        wall_seconds: Some(wall_seconds),
        suspended_seconds: Some(0.0),
        exit: None,
        cpu_seconds: None,
        max_rss_bytes: None,
        python_unbuffered_set: true,
    }
}

fn gpu(index: u32) -> Gpu {
    let more = f64::from(index);
    Gpu {
        index,
        uuid: None,
        name: Some("NVIDIA H100 80GB HBM3".to_owned()),
        memory_total_bytes: Some(85_520_809_984),
        power_limit_watts: Some(700.0),
        selected_because: "--gpus all".to_owned(),
        energy_source: Some(EnergySource::Counter),
        samples: 192,
        coverage_ratio: Some(1.0),
        memory_used_bytes: MeanMax::default(),
        utilization_ratio: MeanMax::default(),
        power_watts: MeanMax::default(),
        temperature_celsius: MeanMax::default(),
        sm_clock_mhz: MeanMax::default(),
        energy_joules: Some(118_000.0 + 150.0 * more),
        job_processes: None,
        other_processes: None,
        now: GpuNow {
            memory_used_bytes: Some(71.2e9 - 0.03e9 * more),
            utilization_ratio: Some(if index == 5 { 1.0 } else { 0.99 }),
            power_watts: Some(655.0 - 2.0 * more),
            temperature_celsius: (index != 6).then_some(61.0 - more / 3.0),
            sm_clock_mhz: Some(1755.0 + 15.0 * more),
        },
        unavailable: BTreeMap::new(),
    }
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}
