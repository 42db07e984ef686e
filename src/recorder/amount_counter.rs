//! Tokens or samples: how many there were, and in how much time.

use crate::metrics::{OutlierFilter, Rate};

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
pub struct AmountCounter {
    run: Option<Amount>,
    train: Option<Amount>,
    /// Where the amounts come from.
    pub source: &'static str,
    /// Statements that those around them speak against, and which were left out.
    pub rejected: u64,
    /// What the log calls the counter.
    counter_name: &'static str,
    /// The counter's last believed reading.
    counter: Option<f64>,
    /// A later reading that is not what the records add up to, until the next one speaks for or
    /// against it.
    doubted: Option<f64>,
    /// What the records say was added from the believed reading to that one.
    provisional: f64,
    /// The counter was right where the records' own amounts were not.
    own_misleads: bool,
    /// Whether the log may be the job's from its first iteration on.
    is_whole: bool,
    by_counter: bool,
    /// The time since the believed reading, and what the records say was added in it.
    unread: Span,
    unread_own: Option<f64>,
    usual: OutlierFilter,
}

/// A counter that rises so many times as much as the records add up to, or as little, is doubted:
/// the batch size may grow between two lines, but not so fast.
const DOUBTFUL: f64 = 5.0;

const NOTHING_UNREAD: Span = Span { seconds: Some(0.0), counted: true };

impl AmountCounter {
    pub fn new(counter_name: &'static str) -> Self {
        Self {
            run: None,
            train: None,
            source: "",
            rejected: 0,
            counter_name,
            counter: None,
            doubted: None,
            provisional: 0.0,
            own_misleads: false,
            is_whole: true,
            by_counter: false,
            unread: NOTHING_UNREAD,
            unread_own: None,
            usual: OutlierFilter::default(),
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
        if let Some((own, _)) = own.filter(|(own, _)| *own > 0.0) {
            *self.unread_own.get_or_insert(0.0) += own;
        }
        match (counter, own) {
            (Some(reading), own) => {
                if !self.by_counter {
                    // What was derived until now is replaced by what the counter says of the same time.
                    (self.run, self.train, self.by_counter) = (None, None, true);
                    self.source = own.map_or(self.counter_name, |own| own.1);
                }
                self.read_counter(reading, from_zero);
            }
            (None, Some((amount, source))) if !self.by_counter => {
                self.source = source;
                if self.usual.is_outlier(amount) {
                    self.rejected += 1;
                } else {
                    self.usual.note(amount);
                    self.add(amount, span);
                }
            }
            _ => {}
        }
    }

    /// Nothing is counted of what came before: the counter stands here, where it is stated.
    pub fn begin(&mut self, counter: Option<f64>) {
        self.counter = counter.or(self.counter);
        self.forget_doubt();
    }

    /// The counter may go on from an earlier reading.
    pub fn restart(&mut self) {
        self.counter = None;
        self.is_whole = false;
        self.forget_doubt();
    }

    fn forget_doubt(&mut self) {
        (self.doubted, self.provisional) = (None, 0.0);
        (self.unread, self.unread_own) = (NOTHING_UNREAD, None);
    }

    fn read_counter(&mut self, reading: f64, from_zero: bool) {
        let own = self.unread_own;
        let Some(before) = self.counter.or((from_zero && self.is_whole).then_some(0.0)) else {
            return self.believe(reading, own);
        };
        let risen = reading - before;
        let since_doubt = own.map(|own| own - self.provisional);
        match self.doubted {
            _ if self.is_plausible(risen, own) => self.believe(reading, Some(risen)),
            // It goes on from there: lines were lost, or a job has restarted.
            Some(doubted) if reading > doubted && self.is_plausible(reading - doubted, since_doubt) => {
                self.rejected -= 1;
                self.believe(reading, Some(self.provisional + (reading - doubted)));
            }
            // Two readings speak against what the records say of themselves.
            Some(doubted) if reading > doubted && risen > 0.0 => {
                self.rejected -= 1;
                self.own_misleads = true;
                self.believe(reading, Some(risen));
            }
            _ => {
                self.rejected += 1;
                (self.doubted, self.provisional) = (Some(reading), own.unwrap_or(0.0));
            }
        }
    }

    fn believe(&mut self, reading: f64, amount: Option<f64>) {
        self.source = self.counter_name;
        if let Some(amount) = amount {
            self.add(amount, self.unread);
        }
        self.counter = Some(reading);
        self.forget_doubt();
    }

    /// The amount of the headline window, or of the whole run. Up to a reading that is doubted the
    /// records' own amounts count.
    pub fn amount(&self, counted: bool) -> Option<Amount> {
        let known = if counted { self.train } else { self.run };
        if self.provisional <= 0.0 || counted && !self.unread.counted {
            return known;
        }
        let mut amount = known.unwrap_or_default();
        amount.add(self.provisional, self.unread);
        Some(amount)
    }

    /// Whether a counter can have risen so, where the records say how much was added.
    fn is_plausible(&self, risen: f64, own: Option<f64>) -> bool {
        let own = own.filter(|_| !self.own_misleads);
        risen >= 0.0 && own.is_none_or(|own| (own / DOUBTFUL..=own * DOUBTFUL).contains(&risen))
    }

    fn add(&mut self, amount: f64, span: Span) {
        let windows = [Some(&mut self.run), span.counted.then_some(&mut self.train)];
        for window in windows.into_iter().flatten() {
            window.get_or_insert_default().add(amount, span);
        }
    }
}

impl Amount {
    fn add(&mut self, amount: f64, span: Span) {
        self.total += amount;
        if let Some(seconds) = span.seconds {
            self.rate.add(amount, seconds);
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
        let mut meter = AmountCounter::new("counter");
        for i in 1..=20u32 {
            let reading = (i % 10 == 0).then_some(f64::from(i) * 100.0);
            meter.read(span(0.5), reading, Some((7.0, "derived")), true);
        }
        let run = meter.amount(false).unwrap_or_default();
        assert_eq!((run.total, run.rate), (2000.0, Rate { amount: 2000.0, seconds: 10.0 }));
    }

    #[test]
    fn a_counter_that_falls_is_continued_not_subtracted() {
        let mut meter = AmountCounter::new("counter");
        for reading in [100.0, 200.0, 110.0, 210.0] {
            meter.read(span(1.0), Some(reading), Some((100.0, "derived")), true);
        }
        assert_eq!(meter.amount(false).map(|run| run.total), Some(400.0));
    }

    #[test]
    fn a_counter_that_lies_is_not_believed() {
        let mut meter = AmountCounter::new("consumed samples");
        for reading in [100.0, 200.0, 1e15, 400.0, 500.0] {
            meter.read(span(1.0), Some(reading), Some((100.0, "derived")), true);
        }
        assert_eq!((meter.amount(false).map(|run| run.total), meter.rejected), (Some(500.0), 1));
    }

    #[test]
    fn one_reading_that_lies_changes_nothing_wherever_it_stands() {
        let total = |lie_at: usize, lie: f64| {
            let mut meter = AmountCounter::new("consumed samples");
            for i in 1..=20u32 {
                let reading = if i as usize == lie_at { lie } else { f64::from(i) * 8.0 };
                meter.read(span(0.5), Some(reading), Some((8.0, "derived")), true);
            }
            meter.amount(false).map(|run| (run.total, run.rate.seconds))
        };
        for (lie_at, lie) in [(11, 3.0), (11, 880.0), (20, 1600.0), (1, 80.0), (11, 0.0), (1, 0.0)] {
            assert_eq!(total(lie_at, lie), Some((160.0, 10.0)), "{lie} at {lie_at}");
        }
    }

    #[test]
    fn a_counter_that_never_moves_counts_nothing() {
        let mut meter = AmountCounter::new("consumed samples");
        (0..20).for_each(|_| meter.read(span(0.5), Some(0.0), Some((8.0, "derived")), true));
        assert_eq!((meter.amount(false).map(|run| run.total), meter.source), (Some(160.0), "derived"));
    }

    #[test]
    fn a_counter_that_goes_on_is_believed_before_what_is_derived() {
        let mut meter = AmountCounter::new("consumed samples");
        for i in 1..=20u32 {
            meter.read(span(0.5), Some(f64::from(i) * 64.0), Some((8.0, "derived")), true);
        }
        let run = meter.amount(false).unwrap_or_default();
        assert_eq!((run.total, run.rate.seconds, meter.rejected), (1280.0, 10.0, 0));
    }

    #[test]
    fn an_amount_that_lies_is_left_out_with_its_time() {
        let mut meter = AmountCounter::new("counter");
        for i in 1..=20 {
            let tokens = if i == 11 { 1e15 } else { 1000.0 };
            meter.read(span(0.5), None, Some((tokens, "tokens in the log")), false);
        }
        let run = meter.amount(false).unwrap_or_default();
        assert_eq!((run.rate.per_second(), meter.rejected), (Some(2000.0), 1));
    }

    #[test]
    fn a_counter_that_goes_on_after_a_restart_did_not_begin_at_zero() {
        let mut meter = AmountCounter::new("consumed samples");
        meter.read(span(1.0), Some(100.0), Some((100.0, "derived")), true);
        meter.restart();
        meter.read(span(1.0), Some(200.0), Some((100.0, "derived")), true);
        assert_eq!(meter.amount(false).map(|run| run.total), Some(200.0));
    }

    #[test]
    fn time_that_is_not_known_keeps_its_amount_out_of_the_rate() {
        let mut meter = AmountCounter::new("counter");
        meter.read(span(1.0), None, Some((10.0, "derived")), false);
        meter.read(Span { seconds: None, counted: true }, None, Some((10.0, "derived")), false);
        let run = meter.amount(false).unwrap_or_default();
        assert_eq!((run.total, run.rate.per_second()), (20.0, Some(10.0)));
    }
}
