//! Lightning's bar, which counts the batches of an epoch, each of them a part of a step where gradients accumulate.

use super::tqdm::Bar;
use crate::trainings::program::{Program, Step};

#[derive(Debug, Clone, Copy)]
pub struct Lightning {
    pub epochs: u64,
    /// Batches of an epoch.
    pub batches: u64,
    /// A batch.
    pub step: Step,
    /// Batches and their time of the validation after each epoch.
    pub validation: Option<(u64, f64)>,
}

impl Lightning {
    pub fn train(&self, program: &mut Program) {
        program.out("  | Name  | Type    | Params | Mode \n");
        program.out(&format!("{:.0} M     Total params\n", self.step.parameters / 1e6));
        for epoch in 0..self.epochs {
            let mut bar = Bar::starting(program, &format!("Epoch {epoch}: "), 0, self.batches);
            program.open();
            for _ in 0..self.batches {
                program.iterate(&self.step);
                bar.set_postfix("v_num=0, train_loss=2.300");
                bar.update(program, 1);
            }
            bar.close(program);
            if let Some((batches, seconds)) = self.validation {
                let mut bar = Bar::starting(program, "Validation DataLoader 0: ", 0, batches);
                for _ in 0..batches {
                    program.prepare(seconds);
                    bar.update(program, 1);
                }
                bar.close(program);
            }
        }
        program.out(&format!("`Trainer.fit` stopped: `max_epochs={}` reached.\n", self.epochs));
    }
}
