//! The mean expression of each class, the control that is hardest to beat at one cell per class (ours).

use ndarray::Array2;

use super::{Selected, Selection, cells_of_classes};
use crate::Result;
use crate::cells::Expression;
use crate::evaluate::check_labels;

/// The mean of log-normalised expression over all training cells of a class.
///
/// One row per class, also when `per_class` is more: a class has one mean, and repeating it adds nothing. The rest
/// of the budget is left unspent, so compare it by its number of cells.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassMean;

impl Selection for ClassMean {
    fn name(&self) -> String {
        "class mean".into()
    }

    fn select(
        &self,
        expression: &Expression,
        labels: &[u32],
        classes: usize,
        per_class: usize,
        _seed: u64,
    ) -> Result<Selected> {
        check_labels("training cells", expression.cells(), labels, classes)?;
        let members = cells_of_classes(labels, classes, per_class)?;
        let present: Vec<u32> = (0..classes as u32).filter(|&class| !members[class as usize].is_empty()).collect();
        let mut means = Array2::zeros((present.len(), expression.genes()));
        for (mut mean, &class) in means.rows_mut().into_iter().zip(&present) {
            let cells = &members[class as usize];
            // f64: a class of 100,000 cells would lose digits in f32.
            let mut sums = vec![0.0f64; expression.genes()];
            for &cell in cells {
                let (genes, values) = expression.row(cell);
                for (&gene, &value) in genes.iter().zip(values) {
                    sums[gene as usize] += f64::from(value);
                }
            }
            for (mean, sum) in mean.iter_mut().zip(sums) {
                *mean = (sum / cells.len() as f64) as f32;
            }
        }
        Ok((means, present))
    }
}
