//! Records that do not advance: another rank's late lines, implausible ones, or those of a training that has
//! begun again at an earlier iteration.

use std::sync::Arc;

use crate::event::Progress;

use super::bars::{TOGETHER, Waiting, push_pause};

/// The records since the last one that advanced.
#[derive(Debug, Clone, Default)]
pub struct Stalled {
    /// In their order, each further than the one before, and the pauses among them.
    waiting: Vec<Waiting>,
    /// Whether the first of them came long after a record was due.
    is_late: bool,
    /// How far it lies below the last one that advanced, in iterations.
    depth: u64,
    /// How far another rank's lines lay below, as far as they came between others that advanced.
    lag: u64,
    /// When a record advanced last, and whose it was.
    advanced_at: Option<f64>,
    rank: Option<u64>,
    /// The newest times between records that advanced, in seconds.
    gaps: [f64; 16],
    count: usize,
}

/// What a record that does not advance is measured by.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// How far it lies below the last record, in iterations.
    pub depth: u64,
    /// The smallest step between two records.
    pub stride: u64,
    /// Something other than training was going on.
    pub is_pausing: bool,
}

/// A record is late so many times the usual time after the last one that advanced, in seconds at least. No
/// program starts again faster, and another rank's lines are not that late.
const LATE: f64 = 1.5;
const LATE_SECONDS: f64 = 1.0;
/// So many records in a row that count upwards below the last one are no other rank's late lines.
const LONGEST_RISE: usize = 3;
/// So many records without one of another rank are those of a single one.
const ENOUGH: usize = 8;

impl Stalled {
    /// A record advanced; `is_pausing` says whether something other than training went on before it.
    pub fn advance(&mut self, record: &Progress, is_pausing: bool) {
        self.waiting.clear();
        let now = moment(record);
        if let Some((now, before)) = now.zip(self.advanced_at).filter(|_| !is_pausing)
            && let Some(gap) = self.gaps.get_mut(self.count % 16)
        {
            *gap = now - before;
            self.count += 1;
        }
        (self.advanced_at, self.rank) = (now, record.rank);
    }

    /// Training begins again: what was usual is so no more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether a record comes long after one was due, and so is no repetition of the last one.
    pub fn is_late(&self, record: &Progress, is_pausing: bool) -> bool {
        let usual = self.usual_gap();
        let waited = moment(record).zip(self.advanced_at).map(|(now, before)| now - before);
        !is_pausing
            && self.count > 0
            && waited.is_some_and(|waited| waited > (LATE * usual).max(LATE_SECONDS))
    }

    fn usual_gap(&self) -> f64 {
        self.gaps.iter().take(self.count).copied().fold(0.0, f64::max)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A pause comes after these records.
    pub fn pause(&mut self, at: Option<f64>, name: Arc<str>) {
        push_pause(&mut self.waiting, at, name);
    }

    fn records(&self) -> impl DoubleEndedIterator<Item = &Progress> {
        self.waiting.iter().filter_map(|waiting| match waiting {
            Waiting::Record(record) => Some(&**record),
            Waiting::Pause(..) => None,
        })
    }

    /// Takes a record that does not advance. Gives all of them once they are those of a training that has
    /// begun again.
    pub fn add(&mut self, record: Progress, place: Place) -> Vec<Waiting> {
        let last = self.records().last().and_then(|last| last.iteration);
        let is_another_rank = record.rank.is_some() && record.rank != self.rank;
        if last == record.iteration || is_another_rank {
            return Vec::new();
        }
        if last > record.iteration {
            self.waiting.clear();
        }
        if self.waiting.is_empty() {
            (self.is_late, self.depth) = (self.is_late(&record, place.is_pausing), place.depth);
        }
        let is_timed = moment(&record).is_some() && self.usual_gap() > TOGETHER;
        self.waiting.push(Waiting::Record(Box::new(record)));
        let rise = self.records().count();
        let is_sure = self.is_late || !is_timed && self.depth / place.stride > 1;
        // Another rank's lines would have been seen before.
        let is_alone = self.lag == 0 && self.count >= ENOUGH;
        let is_sure = is_sure || is_alone;
        let begins_again = self.is_below_ranks() && (rise >= 2 && is_sure || rise >= LONGEST_RISE);
        if begins_again { std::mem::take(&mut self.waiting) } else { Vec::new() }
    }

    /// The next record advances. Gives those before it if they were of a training that had begun again, else
    /// the pauses among them.
    pub fn take(&mut self) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let begins_again = self.is_late && self.is_below_ranks();
        if !waiting.is_empty() && !begins_again {
            self.lag = self.lag.max(self.depth);
            waiting.retain(|waiting| matches!(waiting, Waiting::Pause(..)));
        }
        waiting
    }

    /// Whether the records lie further below than another rank's ever did.
    fn is_below_ranks(&self) -> bool {
        self.depth >= 2 * self.lag
    }
}

/// When a record's line was written, as its arrival or else its own date tells, in seconds.
fn moment(record: &Progress) -> Option<f64> {
    let clock = record.clock.filter(|clock| clock.is_timestamp).map(|clock| clock.seconds);
    record.at.or(clock)
}
