//! A program on a virtual clock: what it writes and when, what its GPUs draw, and what it truly did.

use crate::library::Stream;

/// What each GPU draws in an iteration, in watts.
pub const TRAIN_WATTS: f64 = 400.0;
/// In an evaluation, or while data is prepared.
pub const OTHER_WATTS: f64 = 240.0;
pub const IDLE_WATTS: f64 = 90.0;

/// Bytes that the program has written at a moment, in seconds since its start.
#[derive(Debug)]
pub struct Write {
    pub at: f64,
    pub stream: Stream,
    pub bytes: Vec<u8>,
}

/// What an iteration takes and makes.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub seconds: f64,
    pub samples: f64,
    pub tokens: f64,
    pub parameters: f64,
}

impl Step {
    /// An iteration of 8 samples of 128 tokens.
    pub const fn of(seconds: f64) -> Self {
        Self { seconds, samples: 8.0, tokens: 1024.0, parameters: 1e8 }
    }

    /// The same iteration with samples of so many tokens.
    pub const fn with_length(self, length: f64) -> Self {
        Self { tokens: self.samples * length, ..self }
    }

    /// Tokens of a sample.
    pub fn length(&self) -> f64 {
        self.tokens / self.samples
    }
}

/// What the program did: sums over the iterations that it made.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    pub iterations: u64,
    pub seconds: f64,
    pub samples: f64,
    pub tokens: f64,
    /// Of all GPUs, in the iterations' time.
    pub joules: f64,
    /// Sums over the models of samples and tokens over parameters.
    pub samples_per_parameter: f64,
    pub tokens_per_parameter: f64,
    /// Tokens that a server generated, and the time in which it did.
    pub generated: f64,
    pub generating_seconds: f64,
    pub generating_joules: f64,
}

/// A program, as it comes to be.
#[derive(Debug)]
pub struct Program {
    /// Seconds since its start.
    pub now: f64,
    pub writes: Vec<Write>,
    /// What each GPU draws from a moment on, in watts.
    pub watts: Vec<(f64, f64)>,
    pub gpus: u32,
    pub truth: Truth,
    /// The truth of those iterations that a line tells of.
    told: Truth,
    /// Bytes of stdout that are held back until there are as many as this.
    buffer: usize,
    held: Vec<u8>,
}

impl Program {
    /// A program with one GPU and an unbuffered stdout, which has loaded its libraries for 2 s.
    pub fn new() -> Self {
        let mut program = Self {
            now: 0.0,
            writes: Vec::new(),
            watts: Vec::new(),
            gpus: 1,
            truth: Truth::default(),
            told: Truth::default(),
            buffer: 0,
            held: Vec::new(),
        };
        program.idle(2.0);
        program
    }

    /// Writes stdout in blocks of so many bytes, whatever line that cuts, as C does into a pipe.
    pub fn buffer_stdout(&mut self, bytes: usize) {
        self.buffer = bytes;
    }

    pub fn out(&mut self, text: &str) {
        self.held.extend_from_slice(text.as_bytes());
        let whole = self.held.len() - self.held.len() % self.buffer.max(1);
        if whole > 0 {
            let bytes = self.held.drain(..whole).collect();
            self.writes.push(Write { at: self.now, stream: Stream::Stdout, bytes });
        }
    }

    /// Writes to stderr, which is never buffered.
    pub fn err(&mut self, text: &str) {
        let bytes = text.as_bytes().to_vec();
        self.writes.push(Write { at: self.now, stream: Stream::Stderr, bytes });
    }

    pub fn idle(&mut self, seconds: f64) {
        self.draw(IDLE_WATTS, seconds);
    }

    /// Works on something other than iterations.
    pub fn prepare(&mut self, seconds: f64) {
        self.draw(OTHER_WATTS, seconds);
    }

    pub fn iterate(&mut self, step: &Step) {
        self.draw(TRAIN_WATTS, step.seconds);
        let truth = &mut self.truth;
        truth.iterations += 1;
        truth.seconds += step.seconds;
        truth.samples += step.samples;
        truth.tokens += step.tokens;
        truth.samples_per_parameter += step.samples / step.parameters;
        truth.tokens_per_parameter += step.tokens / step.parameters;
        truth.joules += TRAIN_WATTS * step.seconds * f64::from(self.gpus);
    }

    /// Works on iterations that `--warmup` leaves out.
    pub fn warm_up(&mut self, seconds: f64) {
        self.draw(TRAIN_WATTS, seconds);
    }

    /// What is printed now tells of all iterations so far.
    pub fn tell(&mut self) {
        self.told = self.truth.clone();
    }

    /// No line will tell of the iterations since the last one: a crash, or the end of a training.
    pub fn lose_untold(&mut self) {
        self.truth = self.told.clone();
    }

    pub fn generate(&mut self, tokens: f64, seconds: f64) {
        self.draw(TRAIN_WATTS, seconds);
        self.truth.generated += tokens;
        self.truth.generating_seconds += seconds;
        self.truth.generating_joules += TRAIN_WATTS * seconds * f64::from(self.gpus);
    }

    /// Ends, which writes what was held back.
    pub fn exit(mut self) -> Self {
        if !self.held.is_empty() {
            let bytes = std::mem::take(&mut self.held);
            self.writes.push(Write { at: self.now, stream: Stream::Stdout, bytes });
        }
        self.idle(0.5);
        self
    }

    /// The time of day with milliseconds: `14:00:09.002`.
    pub fn time_of_day(&self) -> String {
        let millis = (self.now * 1000.0).round() as u64;
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (hours, minutes) = (14 + seconds / 3600, seconds / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
    }

    /// The same in whole seconds.
    pub fn second_of_day(&self) -> String {
        self.time_of_day()[..8].to_owned()
    }

    fn draw(&mut self, watts: f64, seconds: f64) {
        if self.watts.last().is_none_or(|(_, last)| *last != watts) {
            self.watts.push((self.now, watts));
        }
        self.now += seconds;
    }
}
