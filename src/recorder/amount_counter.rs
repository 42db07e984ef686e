//! Tokens or samples: how many there were, and in how much time.

use crate::metrics::{Amount, OutlierFilter};

/// The iterations that are left out as warm-up, and those that count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Split<T> {
    pub warmup: T,
    pub train: T,
}

impl<T> Split<T> {
    pub fn of(&mut self, is_warmup: bool) -> &mut T {
        if is_warmup { &mut self.warmup } else { &mut self.train }
    }
}

/// The time that one or several records speak of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// `None` where the time is unknown: an evaluation lay in it, or there is no clock.
    pub seconds: Option<f64>,
    /// Whether any of it is warm-up.
    pub is_warmup: bool,
}

/// What a record states of an amount.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statement {
    /// The reading of a counter that runs from the job's first iteration on.
    pub counter: Option<f64>,
    /// What the record's iterations added, and where that comes from.
    pub own: Option<(f64, &'static str)>,
    /// A mean per second since the last record that stated one, and where it comes from.
    pub rate: Option<(f64, &'static str)>,
    /// Tokens in each sample, as far as they are known now.
    pub tokens_each: Option<f64>,
}

/// Adds up an amount that a log states by a counter, or by what each record adds to it.
#[derive(Debug, Clone, Default)]
pub struct AmountCounter {
    amounts: Split<Amount>,
    /// The tokens in them, of those samples whose length was known.
    tokens: Split<Amount>,
    /// Tokens in each sample, as the last record knew them.
    tokens_each: Option<f64>,
    /// Samples whose length was unknown.
    pub without_length: bool,
    pub source: &'static str,
    /// Statements that were left out because those around them contradict them.
    pub rejected: u64,
    counter_name: &'static str,
    /// The counter's last accepted reading.
    counter: Option<f64>,
    /// A later reading that the records do not add up to, until the next one confirms or contradicts it.
    suspect: Option<f64>,
    /// What the records say was added from the accepted reading to that one.
    provisional: f64,
    /// The counter was right where the records' own amounts were not.
    own_misleads: bool,
    /// The time in which the counter rose by an amount that is not known, in seconds; infinite if that is
    /// unknown, too.
    missed_seconds: f64,
    by_counter: bool,
    /// The time since the accepted reading, and what the records say was added in it.
    unread: Span,
    unread_own: Option<f64>,
    unrated: Span,
    outliers: OutlierFilter,
}

/// A counter that rises so many times as much as the records add up to, or as little, is suspect:
/// the batch size may grow between two lines, but not so fast.
const SUSPICIOUS: f64 = 5.0;

impl AmountCounter {
    pub fn new(counter_name: &'static str) -> Self {
        Self { counter_name, ..Self::default() }
    }

    /// Takes in what a record states of its span. `from_zero` says that the log is counted from the
    /// job's first iteration, so that a counter began at zero.
    pub fn read(&mut self, span: Span, statement: Statement, from_zero: bool) {
        let Statement { counter, mut own, rate, tokens_each } = statement;
        self.tokens_each = tokens_each;
        self.unread = self.unread.and(span);
        self.unrated = self.unrated.and(span);
        let mut own_span = span;
        if let (None, Some((rate, source))) = (own, rate) {
            own_span = std::mem::take(&mut self.unrated);
            let seconds = own_span.seconds.filter(|seconds| *seconds > 0.0);
            own = seconds.map(|seconds| (rate * seconds, source));
        }
        if let Some((own, _)) = own.filter(|(own, _)| *own > 0.0) {
            *self.unread_own.get_or_insert(0.0) += own;
        }
        match (counter, own) {
            (Some(reading), own) => {
                if !self.by_counter {
                    // The counter replaces what was derived until now.
                    (self.amounts, self.tokens, self.by_counter) = (Split::default(), Split::default(), true);
                    self.source = own.map_or(self.counter_name, |own| own.1);
                }
                self.read_counter(reading, from_zero);
            }
            (None, Some((amount, source))) if !self.by_counter => {
                self.source = source;
                if self.outliers.is_outlier(amount) {
                    self.rejected += 1;
                } else {
                    self.outliers.note(amount);
                    self.add(amount, own_span);
                }
            }
            _ => {}
        }
    }

    /// Counting begins here: the counter stands at this reading, where it is stated.
    pub fn begin(&mut self, counter: Option<f64>) {
        self.counter = counter.or(self.counter);
        self.forget_suspect();
    }

    /// The counter may go on from an earlier reading.
    pub fn restart(&mut self) {
        self.counter = None;
        self.miss_unread();
        self.forget_suspect();
    }

    fn miss_unread(&mut self) {
        self.missed_seconds += self.unread.seconds.unwrap_or(f64::INFINITY);
    }

    /// Whether a noticeable part of the amount is missing: the log counts it, and some iterations lie before
    /// a first reading or after a last one.
    pub fn is_partial(&self) -> bool {
        const NOTICEABLE: f64 = 0.02;
        // Up to a suspect reading the records' own amounts count.
        let unread = if self.provisional > 0.0 { Some(0.0) } else { self.unread.seconds };
        let missed = self.missed_seconds + unread.unwrap_or(f64::INFINITY);
        let known = self.amounts.warmup.seconds + self.amounts.train.seconds;
        self.by_counter && missed > NOTICEABLE * known
    }

    fn forget_suspect(&mut self) {
        (self.suspect, self.provisional) = (None, 0.0);
        (self.unread, self.unread_own, self.unrated) = (Span::default(), None, Span::default());
    }

    fn read_counter(&mut self, reading: f64, from_zero: bool) {
        let own = self.unread_own;
        let Some(before) = self.counter.or(from_zero.then_some(0.0)) else {
            return self.accept(reading, own);
        };
        let risen = reading - before;
        let since_suspect = own.map(|own| own - self.provisional);
        match self.suspect {
            _ if self.is_plausible(risen, own) => self.accept(reading, Some(risen)),
            // It goes on from there: lines were lost, or a job has restarted.
            Some(suspect) if reading > suspect && self.is_plausible(reading - suspect, since_suspect) => {
                self.rejected -= 1;
                self.accept(reading, Some(self.provisional + (reading - suspect)));
            }
            // Two readings contradict what the records say of themselves.
            Some(suspect) if reading > suspect && risen > 0.0 => {
                self.rejected -= 1;
                self.own_misleads = true;
                self.accept(reading, Some(risen));
            }
            _ => {
                self.rejected += 1;
                (self.suspect, self.provisional) = (Some(reading), own.unwrap_or(0.0));
            }
        }
    }

    fn accept(&mut self, reading: f64, amount: Option<f64>) {
        self.source = self.counter_name;
        match amount {
            Some(amount) => self.add(amount, self.unread),
            None => self.miss_unread(),
        }
        self.counter = Some(reading);
        self.forget_suspect();
    }

    /// The amounts. Up to a suspect reading the records' own amounts count.
    pub fn amounts(&self) -> Split<Amount> {
        self.with_provisional(self.amounts, Some(1.0))
    }

    /// The tokens in the samples whose length is known.
    pub fn tokens(&self) -> Split<Amount> {
        self.with_provisional(self.tokens, self.tokens_each)
    }

    /// Takes the time back that amounts were given since an earlier state of the counter.
    pub fn forget_time_since(&mut self, before: &Self) {
        for (now, then) in [(&mut self.amounts, before.amounts), (&mut self.tokens, before.tokens)] {
            for (now, then) in [(&mut now.warmup, then.warmup), (&mut now.train, then.train)] {
                (now.timed, now.seconds) = (then.timed, then.seconds);
            }
        }
    }

    fn with_provisional(&self, amounts: Split<Amount>, each: Option<f64>) -> Split<Amount> {
        let mut amounts = amounts;
        if let Some(each) = each.filter(|_| self.provisional > 0.0) {
            amounts.of(self.unread.is_warmup).record(self.provisional * each, self.unread.seconds);
        }
        amounts
    }

    /// Whether a counter can have risen so, where the records say how much was added.
    fn is_plausible(&self, risen: f64, own: Option<f64>) -> bool {
        let own = own.filter(|_| !self.own_misleads);
        risen >= 0.0 && own.is_none_or(|own| (own / SUSPICIOUS..=own * SUSPICIOUS).contains(&risen))
    }

    fn add(&mut self, amount: f64, span: Span) {
        self.amounts.of(span.is_warmup).record(amount, span.seconds);
        match self.tokens_each {
            Some(each) => self.tokens.of(span.is_warmup).record(amount * each, span.seconds),
            None => self.without_length |= amount > 0.0,
        }
    }
}

impl Default for Span {
    /// No time.
    fn default() -> Self {
        Self { seconds: Some(0.0), is_warmup: false }
    }
}

impl Span {
    fn and(self, later: Self) -> Self {
        Self {
            seconds: self.seconds.zip(later.seconds).map(|(before, later)| before + later),
            is_warmup: self.is_warmup || later.is_warmup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(seconds: f64) -> Span {
        Span { seconds: Some(seconds), is_warmup: false }
    }

    fn stated(counter: Option<f64>, own: Option<(f64, &'static str)>) -> Statement {
        Statement { counter, own, ..Statement::default() }
    }

    #[test]
    fn a_counter_that_is_stated_now_and_then_is_spread_over_the_time_between() {
        let mut counter = AmountCounter::new("counter");
        for i in 1..=20u32 {
            let reading = (i % 10 == 0).then_some(f64::from(i) * 100.0);
            counter.read(span(0.5), stated(reading, Some((7.0, "derived"))), true);
        }
        let run = counter.amounts().train;
        assert_eq!(run, Amount { total: 2000.0, timed: 2000.0, seconds: 10.0 });
    }

    #[test]
    fn a_counter_that_falls_is_continued_not_subtracted() {
        let mut counter = AmountCounter::new("counter");
        for reading in [100.0, 200.0, 110.0, 210.0] {
            counter.read(span(1.0), stated(Some(reading), Some((100.0, "derived"))), true);
        }
        assert_eq!(Some(counter.amounts().train.total), Some(400.0));
    }

    #[test]
    fn a_counter_that_jumps_once_is_rejected() {
        let mut counter = AmountCounter::new("consumed samples");
        for reading in [100.0, 200.0, 1e15, 400.0, 500.0] {
            counter.read(span(1.0), stated(Some(reading), Some((100.0, "derived"))), true);
        }
        assert_eq!((Some(counter.amounts().train.total), counter.rejected), (Some(500.0), 1));
    }

    #[test]
    fn one_wrong_reading_changes_nothing_wherever_it_is() {
        let total = |wrong_at: usize, wrong: f64| {
            let mut counter = AmountCounter::new("consumed samples");
            for i in 1..=20u32 {
                let reading = if i as usize == wrong_at { wrong } else { f64::from(i) * 8.0 };
                counter.read(span(0.5), stated(Some(reading), Some((8.0, "derived"))), true);
            }
            Some((counter.amounts().train.total, counter.amounts().train.seconds))
        };
        for (wrong_at, wrong) in [(11, 3.0), (11, 880.0), (20, 1600.0), (1, 80.0), (11, 0.0), (1, 0.0)] {
            assert_eq!(total(wrong_at, wrong), Some((160.0, 10.0)), "{wrong} at {wrong_at}");
        }
    }

    #[test]
    fn a_counter_that_never_moves_counts_nothing() {
        let mut counter = AmountCounter::new("consumed samples");
        (0..20).for_each(|_| counter.read(span(0.5), stated(Some(0.0), Some((8.0, "derived"))), true));
        assert_eq!((Some(counter.amounts().train.total), counter.source), (Some(160.0), "derived"));
    }

    #[test]
    fn a_counter_that_goes_on_outranks_derived_amounts() {
        let mut counter = AmountCounter::new("consumed samples");
        for i in 1..=20u32 {
            counter.read(span(0.5), stated(Some(f64::from(i) * 64.0), Some((8.0, "derived"))), true);
        }
        let run = counter.amounts().train;
        assert_eq!((run.total, run.seconds, counter.rejected), (1280.0, 10.0, 0));
    }

    #[test]
    fn an_implausible_amount_is_left_out_with_its_time() {
        let mut counter = AmountCounter::new("counter");
        for i in 1..=20 {
            let tokens = if i == 11 { 1e15 } else { 1000.0 };
            counter.read(span(0.5), stated(None, Some((tokens, "tokens in the log"))), false);
        }
        let run = counter.amounts().train;
        assert_eq!((run.per_second(), counter.rejected), (Some(2000.0), 1));
    }

    #[test]
    fn a_counter_that_goes_on_after_a_restart_did_not_begin_at_zero() {
        let mut counter = AmountCounter::new("consumed samples");
        counter.read(span(1.0), stated(Some(100.0), Some((100.0, "derived"))), true);
        counter.restart();
        counter.read(span(1.0), stated(Some(200.0), Some((100.0, "derived"))), false);
        assert_eq!(Some(counter.amounts().train.total), Some(200.0));
    }

    #[test]
    fn time_that_is_not_known_keeps_its_amount_out_of_the_rate() {
        let mut counter = AmountCounter::new("counter");
        counter.read(span(1.0), stated(None, Some((10.0, "derived"))), false);
        counter.read(Span { seconds: None, is_warmup: false }, stated(None, Some((10.0, "derived"))), false);
        let run = counter.amounts().train;
        assert_eq!((run.total, run.per_second()), (20.0, Some(10.0)));
    }

    #[test]
    fn a_rate_is_a_mean_over_the_time_since_the_last_one() {
        let mut counter = AmountCounter::new("counter");
        for i in 1..=20 {
            let rate = (i % 10 == 0).then_some((100.0, "rate"));
            counter.read(span(0.5), Statement { rate, ..Statement::default() }, false);
        }
        assert_eq!(counter.amounts().train, Amount { total: 1000.0, timed: 1000.0, seconds: 10.0 });
    }

    #[test]
    fn each_sample_has_the_length_that_was_known_at_its_time() {
        let mut counter = AmountCounter::new("consumed samples");
        for (i, length) in [(1.0, None), (2.0, Some(1024.0)), (3.0, Some(512.0))] {
            let statement =
                Statement { counter: Some(10.0 * i), tokens_each: length, ..Statement::default() };
            counter.read(span(1.0), statement, true);
        }
        assert_eq!(counter.amounts().train.total, 30.0);
        assert_eq!(counter.tokens().train, Amount { total: 15_360.0, timed: 15_360.0, seconds: 2.0 });
    }
}
