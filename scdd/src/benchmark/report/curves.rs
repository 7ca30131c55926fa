//! Accuracy and loss as curves over the steps of a distillation (table VII), or over the width of the head that gradient
//! matching trains (figure 4). A row's `config` says whether it is a point of a curve.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::table::Spread;
use crate::benchmark::{BenchmarkResults, BenchmarkRow};
use crate::text::{budget, count};

/// The variable on the horizontal axis of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Along {
    /// Steps of the distillation.
    Steps,
    /// Hidden units of the head that gradient matching trains; 0 is the linear head.
    Head,
}

impl Along {
    /// The title of the axis.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Head => "hidden units of the head",
        }
    }
}

/// A method at several steps or sizes, on one data set and label, at one budget, under one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name of the data set.
    pub file: String,
    /// Column of obs that holds the classes.
    pub label: String,
    /// Cells per class.
    pub per_class: Option<usize>,
    /// Model that was trained on the sets.
    pub model: String,
    /// Variable of the horizontal axis.
    pub along: Along,
    /// The method, without its steps or width.
    pub method: String,
    /// Its points, sorted along the axis.
    pub points: Vec<CurvePoint>,
}

/// A point of a curve: means over seeds, with the deviation of a sample where there are two or more.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// Steps, or hidden units.
    pub at: usize,
    /// Seeds that it is the mean of.
    pub seeds: usize,
    /// Accuracy on the scored cells.
    pub accuracy: (f64, Option<f64>),
    /// The objective's last loss; None before the first step. Heads of different widths, and frozen and trained encoders, have
    /// different gradients, so their losses can't be compared.
    pub loss: Option<(f64, Option<f64>)>,
}

/// Fields of a curve but its points.
type CurveKey = (String, String, Option<usize>, String, Along, String);

impl BenchmarkResults {
    /// The curves of rows with scores, such as those of `--table 7` and `--figure 4`. A curve has two points or more.
    pub fn curves(&self) -> Vec<Curve> {
        let mut keys: Vec<CurveKey> = Vec::new();
        let mut points: BTreeMap<(usize, usize), Vec<&BenchmarkRow>> = BTreeMap::new();
        for row in self.rows().iter().filter(|row| row.ok()) {
            let Some((along, at)) = point(&row.config["method"]) else { continue };
            let method = without(&row.method, along, at);
            let key = (row.file.clone(), row.label.clone(), row.per_class, row.model.clone(), along, method);
            let number = keys.iter().position(|other| *other == key).unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            });
            points.entry((number, at)).or_default().push(row);
        }
        let curve = |(number, key): (usize, CurveKey)| {
            let (file, label, per_class, model, along, method) = key;
            let of_curve = points.range((number, 0)..(number + 1, 0));
            let points: Vec<CurvePoint> = of_curve.filter_map(|((_, at), rows)| measured(*at, rows)).collect();
            (points.len() > 1).then_some(Curve { file, label, per_class, model, along, method, points })
        };
        keys.into_iter().enumerate().filter_map(curve).collect()
    }

    /// Curves as tables in Markdown, one for each data set, label, budget and model; empty without any.
    pub(super) fn curve_tables(&self) -> String {
        let curves = self.curves();
        let mut text = String::new();
        for together in curves.chunk_by(|one, other| one.shares_panel(other)) {
            let first = &together[0];
            let mut at: Vec<usize> =
                together.iter().flat_map(|curve| curve.points.iter().map(|point| point.at)).collect();
            at.sort_unstable();
            at.dedup();
            let seeds = first.points.iter().map(|point| point.seeds).max().unwrap_or(0);
            let _ = writeln!(text, "**{}, {}, {}**\n", first.caption(), first.model, count(seeds, "seed"));
            let heads: String = at.iter().map(|at| format!(" {at} |")).collect();
            let _ = writeln!(text, "| {} | |{heads}\n|---|---|{}", first.along.name(), "---|".repeat(at.len()));
            for curve in together {
                for (what, of) in [("accuracy", accuracy as fn(&CurvePoint) -> String), ("loss", loss)] {
                    let value =
                        |at: &usize| curve.points.iter().find(|point| point.at == *at).map_or("–".to_owned(), of);
                    let values: String = at.iter().map(|at| format!(" {} |", value(at))).collect();
                    let _ = writeln!(text, "| {} | {what} |{values}", curve.method);
                }
            }
            text.push('\n');
        }
        text
    }
}

impl Curve {
    /// Whether two curves belong in one table or panel.
    pub(crate) fn shares_panel(&self, other: &Self) -> bool {
        (&self.file, &self.label, self.per_class, &self.model, self.along)
            == (&other.file, &other.label, other.per_class, &other.model, other.along)
    }

    /// "pbmc_facs, cell_type, 1 per class".
    pub(crate) fn caption(&self) -> String {
        format!("{}, {}{}", self.file, self.label, budget(self.per_class))
    }
}

/// The axis and position of a method that is a point of a curve.
fn point(method: &Value) -> Option<(Along, usize)> {
    if let Some(steps) = method["steps"].as_u64() {
        return Some((Along::Steps, steps as usize));
    }
    let gradient = &method["objective"]["Gradient"];
    let hidden = gradient["hidden"].as_array()?;
    let frozen = gradient["unfrozen"] == false;
    let width = hidden.first().map_or(Some(0), Value::as_u64)?;
    (frozen && hidden.len() < 2).then_some((Along::Head, width as usize))
}

/// The method's name without its steps or width.
fn without(method: &str, along: Along, at: usize) -> String {
    let point = match along {
        Along::Steps => format!(", {at} steps"),
        Along::Head => format!(" (head {at})"),
    };
    method.strip_suffix(&point).unwrap_or(method).to_owned()
}

fn measured(at: usize, rows: &[&BenchmarkRow]) -> Option<CurvePoint> {
    let spread = |values: Vec<f64>| Spread::of(&values).map(|spread| (spread.mean, spread.deviation));
    let accuracy = spread(rows.iter().filter_map(|row| row.accuracy).collect())?;
    let loss = spread(rows.iter().filter_map(|row| row.loss).collect());
    Some(CurvePoint { at, seeds: rows.len(), accuracy, loss })
}

fn accuracy(point: &CurvePoint) -> String {
    let (mean, deviation) = point.accuracy;
    Spread { mean, deviation }.to_string()
}

fn loss(point: &CurvePoint) -> String {
    let Some((mean, deviation)) = point.loss else { return "–".to_owned() };
    deviation.map_or(format!("{mean:.3e}"), |deviation| format!("{mean:.3e} ± {deviation:.0e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::benchmark;
    use crate::benchmark::journal::tests::row;

    /// Rows of two seeds of a grid's methods; accuracy and loss grow with the method's position.
    fn results(grid: &crate::benchmark::Benchmark) -> BenchmarkResults {
        let rows = grid.methods.iter().enumerate().flat_map(|(position, method)| {
            [1, 2].into_iter().map(move |seed| BenchmarkRow {
                loss: (!method.name().contains(" 0 steps")).then_some(position as f64 + seed as f64),
                config: serde_json::json!({ "method": method.config() }),
                ..row(method.name(), "linear head", seed, 0.5 + 0.01 * position as f64 + 0.001 * seed as f64)
            })
        });
        BenchmarkResults::new(rows.collect())
    }

    #[test]
    fn table_seven_is_two_curves_over_six_steps_with_their_losses() {
        let results = results(&benchmark().table(7).unwrap());
        let curves = results.curves();
        let names: Vec<(&str, usize)> =
            curves.iter().map(|curve| (curve.method.as_str(), curve.points.len())).collect();
        assert_eq!(names, [("scDD+SCDG, DC", 6), ("scDD+SCDG, DC (unfrozen)", 6)]);
        let points = &curves[0].points;
        assert_eq!(points.iter().map(|point| point.at).collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50]);
        assert!(points[0].loss.is_none() && points[0].seeds == 2);
        assert!((points[1].loss.unwrap().0 - 2.5).abs() < 1e-12 && (points[1].accuracy.0 - 0.5115).abs() < 1e-12);
        let text = results.page("x");
        assert!(text.contains("| steps | | 0 | 10 | 20 | 30 | 40 | 50 |"), "{text}");
        assert!(text.contains("| scDD+SCDG, DC | loss | – | 2.500e0 ± 7e-1 |"), "{text}");
    }

    #[test]
    fn figure_four_is_one_curve_from_the_linear_head_on() {
        let results = results(&benchmark().figure(4).unwrap());
        let curves = results.curves();
        assert_eq!((curves.len(), curves[0].along), (1, Along::Head));
        assert_eq!(curves[0].points.iter().map(|point| point.at).collect::<Vec<_>>(), [0, 64, 128, 256, 512]);
    }

    #[test]
    fn a_grid_of_methods_that_differ_otherwise_has_none() {
        assert!(results(&benchmark().table(5).unwrap()).curves().is_empty());
    }
}
