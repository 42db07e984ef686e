//! A loop of one's own, whose lines a `--pattern` describes.

use crate::trainings::program::{Program, Step};

/// What a line states besides the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Loss,
    /// The mean time of the steps since the line before, and what they made.
    Timed,
    /// Tokens since the first step of the job.
    Counting,
}

#[derive(Debug, Clone, Copy)]
pub struct Plain {
    pub line: Line,
    pub resumed: u64,
    pub until: u64,
    pub total: u64,
    pub log_interval: u64,
    pub step: Step,
}

impl Line {
    /// The `--pattern` for it.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::Loss => r"step (?P<iteration>\d+)/(?P<total_iterations>\d+): loss (?P<loss>\S+)",
            Self::Timed => {
                r"step (?P<iteration>\d+)/\d+: loss (?P<loss>\S+), (?P<step_time_ms>\S+) ms a step, (?P<tokens>\d+) tokens, (?P<samples>\d+) samples"
            }
            Self::Counting => {
                r"step (?P<iteration>\d+)/\d+: loss (?P<loss>\S+), (?P<consumed_tokens>\d+) tokens so far"
            }
        }
    }
}

impl Plain {
    pub fn train(&self, program: &mut Program) {
        program.open();
        let (mut steps, mut seconds) = (0.0, 0.0);
        for i in self.resumed + 1..=self.until {
            seconds += program.iterate(&self.step);
            steps += 1.0;
            if i % self.log_interval == 0 {
                let Step { tokens, samples, .. } = self.step;
                let stated = match self.line {
                    Line::Loss => String::new(),
                    Line::Timed => format!(
                        ", {:.2} ms a step, {} tokens, {} samples",
                        1e3 * seconds / steps,
                        steps * tokens,
                        steps * samples
                    ),
                    Line::Counting => format!(", {} tokens so far", i as f64 * tokens),
                };
                program.out(&format!("step {i}/{}: loss 2.5000{stated}\n", self.total));
                program.tell();
                (steps, seconds) = (0.0, 0.0);
            }
        }
        program.lose_untold();
    }
}
