//! Generated tokens of inference servers, of which several may write into one log.

use std::collections::BTreeMap;

use crate::model::Progress;

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
    /// The moment up to which time is counted, on the records' clock, and on that of engines
    /// whose records have none.
    clocked: Option<f64>,
    unclocked: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Engine {
    /// The last record's moment.
    at: Option<f64>,
    /// The shortest time between two records: how much a rate is a mean over.
    interval: Option<f64>,
    /// The sum of its records' times.
    busy: f64,
}

/// Servers that are told apart.
const MOST_ENGINES: usize = 1024;
/// Of an interval this many times the usual one most was idle, and nothing was printed.
const IDLE: f64 = 2.0;

impl Serving {
    /// Whether an engine is another one than the first.
    pub fn is_another(&self, engine: &str) -> bool {
        self.first.as_ref().is_some_and(|first| first != engine)
    }

    /// Takes in a record; `None` if it adds no tokens, or none whose time is known.
    pub fn record(&mut self, record: &Progress) -> Option<Served> {
        let rate = record.generation_tokens_per_s;
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
        let engine = self.engines.entry(name).or_default();
        let by_rate = || Some(counted? / rate.filter(|rate| *rate > 0.0)?);
        let stated =
            record.generation_time.or(record.step_time).or_else(by_rate).filter(|_| counted.is_some());
        let now = if stated.is_some() { record.clock } else { record.at.or(record.clock) };
        let seconds = stated.or_else(|| engine.since_last(now?))?;
        let amount = counted.or_else(|| Some(rate? * seconds))?;
        engine.busy += seconds;
        let until = match now {
            Some(_) => self.clocked.get_or_insert(f64::NEG_INFINITY),
            None => &mut self.unclocked,
        };
        let now = now.unwrap_or(engine.busy);
        let added = (now - *until).clamp(0.0, seconds);
        *until = until.max(now);
        Some(Served { amount, seconds: added })
    }
}

impl Engine {
    /// The time that a rate at a moment is a mean over: since the last record, or only the usual
    /// interval, if nothing was printed for longer.
    fn since_last(&mut self, now: f64) -> Option<f64> {
        let since = now - self.at.unwrap_or(now);
        if since <= 0.0 {
            self.at = Some(self.at.unwrap_or(now).max(now));
            return None;
        }
        self.at = Some(now);
        let usual = self.interval.map_or(since, |interval| interval.min(since));
        self.interval = Some(usual);
        Some(if since > IDLE * usual { usual } else { since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(sum(&records), (3000.0, 30.0));
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

    #[test]
    fn requests_that_overlap_share_their_time() {
        let request = |end: f64, seconds: f64| Progress {
            clock: Some(end),
            generated_tokens: Some(100.0),
            generation_time: Some(seconds),
            ..Progress::default()
        };
        assert_eq!(sum(&[request(10.0, 4.0), request(12.0, 4.0)]), (200.0, 6.0));
    }
}
