//! Tokens or samples: how many there were, and in how much time.

use crate::metrics::Rate;

/// The time that one or several records speak of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// `None` where the time is not known: an evaluation lay in between, or there is no clock.
    pub seconds: Option<f64>,
    /// Whether it lies in the headline window.
    pub counted: bool,
}

/// An amount over a window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Amount {
    /// All of it.
    pub total: f64,
    /// Those parts whose time is known, and their time.
    pub rate: Rate,
}

/// Adds up an amount that a log states by a counter, or by what each record adds to it.
#[derive(Debug, Clone)]
pub struct Meter {
    pub run: Option<Amount>,
    pub train: Option<Amount>,
    /// Where the amounts come from.
    pub source: &'static str,
    /// What the log calls the counter.
    counter_name: &'static str,
    /// The counter's last reading.
    counter: Option<f64>,
    /// Whether the log may be the job's from its first iteration on.
    is_whole: bool,
    by_counter: bool,
    /// The time since that reading.
    unread: Span,
}

/// A counter that rises by more than so many records add is a line that lies.
const MOST_RISE: f64 = 1e4;

const NOTHING_UNREAD: Span = Span { seconds: Some(0.0), counted: true };

impl Meter {
    pub fn new(counter_name: &'static str) -> Self {
        Self {
            run: None,
            train: None,
            source: "",
            counter_name,
            counter: None,
            is_whole: true,
            by_counter: false,
            unread: NOTHING_UNREAD,
        }
    }

    /// Takes in a record: the counter's reading if it states one, else the amount of its own span
    /// with its source. `from_zero` says that the log is counted from the job's first iteration,
    /// so that a counter began at zero.
    pub fn read(
        &mut self,
        span: Span,
        counter: Option<f64>,
        own: Option<(f64, &'static str)>,
        from_zero: bool,
    ) {
        self.unread.seconds = self.unread.seconds.zip(span.seconds).map(|(unread, seconds)| unread + seconds);
        self.unread.counted &= span.counted;
        match (counter, own) {
            (Some(reading), own) => self.read_counter(reading, own, from_zero),
            (None, Some((amount, source))) if !self.by_counter => {
                self.source = source;
                self.add(amount, span);
            }
            _ => {}
        }
    }

    /// Nothing is counted of what came before: the counter stands here, where it is stated.
    pub fn begin(&mut self, counter: Option<f64>) {
        self.counter = counter.or(self.counter);
        self.unread = NOTHING_UNREAD;
    }

    /// The counter may go on from an earlier reading.
    pub fn restart(&mut self) {
        self.counter = None;
        self.is_whole = false;
        self.unread = NOTHING_UNREAD;
    }

    fn read_counter(&mut self, reading: f64, own: Option<(f64, &'static str)>, from_zero: bool) {
        if !self.by_counter {
            // What was derived until now is replaced by what the counter says of the same time.
            (self.run, self.train, self.by_counter) = (None, None, true);
        }
        self.source = self.counter_name;
        let previous = self.counter.or((from_zero && self.is_whole).then_some(0.0));
        let own = own.map(|own| own.0).filter(|own| *own > 0.0);
        let most = own.map_or(f64::INFINITY, |own| MOST_RISE * own);
        let risen = previous.map(|previous| reading - previous).filter(|risen| (0.0..=most).contains(risen));
        if let Some(amount) = risen.or(own) {
            self.add(amount, self.unread);
        }
        self.counter = Some(reading);
        self.unread = NOTHING_UNREAD;
    }

    fn add(&mut self, amount: f64, span: Span) {
        let windows = [Some(&mut self.run), span.counted.then_some(&mut self.train)];
        for window in windows.into_iter().flatten() {
            let sum = window.get_or_insert_default();
            sum.total += amount;
            if let Some(seconds) = span.seconds {
                sum.rate.add(amount, seconds);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(seconds: f64) -> Span {
        Span { seconds: Some(seconds), counted: true }
    }

    #[test]
    fn a_counter_that_is_stated_now_and_then_is_spread_over_the_time_between() {
        let mut meter = Meter::new("counter");
        for i in 1..=20u32 {
            let reading = (i % 10 == 0).then_some(f64::from(i) * 100.0);
            meter.read(span(0.5), reading, Some((7.0, "derived")), true);
        }
        let run = meter.run.unwrap_or_default();
        assert_eq!((run.total, run.rate), (2000.0, Rate { amount: 2000.0, seconds: 10.0 }));
    }

    #[test]
    fn a_counter_that_falls_is_continued_not_subtracted() {
        let mut meter = Meter::new("counter");
        for reading in [100.0, 200.0, 110.0, 210.0] {
            meter.read(span(1.0), Some(reading), Some((100.0, "derived")), true);
        }
        assert_eq!(meter.run.map(|run| run.total), Some(400.0));
    }

    #[test]
    fn a_counter_that_lies_is_not_believed() {
        let mut meter = Meter::new("consumed samples");
        for reading in [100.0, 200.0, 1e15, 400.0, 500.0] {
            meter.read(span(1.0), Some(reading), Some((100.0, "derived")), true);
        }
        assert_eq!(meter.run.map(|run| run.total), Some(500.0));
    }

    #[test]
    fn a_counter_that_goes_on_after_a_restart_did_not_begin_at_zero() {
        let mut meter = Meter::new("consumed samples");
        meter.read(span(1.0), Some(100.0), Some((100.0, "derived")), true);
        meter.restart();
        meter.read(span(1.0), Some(200.0), Some((100.0, "derived")), true);
        assert_eq!(meter.run.map(|run| run.total), Some(200.0));
    }

    #[test]
    fn time_that_is_not_known_keeps_its_amount_out_of_the_rate() {
        let mut meter = Meter::new("counter");
        meter.read(span(1.0), None, Some((10.0, "derived")), false);
        meter.read(Span { seconds: None, counted: true }, None, Some((10.0, "derived")), false);
        let run = meter.run.unwrap_or_default();
        assert_eq!((run.total, run.rate.per_second()), (20.0, Some(10.0)));
    }
}
