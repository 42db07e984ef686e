//! Trainings that know their own truth, in the formats of real frameworks, on a virtual clock: every figure that
//! effllm reports of them is right within 2 %, or null with a reason.
//!
//! A [`program::Program`] is written by a simulator in [`frameworks`]; [`wrap::Call`] puts it through the parser and
//! the recorder; [`truth`] compares.

mod amounts;
mod bars;
mod case;
mod contradictions;
mod frameworks;
mod generator;
mod program;
mod real;
mod restarts;
mod resumes;
mod servers;
mod times;
mod truth;
mod wrap;
