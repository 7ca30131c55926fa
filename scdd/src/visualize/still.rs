//! A still picture in SVG: what a figure shows without plotly.js (a page without a network, an untrusted notebook, a viewer
//! without JavaScript). It has the same panels, colours and words.

use std::fmt::Write as _;

use super::palette::viridis;
use super::style::{FONT, INK, LINE, QUIET};
use crate::notebook::escape;

/// The picture so far.
pub(super) struct Still {
    size: (usize, usize),
    body: String,
}

/// Words at a point, in pixels; dark, level, of 12 pixels and to the right of the point unless a setter says otherwise.
pub(super) struct Text<'a> {
    words: &'a str,
    at: (f64, f64),
    anchor: &'static str,
    size: usize,
    color: &'a str,
    upwards: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(words: &'a str, x: f64, y: f64) -> Self {
        Self { words, at: (x, y), anchor: "start", size: 12, color: INK, upwards: false }
    }

    /// The point is the middle of the words.
    pub(super) fn middle(self) -> Self {
        Self { anchor: "middle", ..self }
    }

    /// The point is the end of the words.
    pub(super) fn end(self) -> Self {
        Self { anchor: "end", ..self }
    }

    /// Height of the letters in pixels.
    pub(super) fn size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    pub(super) fn color(self, color: &'a str) -> Self {
        Self { color, ..self }
    }

    /// Turned by a quarter: the words read from bottom to top.
    pub(super) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }
}

/// Where a panel lies in the picture, in pixels, and the data that its edges stand for.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    /// Data at the left and right edge.
    pub x: (f64, f64),
    /// Data at the bottom and top edge.
    pub y: (f64, f64),
}

impl Panel {
    /// Where a point of the data lies in the picture.
    pub(super) fn position(&self, x: f64, y: f64) -> (f64, f64) {
        let fraction = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low).abs().max(1e-12);
        (self.left + fraction(x, self.x) * self.width, self.top + (1.0 - fraction(y, self.y)) * self.height)
    }
}

impl Still {
    pub(super) fn new(title: &str, subtitle: &str, size: (usize, usize)) -> Self {
        let mut still = Self { size, body: String::new() };
        still.text(Text::new(title, 16.0, 34.0).size(18));
        still.text(Text::new(subtitle, 16.0, 56.0).size(13).color(QUIET));
        still
    }

    pub(super) fn text(&mut self, text: Text<'_>) {
        let Text { words, at: (x, y), anchor, size, color, upwards } = text;
        let turn = if upwards { format!(" transform=\"rotate(-90 {x:.0} {y:.0})\"") } else { String::new() };
        let _ = write!(
            self.body,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{color}\"{turn}>{}</text>",
            escape(words)
        );
    }

    pub(super) fn frame(&mut self, panel: &Panel) {
        let Panel { left, top, width, height, .. } = panel;
        let _ = write!(
            self.body,
            "<rect x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" fill=\"none\" stroke=\"{LINE}\"/>"
        );
    }

    /// Round points of one colour, as one path of dots.
    pub(super) fn dots(&mut self, points: impl Iterator<Item = (f64, f64)>, width: f64, color: &str, opacity: f64) {
        let path: String = points.fold(String::new(), |mut path, (x, y)| {
            let _ = write!(path, "M{x:.1} {y:.1}h0");
            path
        });
        let _ = write!(
            self.body,
            "<path d=\"{path}\" stroke=\"{color}\" stroke-width=\"{width}\" stroke-linecap=\"round\" opacity=\"{opacity}\"/>"
        );
    }

    pub(super) fn line(&mut self, points: impl Iterator<Item = (f64, f64)>, color: &str) {
        let path: String = points.enumerate().fold(String::new(), |mut path, (i, (x, y))| {
            let _ = write!(path, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
            path
        });
        let _ = write!(self.body, "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>");
    }

    pub(super) fn star(&mut self, (x, y): (f64, f64), radius: f64, color: &str) {
        let corners: Vec<String> = (0..10)
            .map(|i| {
                let angle = std::f64::consts::PI * (f64::from(i) / 5.0 - 0.5);
                let reach = if i % 2 == 0 { radius } else { radius * 0.45 };
                format!("{:.1},{:.1}", x + reach * angle.cos(), y + reach * angle.sin())
            })
            .collect();
        let _ = write!(
            self.body,
            "<polygon points=\"{}\" fill=\"{color}\" stroke=\"#111\" stroke-width=\"1.2\"/>",
            corners.join(" ")
        );
    }

    /// Rows from top to bottom of values 0 to 1 as colours; a value that is not finite stays white.
    pub(super) fn grid(&mut self, panel: &Panel, columns: usize, values: &[f64]) {
        let mut colors: Vec<[u8; 3]> = (0..=63).map(|i| viridis(f64::from(i) / 63.0)).collect();
        colors.push([255; 3]);
        let pixels: Vec<u8> =
            values.iter().map(|x| if x.is_finite() { (x.clamp(0.0, 1.0) * 63.0).round() as u8 } else { 64 }).collect();
        let Panel { left, top, width, height, .. } = panel;
        let _ = write!(
            self.body,
            "<image x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"{}\"/>",
            super::png::data_address(columns, &pixels, &colors)
        );
    }

    /// The colour scale as an upright bar, its ends and name written beside it.
    pub(super) fn scale(&mut self, left: f64, top: f64, height: f64, range: (f64, f64), name: &str) {
        let bar = Panel { left, top, width: 14.0, height, x: (0.0, 1.0), y: (0.0, 1.0) };
        let steps: Vec<f64> = (0..32).map(|i| 1.0 - f64::from(i) / 31.0).collect();
        self.grid(&bar, 1, &steps);
        for (value, y) in [(range.1, top + 10.0), (range.0, top + height)] {
            self.text(Text::new(&format!("{value:.2}"), left + 18.0, y).size(11));
        }
        self.text(Text::new(name, left + 30.0, top + height / 2.0).middle().upwards());
    }

    pub(super) fn svg(self) -> String {
        let (width, height) = self.size;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"{FONT}\" style=\"background:#fff\">{}</svg>",
            self.body
        )
    }
}
