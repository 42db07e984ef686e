//! How fast logs are read: `cargo bench --bench parsing`.
//!
//! Each built-in profile reads lines that it recognises, and lines of the same words that it does
//! not: its logs in `fixtures/logs` with a letter for each digit. They are read by the profile alone
//! and with all profiles tried side by side, as it is until one is chosen; there text that concerns
//! no profile must cost little, for it is what most bytes of most logs are.

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::fs;
use std::path::Path;
use std::time::Instant;

use effllm::event::Stream;
use effllm::log::{LogReader, profiles};

/// Bytes of each log that is made.
const LENGTH: usize = 4 << 20;
const REPETITIONS: usize = 3;

fn main() {
    println!("{:14} {:>16} {:>22} {:>22}", "MB/s", "own lines", "no number in them", "the same, undecided");
    for rules in profiles::load_all().expect("profiles") {
        let own = own_lines(&rules.name);
        let other = own.replace(|c: char| c.is_ascii_digit(), "x");
        let alone = || LogReader::with_rules(rules.clone(), "the benchmark");
        println!(
            "{:14} {:16.0} {:22.0} {:22.0}",
            rules.name,
            speed(alone, &own),
            speed(alone, &other),
            speed(detecting, &other)
        );
    }
    println!("{:14} {:16} {:22} {:22.0}", "no profile's", "", "", speed(detecting, &repeated(&text())));
}

fn detecting() -> LogReader {
    LogReader::detecting(profiles::load_all().expect("profiles"))
}

/// The best of a few times that a log is read, in MB/s.
fn speed(reader: impl Fn() -> LogReader, log: &str) -> f64 {
    let seconds = (0..REPETITIONS).map(|_| {
        let mut reader = reader();
        let mut events = Vec::new();
        let begun = Instant::now();
        for chunk in log.as_bytes().chunks(1 << 16) {
            reader.push(Stream::Stdout, chunk, 0.0, &mut events);
            events.clear();
        }
        reader.finish(&mut events);
        begun.elapsed().as_secs_f64()
    });
    log.len() as f64 / 1e6 / seconds.fold(f64::INFINITY, f64::min)
}

/// A profile's logs in `fixtures/logs`, again and again.
fn own_lines(profile: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/logs");
    let mut logs: Vec<_> =
        fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("an entry").path()).collect();
    logs.sort();
    let is_own = |log: &&std::path::PathBuf| {
        let name = log.file_name().expect("a name").to_string_lossy();
        name.starts_with(profile) && name.ends_with(".log")
    };
    let text: String =
        logs.iter().filter(is_own).map(|log| fs::read_to_string(log).expect("a log")).collect();
    repeated(&text)
}

fn repeated(text: &str) -> String {
    assert!(!text.is_empty(), "nothing to read");
    text.repeat(LENGTH / text.len() + 1)
}

fn text() -> String {
    [
        "2026-03-02 10:00:00,001 INFO worker: request 4711 served in 12.5 ms, 200 OK",
        "    for (index, entry) in entries.iter().enumerate() {",
        "r9i1n7:8760:9309 [0] NCCL INFO comm 0x14da8c001060 rank 15 nranks 16 - Init COMPLETE",
        "warning: unused variable: `iterations`, step by step, at a loss",
        "",
    ]
    .join("\n")
}
