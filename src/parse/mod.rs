//! Parsing an existing or growing log: its report, the events in it, or why it is read as it is.

mod events;
mod explain;
mod log_bytes;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::config::Settings;
use crate::error::Error;
use crate::event::{Event, Stream};
use crate::log::LogReader;
use crate::output;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::report::{Command, Job, Status};
use crate::session::recorder_options;
use crate::terminal::console_lines;

use events::EventPrinter;
use explain::Explainer;
use log_bytes::{LogBytes, Piece};

/// The output to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseOutput {
    Summary,
    Json,
    Events,
    Explanation,
}

impl ParseOutput {
    /// Whether it shows a report, which can be judged.
    pub fn is_report(self) -> bool {
        matches!(self, Self::Summary | Self::Json)
    }
}

/// The log to read, and the output to print.
#[derive(Debug)]
pub struct Request {
    /// Standard input where there is none.
    pub file: Option<PathBuf>,
    /// Read on as the file grows, until Ctrl-C.
    pub follow: bool,
    pub output: ParseOutput,
}

/// Reads the log and prints the requested output on stdout. Returns the report, if that is the output, after
/// `judge` has added its verdict.
///
/// # Errors
/// The log cannot be read to its end; the part that could be read has been printed then. Or stdout cannot
/// be written to.
pub fn parse(
    settings: Settings,
    request: &Request,
    judge: impl FnOnce(&mut Report),
) -> Result<Option<Report>, Error> {
    let source = LogBytes::open(request)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let (report, read) = match request.output {
        ParseOutput::Events => (None, events(settings, request, source, &mut out)),
        ParseOutput::Explanation => (None, explanation(settings, request, source, &mut out)),
        ParseOutput::Summary | ParseOutput::Json => {
            let (mut report, read) = report(settings, request, source, &mut out);
            judge(&mut report);
            let written = out.write_all(shown(&report, request.output).as_bytes());
            (Some(report), read.and(written.map_err(Failure::Output)))
        }
    };
    match read.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => Ok(report),
        Err(Failure::Input(error)) => {
            // The part that could be read comes before the error.
            let _ = out.flush();
            Err(error)
        }
        // The reader of stdout has gone (`| head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(report),
        Err(Failure::Output(error)) => Err(Error::failed(format!("cannot write to stdout: {error}"))
            .help("redirect it to a place with free space")),
    }
}

/// Why reading ended early.
enum Failure {
    Input(Error),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Whether all of the log has been read that is there for now.
type IsCaughtUp = bool;

/// Reads the log to its end and hands over the events, also those before a place that cannot be read.
fn read(
    source: &mut LogBytes,
    reader: &mut LogReader,
    mut take: impl FnMut(&LogReader, &mut Vec<Event>, IsCaughtUp) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut events = Vec::new();
    loop {
        let (piece, is_caught_up) = match source.next() {
            Ok(Piece::Bytes(bytes)) => {
                reader.push(Stream::Stdout, bytes, 0.0, &mut events);
                (Ok(true), false)
            }
            Ok(Piece::CaughtUp) => (Ok(true), true),
            Ok(Piece::Silence) => {
                reader.pause(&mut events);
                (Ok(true), true)
            }
            Ok(Piece::End) => (Ok(false), true),
            Err(error) => (Err(Failure::Input(error)), true),
        };
        if !matches!(piece, Ok(true)) {
            reader.finish(&mut events);
        }
        take(reader, &mut events, is_caught_up)?;
        if !piece? {
            return Ok(());
        }
    }
}

fn report(
    settings: Settings,
    request: &Request,
    mut source: LogBytes,
    out: &mut impl Write,
) -> (Report, Result<(), Failure>) {
    let command = Command::of(vec![source.name().to_owned()]);
    let mut recorder = Recorder::new(recorder_options(&settings), command, Job::default());
    recorder.no_gpus("a log has no GPU figures".to_owned());
    let mut reader = settings.log.reader().of_a_file();
    let mut announced = 0;
    let announces = request.follow && request.output == ParseOutput::Summary;
    let read = read(&mut source, &mut reader, |reader, events, is_caught_up| {
        recorder.fold(Event::LogRead { lines: reader.lines(), bytes: reader.bytes() });
        events.drain(..).for_each(|event| recorder.fold(event));
        let intervals =
            recorder.last_iteration().map_or(0, |last| last / u64::from(settings.options.log.log_interval));
        // One report is enough for the part of the log that was there before.
        if announces && is_caught_up && intervals != announced {
            announced = intervals;
            out.write_all(console_lines(&recorder.report(0.0)).as_bytes())?;
            out.flush()?;
        }
        Ok(())
    });
    if let Err(Failure::Input(error)) = &read {
        recorder.warn(format!("{}; this report covers the part before", error.message));
    }
    if let Some((name, because)) = reader.profile() {
        recorder.fold(Event::Profile { name: name.to_owned(), because: because.to_owned() });
    }
    recorder.ended(0.0, Status::Completed, |_| {});
    (recorder.report(0.0), read)
}

fn shown(report: &Report, form: ParseOutput) -> String {
    match form {
        ParseOutput::Json => output::json(report),
        _ => output::summary(report, output::RenderOptions::default()),
    }
}

/// Prints the facts first. Those of a file are gathered in a first reading, since a log may state
/// some of them late; where there is only one reading, each newly stated fact is followed by all of
/// them again.
fn events(
    settings: Settings,
    request: &Request,
    mut source: LogBytes,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut reader = settings.log.reader().of_a_file();
    let mut printer = EventPrinter::new(out);
    let twice = source.can_be_read_again();
    if twice {
        let mut first = reader.clone();
        // Where it cannot be read on, the second reading says so.
        let _ = read(&mut source, &mut first, |_, events, _| {
            printer.note_facts(events.drain(..));
            Ok(())
        });
        printer.print_facts(first.profile().map(|profile| profile.0))?;
        source = LogBytes::open(request).map_err(Failure::Input)?;
    }
    read(&mut source, &mut reader, |reader, events, is_caught_up| {
        let profile = reader.profile().map(|profile| profile.0);
        events.drain(..).try_for_each(|event| printer.print(event, profile, !twice))?;
        if is_caught_up {
            printer.print_facts(profile)?;
        }
        if twice { Ok(()) } else { Ok(printer.flush()?) }
    })
}

fn explanation(
    settings: Settings,
    request: &Request,
    mut source: LogBytes,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut explainer = Explainer::new(settings.log);
    let mut read = || loop {
        match source.next() {
            Ok(Piece::Bytes(bytes)) => explainer.push(bytes),
            Ok(Piece::CaughtUp | Piece::Silence) => {}
            Ok(Piece::End) => return Ok(()),
            Err(error) => return Err(Failure::Input(error)),
        }
    };
    let read = read();
    let name = request.file.as_ref().map_or("the log".to_owned(), |file| file.display().to_string());
    out.write_all(table::explanation(&name, &explainer.finish()).as_bytes())?;
    read
}
