//! How long a record's iterations took.
//!
//! The time that a line states comes first, then the difference of the lines' own timestamps, then that
//! of their arrivals. A program whose output is buffered writes many lines at once: their iterations
//! took, together, the time since the lines before.

use crate::event::Progress;
use crate::metrics::{IterationSums, OutlierFilter};

use super::amount_counter::Split;

/// How the time of iterations is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    Stated,
    LogClock,
    Arrival,
}

/// The time of a record's iterations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Time {
    /// In seconds.
    Known {
        seconds: f64,
        source: TimeSource,
    },
    /// Part of the time that the record before was given: their lines came together.
    Shared,
    Unknown,
}

/// Lines that arrive within so many seconds came together.
const TOGETHER: f64 = 0.002;
/// Lines that come together after a silence of so many times that came in a burst.
const SILENCE: f64 = 10.0;
/// Stated times are those of something else where the lines are so many times as far apart, in most of
/// these records at least.
const TOO_SHORT: f64 = 3.0;
const FEWEST_COMPARED: u64 = 4;
/// A clock that is printed in no larger steps than this, in seconds, times single iterations.
const FINE: f64 = 0.011;

/// Where the time of the next record begins.
#[derive(Debug, Clone, Copy)]
struct Mark {
    source: TimeSource,
    /// A date or time of day, whose origin is not that of a time since a program's start.
    is_timestamp: bool,
    at: f64,
    resolution: f64,
}

impl Mark {
    /// Whether the same clock told both.
    fn is_of(&self, other: &Self) -> bool {
        (self.source, self.is_timestamp) == (other.source, other.is_timestamp)
    }
}

/// Records whose lines came together, and the time that they share.
#[derive(Debug, Clone, Copy)]
struct Group {
    is_warmup: bool,
    iterations: u64,
    records: u64,
    /// `None` where it is unknown.
    seconds: Option<f64>,
}

/// Times records, and sums the times up.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    sums: Split<IterationSums>,
    /// How the iterations were timed last.
    pub source: Option<TimeSource>,
    mark: Option<Mark>,
    /// How late a line's arrival may be seen, in seconds.
    pub arrival_resolution: f64,
    group: Option<Group>,
    /// The last record's moment before training began again.
    before_restart: Option<Mark>,
    /// Something other than training happened since the last record.
    is_interrupted: bool,
    /// The command was stopped since the last record: a stated time holds that, too.
    was_suspended: bool,
    /// Stated times that were left out as implausible.
    pub rejected: u64,
    /// Stated times that were compared with those between the lines, and those that were far shorter.
    compared: u64,
    too_short: u64,
    /// Records whose stated time is that of one of their iterations.
    partial: u64,
    outliers: OutlierFilter,
    /// Training has begun again in the same log.
    has_restarted: bool,
    /// Records timed by arrival, and those of them that came in bursts.
    arrived: u64,
    in_bursts: u64,
    /// Unbroken chains of records that were timed by arrival.
    chains: u64,
}

impl Timing {
    /// Iterations so far, timed or not.
    pub fn count(&self) -> u64 {
        self.sums.warmup.count + self.sums.train.count
    }

    /// Iterations so far whose time is known.
    fn timed(&self) -> u64 {
        self.sums.warmup.timed + self.sums.train.timed
    }

    /// The sums of the warm-up and of the iterations that count.
    pub fn sums(&self) -> Split<IterationSums> {
        let mut sums = self.sums.clone();
        if let Some(group) = self.group {
            group.close(&mut sums);
        }
        if self.is_bursty() {
            sums.train.error_iterations += self.chains;
        }
        if self.why_unknown().is_some() {
            for sums in [&mut sums.warmup, &mut sums.train] {
                *sums = IterationSums { count: sums.count, ..IterationSums::default() };
            }
        }
        sums
    }

    /// Whether a noticeable part of the lines came in bursts, so that arrival tells no single time.
    pub fn is_bursty(&self) -> bool {
        self.in_bursts >= 2 && self.in_bursts * 10 > self.arrived
    }

    /// The time between the last record and the next one is no iteration's. `at` is when the line that
    /// tells so arrived. True if it came in a burst with the newest records, which then have no time: the
    /// time of the burst holds the interruption.
    pub fn interrupt(&mut self, at: Option<f64>) -> bool {
        self.is_interrupted = true;
        let arrival = self.mark.filter(|mark| mark.source == TimeSource::Arrival);
        let is_together = at.zip(arrival).is_some_and(|(at, mark)| at - mark.at <= TOGETHER);
        let is_burst = self.is_bursty() || self.group.is_some_and(|group| group.records > 1);
        is_together && is_burst && self.source == Some(TimeSource::Arrival) && self.drop_group()
    }

    /// The command was stopped and continued since the last record.
    pub fn suspend(&mut self) {
        self.interrupt(None);
        self.was_suspended = true;
    }

    /// The next iteration begins with this record, or at a moment.
    pub fn begin(&mut self, record: &Progress) {
        self.close_group();
        self.mark = self.reading(record);
        self.is_interrupted = false;
    }

    /// Where the next iteration begins is unknown.
    pub fn begin_unknown(&mut self) {
        self.before_restart = self.mark.take();
        self.has_restarted |= self.timed() > 0;
    }

    /// The first record after a beginning that is unknown. True if it came in a burst with the records of
    /// before, which then have no time: that of the burst holds the iterations of both.
    pub fn begin_with(&mut self, record: &Progress) -> bool {
        let Some(before) = self.before_restart.take() else { return false };
        let is_together = record.at.is_some_and(|at| at - before.at <= TOGETHER);
        let is_arrival = before.source == TimeSource::Arrival && self.source == Some(TimeSource::Arrival);
        let is_dropped = is_together && is_arrival && self.drop_group();
        self.close_group();
        is_dropped
    }

    /// Where the next record's time begins is unknown.
    pub fn lose_mark(&mut self) {
        self.mark = None;
    }

    /// The time of a record's iterations, added to the sums. `elapsed` is the time from the run's start
    /// to the record's arrival.
    pub fn record(
        &mut self,
        record: &Progress,
        iterations: u64,
        is_warmup: bool,
        elapsed: Option<f64>,
    ) -> Time {
        let is_untold = record.smoothed || self.was_suspended || record.spans_pause && self.is_interrupted;
        let is_partial = record.of_one_iteration && record.step_time.is_some() && iterations > 1;
        self.partial += u64::from(is_partial);
        let stated = record.step_time.filter(|_| !is_untold && !is_partial);
        let stated = stated.map(|step| step * iterations as f64);
        let time = match stated {
            Some(seconds) => {
                self.compare(record, seconds);
                self.stated(seconds, iterations, elapsed)
            }
            // Where times are stated, a line without one has none: its neighbours do not share theirs.
            None if self.source == Some(TimeSource::Stated) && !is_partial => Time::Unknown,
            None => self.measured(record),
        };
        if stated.is_some() || time == Time::Unknown {
            self.mark = self.reading(record);
        }
        (self.is_interrupted, self.was_suspended) = (false, false);
        self.add(time, iterations, is_warmup);
        match time {
            Time::Shared if self.group.is_none_or(|group| group.seconds.is_none()) => Time::Unknown,
            time => time,
        }
    }

    /// Compares a stated time with the time since the record before.
    fn compare(&mut self, record: &Progress, seconds: f64) {
        let before = self.mark.filter(|_| !self.is_interrupted);
        if let Some((now, before)) =
            self.reading(record).zip(before).filter(|(now, before)| now.is_of(before))
        {
            self.compared += 1;
            self.too_short += u64::from(now.at - before.at > TOO_SHORT * seconds.max(TOGETHER));
        }
    }

    /// Why the times are not those of iterations, if so: the log states another time, or only that of one
    /// iteration of several.
    pub fn why_unknown(&self) -> Option<&'static str> {
        if self.compared >= FEWEST_COMPARED && self.too_short * 5 > self.compared * 4 {
            Some(
                "the log states times that are less than a third of those between its lines: they are not \
                 those of whole iterations",
            )
        } else if self.has_restarted && self.is_bursty() {
            Some(
                "the lines came in bursts, and training began again: when it did is not known; --stdio pty, or \
                 stdbuf -oL before the command, prevents bursts",
            )
        } else if self.timed() == 0 && self.partial > 0 {
            Some(
                "the log states the time of one iteration of several, and its lines have no time of their own",
            )
        } else {
            None
        }
    }

    /// The log has ended. What a program's buffer still held was written at its exit, and says nothing
    /// of when it was printed: the time of that burst is no iteration's. True if there was one.
    pub fn finish(&mut self) -> bool {
        self.is_bursty() && self.source == Some(TimeSource::Arrival) && self.drop_group()
    }

    /// Takes the time back that the newest records were given. False if they have none.
    fn drop_group(&mut self) -> bool {
        let Some((group, seconds)) = self.group.and_then(|group| Some((group, group.seconds?))) else {
            return false;
        };
        let sums = self.sums.of(group.is_warmup);
        sums.timed -= group.iterations;
        sums.seconds -= seconds;
        self.group = Some(Group { seconds: None, ..group });
        true
    }

    /// A stated time, unless it is far beyond all others, or longer than the run has lasted where the
    /// times before are not: an old log that is printed again may state any time.
    fn stated(&mut self, seconds: f64, iterations: u64, elapsed: Option<f64>) -> Time {
        let before = self.sums.warmup.seconds + self.sums.train.seconds;
        let has_times = self.timed() > 0;
        let outlasts = |elapsed| has_times && before <= elapsed && seconds > elapsed + 1.0;
        if self.outliers.is_outlier(seconds / iterations.max(1) as f64) || elapsed.is_some_and(outlasts) {
            self.rejected += 1;
            return Time::Unknown;
        }
        Time::Known { seconds, source: TimeSource::Stated }
    }

    /// The time since the record before, by the log's clock or by arrival.
    fn measured(&mut self, record: &Progress) -> Time {
        let Some(now) = self.reading(record) else { return Time::Unknown };
        let before = self.mark.filter(|before| now.is_of(before));
        let elapsed = before.map(|before| now.at - before.at);
        let together = match now.source {
            TimeSource::Arrival => TOGETHER,
            _ => 0.0,
        };
        self.arrived += u64::from(now.source == TimeSource::Arrival);
        match elapsed {
            Some(elapsed)
                if (0.0..=together).contains(&elapsed) && self.group.is_some() && !self.is_interrupted =>
            {
                if self.source == Some(TimeSource::Stated)
                    && self.group.is_some_and(|group| group.seconds.is_some())
                {
                    return Time::Unknown; // the time of the record before is its own
                }
                let silence = self.group.and_then(|group| group.seconds).unwrap_or(f64::INFINITY);
                let is_burst = now.source == TimeSource::Arrival && silence > SILENCE * TOGETHER;
                self.in_bursts += u64::from(is_burst);
                Time::Shared
            }
            Some(elapsed) if elapsed >= 0.0 && !self.is_interrupted => {
                self.mark = Some(now);
                Time::Known { seconds: elapsed, source: now.source }
            }
            _ => Time::Unknown,
        }
    }

    /// A record's moment, by the finest clock that tells it.
    fn reading(&self, record: &Progress) -> Option<Mark> {
        let arrival = record.at.map(|at| Mark {
            source: TimeSource::Arrival,
            is_timestamp: false,
            at,
            resolution: self.arrival_resolution,
        });
        let is_coarse = |resolution: f64| arrival.is_some() && resolution > FINE;
        let clock = record.clock.filter(|clock| !is_coarse(clock.resolution));
        let clock = clock.map(|clock| Mark {
            source: TimeSource::LogClock,
            is_timestamp: clock.is_timestamp,
            at: clock.seconds,
            resolution: clock.resolution,
        });
        clock.or(arrival)
    }

    fn add(&mut self, time: Time, iterations: u64, is_warmup: bool) {
        self.sums.of(is_warmup).count += iterations;
        match time {
            Time::Known { seconds, source } => {
                let is_first = self.group.is_none_or(|group| group.seconds.is_none());
                self.close_group();
                if is_first && source != TimeSource::Stated {
                    let resolution = self.mark.map_or(0.0, |mark| mark.resolution);
                    self.sums.of(is_warmup).error_seconds += resolution;
                    self.chains += u64::from(source == TimeSource::Arrival);
                }
                self.source = Some(source);
                self.outliers.note(seconds / iterations.max(1) as f64);
                let sums = self.sums.of(is_warmup);
                sums.timed += iterations;
                sums.seconds += seconds;
                self.group = Some(Group { is_warmup, iterations, records: 1, seconds: Some(seconds) });
            }
            Time::Shared => {
                if let Some(group) = &mut self.group {
                    group.records += 1;
                    group.iterations += iterations;
                    let timed = if group.seconds.is_some() { iterations } else { 0 };
                    self.sums.of(group.is_warmup).timed += timed;
                }
            }
            Time::Unknown => {
                self.close_group();
                self.group = Some(Group { is_warmup, iterations, records: 1, seconds: None });
            }
        }
    }

    fn close_group(&mut self) {
        if let Some(group) = self.group.take() {
            group.close(&mut self.sums);
        }
    }
}

impl Group {
    /// Adds its time to the distribution of times.
    fn close(self, sums: &mut Split<IterationSums>) {
        let Some(seconds) = self.seconds.filter(|_| self.iterations > 0) else { return };
        let sums = sums.of(self.is_warmup);
        std::sync::Arc::make_mut(&mut sums.times).add(self.iterations, seconds / self.iterations as f64);
        sums.pooled += if self.records > 1 { self.iterations } else { 0 };
    }
}

#[cfg(test)]
mod tests;
