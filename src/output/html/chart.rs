//! Charts as SVG inside the page. Each is drawn twice, for a screen and for a phone, so that its
//! letters keep their size; the style sheet shows one of them.

use std::ops::Range;

use maud::{Markup, html};

/// The name of a colour in the style sheet.
pub type Ink = &'static str;

/// The lines of several runs, distinct for those who do not see red and green apart.
const RUNS: [Ink; 6] = ["blue", "rust", "green", "plum", "ochre", "teal"];

pub fn ink_of_run(i: usize) -> Ink {
    RUNS.get(i % RUNS.len()).copied().unwrap_or("blue")
}

/// A point of a chart.
pub type Xy = (f64, f64);

/// A part of a chart.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A stretch of the x axis, from top to bottom.
    Shade(Range<f64>),
    /// The area between an upper and a lower line.
    Band(Vec<Xy>, Vec<Xy>),
    Line(Vec<Xy>),
    /// Dots of so many pixels from their centre.
    Dots(Vec<Xy>, f64),
    /// Bars from the x axis up.
    Bars(Vec<(Range<f64>, f64)>),
    /// A vertical hairline, named above the plot as far as there is room.
    Mark(f64, String),
}

/// A chart in the units in which its axes are written.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Width and height in CSS pixels, on a screen.
    pub size: Size,
    /// Its subject, and a description for those who do not see it.
    pub title: &'static str,
    pub description: String,
    pub x: Range<f64>,
    pub y: Range<f64>,
    pub shapes: Vec<(Ink, Shape)>,
}

type Size = (u32, u32);

/// As wide as the page.
pub const FULL: Size = (1080, 190);
/// Half as wide.
pub const HALF: Size = (528, 230);
const PHONE: Size = (360, 190);
const SPARKLINE: Size = (240, 36);

/// Units of the drawing in a CSS pixel: its numbers are whole.
const FINE: u32 = 4;

fn fine(pixels: f64) -> i64 {
    (pixels * f64::from(FINE)) as i64
}

impl Chart {
    pub fn draw(&self) -> Markup {
        html! { (self.svg("wide", self.size)) (self.svg("narrow", PHONE)) }
    }

    fn svg(&self, class: &str, size: Size) -> Markup {
        let x = Axis::new(&self.x, 44.0, f64::from(size.0) - 12.0);
        let y = Axis::new(&self.y, f64::from(size.1) - 20.0, 16.0);
        let drawing = html! {
            path.grid d={ "M" (x.start) "," (y.end) "V" (y.start) "H" (x.end) } {}
            @for (value, at) in y.ticks(5, self.has_whole_y()) {
                path.grid d={ "M" (x.start) "," (at) "H" (x.end) } {}
                text.y x=(x.start - 24) y=(at + 15) { (tick(value)) }
            }
            @for (value, at) in x.ticks(size.0 as usize / 90, self.has_whole_x()) {
                text.x x=(at) y=(y.start + 60) { (tick(value)) }
            }
            @for (ink, shape) in &self.shapes { (shape.draw(ink, &x, &y)) }
            @for (at, name) in self.names(&x) { text.x x=(at) y=(y.end - 16) { (name) } }
        };
        svg(class, size, self.title, &self.description, &drawing)
    }

    /// Whether the y axis counts something, so that there is nothing between whole numbers.
    fn has_whole_y(&self) -> bool {
        self.shapes.iter().any(|(_, shape)| matches!(shape, Shape::Bars(_)))
    }

    /// Whether all points are above whole numbers, as points of iterations are.
    fn has_whole_x(&self) -> bool {
        self.shapes.iter().all(|(_, shape)| match shape {
            Shape::Line(points) | Shape::Dots(points, _) => points.iter().all(|point| point.0.fract() == 0.0),
            _ => false,
        })
    }

    /// The marks' names with their places. A name is moved to the right where its neighbour leaves too
    /// little room, as far as it still stands above its line.
    fn names(&self, x: &Axis) -> Vec<(i64, &str)> {
        let mut free_from = 0;
        let mut names = Vec::new();
        for (_, shape) in &self.shapes {
            let Shape::Mark(value, name) = shape else { continue };
            let (at, half) = (x.at(*value), name.chars().count() as i64 * 14);
            let centre = at.max(free_from + half);
            if x.values.contains(value) && centre - at <= half && centre + half <= x.end + 48 {
                names.push((centre, name.as_str()));
                free_from = centre + half + 16;
            }
        }
        names
    }
}

/// A line and its band without axes, as high as a line of text.
pub fn sparkline(title: &str, x: &Range<f64>, y: &Range<f64>, shapes: &[(Ink, Shape)]) -> Markup {
    let [width, height] = [SPARKLINE.0, SPARKLINE.1].map(f64::from);
    let (x, y) = (Axis::new(x, 1.0, width - 1.0), Axis::new(y, height - 1.0, 1.0));
    svg("spark", SPARKLINE, title, "", &html! { @for (ink, shape) in shapes { (shape.draw(ink, &x, &y)) } })
}

fn svg(class: &str, (width, height): Size, title: &str, description: &str, drawing: &Markup) -> Markup {
    html! {
        svg class=(class) viewBox={ "0 0 " (width * FINE) " " (height * FINE) } role="img" {
            title { (title) }
            @if !description.is_empty() { desc { (description) } }
            (drawing)
        }
    }
}

/// The values along an axis, and the places of its ends in the drawing.
struct Axis {
    values: Range<f64>,
    start: i64,
    end: i64,
}

impl Axis {
    /// `start` and `end` in pixels. The range is widened where there is nothing between its ends.
    fn new(values: &Range<f64>, start: f64, end: f64) -> Self {
        let finite = values.start.is_finite() && values.end.is_finite();
        let values = if finite { values.clone() } else { 0.0..1.0 };
        let least = 1e-6 * values.start.abs().max(values.end.abs()).max(1e-6);
        let values = values.start..values.end.max(values.start + least);
        Self { values, start: fine(start), end: fine(end) }
    }

    /// The place of a value; of one beyond an end, that end.
    fn at(&self, value: f64) -> i64 {
        let Range { start, end } = self.values;
        let share = (value.clamp(start, end) - start) / (end - start);
        self.start + (share * (self.end - self.start) as f64).round() as i64
    }

    /// Round numbers with their places, in at most so many steps; whole ones, if only those make sense.
    fn ticks(&self, most: usize, are_whole: bool) -> impl Iterator<Item = (f64, i64)> {
        let Range { start, end } = self.values;
        let step = round_step(end - start, most).max(if are_whole { 1.0 } else { 0.0 });
        let values = (0..=most).map(move |n| ((start / step).ceil() + n as f64) * step);
        values.filter(move |value| *value <= end).map(|value| (value, self.at(value)))
    }
}

/// The least of 1, 2 and 5 times a power of ten by which a span has no more than so many steps.
pub fn round_step(span: f64, most: usize) -> f64 {
    let least = span / most.max(1) as f64;
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|n| n * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

impl Shape {
    fn draw(&self, ink: Ink, x: &Axis, y: &Axis) -> Markup {
        let points = |points: &mut dyn Iterator<Item = &Xy>| {
            points.map(|point| format!("{},{} ", x.at(point.0), y.at(point.1))).collect::<String>()
        };
        let bar = |stretch: &Range<f64>, top: i64, gap: i64| {
            let (from, to) = (x.at(stretch.start), x.at(stretch.end));
            html! { rect x=(from) y=(top) width=((to - from - gap).max(1)) height=(y.start - top) {} }
        };
        let (class, drawing) = match self {
            Self::Shade(stretch) => ("shade", bar(stretch, y.end, 0)),
            Self::Band(upper, lower) => {
                let outline = points(&mut upper.iter().chain(lower.iter().rev()));
                ("band", html! { polygon points=(outline) {} })
            }
            Self::Line(line) => ("line", html! { polyline points=(points(&mut line.iter())) {} }),
            Self::Dots(dots, radius) => {
                let dot = |dot: &Xy| html! { circle cx=(x.at(dot.0)) cy=(y.at(dot.1)) r=(fine(*radius)) {} };
                ("dots", html! { @for point in dots { (dot(point)) } })
            }
            Self::Bars(bars) => {
                ("bars", html! { @for (stretch, height) in bars { (bar(stretch, y.at(*height), 4)) } })
            }
            Self::Mark(at, _) if !x.values.contains(at) => return html! {},
            Self::Mark(at, _) => ("mark", html! { path d={ "M" (x.at(*at)) "," (y.end) "V" (y.start) } {} }),
        };
        html! { g.(class) style={ "color:var(--" (ink) ")" } { (drawing) } }
    }
}

/// A number on an axis, without the zeros that a fixed number of digits would bring; thousands as `k`.
fn tick(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        m if m >= 1e9 => (value / 1e9, "G"),
        m if m >= 1e6 => (value / 1e6, "M"),
        m if m >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.6}");
    format!("{}{suffix}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_knows_every_ink() {
        let style = include_str!("style.css");
        for ink in ["quiet", "shade", "gap"].into_iter().chain(RUNS) {
            assert_eq!(
                style.matches(&format!("--{ink}: #")).count(),
                2,
                "{ink}, on light and on dark ground"
            );
        }
    }

    #[test]
    fn an_axis_is_written_as_people_write() {
        for (value, text) in
            [(0.30000000000000004, "0.3"), (250.0, "250"), (100_000.0, "100k"), (-0.5, "-0.5")]
        {
            assert_eq!(tick(value), text);
        }
    }

    #[test]
    fn there_are_no_half_iterations_on_an_axis() {
        let bars = Shape::Bars(vec![(0.5..0.6, 2.0), (0.7..0.8, 1.0)]);
        let line = Shape::Line(vec![(1.0, 40.0), (2.0, 50.0), (3.0, 40.0)]);
        for (shape, x, y) in [(bars, 0.4..0.9, 0.0..2.16), (line, 1.0..3.0, 0.0..54.0)] {
            let shapes = vec![("blue", shape)];
            let chart = Chart { size: HALF, title: "T", description: String::new(), x, y, shapes };
            let drawn = chart.draw().into_string();
            assert!(drawn.contains(">2<") && !drawn.contains(">1.5<"), "{drawn}");
        }
    }

    #[test]
    fn a_range_without_extent_can_be_drawn() {
        for value in [0.0, 1.0, -3.0, 1e14, f64::INFINITY, f64::NAN] {
            let dot = Shape::Dots(vec![(value, value)], 3.0);
            let shapes = vec![("blue", dot), ("quiet", Shape::Mark(value, "it 1".to_owned()))];
            let (x, y) = (value..value, value..value);
            let chart = Chart { size: HALF, title: "T", description: String::new(), x, y, shapes };
            assert!(chart.draw().into_string().contains("<circle"), "{value}");
        }
    }
}
