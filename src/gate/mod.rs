//! Requirements on a run, and the verdict on a report by them. No I/O: reports in, verdicts out.
//!
//! [`expression`] is the language of requirements, [`baseline`] the value of the word `baseline` in it,
//! [`policy`] gives the verdict on a report, and [`fail_fast`] ends a run that cannot pass any more.

pub mod baseline;
pub mod expression;
pub mod fail_fast;
pub mod policy;
mod unit;

pub use expression::Expression;
pub use fail_fast::FailFast;
pub use policy::Policy;
pub use unit::families;
