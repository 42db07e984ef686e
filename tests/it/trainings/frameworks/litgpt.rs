//! LitGPT's pretraining: iterations are micro-batches, and only those that end an optimizer step have a line, with
//! their own time.

use crate::trainings::program::{Program, Step};

#[derive(Debug, Clone, Copy)]
pub struct LitGpt {
    /// Optimizer steps.
    pub steps: u64,
    /// Micro-batches of an optimizer step.
    pub accumulation: u64,
    /// Optimizer steps between two lines.
    pub log_interval: u64,
    /// A micro-batch.
    pub step: Step,
    /// What the optimizer takes at the end of its step.
    pub optimizer_seconds: f64,
    /// Optimizer steps between two evaluations, and their time.
    pub evaluation: Option<(u64, f64)>,
}

impl LitGpt {
    pub fn train(&self, program: &mut Program) {
        let Step { samples, parameters, .. } = self.step;
        let length = self.step.length();
        program.out(&format!(
            "{{'model_config': {{'block_size': {length},\n                  'vocab_size': 128}},\n 'train': \
             {{'epochs': None,\n           'global_batch_size': {},\n           'log_interval': {},\n           \
             'micro_batch_size': {samples},\n           'tie_embeddings': False}}}}\n",
            samples * self.accumulation as f64,
            self.log_interval,
        ));
        program.out(&format!("Total parameters: {parameters}\nVerifying settings ...\n"));
        program.open();
        for step in 1..=self.steps {
            for micro in 1..=self.accumulation {
                let is_last = micro == self.accumulation;
                let seconds = self.step.seconds + if is_last { self.optimizer_seconds } else { 0.0 };
                let seconds = program.iterate(&Step { seconds, ..self.step });
                if is_last && step % self.log_interval == 0 {
                    program.out(&format!(
                        "Epoch 1 | iter {} step {step} | loss train: 5.033, val: n/a | iter time: {:.2} ms (step) \
                         remaining time: 0:00:10\n",
                        step * self.accumulation,
                        seconds * 1e3
                    ));
                    program.tell();
                }
            }
            if let Some((_, seconds)) = self.evaluation.filter(|(every, _)| step % every == 0) {
                program.out("Validating ...\n");
                program.prepare(seconds);
                program.out(&format!(
                    "iter {}: val loss 4.7448, val time: {:.2} ms\n",
                    step * self.accumulation,
                    seconds * 1e3
                ));
            }
        }
        program.lose_untold();
    }
}
