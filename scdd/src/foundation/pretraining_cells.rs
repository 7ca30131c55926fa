//! Which cells a foundation model was pretrained on, so that a study refuses one that was pretrained on its test cells (our choice).
//!
//! A cell's mark is a hash of which genes it expresses, of those that the model knows: it does not depend on how counts
//! were normalised or cells were named, and two cells of fifty genes or more hardly ever share it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::cells::Expression;
use crate::seed;

/// Cells that express fewer genes have no mark: different ones could share it.
const FEWEST_GENES: usize = 50;

/// Marks of the cells that a model was pretrained on. A clone shares them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PretrainingCells {
    marks: Arc<HashSet<u64>>,
}

impl PretrainingCells {
    /// Marks of the given cells.
    pub(crate) fn of(expression: &Expression, cells: &[usize], genes: &[String]) -> Self {
        Self::from_marks(marks(expression, cells, genes).into_iter().flatten())
    }

    /// From marks that were saved.
    pub(crate) fn from_marks(marks: impl IntoIterator<Item = u64>) -> Self {
        Self { marks: Arc::new(marks.into_iter().collect()) }
    }

    /// The marks, sorted ascending.
    pub(crate) fn marks(&self) -> Vec<u64> {
        let mut marks: Vec<u64> = self.marks.iter().copied().collect();
        marks.sort_unstable();
        marks
    }

    /// How many of the cells the model was pretrained on.
    pub(crate) fn count(&self, expression: &Expression, cells: &[usize], genes: &[String]) -> usize {
        marks(expression, cells, genes).iter().flatten().filter(|mark| self.marks.contains(mark)).count()
    }
}

/// The mark of each cell.
fn marks(expression: &Expression, cells: &[usize], genes: &[String]) -> Vec<Option<u64>> {
    let of_genes: Vec<u64> = genes.iter().map(|gene| seed::number(0, gene)).collect();
    let mark = |&cell: &usize| {
        let (expressed, _) = expression.row(cell);
        // A sum, so that the order of the genes does not matter.
        let sum = expressed.iter().fold(0u64, |sum, &gene| sum.wrapping_add(of_genes[gene as usize]));
        (expressed.len() >= FEWEST_GENES).then_some(sum)
    };
    cells.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_known_again_with_other_values_and_genes_in_another_order() {
        let cells = crate::simulate().cells(40).genes(300).classes(2).seed(3).run().unwrap();
        let (trained, rest): (Vec<usize>, Vec<usize>) = (0..40).partition(|cell| cell % 4 == 0);
        let model = PretrainingCells::of(cells.expression(), &trained, cells.gene_names());
        let backwards: Vec<usize> = (0..300).rev().collect();
        let other = cells.preprocess().min_genes(1).min_cells(0).run().unwrap().select_genes(&backwards).unwrap();
        assert_eq!(model.count(other.expression(), &trained, other.gene_names()), trained.len());
        assert_eq!(model.count(other.expression(), &rest, other.gene_names()), 0);
    }

    #[test]
    fn cells_of_few_genes_have_no_mark() {
        let expression = Expression::from_dense(3, &[1.0, 0.0, 2.0]).unwrap();
        let genes = ["A", "B", "C"].map(String::from);
        assert_eq!(marks(&expression, &[0], &genes), [None]);
    }
}
