//! A log's progress: from bytes to events.
//!
//! A log comes from the command's output, or from a file, which may be compressed or growing ([`input`],
//! [`tail`]). Bytes become lines ([`lines`], [`launcher_prefix`]), lines are matched against rules ([`rules`],
//! [`pattern`], [`binding`]), matches become records ([`parser`]), and records progress ([`sequence`], bars in
//! `bar_sequence`). Where no profile was named, the first one that recognises a record is chosen ([`detect`]).
//! Frameworks are data: the built-in profiles in `profiles/` are written in the language of users' rules ([`profiles`]).

mod bar_sequence;
pub mod bars;
pub mod binding;
pub mod closest_match;
pub mod detect;
pub mod input;
pub mod launcher_prefix;
pub mod lines;
pub mod literals;
pub mod parser;
pub mod pattern;
pub mod prefilter;
pub mod profiles;
pub mod ranks;
pub mod reader;
pub mod rules;
pub mod sequence;
pub mod stalled;
pub mod tail;
pub mod timestamp;

pub use reader::LogReader;
pub use rules::Rules;
