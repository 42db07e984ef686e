//! Parsing an existing or growing log: its report, the events in it, or why it is read as it is.

mod explain;
mod log_bytes;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::config::Settings;
use crate::error::Error;
use crate::event::{Event, Facts, Stream};
use crate::log::LogReader;
use crate::output;
use crate::recorder::Recorder;
use crate::report::{Command, Job, Report, Status};
use crate::session::recorder_options;
use crate::terminal::console_lines;
use crate::text::sanitize::message;

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
    let mut source = LogBytes::open(request)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut judged = None;
    let printed = match request.output {
        ParseOutput::Events => events(settings, request, &mut source, &mut out),
        ParseOutput::Explanation => explanation(settings, request, &mut source, &mut out),
        ParseOutput::Summary | ParseOutput::Json => {
            let report = report(settings, request, &mut source, &mut out);
            report.and_then(|mut report| {
                judge(&mut report);
                let text = match request.output {
                    ParseOutput::Json => output::json(&report),
                    _ => message(&output::summary(&report, output::RenderOptions::default()), false),
                };
                judged = Some(report);
                out.write_all(text.as_bytes())
            })
        }
    };
    match printed.and_then(|()| out.flush()) {
        // The reader of stdout may have gone (`| head`).
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot write to stdout: {error}"))
                .help("redirect it to a place with free space"))
        }
        // The part that could be read comes before the error.
        _ => source.failure.map_or(Ok(judged), Err),
    }
}

/// Whether all of the log has been read that is there for now.
type IsCaughtUp = bool;

/// Reads the log to its end, or to a place that cannot be read, and hands over the events.
fn read(
    source: &mut LogBytes,
    reader: &mut LogReader,
    mut take: impl FnMut(&LogReader, &mut Vec<Event>, IsCaughtUp) -> io::Result<()>,
) -> io::Result<()> {
    let mut events = Vec::new();
    loop {
        let piece = source.next();
        let (is_end, is_caught_up) = (matches!(piece, Piece::End), !matches!(piece, Piece::Bytes(_)));
        match piece {
            Piece::Bytes(bytes) => reader.push(Stream::Stdout, bytes, 0.0, &mut events),
            Piece::CaughtUp { is_silent: true } => reader.pause(&mut events),
            Piece::CaughtUp { is_silent: false } => {}
            Piece::End => reader.finish(&mut events),
        }
        take(reader, &mut events, is_caught_up)?;
        if is_end {
            return Ok(());
        }
    }
}

fn report(
    settings: Settings,
    request: &Request,
    source: &mut LogBytes,
    out: &mut impl Write,
) -> io::Result<Report> {
    let command = Command::of(vec![source.name.clone()]);
    let mut recorder = Recorder::new(recorder_options(&settings), command, Job::default());
    recorder.no_gpus("a log has no GPU figures".to_owned());
    let mut reader = settings.log.reader().of_a_file();
    let mut announced = 0;
    let announces = request.follow && request.output == ParseOutput::Summary;
    read(source, &mut reader, |reader, events, is_caught_up| {
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
    })?;
    if let Some(error) = &source.failure {
        recorder.warn(format!("{}; this report covers the part before", error.message));
    }
    if let Some((name, because)) = reader.profile() {
        recorder.fold(Event::Profile { name: name.to_owned(), because: because.to_owned() });
    }
    recorder.ended(0.0, Status::Completed, |_| {});
    Ok(recorder.report(0.0))
}

/// Prints the records, and the facts before them whenever they have changed. Those of a file are
/// gathered in a first reading, since a log may state some of them late; where there is only one
/// reading, each newly stated fact is followed by all of them again.
fn events(
    settings: Settings,
    request: &Request,
    source: &mut LogBytes,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut reader = settings.log.reader().of_a_file();
    let mut facts = Facts::default();
    let mut printed = None;
    let mut print_facts = |facts: &Facts, reader: &LogReader, out: &mut dyn Write| {
        let context = output::events::context(facts, reader.profile().map(|profile| profile.0));
        match &context {
            Some(text) if context != printed => writeln!(out, "{text}")?,
            _ => return Ok(()),
        }
        printed = context;
        io::Result::Ok(())
    };
    let twice = source.can_be_read_again();
    if twice {
        let mut first = reader.clone();
        read(source, &mut first, |_, events, _| {
            for event in events.drain(..) {
                if let Event::Facts(stated) = event {
                    facts = *stated;
                }
            }
            Ok(())
        })?;
        print_facts(&facts, &first, out)?;
        match LogBytes::open(request) {
            Ok(again) => *source = again,
            Err(error) => {
                source.failure = Some(error);
                return Ok(());
            }
        }
    }
    read(source, &mut reader, |reader, events, is_caught_up| {
        for event in events.drain(..) {
            match event {
                Event::Facts(stated) if !twice => facts = *stated,
                Event::Progress(record) if !record.baseline => {
                    print_facts(&facts, reader, out)?;
                    let profile = reader.profile().map(|profile| profile.0);
                    writeln!(out, "{}", output::events::progress(&record, profile))?;
                }
                _ => {}
            }
        }
        if is_caught_up {
            print_facts(&facts, reader, out)?;
        }
        if twice { Ok(()) } else { out.flush() }
    })
}

fn explanation(
    settings: Settings,
    request: &Request,
    source: &mut LogBytes,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut explainer = Explainer::new(settings.log);
    loop {
        match source.next() {
            Piece::Bytes(bytes) => explainer.push(bytes),
            Piece::CaughtUp { .. } => {}
            Piece::End => break,
        }
    }
    explainer.finish();
    let name = request.file.as_ref().map_or("the log".to_owned(), |file| file.display().to_string());
    out.write_all(message(&table::explanation(&name, &explainer), false).as_bytes())
}
