//! torchtitan: the first step and each `log_freq`-th has a line, with the tokens per second of one device since the
//! line before. Every rank prints it.

use crate::trainings::program::{Program, Step};

#[derive(Debug, Clone, Copy)]
pub struct Torchtitan {
    /// The step of the checkpoint.
    pub resumed: u64,
    pub until: u64,
    pub total: u64,
    pub log_freq: u64,
    /// Steps between two evaluations, and their time.
    pub evaluation: Option<(u64, f64)>,
    pub step: Step,
    /// Ranks that print, each later than the one before by so many steps.
    pub ranks: u32,
    pub late_steps: usize,
}

impl Torchtitan {
    pub const fn new(steps: u64, step: Step) -> Self {
        let (resumed, log_freq, ranks) = (0, 10, 1);
        Self { resumed, until: steps, total: steps, log_freq, evaluation: None, step, ranks, late_steps: 0 }
    }

    pub fn train(&self, program: &mut Program) {
        self.print_sizes(program);
        program.open();
        let mut lines: Vec<String> = Vec::new();
        let (mut logged, mut logged_at) = (self.resumed, program.now);
        for step in self.resumed + 1..=self.until {
            program.iterate(&self.step);
            if step == 1 || step % self.log_freq == 0 {
                let tokens = (step - logged) as f64 * self.step.tokens;
                let rate = tokens / (program.now - logged_at) / f64::from(self.ranks);
                lines.push(line(program, step, rate));
                for rank in 0..self.ranks {
                    let behind = rank as usize * self.late_steps;
                    if let Some(line) = lines.len().checked_sub(behind + 1).and_then(|i| lines.get(i)) {
                        program.out(&format!("[rank{rank}]:{line}"));
                    }
                }
                program.tell();
                (logged, logged_at) = (step, program.now);
            }
            if let Some((_, seconds)) = self.evaluation.filter(|(every, _)| step % every == 0) {
                program.prepare(seconds);
                let time = program.time_of_day().replace('.', ",");
                program.out(&format!(
                    "[rank0]:[titan] 2026-01-09 {time} - root - INFO - validate step: {step}  loss:  9.9000  \
                     memory: 20.11GiB(25.40%)  tps: 40,000\n"
                ));
                logged_at += seconds;
            }
        }
        program.lose_untold();
        for rank in 1..self.ranks {
            let late = lines.len().saturating_sub(rank as usize * self.late_steps);
            lines[late..].iter().for_each(|line| program.out(&format!("[rank{rank}]:{line}")));
        }
    }

    fn print_sizes(&self, program: &mut Program) {
        let Step { samples, parameters, .. } = self.step;
        let time = program.time_of_day().replace('.', ",");
        for text in [
            format!("Model llama3 1B size: {parameters} total parameters"),
            format!("Building 1-D device mesh with ['dp_shard'], [{}]", self.ranks),
            format!(
                "Trainer is initialized with local batch size {}, global batch size {samples}, gradient \
                 accumulation steps 1, sequence length {}, total steps {} (warmup 2)",
                samples / f64::from(self.ranks),
                self.step.length(),
                self.total
            ),
        ] {
            program.out(&format!("[rank0]:[titan] 2026-01-09 {time} - root - INFO - {text}\n"));
        }
        if self.resumed > 0 {
            program.out(&format!(
                "[rank0]:[titan] 2026-01-09 {time} - root - INFO - Loading the checkpoint from \
                 outputs/checkpoint/step-{}.\n",
                self.resumed
            ));
        }
    }
}

fn line(program: &Program, step: u64, rate: f64) -> String {
    format!(
        "[titan] 2026-01-09 {} - root - INFO - \x1b[31mstep: {step:2}  \x1b[32mloss: 10.0021  \
         \x1b[38;2;180;60;0mgrad_norm:  2.5000  \x1b[38;2;54;234;195mmemory: 20.11GiB(25.40%)  \x1b[34mtps: {}  \
         \x1b[36mtflops: 153.60  \x1b[35mmfu: 15.53%\x1b[39m\n",
        program.time_of_day().replace('.', ","),
        with_separators(rate.round() as u64)
    )
}

/// `18,391`.
fn with_separators(number: u64) -> String {
    let (thousands, rest) = (number / 1000, number % 1000);
    if thousands > 0 { format!("{},{rest:03}", with_separators(thousands)) } else { rest.to_string() }
}
