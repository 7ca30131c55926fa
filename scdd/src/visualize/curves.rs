//! Line plots of losses and scores over steps.

use plotly::Layout;
use plotly::common::Anchor;
use plotly::layout::{AxisType, Legend};
use serde_json::json;

use super::VisualizeError;
use super::figure::{Figure, MOST_POINTS, significant};
use super::palette::class_color;
use super::still::{Panel, Still, Text};
use super::style::{GRID, TOP, axis, base};
use crate::notebook::escape;
use crate::text::{count, grouped};

const SIZE: (usize, usize) = (820, 460);
/// Colour alone tells no curve apart for everybody.
const DASHES: [&str; 4] = ["solid", "dash", "dot", "dashdot"];

/// Draws one line per series of `(x, y)`; `log_y` for values over several powers of ten.
///
/// More than 50,000 points in all are thinned evenly; each series keeps its first and last point.
///
/// # Errors
/// Without series, for a series without points, for values that are not finite, and with `log_y` for values
/// that are not positive.
///
/// ```
/// let train = vec![(0.0, 2.3), (100.0, 0.9), (200.0, 0.4)];
/// let test = vec![(0.0, 2.3), (100.0, 1.1), (200.0, 0.8)];
/// let figure = scdd::visualize::curves(
///     "Matching loss", "step", "loss", &[("training", train), ("held out", test)], true,
/// )?;
/// assert_eq!(figure.summary(), "Matching loss: 2 curves over step from 0 to 200");
/// # Ok::<(), scdd::visualize::VisualizeError>(())
/// ```
pub fn curves(
    title: &str,
    x_title: &str,
    y_title: &str,
    series: &[(&str, Vec<(f64, f64)>)],
    log_y: bool,
) -> Result<Figure, VisualizeError> {
    check(series, log_y)?;
    let total: usize = series.iter().map(|(_, points)| points.len()).sum();
    let stride = total.div_ceil(MOST_POINTS);
    let shown: Vec<Vec<(f64, f64)>> = series.iter().map(|(_, points)| thin(points, stride)).collect();

    let traces = series.iter().zip(&shown).enumerate().map(|(i, ((name, _), points))| {
        json!({
            "type": "scatter", "name": escape(name),
            "mode": if points.len() <= 30 { "lines+markers" } else { "lines" },
            "x": points.iter().map(|point| point.0).collect::<Vec<_>>(),
            "y": points.iter().map(|point| significant(point.1)).collect::<Vec<_>>(),
            "line": { "color": class_color(i), "width": 2, "dash": DASHES[i % DASHES.len()] },
        })
    });

    let heights = Some(bounds(shown.iter().flatten().map(|point| point.1)));
    let steps = bounds(shown.iter().flatten().map(|point| point.0));
    let mut subtitle = format!("{}, {} points", count(series.len(), "curve"), grouped(total));
    if stride > 1 {
        subtitle = format!("{}, every {stride}th of {} points drawn", count(series.len(), "curve"), grouped(total));
    }
    if log_y {
        subtitle.push_str(", logarithmic scale");
    }
    let summary = format!("{title}: {} over {x_title} from {} to {}", count(series.len(), "curve"), steps.0, steps.1);
    let layout = layout((title, &subtitle), (x_title, y_title), series.len() > 1, heights.filter(|_| log_y));
    let names: Vec<&str> = series.iter().map(|(name, _)| *name).collect();
    let still = still(title, &subtitle, (x_title, y_title), &names, &shown, log_y);
    Ok(Figure::new(traces.collect(), layout, summary, still))
}

/// `log` holds the lowest and highest value of a logarithmic scale.
fn layout(titles: (&str, &str), axes: (&str, &str), legend: bool, log: Option<(f64, f64)>) -> Layout {
    let mut y = axis(axes.1).show_grid(true).grid_color(GRID).auto_margin(true);
    if let Some((low, high)) = log {
        let ticks = log_ticks(low, high);
        let text = ticks.iter().map(|tick| tick.to_string()).collect();
        y = y.type_(AxisType::Log).tick_values(ticks).tick_text(text);
    }
    base(titles.0, titles.1, SIZE, [70, 24, 60])
        .show_legend(legend)
        .legend(Legend::new().x(0.99).x_anchor(Anchor::Right).y(0.99).background_color("rgba(255,255,255,0.8)"))
        .x_axis(axis(axes.0).show_grid(true).grid_color(GRID))
        .y_axis(y)
}

/// 1, 2, 5 times powers of ten within the range, or the powers alone when the range is long.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let steps: &[i32] = if high / low > 1e4 { &[1] } else { &[1, 2, 5] };
    powers
        .flat_map(|power| steps.iter().map(move |step| significant(f64::from(*step) * 10f64.powi(power))))
        .filter(|tick| (low * 0.8..=high * 1.25).contains(tick))
        .collect()
}

fn check(series: &[(&str, Vec<(f64, f64)>)], log_y: bool) -> Result<(), VisualizeError> {
    let empty = |found| VisualizeError::Empty { what: "the list of curves", found, least: "one curve of one point" };
    if series.is_empty() {
        return Err(empty("0 curves".to_owned()));
    }
    for (name, points) in series {
        if points.is_empty() {
            return Err(empty(format!("{name:?} has 0 points")));
        }
        for (i, &(x, y)) in points.iter().enumerate() {
            let bad = |value, hint| {
                Err(VisualizeError::Value { what: format!("curve {name:?}"), value, at: format!("point {i}"), hint })
            };
            if !x.is_finite() {
                return bad(x, "every value must be finite");
            }
            if !y.is_finite() {
                return bad(y, "every value must be finite");
            }
            if log_y && y <= 0.0 {
                return bad(y, "a logarithmic scale needs positive values; draw it with log_y = false");
            }
        }
    }
    Ok(())
}

fn thin(points: &[(f64, f64)], stride: usize) -> Vec<(f64, f64)> {
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(i, _)| i % stride == 0 || *i == last).map(|(_, &point)| point).collect()
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

fn still(
    title: &str,
    subtitle: &str,
    axes: (&str, &str),
    names: &[&str],
    shown: &[Vec<(f64, f64)>],
    log_y: bool,
) -> Still {
    let height = |y: f64| if log_y { y.log10() } else { y };
    let x = bounds(shown.iter().flatten().map(|point| point.0));
    let y = bounds(shown.iter().flatten().map(|point| height(point.1)));
    let (wide, high) = ((SIZE.0 - 94) as f64, (SIZE.1 - TOP - 60) as f64);
    let panel = Panel { left: 70.0, top: TOP as f64, width: wide, height: high, x, y };
    let mut still = Still::new(title, subtitle, SIZE);
    still.frame(&panel);
    let value = |y: f64| significant(if log_y { 10f64.powf(y) } else { y }).to_string();
    let bottom = panel.top + panel.height;
    still.text(Text::new(&value(y.1), 64.0, panel.top + 10.0).end());
    still.text(Text::new(&value(y.0), 64.0, bottom).end());
    still.text(Text::new(&x.0.to_string(), 70.0, bottom + 18.0));
    still.text(Text::new(&x.1.to_string(), 70.0 + wide, bottom + 18.0).end());
    still.text(Text::new(axes.0, 70.0 + wide / 2.0, bottom + 40.0).middle().size(13));
    still.text(Text::new(axes.1, 20.0, panel.top + high / 2.0).middle().size(13).upwards());
    for (i, (name, points)) in names.iter().zip(shown).enumerate() {
        let stride = points.len().div_ceil(1_000);
        still.line(thin(points, stride).into_iter().map(|(x, y)| panel.position(x, height(y))), class_color(i));
        still.text(
            Text::new(name, 60.0 + wide, panel.top + 20.0 + 18.0 * i as f64).end().size(13).color(class_color(i)),
        );
    }
    still
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_are_thinned_and_the_ends_stay() {
        let long: Vec<(f64, f64)> = (0..200_001).map(|i| (f64::from(i), 1.0)).collect();
        let figure = curves("Loss", "step", "loss", &[("a", long)], false).unwrap();
        let plot: serde_json::Value = serde_json::from_str(&figure.to_json()).unwrap();
        let x = plot["data"][0]["x"].as_array().unwrap();
        assert!(x.len() <= MOST_POINTS + 1, "{}", x.len());
        assert_eq!((x[0].as_f64(), x[x.len() - 1].as_f64()), (Some(0.0), Some(200_000.0)));
        assert!(plot["layout"]["title"]["text"].as_str().unwrap().contains("200,001 points"));
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error_with_its_place() {
        let say = |series: &[(&str, Vec<(f64, f64)>)], log| curves("t", "x", "y", series, log).unwrap_err().to_string();
        assert!(say(&[], false).contains("0 curves"));
        assert!(say(&[("a", vec![])], false).contains("\"a\" has 0 points"));
        assert!(say(&[("a", vec![(0.0, 1.0), (1.0, f64::NAN)])], false).contains("point 1"));
        assert!(say(&[("a", vec![(0.0, 0.0)])], true).contains("log_y = false"));
    }
}
