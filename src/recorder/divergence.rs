//! Losses that are no number.

use crate::event::Progress;

/// Records whose loss is NaN or infinite.
#[derive(Debug, Clone, Default)]
pub struct Divergence {
    records: u64,
    /// The first of those that go on to the end, and its iteration.
    since: Option<Option<u64>>,
}

impl Divergence {
    pub fn record(&mut self, record: &Progress) {
        if record.diverged {
            self.records += 1;
            self.since.get_or_insert(record.iteration);
        } else if record.loss.is_some() {
            self.since = None;
        }
    }

    /// Why the last loss is not known, if this is why.
    pub fn goes_on(&self) -> Option<String> {
        let iteration =
            self.since?.map_or(String::new(), |iteration| format!(" from iteration {iteration} on"));
        Some(format!("the log states a loss that is no number (nan or infinite){iteration}"))
    }

    /// What the reader of the report must know of it.
    pub fn warning(&self) -> Option<String> {
        let diverged = self.goes_on().map(|what| format!("{what}: the training has diverged"));
        let times = match self.records {
            0 => return None,
            1 => "once".to_owned(),
            records => format!("{records} times"),
        };
        let at_times = || {
            format!(
                "the log states a loss that is no number (nan or infinite) {times}, and numbers after that"
            )
        };
        diverged.or_else(|| Some(at_times()))
    }
}
