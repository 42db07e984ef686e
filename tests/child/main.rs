//! `effllm run` is indistinguishable from no wrapper: for the command, for the terminal, for the
//! shell; and whatever fails costs measurements at most. All through the binary.

#[allow(dead_code, reason = "the tests of the main job use the rest of it")]
#[path = "../effllm/shell.rs"]
mod shell;

mod conformance;
mod faults;
mod pipes;
mod probe;
mod screen;
mod secrets;
mod signals;
mod terminal;
