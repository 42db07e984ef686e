//! Prints events as JSON Lines.

use std::io::{self, Write};

use crate::event::{Event, Facts};
use crate::output;

/// Prints records as they come, and the facts whenever they have changed.
pub struct EventPrinter<'a, W: Write> {
    out: &'a mut W,
    facts: Facts,
    /// The facts as they were printed last.
    printed: Option<String>,
}

impl<'a, W: Write> EventPrinter<'a, W> {
    pub fn new(out: &'a mut W) -> Self {
        Self { out, facts: Facts::default(), printed: None }
    }

    /// Takes the facts from events that are not to be printed.
    pub fn note_facts(&mut self, events: impl Iterator<Item = Event>) {
        for event in events {
            if let Event::Facts(facts) = event {
                self.facts = *facts;
            }
        }
    }

    pub fn print(&mut self, event: Event, profile: Option<&str>, with_facts: bool) -> io::Result<()> {
        match event {
            Event::Facts(facts) if with_facts => self.facts = *facts,
            Event::Progress(record) if !record.baseline => {
                self.print_facts(profile)?;
                writeln!(self.out, "{}", output::events::progress(&record, profile))?;
            }
            _ => {}
        }
        Ok(())
    }

    pub fn print_facts(&mut self, profile: Option<&str>) -> io::Result<()> {
        let Some(context) = output::events::context(&self.facts, profile) else { return Ok(()) };
        if self.printed.as_ref() != Some(&context) {
            writeln!(self.out, "{context}")?;
            self.printed = Some(context);
        }
        Ok(())
    }

    /// Makes the output so far visible to its reader.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
