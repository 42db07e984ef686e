//! Charts as SVG inside the page. Each is drawn twice, for a screen and for a phone, so that its
//! letters keep their size; the style sheet shows one of them.

use std::ops::Range;

use maud::{Markup, PreEscaped, html};
use plotters::element::{DynElement, IntoDynElement};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The colours of the charts, as they are on light ground; the style sheet has each by this value
/// and turns it into another one on dark ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(pub u32);

impl Ink {
    pub const TEXT: Self = Self(0x5d_646f);
    pub const GRID: Self = Self(0xe3_e5e8);
    pub const SHADE: Self = Self(0x8a_94a3);
    pub const GAP: Self = Self(0xc2_7c0e);
    pub const BLUE: Self = Self(0x2f_62a8);
    pub const RUST: Self = Self(0xb3_5428);
    pub const GREEN: Self = Self(0x1f_7a5c);
    pub const PLUM: Self = Self(0x80_4a8d);
    pub const OCHRE: Self = Self(0x8f_6b00);
    pub const TEAL: Self = Self(0x0f_7a8c);

    /// The lines of several runs, distinct for those who do not see red and green apart.
    pub const RUNS: [Self; 6] = [Self::BLUE, Self::RUST, Self::GREEN, Self::PLUM, Self::OCHRE, Self::TEAL];

    pub fn of_run(i: usize) -> Self {
        Self::RUNS.get(i % Self::RUNS.len()).copied().unwrap_or(Self::BLUE)
    }

    fn colour(self) -> RGBColor {
        let [_, r, g, b] = self.0.to_be_bytes();
        RGBColor(r, g, b)
    }
}

/// A point of a chart.
pub type Xy = (f64, f64);

/// A part of a chart.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A stretch of the x axis, from top to bottom.
    Shade {
        x: Range<f64>,
        ink: Ink,
        opacity: f64,
    },
    /// The area between two lines.
    Band {
        upper: Vec<Xy>,
        lower: Vec<Xy>,
        ink: Ink,
    },
    Line {
        points: Vec<Xy>,
        ink: Ink,
    },
    Dots {
        points: Vec<Xy>,
        ink: Ink,
    },
    /// Dots that are too many to be looked at one by one.
    Dust {
        points: Vec<Xy>,
        ink: Ink,
    },
    /// Bars from the x axis up.
    Bars {
        bars: Vec<(Range<f64>, f64)>,
        ink: Ink,
    },
    /// A vertical hairline, named above the plot as far as there is room.
    Mark {
        x: f64,
        name: String,
    },
}

impl Shape {
    /// A copy; a mark without its name, if that is not wanted.
    pub fn named(&self, wanted: bool) -> Self {
        match self {
            Self::Mark { x, .. } if !wanted => Self::Mark { x: *x, name: String::new() },
            shape => shape.clone(),
        }
    }
}

/// How wide a chart may be, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Full,
    Half,
}

/// A chart in the units in which its axes are written.
#[derive(Debug, Clone)]
pub struct Chart {
    pub width: Width,
    /// Its subject, and a description for those who do not see it.
    pub title: &'static str,
    pub description: String,
    pub x: Range<f64>,
    pub y: Range<f64>,
    pub shapes: Vec<Shape>,
}

/// Units of the drawing in a CSS pixel: the library draws in whole numbers.
const FINE: u32 = 4;
const NARROW: (u32, u32) = (360, 190);

impl Chart {
    pub fn draw(&self) -> Markup {
        let wide = match self.width {
            Width::Full => (1080, 190),
            Width::Half => (528, 230),
        };
        html! {
            (self.svg("wide", wide))
            (self.svg("narrow", NARROW))
        }
    }

    /// How many ticks there may be: on an axis of whole numbers none between them.
    fn ticks(most: usize, axis: &Range<f64>, whole: bool) -> usize {
        let numbers = axis.end.floor() - axis.start.ceil() + 1.0;
        if whole { most.min(numbers.max(1.0) as usize) } else { most }
    }

    /// Whether all points are above whole numbers, as points of iterations are.
    fn is_of_whole_numbers(&self) -> bool {
        let mut points = self.shapes.iter().flat_map(|shape| match shape {
            Shape::Line { points, .. } | Shape::Dots { points, .. } | Shape::Dust { points, .. } => {
                &points[..]
            }
            _ => &[],
        });
        let of_points = points.clone().next().is_some() && points.all(|point| point.0.fract() == 0.0);
        of_points && !self.is_of_counts()
    }

    fn is_of_counts(&self) -> bool {
        self.shapes.iter().any(|shape| matches!(shape, Shape::Bars { .. }))
    }

    fn svg(&self, class: &str, size: (u32, u32)) -> Markup {
        let drawing = inside((size.0 * FINE, size.1 * FINE), |area| self.plot(area, size));
        framed(class, size, self.title, &self.description, drawing)
    }

    fn plot(&self, area: &Area<'_>, (width, _): (u32, u32)) -> Drawn {
        let marks =
            self.shapes.iter().any(|shape| matches!(shape, Shape::Mark { name, .. } if !name.is_empty()));
        let ink = Ink::TEXT.colour();
        let text = TextStyle::from(("sans-serif", 13 * FINE).into_font()).color(&ink);
        let mut chart = ChartBuilder::on(area)
            .margin_top(if marks { 18 } else { 8 } * FINE)
            .margin_right(12 * FINE)
            .x_label_area_size(20 * FINE)
            .y_label_area_size(44 * FINE)
            .build_cartesian_2d(widened(&self.x), widened(&self.y))?;
        for shape in self.shapes.iter().filter(|shape| matches!(shape, Shape::Shade { .. })) {
            chart.draw_series(elements(shape, &self.x, &self.y))?;
        }
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Ink::GRID.colour().stroke_width(FINE))
            .axis_style(Ink::GRID.colour().stroke_width(FINE))
            .x_labels(Self::ticks((width / 90) as usize, &self.x, self.is_of_whole_numbers()))
            .y_labels(Self::ticks(5, &self.y, self.is_of_counts()))
            .x_label_formatter(&tick)
            .y_label_formatter(&tick)
            .set_all_tick_mark_size(4 * FINE)
            .label_style(text.clone())
            .draw()?;
        for shape in &self.shapes {
            match shape {
                Shape::Shade { .. } => {}
                Shape::Mark { x, .. } if !self.x.contains(x) => {}
                shape => drop(chart.draw_series(elements(shape, &self.x, &self.y))?),
            }
        }
        let plot = chart.plotting_area();
        let centred = text.pos(Pos::new(HPos::Center, VPos::Bottom));
        let mut free_from = 0;
        for shape in &self.shapes {
            if let Shape::Mark { x, name } = shape
                && self.x.contains(x)
                && !name.is_empty()
            {
                let (at, top) = plot.map_coordinate(&(*x, self.y.end));
                let half = (name.chars().count() as u32 * 7 * FINE / 2) as i32;
                // Moved to the right where its neighbour leaves too little room, as far as it still
                // stands above its line.
                let centre = at.max(free_from + half);
                if centre - at <= half && centre + half <= (width * FINE) as i32 {
                    area.draw(&Text::new(name.as_str(), (centre, top - FINE as i32), centred.clone()))?;
                    free_from = centre + half + 4 * FINE as i32;
                }
            }
        }
        Ok(())
    }
}

/// A line and its band without axes, as high as a line of text.
pub fn sparkline(title: &str, x: &Range<f64>, y: &Range<f64>, shapes: &[Shape]) -> Markup {
    const SIZE: (u32, u32) = (240, 36);
    let drawing = inside((SIZE.0 * FINE, SIZE.1 * FINE), |area| {
        let mut chart = ChartBuilder::on(area).margin(FINE).build_cartesian_2d(widened(x), widened(y))?;
        for shape in shapes {
            chart.draw_series(elements(shape, x, y))?;
        }
        Ok(())
    });
    framed("spark", SIZE, title, "", drawing)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The drawing of the library, without the outermost element.
fn inside(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
    let drawn = draw(&area).and_then(|()| area.present());
    drop(area);
    drawn.map_err(|error| error.to_string())?;
    let inside = text.split_once('>').map(|(_, inside)| inside).unwrap_or_default();
    let inside = inside.trim_end().strip_suffix("</svg>").unwrap_or(inside);
    Ok(inside.replace(" opacity=\"1\"", "").replace(" \"/>", "\"/>").replace('\n', ""))
}

fn framed(
    class: &str,
    (width, height): (u32, u32),
    title: &str,
    description: &str,
    drawing: Result<String, String>,
) -> Markup {
    match drawing {
        Ok(drawing) => html! {
            svg class=(class) viewBox={ "0 0 " (width * FINE) " " (height * FINE) } role="img" {
                title { (title) }
                @if !description.is_empty() { desc { (description) } }
                (PreEscaped(drawing))
            }
        },
        Err(error) => html! { p.note { (title) ": cannot be drawn: " (error) } },
    }
}

/// The shape in the terms of the library, kept inside the plot: it counts in 32 bits.
fn elements<'b>(
    shape: &Shape,
    x: &Range<f64>,
    y: &Range<f64>,
) -> Vec<DynElement<'static, SVGBackend<'b>, Xy>> {
    let line = |ink: Ink, pixels: f64| ink.colour().stroke_width((pixels * f64::from(FINE)) as u32);
    let (x, y) = (widened(x), widened(y));
    let (bottom, top) = (y.start, y.end);
    let inside = |(at, value): &Xy| (at.clamp(x.start, x.end), value.clamp(bottom, top));
    let edges = |stretch: &Range<f64>| [stretch.start, stretch.end].map(|at| at.clamp(x.start, x.end));
    match shape {
        Shape::Shade { x: stretch, ink, opacity } => {
            let style = ink.colour().mix(*opacity).filled();
            let [from, to] = edges(stretch);
            vec![Rectangle::new([(from, top), (to, bottom)], style).into_dyn()]
        }
        Shape::Band { upper, lower, ink } => {
            let outline: Vec<Xy> = upper.iter().chain(lower.iter().rev()).map(inside).collect();
            vec![Polygon::new(outline, ink.colour().mix(0.18)).into_dyn()]
        }
        Shape::Line { points, ink } => {
            vec![PathElement::new(points.iter().map(inside).collect::<Vec<_>>(), line(*ink, 1.5)).into_dyn()]
        }
        Shape::Dots { points, ink } => {
            let dot = |point| Circle::new(inside(point), 3 * FINE, ink.colour().filled()).into_dyn();
            points.iter().map(dot).collect()
        }
        Shape::Dust { points, ink } => {
            let grain = |point| Circle::new(inside(point), 3 * FINE / 2, ink.colour().filled()).into_dyn();
            points.iter().map(grain).collect()
        }
        Shape::Bars { bars, ink } => {
            let bar = |(stretch, height): &(Range<f64>, f64)| {
                let [from, to] = edges(stretch);
                let height = height.clamp(bottom, top);
                let mut bar = Rectangle::new([(from, height), (to, bottom)], ink.colour().mix(0.75).filled());
                bar.set_margin(0, 0, 0, FINE);
                bar.into_dyn()
            };
            bars.iter().map(bar).collect()
        }
        Shape::Mark { x: at, .. } => {
            let style = Ink::TEXT.colour().mix(0.45).stroke_width(FINE);
            vec![PathElement::new(vec![(*at, top), (*at, bottom)], style).into_dyn()]
        }
    }
}

/// The range, widened where there is nothing between its ends: ticks need some room.
fn widened(range: &Range<f64>) -> Range<f64> {
    if !range.start.is_finite() || !range.end.is_finite() {
        return 0.0..1.0;
    }
    let least = 1e-6 * range.start.abs().max(range.end.abs()).max(1e-6);
    range.start..range.end.max(range.start + least)
}

/// A number on an axis, without the zeros that a fixed number of digits would bring; thousands as `k`.
fn tick(value: &f64) -> String {
    let (value, suffix) = match value.abs() {
        m if m >= 1e9 => (value / 1e9, "G"),
        m if m >= 1e6 => (value / 1e6, "M"),
        m if m >= 1e4 => (value / 1e3, "k"),
        _ => (*value, ""),
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
        let others = [Ink::TEXT, Ink::GRID, Ink::SHADE, Ink::GAP];
        for ink in others.into_iter().chain(Ink::RUNS) {
            let colour = format!("#{:06X}", ink.0);
            assert!(style.contains(&format!("[stroke=\"{colour}\"]")), "{colour}");
            assert!(style.contains(&format!("[fill=\"{colour}\"]")), "{colour}");
        }
    }

    #[test]
    fn an_axis_is_written_as_people_write() {
        for (value, text) in
            [(0.30000000000000004, "0.3"), (250.0, "250"), (100_000.0, "100k"), (-0.5, "-0.5")]
        {
            assert_eq!(tick(&value), text);
        }
    }

    #[test]
    fn there_are_no_half_iterations_on_an_axis() {
        let bars = Shape::Bars { bars: vec![(0.5..0.6, 2.0), (0.7..0.8, 1.0)], ink: Ink::BLUE };
        let line = Shape::Line { points: vec![(1.0, 40.0), (2.0, 50.0), (3.0, 40.0)], ink: Ink::BLUE };
        for (shape, x, y) in [(bars, 0.4..0.9, 0.0..2.16), (line, 1.0..3.0, 0.0..54.0)] {
            let shapes = vec![shape];
            let chart = Chart { width: Width::Half, title: "T", description: String::new(), x, y, shapes };
            let drawn = chart.draw().into_string();
            assert!(drawn.contains(">2<") && !drawn.contains(">1.5<"), "{drawn}");
        }
    }

    #[test]
    fn a_range_without_extent_can_be_drawn() {
        for value in [0.0, 1.0, -3.0, 1e14, f64::INFINITY, f64::NAN] {
            let dot = Shape::Dots { points: vec![(value, value)], ink: Ink::BLUE };
            let shapes = vec![dot, Shape::Mark { x: value, name: "it 1".to_owned() }];
            let (x, y) = (value..value, value..value);
            let chart = Chart { width: Width::Half, title: "T", description: String::new(), x, y, shapes };
            assert!(chart.draw().into_string().contains("<circle"), "{value}");
        }
    }
}
