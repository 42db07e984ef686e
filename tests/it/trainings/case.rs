//! A training of any framework, with all that may happen to it.

use std::fmt;

use super::frameworks::deepspeed::DeepSpeed;
use super::frameworks::hf_trainer::{Evaluation, Tokens, Trainer, prepare_data};
use super::frameworks::lightning::Lightning;
use super::frameworks::litgpt::LitGpt;
use super::frameworks::megatron::Megatron;
use super::frameworks::nanogpt::NanoGpt;
use super::frameworks::plain::{Line, Plain};
use super::frameworks::torchtitan::Torchtitan;
use super::program::{Program, Step};
use super::wrap::Call;
use crate::library::Report;

/// A framework, and how it is used.
#[derive(Debug, Clone, Copy)]
pub enum Framework {
    Trainer {
        header: bool,
        tokens: Tokens,
        skip_seconds: f64,
    },
    Megatron {
        is_last_node: bool,
        echoes: bool,
        is_core_016: bool,
    },
    /// `launch`: the share of an iteration that the host takes to launch it.
    NanoGpt {
        launch: Option<f64>,
    },
    Torchtitan {
        ranks: u32,
        late_steps: usize,
    },
    LitGpt {
        accumulation: u64,
        optimizer_seconds: f64,
    },
    Lightning {
        epochs: u64,
    },
    DeepSpeed,
    Plain(Line),
}

/// A job, of which a process may make a part.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub total: u64,
    pub log_interval: u64,
    pub step: Step,
    /// Iterations between two evaluations, and their time.
    pub evaluation: Option<(u64, f64)>,
}

/// What one process makes of a job.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub job: Job,
    pub resumed: u64,
    pub until: u64,
}

/// A program that trains.
#[derive(Debug, Clone)]
pub struct Case {
    pub framework: Framework,
    pub parts: Vec<Part>,
    /// Bars before it: items, and the time of each.
    pub preparation: Vec<(u64, f64)>,
    /// Bytes that stdout holds back; 0 for none.
    pub buffer: usize,
    pub jitter: f64,
}

impl Case {
    /// The program with its truth, and what effllm reports of it.
    pub fn measure(&self) -> (Program, Report) {
        let mut program = Program::new();
        program.jitter = self.jitter;
        program.buffer_stdout(self.buffer);
        for (items, seconds) in &self.preparation {
            prepare_data(&mut program, *items, *seconds);
        }
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                program.idle(2.0);
            }
            self.framework.train(part, &mut program);
        }
        let program = program.exit();
        let pattern = match self.framework {
            Framework::Plain(line) => Some(line.pattern()),
            _ => None,
        };
        let report = Call { pattern, ..Call::default() }.run(&program);
        (program, report)
    }
}

impl Case {
    /// Whether the lines that a restart repeats are so few that another rank may have printed them.
    pub fn repeats_little(&self) -> bool {
        const FEW: u64 = 3;
        let mut pairs = self.parts.iter().zip(self.parts.iter().skip(1));
        pairs.any(|(first, second)| {
            let last = first.until / first.job.log_interval;
            (1..FEW).contains(&last.saturating_sub(second.resumed / second.job.log_interval))
        })
    }
}

impl Case {
    /// Whether blocks of one or two lines hold back what tells where evaluations lie. No real buffer is that small.
    pub fn is_blurred(&self) -> bool {
        self.buffer < 4096 && self.parts.iter().any(|part| part.job.evaluation.is_some())
    }
}

impl Framework {
    fn train(self, part: &Part, program: &mut Program) {
        let Part { resumed, until, job: Job { total, log_interval, step, evaluation } } = *part;
        match self {
            Self::Trainer { header, tokens, skip_seconds } => {
                const BATCHES: u64 = 20;
                let skip_seconds = if resumed > 0 { skip_seconds } else { 0.0 };
                let evaluation = evaluation.map(|(every, seconds)| Evaluation {
                    every,
                    batches: BATCHES,
                    batch_seconds: seconds / BATCHES as f64,
                });
                let logging_steps = log_interval;
                let warmup = 0;
                Trainer {
                    header,
                    resumed,
                    until,
                    total,
                    logging_steps,
                    evaluation,
                    tokens,
                    step,
                    skip_seconds,
                    warmup,
                }
                .train(program);
            }
            Self::Megatron { is_last_node, echoes, is_core_016 } => {
                let job = Megatron { echoes, is_core_016, evaluation, ..Megatron::new(total, step) };
                let job = job.logging(log_interval).resuming(resumed, until, total);
                if is_last_node { job.of_last_node().train(program) } else { job.train(program) }
            }
            Self::NanoGpt { launch } => {
                let launch_seconds = launch.map(|share| share * step.seconds);
                NanoGpt { from: resumed, until, log_interval, evaluation, step, launch_seconds }
                    .train(program);
            }
            Self::Torchtitan { ranks, late_steps } => {
                program.gpus = ranks;
                let log_freq = log_interval;
                Torchtitan { resumed, until, total, log_freq, evaluation, step, ranks, late_steps }
                    .train(program);
            }
            Self::LitGpt { accumulation, optimizer_seconds } => {
                LitGpt { steps: until, accumulation, log_interval, step, optimizer_seconds, evaluation }
                    .train(program);
            }
            Self::Lightning { epochs } => {
                let validation = evaluation.map(|(_, seconds)| (20, seconds / 20.0));
                Lightning { epochs, batches: until, step, validation }.train(program);
            }
            Self::DeepSpeed => {
                DeepSpeed { resumed, until, steps_per_print: log_interval, step }.train(program)
            }
            Self::Plain(line) => Plain { line, resumed, until, total, log_interval, step }.train(program),
        }
    }
}

/// In words.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { framework, parts, preparation, buffer, jitter } = self;
        write!(f, "{framework:?}")?;
        for (items, seconds) in preparation {
            write!(f, "\n  first a bar of {items} items, {seconds:.4} s each")?;
        }
        for Part { job: Job { total, log_interval, step, evaluation }, resumed, until } in parts {
            let from = if *resumed > 0 { format!("resumed from {resumed}, ") } else { String::new() };
            let crash = if until < total { ", and then a crash" } else { "" };
            write!(
                f,
                "\n  {from}iterations until {until} of {total}{crash}, each {:.4} s with {} samples of {} tokens, {:.0} \
                 parameters, a line each {log_interval}",
                step.seconds,
                step.samples,
                step.length(),
                step.parameters
            )?;
            if let Some((every, seconds)) = evaluation {
                write!(f, ", an evaluation of {seconds:.2} s each {every}")?;
            }
        }
        write!(f, "\n  iterations vary by {:.1} %", 100.0 * jitter)?;
        if *buffer > 0 {
            write!(f, "\n  stdout is written in blocks of {buffer} bytes")?;
        }
        Ok(())
    }
}
