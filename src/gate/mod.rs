//! Requirements on a run, and the judgement of a report by them. No I/O: reports in, verdicts out.
//!
//! [`expression`] is the language of requirements, [`baseline`] what earlier runs make of the word
//! `baseline` in it, [`policy`] judges a report, and [`fail_fast`] a run that is not over.

pub mod baseline;
pub mod expression;
pub mod fail_fast;
pub mod policy;
mod unit;

pub use baseline::Baselines;
pub use expression::{Expression, ExpressionError};
pub use fail_fast::FailFast;
pub use policy::{Minimum, Policy, Requirement};
pub use unit::families;
