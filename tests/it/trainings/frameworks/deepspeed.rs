//! DeepSpeed's throughput timer: the samples per second of the last step alone.

use crate::trainings::program::{Program, Step};

#[derive(Debug, Clone, Copy)]
pub struct DeepSpeed {
    pub resumed: u64,
    pub until: u64,
    pub steps_per_print: u64,
    pub step: Step,
}

impl DeepSpeed {
    pub fn train(&self, program: &mut Program) {
        let Step { samples, .. } = self.step;
        let log = |program: &mut Program, text: &str| {
            let time = program.time_of_day().replace('.', ",");
            program.out(&format!("[2026-01-09 {time}] [INFO] {text}\n"));
        };
        log(program, &format!("[config.py:1020:print]   train_batch_size ............. {samples}"));
        program.open();
        for step in self.resumed + 1..=self.until {
            let seconds = program.iterate(&self.step);
            if step % self.steps_per_print == 0 {
                log(
                    program,
                    &format!(
                        "[logging.py:96:log_dist] [Rank 0] step={step}, skipped=0, lr=[1e-05], mom=[[0.9, 0.999]]"
                    ),
                );
                let rate = samples / seconds;
                log(
                    program,
                    &format!(
                        "[timer.py:260:stop] epoch=0/micro_step={step}/global_step={step}, \
                     RunningAvgSamplesPerSec={rate}, CurrSamplesPerSec={rate}, MemAllocated=5.0GB, \
                     MaxMemAllocated=9.0GB"
                    ),
                );
                program.tell();
            }
        }
        program.lose_untold();
    }
}
