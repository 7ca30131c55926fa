//! A still picture of a figure in SVG, for viewers without plotly.js: a page without a network, an untrusted notebook, a
//! program without JavaScript. It has the same panels, colours and words.

use std::fmt::Write as _;

use super::palette::viridis;
use super::style::{FONT, INK, LINE, QUIET};
use crate::notebook::escape;

pub(super) struct Still {
    size: (usize, usize),
    body: String,
}

/// Words in the picture: 12 pixels, dark, from left to right, beginning at a point.
pub(super) struct Text<'a> {
    pub text: &'a str,
    pub at: (f64, f64),
    /// Which part of the text stands at that point.
    pub anchor: TextAnchor,
    pub size: usize,
    pub color: &'a str,
    /// Written from bottom to top.
    pub upright: bool,
}

pub(super) enum TextAnchor {
    Start,
    Middle,
    End,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str, at: (f64, f64)) -> Self {
        Self { text, at, anchor: TextAnchor::Start, size: 12, color: INK, upright: false }
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
    pub(super) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let fraction = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low).abs().max(1e-12);
        (self.left + fraction(x, self.x) * self.width, self.top + (1.0 - fraction(y, self.y)) * self.height)
    }
}

impl Still {
    pub(super) fn new(title: &str, subtitle: &str, size: (usize, usize)) -> Self {
        let mut still = Self { size, body: String::new() };
        still.text(Text { size: 18, ..Text::new(title, (16.0, 34.0)) });
        still.text(Text { size: 13, color: QUIET, ..Text::new(subtitle, (16.0, 56.0)) });
        still
    }

    pub(super) fn text(&mut self, text: Text<'_>) {
        let Text { text, at: (x, y), anchor, size, color, upright } = text;
        let anchor = match anchor {
            TextAnchor::Start => "start",
            TextAnchor::Middle => "middle",
            TextAnchor::End => "end",
        };
        let turn = if upright { format!(" transform=\"rotate(-90 {x:.0} {y:.0})\"") } else { String::new() };
        let _ = write!(
            self.body,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\" font-size=\"{size}\" fill=\"{color}\"{turn}>{}</text>",
            escape(text)
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
            values.iter().map(|v| if v.is_finite() { (v.clamp(0.0, 1.0) * 63.0).round() as u8 } else { 64 }).collect();
        let Panel { left, top, width, height, .. } = panel;
        let _ = write!(
            self.body,
            "<image x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"{}\"/>",
            super::png::data_address(columns, &pixels, &colors)
        );
    }

    /// The colour scale as an upright bar, with its ends and name.
    pub(super) fn scale(&mut self, left: f64, top: f64, height: f64, range: (f64, f64), name: &str) {
        let bar = Panel { left, top, width: 14.0, height, x: (0.0, 1.0), y: (0.0, 1.0) };
        let values: Vec<f64> = (0..32).map(|i| 1.0 - f64::from(i) / 31.0).collect();
        self.grid(&bar, 1, &values);
        self.text(Text { size: 11, ..Text::new(&format!("{:.2}", range.1), (left + 18.0, top + 10.0)) });
        self.text(Text { size: 11, ..Text::new(&format!("{:.2}", range.0), (left + 18.0, top + height)) });
        self.text(Text {
            anchor: TextAnchor::Middle,
            upright: true,
            ..Text::new(name, (left + 30.0, top + height / 2.0))
        });
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
