//! What is required of a run, and how runs differ. Pure: reports in, verdicts out.
//!
//! [`expression`] is the language of requirements, [`baseline`] what earlier runs make of the word
//! `baseline` in it, [`policy`] judges a report, [`fail_fast`] a run that is not over, and
//! [`mod@compare`] sets reports side by side, with [`rank_test`] to tell a difference from noise.

pub mod baseline;
pub mod compare;
pub mod expression;
pub mod fail_fast;
pub mod policy;
pub mod rank_test;
mod unit;

pub use baseline::Baselines;
pub use compare::{Comparison, compare};
pub use expression::{Expression, ExpressionError};
pub use fail_fast::FailFast;
pub use policy::{Minimum, Policy, Requirement};
pub use unit::families;
