//! What effllm reports of a program: its output through the real parser into the real recorder, as `run` does it, on
//! the program's clock.

use std::sync::LazyLock;

use super::program::{Program, Write};
use crate::fuzz::targets::PROFILES;
use crate::library::{
    Command, Event, GpuIdentity, GpuSample, Job, LogReader, Options, Recorder, Report, Rules, Sourced,
    Status, Stream,
};

/// A reader that knows no log yet.
static DETECTING: LazyLock<LogReader> = LazyLock::new(|| LogReader::detecting(PROFILES.clone()));

/// How effllm is called.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call<'a> {
    /// By these rules; else by the profile that recognises the log.
    pub pattern: Option<&'a str>,
    pub sequence_length: Option<f64>,
    pub global_batch_size: Option<f64>,
    pub warmup: u64,
}

/// After so long without output, `run` takes the newest record as it is.
const SILENCE: f64 = 1.0;
/// The time between two samples of the GPUs; each change of their power is sampled besides.
const SAMPLE_INTERVAL: f64 = 1.0;
/// What passes until effllm sees that a program has ended.
const NOTICED: f64 = 0.005;

impl Call<'_> {
    /// `effllm run`: the report of a program that has ended.
    pub fn run(&self, program: &Program) -> Report {
        let (mut reader, mut recorder) = (self.reader(), self.recorder(true));
        recorder.started(0.0, "2026-01-09T14:00:00Z".to_owned());
        recorder.fold(Event::GpusFound((0..program.gpus).map(gpu).collect()));
        let end = program.now + NOTICED;
        let mut samples = samples(program, end).into_iter().peekable();
        let mut events = Vec::new();
        let mut last = f64::INFINITY;
        for (i, Write { at, stream, bytes }) in program.writes.iter().enumerate() {
            // A pump sees bytes some tenths of a millisecond late.
            let at = at + 1e-4 + (i * 7 % 4) as f64 * 5e-5;
            while let Some(sample) = samples.next_if(|(sampled, _)| *sampled <= at) {
                recorder.fold(Event::Gpu(sample.1));
            }
            if at - last > SILENCE {
                reader.pause(&mut events);
            }
            last = at;
            reader.push(*stream, bytes, at, &mut events);
            take(&reader, &mut recorder, &mut events);
        }
        recorder.close(end);
        samples.for_each(|(_, sample)| recorder.fold(Event::Gpu(sample)));
        reader.finish(&mut events);
        take(&reader, &mut recorder, &mut events);
        recorder.ended(end, Status::Completed, |_| {});
        recorder.report(end)
    }

    /// `effllm parse` on the program's log, which knows no arrival times.
    pub fn parse(&self, program: &Program) -> Report {
        let (mut reader, mut recorder) = (self.reader().of_a_file(), self.recorder(false));
        let mut events = Vec::new();
        for Write { bytes, .. } in &program.writes {
            reader.push(Stream::Stdout, bytes, 0.0, &mut events);
            take(&reader, &mut recorder, &mut events);
        }
        reader.finish(&mut events);
        take(&reader, &mut recorder, &mut events);
        recorder.ended(0.0, Status::Completed, |_| {});
        recorder.report(0.0)
    }

    fn reader(&self) -> LogReader {
        match self.pattern {
            Some(pattern) => {
                LogReader::with_rules(Rules::from_pattern(pattern).expect("a pattern"), "--pattern")
            }
            None => DETECTING.clone(),
        }
    }

    fn recorder(&self, is_live: bool) -> Recorder {
        let given =
            |value: Option<f64>, flag: &str| Sourced { value, source: value.map(|_| format!("--{flag}")) };
        let options = Options {
            sequence_length: given(self.sequence_length, "seq-len"),
            global_batch_size: given(self.global_batch_size, "global-batch-size"),
            warmup: self.warmup,
            history_size: 64,
            interval: 1.0,
            ..Options::default()
        };
        let mut command = Command::of(vec!["train".to_owned()]);
        command.started_at = is_live.then(String::new);
        Recorder::new(options, command, Job::default())
    }
}

/// Hands events over as the follower of a running command does.
fn take(reader: &LogReader, recorder: &mut Recorder, events: &mut Vec<Event>) {
    recorder.fold(Event::LogRead { lines: reader.lines(), bytes: reader.bytes() });
    if let Some((name, because)) = reader.profile() {
        recorder.fold(Event::Profile { name: name.to_owned(), because: because.to_owned() });
    }
    events.drain(..).for_each(|event| recorder.fold(event));
}

fn gpu(index: u32) -> GpuIdentity {
    GpuIdentity { source: "NVML", index, uuid: Some(format!("GPU-{index}")), ..GpuIdentity::default() }
}

/// What the GPUs show until a moment: power, and an energy counter.
fn samples(program: &Program, end: f64) -> Vec<(f64, Vec<GpuSample>)> {
    let sampled = (end / SAMPLE_INTERVAL) as u32;
    let mut moments: Vec<f64> = (0..=sampled).map(|i| f64::from(i) * SAMPLE_INTERVAL).collect();
    moments.extend(program.watts.iter().map(|(from, _)| *from));
    moments.push(end);
    moments.sort_by(f64::total_cmp);
    moments.dedup();
    let (mut power, mut joules, mut last) = (0.0, 0.0, 0.0);
    let mut changes = program.watts.iter().peekable();
    let sample = |at: f64| {
        joules += power * (at - last);
        last = at;
        while let Some((_, watts)) = changes.next_if(|(from, _)| *from <= at) {
            power = *watts;
        }
        let of_gpu = |index| GpuSample {
            at,
            index,
            memory_used_bytes: Some(4e9),
            utilization_ratio: Some(0.9),
            power_watts: Some(power),
            energy_joules: Some(1e6 + joules),
            ..GpuSample::default()
        };
        (at, (0..program.gpus).map(of_gpu).collect())
    };
    moments.into_iter().map(sample).collect()
}
