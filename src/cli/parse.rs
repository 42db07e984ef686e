//! `effllm parse`: the log half of the main job, on a log that exists.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::gate;
use crate::error::Error;
use crate::log::{LogReader, Source};
use crate::model::report::{Command, Job, Status};
use crate::model::{Event, Facts, Report};
use crate::recorder::Recorder;
use crate::render;
use crate::settings::{Count, GateLayer, Layer, Settings};

const EXAMPLES: &str = "\
Examples:
  effllm parse train.log                       what the log says, as a table
  effllm parse --json train.log | jq .metrics  the report
  effllm parse --events - < train.log          a JSON object for each progress record";

/// Read a log that exists, and report what it says
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub struct Parse {
    /// The log; standard input if it is left out or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long, conflicts_with = "events")]
    json: bool,

    /// Print what was recognised as JSON Lines: what the log states once, then an object a record
    #[arg(long)]
    events: bool,

    #[command(flatten)]
    flags: ParseFlags,
}

/// Those options of a run that concern its log.
#[derive(Debug, Args)]
struct ParseFlags {
    /// Read the log by a built-in profile; `auto` takes the first that recognises it [default: auto]
    #[arg(long, value_name = "NAME", conflicts_with = "rules", help_heading = "Log")]
    profile: Option<String>,

    /// Read the log by the rules in FILE; see effllm-rules(5) [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Log")]
    rules: Option<PathBuf>,

    /// Read progress from lines that match REGEX; its named groups are fields [default: none]
    #[arg(long, value_name = "REGEX", help_heading = "Log")]
    pattern: Option<String>,

    /// Parameters of the model, as in `7.6B`, `494M` or `7615616512` [default: from the log]
    #[arg(long, value_name = "N", help_heading = "Metrics")]
    params: Option<Count>,

    /// Tokens a sample [default: from the log]
    #[arg(long, value_name = "N", help_heading = "Metrics")]
    seq_len: Option<Count>,

    /// Samples an iteration, over the whole job [default: from the log]
    #[arg(long, value_name = "N", help_heading = "Metrics")]
    global_batch_size: Option<Count>,

    /// Leave the first N iterations out of the headline metrics [default: 0]
    #[arg(long, value_name = "N", help_heading = "Metrics")]
    warmup: Option<u64>,

    #[command(flatten)]
    gate: GateLayer,
}

impl Parse {
    pub fn run(self) -> Result<ExitCode, Error> {
        let flags = self.flags;
        let settings = Settings::resolve(Layer {
            profile: flags.profile,
            rules: flags.rules,
            pattern: flags.pattern,
            params: flags.params,
            seq_len: flags.seq_len,
            global_batch_size: flags.global_batch_size,
            warmup: flags.warmup,
            gate: flags.gate,
            ..Layer::default()
        })?;
        let file = self.file.filter(|file| file != Path::new("-"));
        let mut out = BufWriter::new(io::stdout().lock());
        let mut judged = None;
        let printed = if self.events {
            print_events(file.as_deref(), settings, &mut out)
        } else {
            let (policy, files) = (settings.gate.policy()?, settings.gate.files()?);
            let mut report = report(file.as_deref(), settings)?;
            if let Some(policy) = policy {
                policy.apply(&mut report);
            }
            let text = if self.json { render::json(&report) } else { render::summary(&report, None, false) };
            judged = Some((report, files));
            out.write_all(text.as_bytes()).map_err(Failure::Output)
        };
        match printed.and_then(|()| out.flush().map_err(Failure::Output)) {
            Err(Failure::Input(error)) => Err(error),
            Err(Failure::Output(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::failed(format!("cannot write to stdout: {error}")))
            }
            // Whoever reads may have had enough (`| head`).
            _ => judged.map_or(Ok(ExitCode::SUCCESS), |(report, files)| gate::tell(&report, &files)),
        }
    }
}

enum Failure {
    Input(Error),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn report(file: Option<&Path>, settings: Settings) -> Result<Report, Error> {
    let command = Command::of_a_log(file.map_or("-".into(), Path::to_string_lossy).into_owned());
    let mut recorder = Recorder::new(settings.recorder_options(), command, Job::default());
    recorder.no_gpus("a log has no GPU figures".to_owned());
    let mut reader = settings.log.reader().of_a_file();
    let mut bytes = 0;
    let read = read_all(file, &mut reader, |reader, events, n| {
        bytes += n;
        recorder.fold(Event::LogRead { lines: reader.lines(), bytes });
        events.drain(..).for_each(|event| recorder.fold(event));
        Ok(())
    });
    match read {
        Ok(()) | Err(Failure::Output(_)) => {}
        Err(Failure::Input(error)) => return Err(error),
    }
    if let Some((name, because)) = reader.profile() {
        recorder.fold(Event::Profile { name: name.to_owned(), because: because.to_owned() });
    }
    recorder.ended(0.0, Status::Completed, |_| {});
    Ok(recorder.report(0.0))
}

/// Prints the facts first. Those of a file are gathered in a first reading, since a log may state
/// some of them late; of standard input, each newly stated fact is followed by all of them again.
fn print_events(file: Option<&Path>, settings: Settings, out: &mut impl Write) -> Result<(), Failure> {
    let mut reader = settings.log.reader().of_a_file();
    let mut printer = EventPrinter { out, facts: Facts::default(), printed: None };
    if file.is_some() {
        let mut first = reader.clone();
        read_all(file, &mut first, |_, events, _| {
            for event in events.drain(..) {
                if let Event::Facts(facts) = event {
                    printer.facts = *facts;
                }
            }
            Ok(())
        })?;
        printer.print_facts(first.profile().map(|profile| profile.0))?;
    }
    read_all(file, &mut reader, |reader, events, _| {
        let profile = reader.profile().map(|profile| profile.0);
        events.drain(..).try_for_each(|event| printer.print(event, profile, file.is_none()))
    })?;
    printer.print_facts(reader.profile().map(|profile| profile.0))?;
    Ok(())
}

struct EventPrinter<'a, W: Write> {
    out: &'a mut W,
    facts: Facts,
    /// The facts as they were printed last.
    printed: Option<String>,
}

impl<W: Write> EventPrinter<'_, W> {
    fn print(&mut self, event: Event, profile: Option<&str>, with_facts: bool) -> Result<(), Failure> {
        match event {
            Event::Facts(facts) if with_facts => self.facts = *facts,
            Event::Progress(record) if !record.baseline => {
                self.print_facts(profile)?;
                writeln!(self.out, "{}", render::events::progress(&record, profile))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn print_facts(&mut self, profile: Option<&str>) -> Result<(), Failure> {
        let Some(context) = render::events::context(&self.facts, profile) else { return Ok(()) };
        if self.printed.as_ref() != Some(&context) {
            writeln!(self.out, "{context}")?;
            self.printed = Some(context);
        }
        Ok(())
    }
}

/// Reads the log through; `take` is handed the events and how many bytes they came from.
fn read_all(
    file: Option<&Path>,
    reader: &mut LogReader,
    mut take: impl FnMut(&LogReader, &mut Vec<Event>, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let name = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let cannot_read = |error: io::Error| Failure::Input(Error::usage(format!("cannot read {name}: {error}")));
    let mut input: Box<dyn Read> = match file {
        Some(file) => Box::new(File::open(file).map_err(cannot_read)?),
        None => Box::new(io::stdin().lock()),
    };
    let mut buffer = vec![0; 1 << 16];
    let mut events = Vec::new();
    loop {
        let n = match input.read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(cannot_read(error)),
        };
        match buffer.get(..n) {
            None | Some([]) => reader.finish(&mut events),
            Some(bytes) => reader.push(Source::Stdout, bytes, 0.0, &mut events),
        }
        take(reader, &mut events, n as u64)?;
        if n == 0 {
            return Ok(());
        }
    }
}
