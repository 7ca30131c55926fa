//! Controls: training sets of the same budget that need no distillation. A claim is weak without them (ours).

mod class_mean;
mod random_cells;

use ndarray::Array2;

use crate::cells::Expression;

pub use class_mean::ClassMean;
pub use random_cells::RandomCells;

/// Expression rows `[cells, genes]` and the label of each row.
pub type Selected = (Array2<f32>, Vec<u32>);

/// A way to pick or make a few labelled cells from the training cells. Implement it, and it stands in every table.
///
/// It may give fewer rows than `per_class` for a class, never more, and rows come class by class. A class without
/// training cells gets no row.
///
/// ```
/// use scdd::cells::Expression;
/// use scdd::evaluate::{Selected, Selection};
/// use scdd::ndarray::Array2;
///
/// /// The first cells of each class, as they stand in the file.
/// struct FirstCells;
///
/// impl Selection for FirstCells {
///     fn name(&self) -> String {
///         "first cells".into()
///     }
///     fn select(
///         &self, expression: &Expression, labels: &[u32], classes: usize, per_class: usize, _seed: u64,
///     ) -> scdd::Result<Selected> {
///         let of = |class: u32| (0..labels.len()).filter(move |&cell| labels[cell] == class).take(per_class);
///         let cells: Vec<usize> = (0..classes as u32).flat_map(of).collect();
///         let mut rows = Array2::zeros((cells.len(), expression.genes()));
///         for (mut row, &cell) in rows.rows_mut().into_iter().zip(&cells) {
///             let (genes, values) = expression.row(cell);
///             genes.iter().zip(values).for_each(|(&gene, &value)| row[gene as usize] = value);
///         }
///         Ok((rows, cells.iter().map(|&cell| labels[cell]).collect()))
///     }
/// }
///
/// let expression = Expression::from_dense(2, &[1.0, 0.0, 0.0, 2.0, 3.0, 0.0])?;
/// let (rows, labels) = FirstCells.select(&expression, &[0, 1, 0], 2, 1, 7)?;
/// assert_eq!((rows.dim(), labels), ((2, 2), vec![0, 1]));
/// # Ok::<(), scdd::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not pick cells",
    label = "expected a selection such as `RandomCells` or `ClassMean`",
    note = "implement `Selection` for `{Self}`: `name(&self) -> String` and `select(&self, &Expression, labels, classes, \
            per_class, seed) -> Result<Selected>`, which gives rows of expression and their labels"
)]
pub trait Selection: Send + Sync {
    /// What the table calls it.
    fn name(&self) -> String;

    /// Gives at most `per_class` rows for each of the classes `0..classes`, from log-normalised training cells
    /// `[cells, genes]` with one label each. The same seed gives the same rows.
    ///
    /// # Errors
    /// When labels and cells differ in number, a label reaches `classes`, or `per_class` is 0.
    fn select(
        &self,
        expression: &Expression,
        labels: &[u32],
        classes: usize,
        per_class: usize,
        seed: u64,
    ) -> crate::Result<Selected>;

    /// For a selection that only picks real cells: their indices, class by class, the same cells that
    /// [`select`](Self::select) gives. They need not be embedded again, and a foundation model without encoder will do.
    /// None, the default, for one that makes cells.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    fn choose(&self, labels: &[u32], classes: usize, per_class: usize, seed: u64) -> crate::Result<Option<Vec<usize>>> {
        let _ = (labels, classes, per_class, seed);
        Ok(None)
    }
}

/// The training cells of each class, in the order of the cells.
fn cells_of_classes(labels: &[u32], classes: usize, per_class: usize) -> Result<Vec<Vec<usize>>, super::EvaluateError> {
    if per_class == 0 {
        return Err(super::EvaluateError::Setting { name: "per_class", value: "0".into(), expected: "1 or more" });
    }
    super::check_labels("training cells", labels.len(), labels, classes)?;
    let mut members = vec![Vec::new(); classes];
    for (cell, &label) in labels.iter().enumerate() {
        members[label as usize].push(cell);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    /// Six cells: class 0 has four, class 1 has two, class 2 has none. Gene 0 numbers the cells from 1.
    fn six_cells() -> (Expression, [u32; 6]) {
        let dense: Vec<f32> = (0..6).flat_map(|cell| [cell as f32 + 1.0, 0.0, (cell % 2) as f32]).collect();
        (Expression::from_dense(3, &dense).unwrap(), [0, 1, 0, 0, 1, 0])
    }

    #[test]
    fn random_cells_are_real_cells_of_their_class_without_duplicates() {
        let (expression, labels) = six_cells();
        for seed in 0..30 {
            let (rows, chosen) = RandomCells.select(&expression, &labels, 3, 2, seed).unwrap();
            assert_eq!(chosen, [0, 0, 1, 1]);
            let cells: Vec<usize> = rows.column(0).iter().map(|number| *number as usize - 1).collect();
            for (row, (&cell, &label)) in rows.rows().into_iter().zip(cells.iter().zip(&chosen)) {
                assert_eq!(labels[cell], label);
                assert_eq!(row.to_vec(), expression.dense_rows(&[cell]));
            }
            assert_ne!(cells[0], cells[1]);
            assert_ne!(cells[2], cells[3]);
        }
    }

    #[test]
    fn the_chosen_indices_are_those_of_the_selected_rows_and_a_made_cell_has_none() {
        let (expression, labels) = six_cells();
        for seed in 0..10 {
            let (rows, chosen_labels) = RandomCells.select(&expression, &labels, 3, 2, seed).unwrap();
            let chosen = RandomCells.choose(&labels, 3, 2, seed).unwrap().unwrap();
            let numbers: Vec<usize> = rows.column(0).iter().map(|number| *number as usize - 1).collect();
            assert_eq!(chosen, numbers);
            assert_eq!(chosen.iter().map(|&cell| labels[cell]).collect::<Vec<_>>(), chosen_labels);
        }
        assert_eq!(ClassMean.choose(&labels, 3, 2, 7).unwrap(), None);
    }

    #[test]
    fn a_class_smaller_than_the_budget_gives_all_its_cells_once() {
        let (expression, labels) = six_cells();
        let (rows, chosen) = RandomCells.select(&expression, &labels, 3, 50, 7).unwrap();
        assert_eq!(chosen, [0, 0, 0, 0, 1, 1]);
        let mut numbers: Vec<u32> = rows.column(0).iter().map(|number| *number as u32).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_seed_decides_which_cells_are_drawn_and_each_cell_is_as_likely() {
        let (expression, labels) = six_cells();
        let draw = |seed| RandomCells.select(&expression, &labels, 3, 1, seed).unwrap().0;
        assert_eq!(draw(3), draw(3));
        let mut drawn = [0; 6];
        (0..2_000).for_each(|seed| drawn[draw(seed)[[0, 0]] as usize - 1] += 1);
        for cell in [0, 2, 3, 5] {
            assert!((400..600).contains(&drawn[cell]), "cell {cell} drawn {} times of about 500", drawn[cell]);
        }
    }

    #[test]
    fn the_class_mean_is_the_mean_over_all_cells_and_one_row_whatever_the_budget() {
        let mut random = crate::seed::stream(7, "class mean test");
        let dense: Vec<f32> =
            (0..40 * 5).map(|_| if random.random() { random.random::<f32>() * 6.0 } else { 0.0 }).collect();
        let expression = Expression::from_dense(5, &dense).unwrap();
        let labels: Vec<u32> = (0..40).map(|cell| if cell % 3 == 0 { 2 } else { 0 }).collect();
        let (rows, chosen) = ClassMean.select(&expression, &labels, 3, 10, 7).unwrap();
        assert_eq!(chosen, [0, 2]);
        for (row, class) in rows.rows().into_iter().zip(chosen) {
            let members: Vec<usize> = (0..40).filter(|&cell| labels[cell] == class).collect();
            for gene in 0..5 {
                let sum: f64 = members.iter().map(|&cell| f64::from(dense[cell * 5 + gene])).sum();
                assert!((f64::from(row[gene]) - sum / members.len() as f64).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn what_cannot_be_selected_from_is_refused_with_its_numbers() {
        let (expression, labels) = six_cells();
        for selection in [&RandomCells as &dyn Selection, &ClassMean] {
            let message = |labels: &[u32], classes, per_class| {
                selection.select(&expression, labels, classes, per_class, 7).unwrap_err().to_string()
            };
            assert!(message(&labels, 3, 0).starts_with("per_class is 0"));
            assert!(message(&labels[..5], 3, 1).contains("6 training cells for 5 labels"));
            assert!(message(&labels, 1, 1).contains("cell 1 has label 1, but there are 1 classes"));
        }
    }
}
