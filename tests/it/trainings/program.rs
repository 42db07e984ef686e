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

/// Sums over iterations.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    pub iterations: u64,
    pub seconds: f64,
    pub samples: f64,
    pub tokens: f64,
    /// Of all GPUs, in the iterations' time.
    pub joules: f64,
    /// Sums over the models of samples and tokens over parameters.
    pub samples_per_parameter: f64,
    pub tokens_per_parameter: f64,
}

impl Work {
    /// The sums of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            iterations: self.iterations + other.iterations,
            seconds: self.seconds + other.seconds,
            samples: self.samples + other.samples,
            tokens: self.tokens + other.tokens,
            joules: self.joules + other.joules,
            samples_per_parameter: self.samples_per_parameter + other.samples_per_parameter,
            tokens_per_parameter: self.tokens_per_parameter + other.tokens_per_parameter,
        }
    }

    /// The sums without a part of them.
    pub fn without(self, part: Self) -> Self {
        Self {
            iterations: self.iterations - part.iterations,
            seconds: self.seconds - part.seconds,
            samples: self.samples - part.samples,
            tokens: self.tokens - part.tokens,
            joules: self.joules - part.joules,
            samples_per_parameter: self.samples_per_parameter - part.samples_per_parameter,
            tokens_per_parameter: self.tokens_per_parameter - part.tokens_per_parameter,
        }
    }
}

/// What the program did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Truth {
    /// All iterations.
    pub work: Work,
    /// Those up to the first line of each training, of which not every log shows when they began.
    pub openings: Work,
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
    /// How much longer or shorter than the mean an iteration may be, as a share of it.
    pub jitter: f64,
    pub truth: Truth,
    /// The iterations that a line tells of.
    told: Work,
    /// No line has told of the training's first iterations yet.
    is_opening: bool,
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
            jitter: 0.0,
            truth: Truth::default(),
            told: Work::default(),
            is_opening: true,
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

    /// Makes an iteration, and returns the seconds that it took.
    pub fn iterate(&mut self, step: &Step) -> f64 {
        let seconds = step.seconds * (1.0 + self.jitter * chance(self.truth.work.iterations));
        self.draw(TRAIN_WATTS, seconds);
        let Step { samples, tokens, parameters, .. } = *step;
        self.truth.work = self.truth.work.and(Work {
            iterations: 1,
            seconds,
            samples,
            tokens,
            joules: TRAIN_WATTS * seconds * f64::from(self.gpus),
            samples_per_parameter: samples / parameters,
            tokens_per_parameter: tokens / parameters,
        });
        seconds
    }

    /// Makes a part of the iteration that [`Program::iterate`] ends.
    pub fn iterate_part(&mut self, seconds: f64) {
        self.draw(TRAIN_WATTS, seconds);
        self.truth.work.seconds += seconds;
        self.truth.work.joules += TRAIN_WATTS * seconds * f64::from(self.gpus);
    }

    /// Works on iterations that `--warmup` leaves out.
    pub fn warm_up(&mut self, seconds: f64) {
        self.draw(TRAIN_WATTS, seconds);
    }

    /// A training begins.
    pub fn open(&mut self) {
        self.is_opening = true;
    }

    /// What is printed now tells of all iterations so far.
    pub fn tell(&mut self) {
        let new = self.truth.work.without(self.told);
        if self.is_opening && new.iterations > 0 {
            self.truth.openings = self.truth.openings.and(new);
            self.is_opening = false;
        }
        self.told = self.truth.work;
    }

    /// No line will tell of the iterations since the last one: a crash, or the end of a training.
    pub fn lose_untold(&mut self) {
        self.truth.work = self.told;
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

/// A number from -1 to 1, the same for the same seed (splitmix64).
fn chance(seed: u64) -> f64 {
    let z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / (u64::MAX / 2) as f64 - 1.0
}
