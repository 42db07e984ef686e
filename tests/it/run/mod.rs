//! `effllm run`: the command is what it would be alone, whatever fails costs measurements at most, and the figures
//! are right.

mod conformance;
mod descriptors;
mod faults;
mod filters;
mod gpu;
mod hangs;
mod launcher;
mod metrics;
mod phases;
mod pipes;
mod probe;
mod secrets;
mod signals;
mod sink;
mod starts;
mod terminal;
mod wrap;
