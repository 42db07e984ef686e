//! Ranks that print the same records: their lines are told apart by their launcher's prefix where no
//! iteration's number does.

use std::collections::BTreeMap;

use super::launcher_prefix::Line;

/// Records of each rank: each rank's next one tells of the same iteration as the others'.
#[derive(Debug, Clone, Default)]
pub struct Ranks {
    records: BTreeMap<Vec<u8>, u64>,
    /// The records of the rank that has printed most.
    most: u64,
}

/// Ranks that are told apart.
const MOST_RANKS: usize = 4096;

impl Ranks {
    /// Whether a record without an iteration's number is one that no other rank has printed.
    pub fn is_new(&mut self, line: Line<'_>) -> bool {
        let Some(label) = line.label() else { return true };
        if self.records.len() >= MOST_RANKS && !self.records.contains_key(label) {
            return true;
        }
        let records = self.records.entry(label.to_owned()).or_default();
        *records += 1;
        let is_new = *records > self.most;
        self.most = self.most.max(*records);
        is_new
    }
}
