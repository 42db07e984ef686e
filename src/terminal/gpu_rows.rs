//! The GPUs' last readings: a row for each, or all of them on one line.

use crate::output::RenderOptions;
use crate::output::layout::{Column, Grid, line_of_parts};
use crate::report::{Gpu, Report};
use crate::text::units::{DASH, EnergyUnit, or_dash};

/// A heading and a row for each GPU; fewer columns on a narrow terminal. Empty without GPUs.
pub fn gpu_rows(report: &Report, options: RenderOptions) -> Vec<String> {
    if report.gpus.is_empty() {
        return Vec::new();
    }
    let heading = COLUMNS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let row = |gpu| COLUMNS.iter().map(|(_, _, show)| show(gpu)).collect();
    let rows: Vec<Vec<String>> = [heading].into_iter().chain(report.gpus.iter().map(row)).collect();
    let columns: Vec<Column> = COLUMNS.iter().map(|(_, least, _)| Column::RIGHT.at_least(*least)).collect();
    let mut lines = Grid { columns: &columns, indent: 1, gap: 3 }.lines(&rows, options.width);
    if let Some(heading) = lines.first_mut() {
        *heading = options.dim(heading);
    }
    lines
}

/// The lowest, the mean and the highest reading of all GPUs.
pub fn gpus_in_one_line(report: &Report, columns: usize, options: RenderOptions) -> Option<String> {
    if report.gpus.is_empty() {
        return None;
    }
    let of = |name: &str, unit: &str, decimals: usize, reading: fn(&Gpu) -> Option<f64>| {
        let readings: Vec<f64> = report.gpus.iter().filter_map(reading).collect();
        let name = options.dim(name);
        if readings.is_empty() {
            return format!("{name} {DASH}");
        }
        let lowest = readings.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = readings.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = readings.iter().sum::<f64>() / readings.len() as f64;
        format!("{name} {lowest:.decimals$}/{mean:.decimals$}/{highest:.decimals$} {unit}")
    };
    let parts = [
        format!("{} GPUs, {}", report.gpus.len(), options.dim("min/mean/max")),
        of("busy", "%", 0, |gpu| Some(gpu.now.utilization_ratio? * 100.0)),
        of("memory", "GB", 1, |gpu| Some(gpu.now.memory_used_bytes? / 1e9)),
        of("power", "W", 0, |gpu| gpu.now.power_watts),
        of("temp", "°C", 0, |gpu| gpu.now.temperature_celsius),
    ];
    line_of_parts(&parts, columns - 1).map(|line| format!(" {line}"))
}

/// Heading, least width, reading.
type GpuColumn = (&'static str, u16, fn(&Gpu) -> String);

/// The right-most are the first to go.
const COLUMNS: &[GpuColumn] = &[
    ("GPU", 3, |gpu| gpu.index.to_string()),
    ("busy", 5, |gpu| or_dash(gpu.now.utilization_ratio, |ratio| format!("{:.0} %", ratio * 100.0))),
    ("memory", 14, |gpu| {
        let total =
            gpu.memory_total_bytes.map_or(String::new(), |total| format!(" / {:.1}", total as f64 / 1e9));
        or_dash(gpu.now.memory_used_bytes, |used| format!("{:.1}{total} GB", used / 1e9))
    }),
    ("power", 11, |gpu| {
        let limit = gpu.power_limit_watts.map_or(String::new(), |limit| format!(" / {limit:.0}"));
        or_dash(gpu.now.power_watts, |power| format!("{power:.0}{limit} W"))
    }),
    ("temp", 5, |gpu| or_dash(gpu.now.temperature_celsius, |celsius| format!("{celsius:.0} °C"))),
    ("clock", 8, |gpu| or_dash(gpu.now.sm_clock_mhz, |clock| format!("{clock:.0} MHz"))),
    ("energy", 8, |gpu| or_dash(gpu.energy_joules, |joules| EnergyUnit::of([Some(joules)]).show(joules))),
];
