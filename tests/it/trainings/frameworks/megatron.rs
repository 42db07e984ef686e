//! Megatron-LM: an argument dump of rank 0, and a line each log interval of the last rank, with the mean time of its
//! iterations.

use crate::trainings::program::{Program, Step};

/// One start of `pretrain_gpt.py`, or what one node shows of it.
#[derive(Debug, Clone, Copy)]
pub struct Megatron {
    /// Whether this node shows what rank 0 prints: the argument dump and the parameters.
    pub dump: bool,
    /// Whether it shows when training starts, as rank 0 does.
    pub announces_start: bool,
    /// Whether the script that starts it prints the command first.
    pub echoes: bool,
    /// The iteration of the checkpoint from which training resumes.
    pub resumed: u64,
    pub until: u64,
    /// `--train-iters`.
    pub total: u64,
    pub log_interval: u64,
    /// As Core 0.16 and newer: microseconds, and a line after the first iteration whose time counts in the next one.
    pub is_core_016: bool,
    /// Iterations between two evaluations, and their time.
    pub evaluation: Option<(u64, f64)>,
    pub step: Step,
}

impl Megatron {
    /// Some iterations on one node with a line each ten.
    pub const fn new(iterations: u64, step: Step) -> Self {
        Self {
            dump: true,
            announces_start: true,
            echoes: false,
            resumed: 0,
            until: iterations,
            total: iterations,
            log_interval: 10,
            is_core_016: false,
            evaluation: None,
            step,
        }
    }

    /// As the last of several nodes shows it.
    pub const fn of_last_node(self) -> Self {
        Self { dump: false, announces_start: false, ..self }
    }

    pub const fn echoing(self) -> Self {
        Self { echoes: true, ..self }
    }

    pub const fn logging(self, log_interval: u64) -> Self {
        Self { log_interval, ..self }
    }

    pub const fn resuming(self, resumed: u64, until: u64, total: u64) -> Self {
        Self { resumed, until, total, ..self }
    }

    pub fn train(&self, program: &mut Program) {
        if self.echoes {
            self.echo(program);
            program.idle(2.0);
        }
        if self.dump {
            self.print_dump(program);
        }
        if self.dump && self.resumed > 0 {
            program.out(&format!(
                " loading checkpoint from /ckpt at iteration {resumed}\n  successfully loaded checkpoint from \
                 /ckpt [ t 1/1, p 1/1 ] at iteration {resumed}\n",
                resumed = self.resumed
            ));
        }
        if self.announces_start {
            let time = program.second_of_day();
            program.out(&format!("[before the start of training step] datetime: 2026-01-09 {time} \n"));
        }
        program.open();
        let (mut logged, mut seconds) = (self.resumed, 0.0);
        for iteration in self.resumed + 1..=self.until {
            seconds += program.iterate(&self.step);
            let is_due = iteration % self.log_interval == 0;
            if is_due || self.is_core_016 && iteration == self.resumed + 1 {
                self.log(program, iteration, seconds / (iteration - logged) as f64);
            }
            if is_due && !(self.is_core_016 && iteration == self.resumed + 1) {
                (logged, seconds) = (iteration, 0.0);
            }
            if let Some((_, seconds)) = self.evaluation.filter(|(every, _)| iteration % every == 0) {
                program.prepare(seconds);
                let rule = "-".repeat(100);
                program.out(&format!(
                    "{rule}\n validation loss at iteration {iteration} | lm loss value: 1.021000E+01 | \
                     lm loss PPL: 2.718000E+04 | \n{rule}\n"
                ));
            }
        }
        program.lose_untold();
    }

    fn log(&self, program: &mut Program, iteration: u64, step_seconds: f64) {
        let samples = self.step.samples;
        program.out(&format!(
            " [2026-01-09 {}] iteration {iteration:8}/{:8} | consumed samples: {:12} | elapsed time per iteration \
             (ms): {:.1} | learning rate: 1.000000E-05 | global batch size: {samples:5} | lm loss: \
             1.093120E+01 | loss scale: 1.0 | grad norm: 22.125 | number of skipped iterations:   0 | number of nan \
             iterations:   0 |\n",
            if self.is_core_016 { format!("{}031", program.time_of_day()) } else { program.second_of_day() },
            self.total,
            iteration as f64 * samples,
            step_seconds * 1e3,
        ));
        program.tell();
    }

    fn echo(&self, program: &mut Program) {
        program.out(&format!(
            "torchrun --nproc_per_node 1 --nnodes 1 pretrain_gpt.py --seq-length {} --global-batch-size {} \
             --micro-batch-size 2 --train-iters {} --log-interval {} --tensor-model-parallel-size 1 \
             --pipeline-model-parallel-size 1\n",
            self.step.length(),
            self.step.samples,
            self.total,
            self.log_interval,
        ));
    }

    pub fn print_dump(&self, program: &mut Program) {
        program.out("using world size: 1, data-parallel size: 1, tensor-model-parallel size: 1, pipeline-model-parallel size: 1 \n");
        program.out("------------------------ arguments ------------------------\n");
        for (name, value) in [
            ("global_batch_size", self.step.samples),
            ("log_interval", self.log_interval as f64),
            ("micro_batch_size", 2.0),
            ("pipeline_model_parallel_size", 1.0),
            ("seq_length", self.step.length()),
            ("tensor_model_parallel_size", 1.0),
            ("train_iters", self.total as f64),
            ("world_size", 1.0),
        ] {
            program.out(&format!("  {name} {} {value}\n", ".".repeat(48 - name.len())));
        }
        program.out("-------------------- end of arguments ---------------------\n");
        program.out(&format!(
            " > number of parameters on (tensor, pipeline) model parallel rank (0, 0): {}\n",
            self.step.parameters
        ));
    }
}
