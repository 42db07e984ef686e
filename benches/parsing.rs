//! How fast logs are read: `cargo bench --bench parsing`.
//!
//! Text that concerns no profile is what most bytes of most logs are; it must cost little while
//! all profiles are tried side by side. The other logs are read by the profile that was chosen.

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::fmt::Write as _;
use std::time::Instant;

use effllm::log::{LogReader, Source, profiles};

fn main() {
    measure("text that concerns no profile", &text(20 << 20));
    measure("Megatron's iteration lines", &megatron(20_000));
    measure("a progress bar", &bar(50_000));
}

fn measure(what: &str, log: &str) {
    let mut best = f64::INFINITY;
    let mut records = 0;
    for _ in 0..3 {
        let mut reader = LogReader::detecting(profiles::load_all().expect("profiles"));
        let mut events = Vec::new();
        records = 0;
        let begun = Instant::now();
        for chunk in log.as_bytes().chunks(1 << 16) {
            reader.push(Source::Stdout, chunk, 0.0, &mut events);
            records += events.drain(..).count();
        }
        reader.finish(&mut events);
        best = best.min(begun.elapsed().as_secs_f64());
    }
    let megabytes = log.len() as f64 / 1e6;
    println!(
        "{what:32} {:6.0} MB/s  {:9.0} lines/s  {records} events",
        megabytes / best,
        log.lines().count() as f64 / best
    );
}

fn text(bytes: usize) -> String {
    let lines = [
        "2026-03-02 10:00:00,001 INFO worker: request 4711 served in 12.5 ms, 200 OK",
        "    for (index, entry) in entries.iter().enumerate() {",
        "r9i1n7:8760:9309 [0] NCCL INFO comm 0x14da8c001060 rank 15 nranks 16 - Init COMPLETE",
        "warning: unused variable: `iterations`, step by step, at a loss",
        "",
    ];
    let mut text = String::new();
    while text.len() < bytes {
        lines.iter().for_each(|line| text.extend([line, "\n"]));
    }
    text
}

fn megatron(lines: u64) -> String {
    let mut log = String::new();
    for i in 1..=lines {
        let _ = writeln!(
            log,
            " [2026-03-02 10:00:06] iteration {i:8}/{lines:8} | consumed samples: {:12} | elapsed time per iteration \
             (ms): 512.5 | throughput per GPU (TFLOP/s/GPU): 402.3 | learning rate: 5.000000E-05 | global batch size: \
             512 | lm loss: 1.031877E+01 | loss scale: 1.0 | grad norm: 0.481 | number of skipped iterations:   0 | \
             number of nan iterations:   0 |",
            i * 512
        );
    }
    log
}

fn bar(lines: u64) -> String {
    let mut log = "***** Running training *****\n".to_owned();
    for i in 0..lines {
        let _ = write!(log, "\r{:3}%|#####     | {i}/{lines} [00:01<00:01,  4.00it/s]", i * 100 / lines);
    }
    log
}
