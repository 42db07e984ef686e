//! The GPUs' last readings: a row for each, or all of them on one line.

use comfy_table::{CellAlignment, ColumnConstraint, Table, Width, presets};
use console::measure_text_width;

use super::line::{Paint, spread};
use crate::report::Gpu;
use crate::report::Report;
use crate::text::units::show_energy;

/// A heading and a row for each GPU; fewer columns where the terminal is narrow. Empty without GPUs.
pub fn gpu_rows(report: &Report, columns: usize, paint: Paint) -> Vec<String> {
    if report.gpus.is_empty() {
        return Vec::new();
    }
    let render = |count: usize| {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(COLUMNS.iter().take(count).map(|(name, _, _)| *name));
        for gpu in &report.gpus {
            table.add_row(COLUMNS.iter().take(count).map(|(_, _, show)| show(gpu)));
        }
        for (column, (_, width, _)) in table.column_iter_mut().zip(COLUMNS) {
            let gap = if column.index == 0 { 1 } else { 3 };
            column.set_cell_alignment(CellAlignment::Right);
            column.set_padding((gap, 0));
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(gap + width)));
        }
        table.lines().collect::<Vec<_>>()
    };
    let fits = |lines: &Vec<String>| lines.iter().all(|line| measure_text_width(line) <= columns);
    let mut lines = (1..=COLUMNS.len()).rev().map(render).find(fits).unwrap_or_default();
    if let Some(heading) = lines.first_mut() {
        *heading = paint.dim(heading);
    }
    lines
}

/// The lowest, the mean and the highest reading of all GPUs.
pub fn gpus_in_one_line(report: &Report, columns: usize, paint: Paint) -> Option<String> {
    if report.gpus.is_empty() {
        return None;
    }
    let of = |name: &str, unit: &str, decimals: usize, reading: fn(&Gpu) -> Option<f64>| {
        let readings: Vec<f64> = report.gpus.iter().filter_map(reading).collect();
        let name = paint.dim(name);
        if readings.is_empty() {
            return format!("{name} –");
        }
        let lowest = readings.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = readings.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = readings.iter().sum::<f64>() / readings.len() as f64;
        format!("{name} {lowest:.decimals$}/{mean:.decimals$}/{highest:.decimals$} {unit}")
    };
    let parts = [
        format!("{} GPUs, {}", report.gpus.len(), paint.dim("min/mean/max")),
        of("busy", "%", 0, |gpu| Some(gpu.now.utilization_ratio? * 100.0)),
        of("memory", "GB", 1, |gpu| Some(gpu.now.memory_used_bytes? / 1e9)),
        of("power", "W", 0, |gpu| gpu.now.power_watts),
        of("temp", "°C", 0, |gpu| gpu.now.temperature_celsius),
    ];
    Some(spread(&parts, columns))
}

/// Name, least width (so that columns do not move with every digit more or less), reading.
type Column = (&'static str, u16, fn(&Gpu) -> String);

/// The right-most are the first to go.
const COLUMNS: &[Column] = &[
    ("GPU", 3, |gpu| gpu.index.to_string()),
    ("busy", 5, |gpu| known(gpu.now.utilization_ratio, |ratio| format!("{:.0} %", ratio * 100.0))),
    ("memory", 14, |gpu| {
        let total =
            gpu.memory_total_bytes.map_or(String::new(), |total| format!(" / {:.1}", total as f64 / 1e9));
        known(gpu.now.memory_used_bytes, |used| format!("{:.1}{total} GB", used / 1e9))
    }),
    ("power", 11, |gpu| {
        let limit = gpu.power_limit_watts.map_or(String::new(), |limit| format!(" / {limit:.0}"));
        known(gpu.now.power_watts, |power| format!("{power:.0}{limit} W"))
    }),
    ("temp", 5, |gpu| known(gpu.now.temperature_celsius, |celsius| format!("{celsius:.0} °C"))),
    ("clock", 8, |gpu| known(gpu.now.sm_clock_mhz, |clock| format!("{clock:.0} MHz"))),
    ("energy", 8, |gpu| known(gpu.energy_joules, show_energy)),
];

fn known(reading: Option<f64>, show: impl Fn(f64) -> String) -> String {
    reading.map_or("–".to_owned(), show)
}
