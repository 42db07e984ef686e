//! The line that says how far the command has come.

use console::measure_text_width;
use indicatif::{InMemoryTerm, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::RenderOptions;
use crate::output::layout::line_of_parts;
use crate::report::{Iterations, Report};
use crate::text::units::{show, show_duration};

/// For a log that is perhaps not read as it should be.
pub const HINT: &str = "no iterations recognised yet; effllm parse --explain LOG shows what was tried";

/// Whether a run without records should have one after so many lines and seconds.
pub fn needs_hint(lines: u64, wall_seconds: f64) -> bool {
    lines >= 1000 || wall_seconds >= 60.0
}

/// Iterations, with a bar where it is known how many there will be, pace, and time gone and left.
pub fn progress_line(report: &Report, columns: usize, options: RenderOptions) -> String {
    let iterations = &report.iterations;
    let wall = report.command.wall_seconds.unwrap_or(0.0);
    let elapsed = format!("{} {}", options.dim("elapsed"), clock(wall));
    let Some(last) = iterations.last else {
        return line(&[before_the_first(report, wall), elapsed], columns);
    };
    let latency = iterations.latency_seconds.mean;
    let pace = latency.map(pace);
    let loss = iterations.loss_last.map(|loss| format!("{} {}", options.dim("loss"), show(loss)));
    let name = options.dim("iteration");
    let Some(total) = iterations.total.filter(|total| *total >= last && *total > 0) else {
        let parts = [Some(format!("{name} {last}")), pace, Some(elapsed), loss];
        return line(&parts.into_iter().flatten().collect::<Vec<_>>(), columns);
    };
    let percent = format!("{:.1} %", 100.0 * last as f64 / total as f64);
    let left = time_left(iterations, latency).map(|left| format!("{} {left}", options.dim("left")));
    let after: Vec<String> = [Some(percent), pace, Some(elapsed), left, loss].into_iter().flatten().collect();
    let before = format!(" {name} {last}/{total}");
    let room = columns.checked_sub(measure_text_width(&before) + " ▕▏ ".chars().count());
    let line = room.and_then(|room| {
        let after = line_of_parts(&after, room.checked_sub(SHORTEST_BAR)?)?;
        let columns = (room - measure_text_width(&after)).min(LONGEST_BAR);
        Some(format!("{before} ▕{}▏ {after}", bar(last, total, columns)))
    });
    line.unwrap_or(before)
}

const SHORTEST_BAR: usize = 8;
const LONGEST_BAR: usize = 40;

/// The parts that fit, the first of them in any case: the frame clips it.
fn line(parts: &[String], columns: usize) -> String {
    let line = line_of_parts(parts, columns - 1).or_else(|| parts.first().cloned());
    format!(" {}", line.unwrap_or_default())
}

/// The state of the log while no iteration has been counted.
fn before_the_first(report: &Report, wall: f64) -> String {
    let (log, warmup) = (&report.log, report.iterations.warmup);
    if warmup > 0 {
        format!("warming up: {warmup} iterations are not counted")
    } else if log.records > 0 {
        format!("{} progress records", log.records)
    } else if log.lines == 0 {
        "no line of a log yet".to_owned()
    } else if needs_hint(log.lines, wall) {
        HINT.to_owned()
    } else {
        "waiting for the first iteration".to_owned()
    }
}

/// Remaining iterations at the average pace, which one slow iteration cannot throw off.
fn time_left(iterations: &Iterations, latency: Option<f64>) -> Option<String> {
    let remaining = iterations.total?.checked_sub(iterations.last?)?;
    Some(clock(latency? * remaining as f64))
}

fn pace(seconds: f64) -> String {
    match seconds {
        s if s < 0.01 => format!("{:.2} ms/it", s * 1e3),
        s if s < 0.9995 => format!("{:.0} ms/it", s * 1e3),
        s => format!("{s:.2} s/it"),
    }
}

/// A duration that is looked at while it changes: whole seconds.
fn clock(seconds: f64) -> String {
    match seconds.max(0.0).floor() {
        whole if whole < 60.0 => format!("{whole} s"),
        whole => show_duration(whole),
    }
}

/// A bar of so many columns, to the eighth of a column.
fn bar(done: u64, total: u64, columns: usize) -> String {
    let screen = InMemoryTerm::new(1, columns.max(1) as u16);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let style = ProgressStyle::with_template("{wide_bar}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), target);
    bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")).with_position(done).abandon(); // draws at once
    format!("{:columns$}", screen.contents())
}
