//! Random real cells: what a distilled set must beat at least (the "random" rows of Yu et al. 2025, tables II and III).

use ndarray::Array2;
use rand::seq::SliceRandom;

use super::{Selected, Selection, cells_of_classes};
use crate::Result;
use crate::cells::Expression;
use crate::evaluate::check_labels;

/// Draws `per_class` training cells of each class without replacement.
///
/// A class with fewer cells gives all that it has, each once (ours): a duplicate would spend budget on nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomCells;

impl Selection for RandomCells {
    fn name(&self) -> String {
        "random cells".into()
    }

    fn select(
        &self,
        expression: &Expression,
        labels: &[u32],
        classes: usize,
        per_class: usize,
        seed: u64,
    ) -> Result<Selected> {
        check_labels("training cells", expression.cells(), labels, classes)?;
        let chosen = draw(labels, classes, per_class, seed)?;
        let mut rows = Array2::zeros((chosen.len(), expression.genes()));
        for (mut row, &cell) in rows.rows_mut().into_iter().zip(&chosen) {
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                row[gene as usize] = value;
            }
        }
        Ok((rows, chosen.iter().map(|&cell| labels[cell]).collect()))
    }

    fn choose(&self, labels: &[u32], classes: usize, per_class: usize, seed: u64) -> Result<Option<Vec<usize>>> {
        Ok(Some(draw(labels, classes, per_class, seed)?))
    }
}

/// Indices of the drawn cells, class by class.
fn draw(labels: &[u32], classes: usize, per_class: usize, seed: u64) -> Result<Vec<usize>> {
    let mut chosen = Vec::new();
    for (class, mut cells) in cells_of_classes(labels, classes, per_class)?.into_iter().enumerate() {
        // A stream per class: what one class draws does not depend on the others.
        let mut random = crate::seed::stream(seed, &format!("random cells of class {class}"));
        chosen.extend_from_slice(cells.partial_shuffle(&mut random, per_class).0);
    }
    Ok(chosen)
}
