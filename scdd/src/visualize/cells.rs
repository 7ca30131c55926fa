//! What figures of single cells are given: real and synthetic cells, each with the index of its class.

use ndarray::Array2;

use super::VisualizeError;

/// A matrix of cells, and a class for each.
#[derive(Clone, Copy, Debug)]
pub struct LabelledCells<'a> {
    /// Latents `[cells, latent]` or expression `[cells, genes]`.
    pub cells: &'a Array2<f32>,
    /// For each cell the index of its class.
    pub labels: &'a [u32],
}

/// Real cells and the synthetic ones that stand for them.
#[derive(Clone, Copy, Debug)]
pub struct RealAndSynthetic<'a> {
    /// Real cells.
    pub real: LabelledCells<'a>,
    /// Synthetic cells, with the columns of the real ones.
    pub synthetic: LabelledCells<'a>,
    /// Names of the classes, in the order of their indices.
    pub classes: &'a [String],
}

impl<'a> RealAndSynthetic<'a> {
    /// Both kinds of cells by their names.
    pub(super) fn sides(&self) -> [(&'static str, LabelledCells<'a>); 2] {
        [("real", self.real), ("synthetic", self.synthetic)]
    }

    /// Labels fit their rows and name classes; values are finite.
    pub(super) fn check(&self) -> Result<(), VisualizeError> {
        for (kind, side) in self.sides() {
            let (found, expected) = (side.labels.len(), side.cells.nrows());
            if found != expected {
                return Err(VisualizeError::Length { what: format!("labels of {kind} cells"), found, expected });
            }
            let classes = self.classes.len();
            if let Some((cell, &label)) = side.labels.iter().enumerate().find(|(_, label)| **label as usize >= classes)
            {
                return Err(VisualizeError::Label { kind, cell, label, classes });
            }
            check_finite(kind, side.cells)?;
        }
        Ok(())
    }
}

/// Values are finite.
pub(super) fn check_finite(kind: &'static str, cells: &Array2<f32>) -> Result<(), VisualizeError> {
    match cells.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some(((row, column), value)) => Err(VisualizeError::Value {
            what: format!("{kind} cells"),
            value: f64::from(*value),
            at: format!("row {row}, column {column}"),
            hint: "every value must be finite",
        }),
    }
}
