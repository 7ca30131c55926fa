//! Figures of a benchmark's curves: accuracy, and the objective's loss, along steps or sizes of the head (table VII, figure 4).

use super::curves::curves;
use super::figure::Figure;
use crate::benchmark::{BenchmarkResults, Curve, CurvePoint};

impl BenchmarkResults {
    /// Accuracy and loss of each table of [`curves`](Self::curves): means over seeds. None where rows are no points of a curve.
    ///
    /// # Errors
    /// When a loss is not finite.
    pub fn curve_figures(&self) -> crate::Result<Vec<Figure>> {
        let all = self.curves();
        let mut figures = Vec::new();
        for together in all.chunk_by(|one, other| one.shares_panel(other)) {
            let accuracy = drawn(together, "Accuracy", |point| Some(point.accuracy.0))?;
            let loss = drawn(together, "Loss", |point| point.loss.map(|(mean, _)| mean))?;
            figures.extend([accuracy, loss].into_iter().flatten());
        }
        Ok(figures)
    }
}

/// One line for each method that has the value.
fn drawn(together: &[Curve], what: &str, of: fn(&CurvePoint) -> Option<f64>) -> crate::Result<Option<Figure>> {
    let line = |curve: &Curve| -> Vec<(f64, f64)> {
        curve.points.iter().filter_map(|point| Some((point.at as f64, of(point)?))).collect()
    };
    let lines: Vec<(&str, Vec<(f64, f64)>)> =
        together.iter().map(|curve| (curve.method.as_str(), line(curve))).collect();
    let lines: Vec<_> = lines.into_iter().filter(|(_, points)| !points.is_empty()).collect();
    let Some(first) = together.first().filter(|_| !lines.is_empty()) else { return Ok(None) };
    // Losses of an encoder that trains and of one that doesn't are powers of ten apart.
    let log = what == "Loss" && lines.iter().flat_map(|(_, points)| points).all(|(_, value)| *value > 0.0);
    let title = format!("{what}: {}, {}", first.caption(), first.model);
    Ok(Some(curves(&title, first.along.name(), &what.to_lowercase(), &lines, log)?))
}
