//! What is fuzzed, and what must hold whatever comes: one body for each target, used by libFuzzer
//! (`fuzz_targets/`) and, on a stable compiler, by the tests (`tests/it/fuzz`).

use std::sync::LazyLock;

use effllm::config::SettingOrigins;
use effllm::event::{Event, Stream};
use effllm::gate::Expression;
use effllm::log::lines::{LONGEST_LINE, LineSplitter};
use effllm::log::{LogReader, Rules, profiles};
use effllm::recorder::{Options, Recorder};
use effllm::report::Report;
use effllm::report::{Command, Job, Status};

/// A target's name and its body.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 5] =
    [("splitter", splitter), ("rules", rules), ("parser", parser), ("gate", gate), ("config", config)];

/// However bytes are cut, the lines are those of the whole, and none is longer than what is kept.
pub fn splitter(data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let lines = |size: usize| {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for (i, chunk) in bytes.chunks(size).enumerate() {
            splitter.push(chunk, i as f64, |line, at| {
                assert!(at.first <= at.last && at.last <= i as f64, "{at:?} in chunk {i}");
                lines.push(line.to_vec());
            });
        }
        splitter.finish(|line, _| lines.push(line.to_vec()));
        lines
    };
    let whole = lines(bytes.len().max(1));
    assert_eq!(lines(usize::from(size).max(1)), whole);
    assert!(whole.iter().all(|line| !line.is_empty() && line.len() <= LONGEST_LINE));
}

/// Any text is rules, or an error that says where; rules that are read can be compiled and used.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Rules::parse(&text, "fuzz.toml", "fuzz") {
        Ok(rules) => follow(LogReader::with_rules(rules, "fuzz"), data),
        Err(error) => assert!(error.exit == 2 && error.location.is_some(), "{error}"),
    }
    match Rules::from_pattern(&text) {
        Ok(rules) => follow(LogReader::with_rules(rules, "fuzz"), data),
        Err(error) => assert!(error.exit == 2 && error.location.is_some(), "{error}"),
    }
}

/// Any log, read by any profile or by the one that recognises it, leads to a report of finite numbers.
pub fn parser(data: &[u8]) {
    let Some((&choice, log)) = data.split_last() else { return };
    follow(reader(choice.into()), log);
}

/// A reader by one of the built-in profiles, or by detection.
pub fn reader(choice: usize) -> LogReader {
    match PROFILES.get(choice % (PROFILES.len() + 1)) {
        Some(rules) => LogReader::with_rules(rules.clone(), "fuzz"),
        None => LogReader::detecting(PROFILES.clone()),
    }
}

/// Any text is a requirement that prints as itself, or an error that shows where.
pub fn gate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Expression>() {
        Ok(expression) => {
            let printed = expression.to_string();
            assert_eq!(printed.parse().as_ref(), Ok(&expression), "{printed}");
        }
        Err(error) => {
            let told = error.to_string();
            assert!(told.contains('^'), "{told}");
        }
    }
}

/// Any text is a configuration or an error.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(settings) = effllm::config::parse_file("fuzz.toml".as_ref(), &text) else { return };
    let set = |origins: &mut SettingOrigins| {
        for (key, values) in &settings {
            let _ = origins.set(key, values.clone(), "");
        }
        format!("{:?}", origins.options().expect("values that were read one by one"))
    };
    let mut origins = SettingOrigins::default();
    assert_eq!(set(&mut origins), set(&mut origins), "settings that are set twice are the same");
}

/// The built-in profiles, with every pattern compiled: copies share it.
pub static PROFILES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let profiles = profiles::load_all().unwrap_or_else(|error| panic!("{error}"));
    for pattern in profiles.iter().flat_map(Rules::patterns) {
        pattern.compile().unwrap_or_else(|error| panic!("{}: {}", pattern.text(), error.what));
    }
    profiles
});

/// Reads a log as it would be while a command runs, and looks at the report again and again.
pub fn follow(mut reader: LogReader, log: &[u8]) {
    let options = Options { history_size: 8, interval: 1.0, ..Options::default() };
    let mut command = Command::of(vec!["fuzz".to_owned()]);
    command.started_at = Some("2025-01-01T00:00:00Z".to_owned());
    let mut recorder = Recorder::new(options, command, Job::default());
    // Chunks of several sizes on both streams, some with a pause behind them.
    let size = 1 + log.first().map_or(0, |byte| usize::from(*byte) * 17);
    let mut events = Vec::new();
    let (mut at, mut before) = (0.0, [0; 4]);
    for (i, chunk) in log.chunks(size).enumerate() {
        at += 0.25;
        let source = if i % 3 == 2 { Stream::Stderr } else { Stream::Stdout };
        reader.push(source, chunk, at, &mut events);
        if i % 5 == 4 {
            reader.pause(&mut events);
        }
        events.drain(..).for_each(|event| recorder.fold(event));
        recorder.fold(Event::LogRead { lines: reader.lines(), bytes: (i * size + chunk.len()) as u64 });
        // Each look costs as much as a short log.
        if i % 16 == 0 {
            before = check(&recorder.report(at), before);
        }
    }
    reader.finish(&mut events);
    events.drain(..).for_each(|event| recorder.fold(event));
    recorder.ended(at, Status::Completed, |_| {});
    check(&recorder.report(at), before);
}

/// A report is JSON that reads as itself, its numbers are finite, and its counts only grow.
fn check(report: &Report, before: [u64; 4]) -> [u64; 4] {
    let json = effllm::output::json(report);
    let read: Report = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let again = effllm::output::json(&read);
    let changed = json.lines().zip(again.lines()).find(|(line, again)| line != again);
    assert_eq!(changed, None, "a report that is read and written again is another one");
    // JSON has no NaN: one would have become null.
    let shown = format!("{report:?}");
    let mut words = shown.split(|c: char| !c.is_alphanumeric());
    assert!(!words.any(|word| matches!(word, "NaN" | "inf")), "{:?} {:?}", report.iterations, report.metrics);
    for (metric, value) in report.metrics.each().chain(report.metrics_whole_run.each()) {
        assert!(value.is_none_or(|value| value >= 0.0), "{}: {value:?}", metric.name);
    }
    assert!(report.metrics.goodput_ratio.is_none_or(|ratio| ratio <= 1.0), "{:?}", report.metrics);
    let iterations = &report.iterations;
    assert!(iterations.seconds.is_none_or(|seconds| seconds > 0.0), "{iterations:?}");
    let counts =
        [iterations.count + iterations.warmup, report.log.records, report.log.lines, report.log.bytes];
    for (count, before) in counts.iter().zip(before) {
        assert!(*count >= before, "a count has fallen: {counts:?} after {before:?}");
    }
    counts
}
