//! Generated tokens of inference servers, of which several may write into one log.

use std::collections::BTreeMap;

use crate::event::Progress;

/// What a record added: tokens, and time that no other record has told of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Served {
    pub amount: f64,
    pub seconds: f64,
}

/// The servers' time, each second counted once however many of them were at work.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    engines: BTreeMap<String, Engine>,
    /// The engine that was heard of first.
    first: Option<String>,
    /// Whether some record stated how many tokens there were; then rates alone count no more.
    counts: bool,
    /// The moments up to which time is counted, on the log's clock and as its lines arrived.
    clocked: Option<f64>,
    arrived: Option<f64>,
    /// The time that is counted.
    counted: f64,
    /// Several engines served requests, at the same time or one after the other: nothing tells when.
    pub is_untimed: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Engine {
    /// The last record's moment.
    at: Option<f64>,
    /// The shortest time between two records: how much a rate is a mean over.
    interval: Option<f64>,
    /// No request was being served at the last record.
    was_idle: bool,
    /// The sum of its records' times.
    busy: f64,
}

/// Servers that are told apart.
const MOST_ENGINES: usize = 1024;
/// Of an interval this many times the usual one most was idle, and nothing was printed.
const IDLE: f64 = 1.5;

impl Serving {
    /// Whether an engine is another one than the first.
    pub fn is_another(&self, engine: &str) -> bool {
        self.first.as_ref().is_some_and(|first| first != engine)
    }

    /// Takes in a record; `None` if it adds no tokens, or none whose time is known.
    pub fn record(&mut self, record: &Progress) -> Option<Served> {
        let rate = record.generation_tokens_per_s;
        if let (None, Some(running)) = (rate, record.requests_running) {
            // The requests that begin find the server idle: the next rate is a mean over that time, too.
            self.engines.entry(record.engine.clone().unwrap_or_default()).or_default().was_idle |=
                running == 0.0;
        }
        let counted = record.generated_tokens.or_else(|| Some(rate? * record.generation_time?));
        self.counts |= counted.is_some();
        if counted.is_none() && (rate.is_none() || self.counts) {
            return None;
        }
        let name = record.engine.clone().unwrap_or_default();
        if self.engines.len() >= MOST_ENGINES && !self.engines.contains_key(&name) {
            return None;
        }
        self.first.get_or_insert_with(|| name.clone());
        let is_named = !name.is_empty();
        let another = self.is_another(&name);
        let engine = self.engines.entry(name).or_default();
        let by_rate = || Some(counted? / rate.filter(|rate| *rate > 0.0)?);
        let stated =
            record.generation_time.or(record.step_time).or_else(by_rate).filter(|_| counted.is_some());
        // When lines arrive tells little of when requests ended, except that different engines'
        // need not have been served one after the other.
        let arrival = record.at.filter(|_| stated.is_none() || is_named);
        let on_log =
            record.clock.map(|clock| clock.seconds).filter(|_| stated.is_some() || arrival.is_none());
        let moment = on_log.or(arrival);
        let is_idle = record.requests_running == Some(0.0);
        let was_idle = std::mem::replace(&mut engine.was_idle, is_idle);
        let seconds = stated.or_else(|| engine.since_last(moment?))?;
        if counted.is_none() && (rate == Some(0.0) || is_idle || was_idle) {
            return None; // at least a part of the interval was idle
        }
        let amount = counted.or_else(|| Some(rate? * seconds))?;
        engine.busy += seconds;
        let busy = engine.busy;
        let until = if on_log.is_some() { &mut self.clocked } else { &mut self.arrived };
        let mut added = 0.0;
        if let Some(now) = moment {
            added = (now - until.unwrap_or(f64::NEG_INFINITY)).clamp(0.0, seconds);
            *until = Some(until.map_or(now, |until| until.max(now)));
        } else if another && record.iteration.is_none() {
            self.is_untimed = true;
        }
        // One engine serves one request after the other, whatever the clock's resolution.
        if is_named || moment.is_none() {
            added = added.max(busy - self.counted);
        }
        self.counted += added;
        Some(Served { amount, seconds: added })
    }
}

impl Engine {
    /// The time that a rate at a moment is a mean over: since the last record. `None` if a part of it was
    /// idle, so that nothing was printed for long.
    fn since_last(&mut self, now: f64) -> Option<f64> {
        let since = now - self.at.unwrap_or(now);
        if since <= 0.0 {
            self.at = Some(self.at.unwrap_or(now).max(now));
            return None;
        }
        self.at = Some(now);
        let usual = self.interval.map_or(since, |interval| interval.min(since));
        self.interval = Some(usual);
        Some(since).filter(|since| *since <= IDLE * usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_time(seconds: f64) -> crate::event::LogTime {
        crate::event::LogTime { seconds, resolution: 1.0, is_timestamp: true }
    }

    fn rate(engine: &str, at: f64, rate: f64) -> Progress {
        Progress {
            engine: Some(engine.to_owned()),
            at: Some(at),
            generation_tokens_per_s: Some(rate),
            ..Progress::default()
        }
    }

    fn sum(records: &[Progress]) -> (f64, f64) {
        let mut serving = Serving::default();
        let served = records.iter().filter_map(|record| serving.record(record));
        served.fold((0.0, 0.0), |sum, served| (sum.0 + served.amount, sum.1 + served.seconds))
    }

    #[test]
    fn the_rates_of_several_engines_add_up() {
        let records: Vec<_> = (0..=10u32)
            .flat_map(|i| {
                let at = f64::from(i) * 10.0;
                [rate("000", at, 100.0), rate("001", at + 0.5, 50.0)]
            })
            .collect();
        let (tokens, seconds) = sum(&records);
        assert_eq!(tokens, 15_000.0);
        assert!((seconds - 100.0).abs() < 1.0, "{seconds}");
    }

    #[test]
    fn idle_time_that_nothing_was_printed_for_is_left_out() {
        let records = [0.0, 10.0, 20.0, 320.0].map(|at| rate("000", at, 100.0));
        assert_eq!(sum(&records), (2000.0, 20.0));
    }

    #[test]
    fn engines_that_state_counts_and_times_work_side_by_side() {
        let step = |engine: &str| Progress {
            engine: Some(engine.to_owned()),
            iteration: Some(1),
            step_time: Some(0.01),
            generated_tokens: Some(20.0),
            ..Progress::default()
        };
        assert_eq!(sum(&[step("DP0"), step("DP1")]), (40.0, 0.01));
    }

    /// A request that a slot had finished, with the moment on the log's clock or as its line arrived.
    fn request(slot: &str, clock: Option<f64>, at: Option<f64>, seconds: f64) -> Progress {
        Progress {
            engine: Some(slot.to_owned()),
            clock: clock.map(log_time),
            at,
            generated_tokens: Some(100.0),
            generation_time: Some(seconds),
            ..Progress::default()
        }
    }

    #[test]
    fn requests_of_several_slots_share_the_time_in_which_they_overlap() {
        let clocked = |slot, end| request(slot, Some(end), None, 4.0);
        assert_eq!(sum(&[clocked("0", 10.0), clocked("1", 12.0), clocked("0", 20.0)]), (300.0, 10.0));
        let arrived = |slot, end| request(slot, None, Some(end), 4.0);
        assert_eq!(sum(&[arrived("0", 10.0), arrived("1", 12.0), arrived("0", 20.0)]), (300.0, 10.0));
    }

    #[test]
    fn one_slots_requests_follow_each_other_even_if_their_lines_arrive_together() {
        let together = |clock, at| [1.0, 2.0, 3.0].map(|seconds| request("0", clock, at, seconds));
        assert_eq!(sum(&together(None, Some(9.0))), (300.0, 6.0));
        assert_eq!(sum(&together(Some(9.0), None)), (300.0, 6.0));
        assert_eq!(sum(&together(None, None)), (300.0, 6.0));
    }

    #[test]
    fn without_a_clock_several_slots_requests_have_no_time() {
        let is_untimed = |slots: [&str; 2]| {
            let mut serving = Serving::default();
            for slot in slots {
                serving.record(&request(slot, None, None, 4.0));
            }
            serving.is_untimed
        };
        assert!(is_untimed(["0", "1"]));
        assert!(!is_untimed(["0", "0"]));
    }

    #[test]
    fn requests_that_overlap_share_their_time() {
        let request = |end: f64, seconds: f64| Progress {
            clock: Some(log_time(end)),
            generated_tokens: Some(100.0),
            generation_time: Some(seconds),
            ..Progress::default()
        };
        assert_eq!(sum(&[request(10.0, 4.0), request(12.0, 4.0)]), (200.0, 6.0));
    }
}
