//! What the command's output says of its progress.
//!
//! A log that is no command's output comes from a file, compressed or growing ([`input`], [`tail`]).
//! Bytes become lines ([`lines`], [`launcher_prefix`]), lines are matched against rules ([`rules`],
//! [`field`]), matches become records ([`parser`]), and where no profile was named the first one
//! that recognises a record is chosen ([`detect`]). Frameworks are data: the built-in profiles lie
//! in `profiles/`, written in the language that users write ([`profiles`]).

pub mod closest_match;
pub mod detect;
pub mod field;
pub mod input;
pub mod launcher_prefix;
pub mod lines;
pub mod literals;
pub mod parser;
pub mod pattern;
pub mod prefilter;
pub mod profiles;
pub mod reader;
pub mod rules;
pub mod tail;
pub mod timestamp;

pub use reader::{LogReader, Source};
pub use rules::Rules;
