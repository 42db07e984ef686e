//! nanoGPT's `train.py`: iterations count from zero, and a line states the time of the last one alone.

use crate::trainings::program::{Program, Step};

#[derive(Debug, Clone, Copy)]
pub struct NanoGpt {
    /// The first iteration: 0, or that of the checkpoint.
    pub from: u64,
    /// The last one, `max_iters`.
    pub until: u64,
    pub log_interval: u64,
    /// Iterations between two evaluations, and their time.
    pub evaluation: Option<(u64, f64)>,
    pub step: Step,
    /// What the host needs to launch an iteration, if the GPU's work is only waited for where the loss is printed.
    pub launch_seconds: Option<f64>,
}

impl NanoGpt {
    pub const fn new(until: u64, step: Step) -> Self {
        Self { from: 0, until, log_interval: 10, evaluation: None, step, launch_seconds: None }
    }

    pub fn train(&self, program: &mut Program) {
        program.out(&format!("tokens per iteration will be: {}\n", self.step.tokens));
        program.out(&format!("number of parameters: {:.2}M\n", self.step.parameters / 1e6));
        if self.from > 0 {
            program.out("Resuming training from out\n");
        }
        program.open();
        for iteration in self.from..=self.until {
            let mut paused = 0.0;
            if let Some((_, seconds)) = self.evaluation.filter(|(every, _)| iteration % every == 0) {
                program.prepare(seconds);
                program.out(&format!("step {iteration}: train loss 2.7000, val loss 2.7100\n"));
                paused = seconds;
            }
            let seconds = program.iterate(&self.step);
            if iteration % self.log_interval == 0 {
                // Printing the loss waits for the GPU, which counts in the next iteration's time.
                let own = self.launch_seconds.filter(|_| self.log_interval > 1).unwrap_or(seconds);
                program.out(&format!(
                    "iter {iteration}: loss 2.7315, time {:.2}ms, mfu 6.78%\n",
                    (own + paused) * 1e3
                ));
                program.tell();
            }
        }
        program.lose_untold();
    }
}
