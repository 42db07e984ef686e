//! tqdm's bars on stderr, drawn when tqdm draws them: at most every 0.1 s, and not for every iteration.

use crate::trainings::program::Program;

/// The shortest time between two drawings, in seconds.
const MIN_INTERVAL: f64 = 0.1;
const MAX_INTERVAL: f64 = 10.0;
const SMOOTHING: f64 = 0.3;
/// Moves the cursor up a line.
const UP: &str = "\x1b[A";

/// An exponential moving average.
#[derive(Debug, Default)]
struct Average {
    last: f64,
    calls: i32,
}

impl Average {
    fn add(&mut self, value: f64) {
        self.last = SMOOTHING * value + (1.0 - SMOOTHING) * self.last;
        self.calls += 1;
    }

    fn value(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.last / (1.0 - (1.0 - SMOOTHING).powi(self.calls)))
    }
}

/// A bar that is on the screen.
#[derive(Debug)]
pub struct Bar {
    description: String,
    postfix: String,
    total: u64,
    initial: u64,
    done: u64,
    began: f64,
    drawn: u64,
    drawn_at: f64,
    /// Iterations between two drawings.
    least: f64,
    iterations: Average,
    seconds: Average,
    /// Characters of the last drawing.
    width: usize,
    /// Lines below the first bar.
    position: usize,
    leaves: bool,
}

impl Bar {
    /// Draws a new bar.
    pub fn new(program: &mut Program, total: u64) -> Self {
        Self::starting(program, "", 0, total)
    }

    /// Draws a bar that begins in the middle, perhaps with a description.
    pub fn starting(program: &mut Program, description: &str, initial: u64, total: u64) -> Self {
        let mut bar = Self {
            description: description.to_owned(),
            postfix: String::new(),
            total,
            initial,
            done: initial,
            began: program.now,
            drawn: initial,
            drawn_at: program.now,
            least: 0.0,
            iterations: Average::default(),
            seconds: Average::default(),
            width: 0,
            position: 0,
            leaves: true,
        };
        bar.draw(program);
        bar
    }

    /// Draws a bar below another one, which vanishes at its end.
    pub fn nested(program: &mut Program, total: u64) -> Self {
        let mut bar = Self { position: 1, leaves: false, ..Self::hidden(program, total) };
        bar.draw(program);
        bar
    }

    fn hidden(program: &mut Program, total: u64) -> Self {
        let written = program.writes.len();
        let bar = Self::new(program, total);
        program.writes.truncate(written);
        Self { width: 0, ..bar }
    }

    /// Changes what stands after the rate, from the next drawing on.
    pub fn set_postfix(&mut self, postfix: &str) {
        self.postfix = format!(", {postfix}");
    }

    /// So many iterations more are done.
    pub fn update(&mut self, program: &mut Program, iterations: u64) {
        self.done += iterations;
        let (new, elapsed) = ((self.done - self.drawn) as f64, program.now - self.drawn_at);
        if new < self.least || elapsed < MIN_INTERVAL {
            return;
        }
        self.iterations.add(new);
        self.seconds.add(elapsed);
        self.draw(program);
        self.least = if elapsed >= MAX_INTERVAL {
            new * MIN_INTERVAL / elapsed
        } else {
            SMOOTHING * new * MIN_INTERVAL / elapsed + (1.0 - SMOOTHING) * self.least
        };
        (self.drawn, self.drawn_at) = (self.done, program.now);
    }

    /// Prints a line on stdout, above the bar.
    pub fn write(&mut self, program: &mut Program, line: &str) {
        self.clear(program);
        program.out(&format!("{line}\n"));
        self.draw(program);
    }

    /// The end of the bar.
    pub fn close(mut self, program: &mut Program) {
        if self.leaves {
            self.seconds = Average::default(); // it ends with the mean of all
            self.draw(program);
            program.err("\n");
        } else {
            self.clear(program);
        }
    }

    fn clear(&mut self, program: &mut Program) {
        program.err(&self.placed(&format!("\r{}\r", " ".repeat(self.width))));
        self.width = 0;
    }

    fn draw(&mut self, program: &mut Program) {
        let text = self.text(program.now);
        let width = text.chars().count();
        let padding = " ".repeat(self.width.saturating_sub(width));
        program.err(&self.placed(&format!("\r{text}{padding}")));
        program.tell();
        self.width = width;
    }

    fn placed(&self, text: &str) -> String {
        format!("{}{text}{}", "\n".repeat(self.position), UP.repeat(self.position))
    }

    fn text(&self, now: f64) -> String {
        let elapsed = now - self.began;
        let made = (self.done - self.initial) as f64;
        let smoothed = self.iterations.value().zip(self.seconds.value()).map(|(new, time)| new / time);
        let rate = smoothed.or((elapsed > 0.0 && made > 0.0).then(|| made / elapsed));
        let percent = 100.0 * self.done as f64 / self.total as f64;
        let full = (percent / 10.0) as usize;
        let left = rate.map(|rate| interval((self.total - self.done) as f64 / rate));
        let rate = match rate {
            Some(rate) if rate < 1.0 => format!("{:5.2}s/it", 1.0 / rate),
            Some(rate) => format!("{rate:5.2}it/s"),
            None => "?it/s".to_owned(),
        };
        format!(
            "{}{percent:3.0}%|{}{}| {}/{} [{}<{}, {rate}{}]",
            self.description,
            "█".repeat(full.min(10)),
            " ".repeat(10 - full.min(10)),
            self.done,
            self.total,
            interval(elapsed),
            left.unwrap_or_else(|| "?".to_owned()),
            self.postfix
        )
    }
}

/// `MM:SS`, or `H:MM:SS`.
fn interval(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}
