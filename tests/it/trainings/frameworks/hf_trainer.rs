//! The Trainer of transformers, with what TRL and LLaMA-Factory add to it: a bar on stderr, a dict on stdout each
//! `logging_steps`, and with the log level INFO a header.

use super::tqdm::Bar;
use crate::trainings::program::{Program, Step};

/// Tokens in the dict of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    Unlogged,
    /// `num_input_tokens_seen`, which a checkpoint keeps.
    Seen,
    /// TRL's `num_tokens`, which counts from the start of a process.
    Trl,
    /// LLaMA-Factory's `throughput`: all tokens seen over the time since training began in this process.
    Throughput,
}

/// Evaluations while training.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation {
    /// Steps between two.
    pub every: u64,
    pub batches: u64,
    pub batch_seconds: f64,
}

/// One call of `trainer.train()`.
#[derive(Debug, Clone, Copy)]
pub struct Trainer {
    /// Whether the log level shows the header.
    pub header: bool,
    /// The step of the checkpoint from which training resumes.
    pub resumed: u64,
    /// The last step that this process makes.
    pub until: u64,
    /// `max_steps`.
    pub total: u64,
    pub logging_steps: u64,
    pub evaluation: Option<Evaluation>,
    pub tokens: Tokens,
    pub step: Step,
    /// The time in which data is skipped before the first step after a resume.
    pub skip_seconds: f64,
    /// First steps that are slower, and left out by `--warmup`.
    pub warmup: u64,
}

impl Trainer {
    /// Some steps with a log each ten.
    pub const fn new(steps: u64, step: Step) -> Self {
        Self {
            header: false,
            resumed: 0,
            until: steps,
            total: steps,
            logging_steps: 10,
            evaluation: None,
            tokens: Tokens::Unlogged,
            step,
            skip_seconds: 0.0,
            warmup: 0,
        }
    }

    pub const fn with_header(self) -> Self {
        Self { header: true, ..self }
    }

    pub const fn counting(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// Resumes from a step, and makes those until another one.
    pub const fn resuming(self, resumed: u64, until: u64, total: u64) -> Self {
        Self { resumed, until, total, ..self }
    }

    pub fn train(&self, program: &mut Program) {
        if self.header {
            self.print_header(program);
        }
        let began = program.now;
        let mut bar = Bar::new(program, self.total);
        program.open();
        program.prepare(self.skip_seconds);
        let mut shown = 0;
        for step in self.resumed + 1..=self.until {
            if step - self.resumed <= self.warmup {
                program.warm_up(5.0 * self.step.seconds);
            } else {
                program.iterate(&self.step);
            }
            bar.update(program, step - shown);
            shown = step;
            if step % self.logging_steps == 0 {
                let line = self.logged(program, step, program.now - began);
                bar.write(program, &line);
            }
            if let Some(evaluation) = self.evaluation.filter(|evaluation| step % evaluation.every == 0) {
                evaluation.run(program, Some(&mut bar), self.header);
            }
        }
        if self.until == self.total {
            bar.write(
                program,
                "{'train_runtime': 12.3, 'train_samples_per_second': 8.1, 'train_loss': 1.71, 'epoch': 1.0}",
            );
            bar.close(program);
        } else {
            program.err("\nTraceback (most recent call last):\n");
            program.out("RuntimeError: CUDA error: an illegal memory access was encountered\n");
            program.lose_untold();
        }
    }

    fn logged(&self, program: &Program, step: u64, elapsed: f64) -> String {
        let (seen, made) = (step as f64 * self.step.tokens, (step - self.resumed) as f64 * self.step.tokens);
        let loss = 4.0 - step as f64 / self.total as f64;
        let epoch = step as f64 / self.total as f64;
        let common = format!("'loss': {loss:.4}, 'grad_norm': 1.25, 'learning_rate': 9.5e-05");
        match self.tokens {
            Tokens::Unlogged => format!("{{{common}, 'epoch': {epoch:.2}}}"),
            Tokens::Seen => format!("{{{common}, 'epoch': {epoch:.2}, 'num_input_tokens_seen': {seen:.0}}}"),
            Tokens::Trl => format!(
                "{{{common}, 'num_tokens': {made:.1}, 'mean_token_accuracy': 0.61, 'epoch': {epoch:.2}}}"
            ),
            Tokens::Throughput => format!(
                "[INFO|2026-01-09 {}] llamafactory.train.callbacks:143 >> {{'loss': {loss:.4}, \
                 'learning_rate': 9.5000e-05, 'epoch': {epoch:.2}, 'throughput': {:.2}}}",
                program.second_of_day(),
                seen / elapsed
            ),
        }
    }

    pub fn print_header(&self, program: &mut Program) {
        let Self { step: Step { samples, parameters, .. }, total, resumed, .. } = self;
        program.err(&format!(
            "***** Running training *****\n  Num examples = {:.0}\n  Num Epochs = 1\n  \
             Instantaneous batch size per device = {samples}\n  \
             Total train batch size (w. parallel, distributed & accumulation) = {samples}\n  \
             Gradient Accumulation steps = 1\n  Total optimization steps = {total}\n  \
             Number of trainable parameters = {parameters}\n",
            *total as f64 * samples
        ));
        if *resumed > 0 {
            program.err(&format!(
                "  Continuing training from checkpoint, will skip to saved global_step\n  \
                 Continuing training from epoch 0\n  Continuing training from global step {resumed}\n  \
                 Will skip the first 0 epochs then the first {resumed} batches in the first epoch.\n"
            ));
        }
    }
}

impl Evaluation {
    /// `trainer.evaluate()`: outside training no dict follows.
    pub fn run(&self, program: &mut Program, training: Option<&mut Bar>, header: bool) {
        if header {
            let examples = self.batches * 8;
            program.err(&format!(
                "\n***** Running Evaluation *****\n  Num examples = {examples}\n  Batch size = 8\n"
            ));
        }
        let mut bar = match training {
            Some(_) => Bar::nested(program, self.batches),
            None => Bar::new(program, self.batches),
        };
        for _ in 0..self.batches {
            program.prepare(self.batch_seconds);
            bar.update(program, 1);
        }
        if let Some(training) = training {
            training.write(
                program,
                "{'eval_loss': 1.7, 'eval_runtime': 2.5, 'eval_samples_per_second': 40.0, 'epoch': 0.5}",
            );
        }
        bar.close(program);
    }
}

/// A bar without a description, of a program that prepares its data.
pub fn prepare_data(program: &mut Program, total: u64, seconds: f64) {
    let mut bar = Bar::new(program, total);
    for _ in 0..total {
        program.prepare(seconds);
        bar.update(program, 1);
    }
    bar.close(program);
}
