//! Losses as inline SVG, which needs no script and survives in exported pages.

use std::fmt::Write as _;

/// The colour of lines on light and dark pages.
const LINE: &str = "#3b82f6";

/// A line of the height of text; nothing for fewer than two points.
pub fn spark(points: &[(f64, f64)]) -> String {
    let (width, height) = (90.0, 16.0);
    let Some(line) = Scale::of(points, None).map(|scale| scale.polyline(points, width, height, 1.0)) else {
        return String::new();
    };
    format!(
        "<svg width=\"{width}\" height=\"{height}\" style=\"vertical-align:middle\" role=\"img\" \
         aria-label=\"losses\">{line}</svg>"
    )
}

/// A curve with its range; none for fewer than two points. `steps` is where the axis ends.
pub fn curve(points: &[(f64, f64)], steps: f64) -> Option<String> {
    let (width, height) = (420.0, 110.0);
    let scale = Scale::of(points, Some(steps))?;
    let line = scale.polyline(points, width, height, 4.0);
    let text = |x: f64, y: f64, anchor: &str, what: &str| {
        format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"10\" fill=\"gray\">{what}</text>")
    };
    let kind = if scale.log { "loss (log scale)" } else { "loss" };
    Some(format!(
        "<svg width=\"500\" height=\"130\" role=\"img\" aria-label=\"{kind} over steps\">\
         <rect x=\"0.5\" y=\"0.5\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"gray\" stroke-opacity=\"0.4\"/>\
         {line}{}{}{}{}</svg>",
        text(width + 4.0, 12.0, "start", &short(scale.high)),
        text(width + 4.0, height - 2.0, "start", &short(scale.low)),
        text(0.0, height + 14.0, "start", kind),
        text(width, height + 14.0, "end", &format!("step {steps}")),
    ))
}

struct Scale {
    first: f64,
    last: f64,
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    fn of(points: &[(f64, f64)], steps: Option<f64>) -> Option<Scale> {
        let (first, last) = (points.first()?.0, points.last()?.0);
        let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        let last = steps.unwrap_or(last).max(last);
        (points.len() > 1 && last > first).then_some(Scale {
            first,
            last,
            low,
            high,
            log: low > 0.0 && high / low > 20.0,
        })
    }

    /// Where a loss lies between bottom and top, 0 to 1.
    fn height(&self, loss: f64) -> f64 {
        let (low, high, loss) =
            if self.log { (self.low.ln(), self.high.ln(), loss.ln()) } else { (self.low, self.high, loss) };
        if high > low { (loss - low) / (high - low) } else { 0.5 }
    }

    fn polyline(&self, points: &[(f64, f64)], width: f64, height: f64, margin: f64) -> String {
        let mut line = String::new();
        for (step, loss) in points {
            let x = (step - self.first) / (self.last - self.first) * width;
            let y = margin + (1.0 - self.height(*loss)) * (height - 2.0 * margin);
            let _ = write!(line, "{x:.1},{y:.1} ");
        }
        format!("<polyline points=\"{}\" fill=\"none\" stroke=\"{LINE}\" stroke-width=\"1.5\"/>", line.trim_end())
    }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = if size >= 100.0 {
        0
    } else if size >= 1.0 {
        2
    } else {
        4
    };
    format!("{value:.decimals$}")
}
