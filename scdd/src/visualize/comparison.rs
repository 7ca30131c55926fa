//! Real and synthetic cells as the input of a figure.

use ndarray::Array2;

use super::VisualizeError;
use super::error::check_cells;

/// Real and synthetic cells with their classes; rows are cells, labels are positions in `classes`.
#[derive(Clone, Copy, Debug)]
pub struct RealAndSynthetic<'a> {
    /// Expression or embeddings of the real cells.
    pub real: &'a Array2<f32>,
    /// Class of each real cell.
    pub real_labels: &'a [u32],
    /// The same of the synthetic cells.
    pub synthetic: &'a Array2<f32>,
    /// Class of each synthetic cell.
    pub synthetic_labels: &'a [u32],
    /// Names of the classes.
    pub classes: &'a [String],
}

impl RealAndSynthetic<'_> {
    pub(super) fn check(&self) -> Result<(), VisualizeError> {
        check_cells("real", self.real, self.real_labels, self.classes.len())?;
        check_cells("synthetic", self.synthetic, self.synthetic_labels, self.classes.len())
    }
}
