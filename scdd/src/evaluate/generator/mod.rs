//! Generator report: many generated cells compared with held-out real ones, `scdg.report()`.
//!
//! | group | question | file |
//! |---|---|---|
//! | moments | do genes have the means, variances and zeros that they have in real cells? | `moments.rs` |
//! | distance | how far are the two distributions? Maximum mean discrepancy | `discrepancy.rs` |
//! | mixing | are neighbours of a cell of both kinds? Integration LISI | `lisi.rs` |
//! | two-sample tests | can nearest neighbours or a random forest tell them apart? AUC | `two_samples.rs` |
//! | classes | does a classifier of real cells recognise the classes? Are their markers the same? | `classes.rs` |
//!
//! Beside each figure stands the same one for real training cells instead of generated ones, which is what a perfect
//! generator would reach with so many cells. What is undefined for few cells is left out with the reason.

mod builder;
mod classes;
mod discrepancy;
mod lisi;
mod moments;
mod report;
mod two_samples;

use ndarray::{Array2, Axis};
use rand::seq::index::sample;

use crate::cells::Expression;
use crate::seed;

pub use builder::ReportBuilder;
pub use report::{ClassFigures, GeneratorReport, ReportFigure};

/// Cells of each kind that are compared cell by cell, at most (ours: all pairs of 4,000 are 16 million).
const MOST: usize = 2_000;

/// Real cells, and others that are taken for generated ones.
struct Sample {
    expression: Expression,
    labels: Vec<u32>,
    /// Coordinates `[cells, components]` on principal components of real training cells.
    points: Array2<f32>,
}

impl Sample {
    fn cells(&self) -> usize {
        self.labels.len()
    }
}

/// A figure of two samples, or why there is none.
struct Found {
    name: &'static str,
    ideal: f64,
    value: Result<f64, String>,
}

/// As many points of either sample: all of the smaller one, at most [`MOST`]; in random order.
fn balanced(real: &Sample, other: &Sample, seed: u64) -> (Array2<f32>, Array2<f32>) {
    let count = real.cells().min(other.cells()).min(MOST);
    let draw = |of: &Sample, what: &str| {
        let chosen = sample(&mut seed::stream(seed, what), of.cells(), count).into_vec();
        of.points.select(Axis(0), &chosen)
    };
    (draw(real, "report: real cells"), draw(other, "report: generated cells"))
}

/// "needs at least 20 cells of each kind, there are 171 real and 8 others".
fn too_few(least: usize, real: usize, other: usize) -> Option<String> {
    (real.min(other) < least).then(|| {
        format!("needs at least {least} cells of each kind; there are {real} real ones and {other} to compare")
    })
}

/// Every figure of two samples that needs no class.
fn compare(real: &Sample, other: &Sample, seed: u64) -> Vec<Found> {
    let mut found = moments::compare(real, other);
    found.push(discrepancy::compare(real, other, seed));
    found.push(lisi::compare(real, other, seed));
    found.extend(two_samples::compare(real, other, seed));
    found
}

#[cfg(test)]
mod tests;
