//! Controls: training sets of the same budget that need no distillation. A claim is weak without them (ours).
//!
//! | control | at n per class |
//! |---|---|
//! | [`RandomCells`] | n real cells |
//! | [`ClassMean`] | the mean expression of all cells, one row |
//! | [`Medoid`] | the n real cells nearest to the mean latent |
//! | [`KMeansPseudobulks`] | the mean expression of n clusters |
//! | [`ClassMeanLatent`] | the mean latent, decoded, one row |
//! | [`DecodedCells`] | n real cells, encoded and decoded |

mod candidates;
mod class_mean;
mod class_mean_latent;
mod decoded_cells;
mod kmeans_pseudobulks;
mod medoid;
mod random_cells;

use std::sync::Arc;

use ndarray::Array2;

pub use candidates::Candidates;
pub use class_mean::ClassMean;
pub use class_mean_latent::ClassMeanLatent;
pub use decoded_cells::DecodedCells;
pub use kmeans_pseudobulks::KMeansPseudobulks;
pub use medoid::Medoid;
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
/// use scdd::evaluate::{Candidates, Selected, Selection};
///
/// /// The first cells of each class, as they stand in the file.
/// struct FirstCells;
///
/// impl Selection for FirstCells {
///     fn name(&self) -> String {
///         "first cells".into()
///     }
///     fn select(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> scdd::Result<Selected> {
///         let first = |members: Vec<usize>| members.into_iter().take(per_class);
///         Ok(cells.rows(&cells.of_classes(per_class)?.into_iter().flat_map(first).collect::<Vec<_>>()))
///     }
/// }
///
/// let expression = Expression::from_dense(2, &[1.0, 0.0, 0.0, 2.0, 3.0, 0.0])?;
/// let (rows, labels) = FirstCells.select(&Candidates::new(&expression, &[0, 1, 0], 2)?, 1, 7)?;
/// assert_eq!((rows.dim(), labels), ((2, 2), vec![0, 1]));
/// # Ok::<(), scdd::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not pick cells",
    label = "expected a selection such as `RandomCells` or `ClassMean`",
    note = "implement `Selection` for `{Self}`: `name(&self) -> String` and `select(&self, &Candidates<'_>, per_class, seed) \
            -> Result<Selected>`, which gives rows of expression and their labels"
)]
pub trait Selection: Send + Sync {
    /// What the table calls it.
    fn name(&self) -> String;

    /// Gives at most `per_class` rows for each class, from training cells with their labels and latents. The same seed
    /// gives the same rows.
    ///
    /// # Errors
    /// When `per_class` is 0, or the cells lack the latents, or their model the decoder, that it needs.
    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> crate::Result<Selected>;

    /// For a selection that only picks real cells: their indices, class by class, the same cells that
    /// [`select`](Self::select) gives. They need not be embedded again, and a foundation model without encoder will do.
    /// None, the default, for one that makes cells.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    fn choose(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> crate::Result<Option<Vec<usize>>> {
        let _ = (cells, per_class, seed);
        Ok(None)
    }
}

/// Every control: `evaluate().controls(all_controls())`. Two of them need a foundation model with a decoder.
pub fn all_controls() -> Vec<Arc<dyn Selection>> {
    vec![
        Arc::new(RandomCells),
        Arc::new(ClassMean),
        Arc::new(Medoid),
        Arc::new(KMeansPseudobulks),
        Arc::new(ClassMeanLatent),
        Arc::new(DecodedCells),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Expression;
    use rand::RngExt;

    /// Six cells: class 0 has four, class 1 has two, class 2 has none. Gene 0 numbers the cells from 1.
    fn six_cells() -> (Expression, [u32; 6]) {
        let dense: Vec<f32> = (0..6).flat_map(|cell| [cell as f32 + 1.0, 0.0, (cell % 2) as f32]).collect();
        (Expression::from_dense(3, &dense).unwrap(), [0, 1, 0, 0, 1, 0])
    }

    fn of<'a>(expression: &'a Expression, labels: &'a [u32], classes: usize) -> Candidates<'a> {
        Candidates::new(expression, labels, classes).unwrap()
    }

    #[test]
    fn random_cells_are_real_cells_of_their_class_without_duplicates() {
        let (expression, labels) = six_cells();
        for seed in 0..30 {
            let (rows, chosen) = RandomCells.select(&of(&expression, &labels, 3), 2, seed).unwrap();
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
            let (rows, chosen_labels) = RandomCells.select(&of(&expression, &labels, 3), 2, seed).unwrap();
            let chosen = RandomCells.choose(&of(&expression, &labels, 3), 2, seed).unwrap().unwrap();
            let numbers: Vec<usize> = rows.column(0).iter().map(|number| *number as usize - 1).collect();
            assert_eq!(chosen, numbers);
            assert_eq!(chosen.iter().map(|&cell| labels[cell]).collect::<Vec<_>>(), chosen_labels);
        }
        assert_eq!(ClassMean.choose(&of(&expression, &labels, 3), 2, 7).unwrap(), None);
    }

    #[test]
    fn a_class_smaller_than_the_budget_gives_all_its_cells_once() {
        let (expression, labels) = six_cells();
        let (rows, chosen) = RandomCells.select(&of(&expression, &labels, 3), 50, 7).unwrap();
        assert_eq!(chosen, [0, 0, 0, 0, 1, 1]);
        let mut numbers: Vec<u32> = rows.column(0).iter().map(|number| *number as u32).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_seed_decides_which_cells_are_drawn_and_each_cell_is_as_likely() {
        let (expression, labels) = six_cells();
        let draw = |seed| RandomCells.select(&of(&expression, &labels, 3), 1, seed).unwrap().0;
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
        let (rows, chosen) = ClassMean.select(&of(&expression, &labels, 3), 10, 7).unwrap();
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
        for selection in all_controls() {
            let message = selection.select(&of(&expression, &labels, 3), 0, 7).unwrap_err().to_string();
            // Latents are asked for first.
            assert!(message.starts_with("per_class is 0") || message.contains("have expression only"), "{message}");
        }
        let message = |labels: &[u32], classes| {
            Candidates::new(&expression, labels, classes).map(|_| ()).unwrap_err().to_string()
        };
        assert!(message(&labels[..5], 3).contains("6 training cells for 5 labels"));
        assert!(message(&labels, 1).contains("cell 1 has label 1, but there are 1 classes"));
    }

    #[test]
    fn controls_of_latents_are_what_they_say() {
        use crate::foundation::Foundation;
        let cells = crate::simulate().cells(150).genes(200).classes(3).smallest_class(12).seed(4).run().unwrap();
        let cells = cells.preprocess().min_genes(10).run().unwrap();
        let opened = cells.study("cell_type").all_genes();
        let pca = Foundation::pca(&opened.training_cells().unwrap()).components(8).run().unwrap();
        let study = opened.foundation(pca).run().unwrap();
        let (expression, labels) = study.training_expression();
        let latents = study.embeddings_of(study.training_cells().train());
        let candidates = of(&expression, &labels, 3).with_latents(&latents, study.foundation());
        let members = candidates.of_classes(1).unwrap();

        let (rows, of_rows) = KMeansPseudobulks.select(&candidates, 1, 7).unwrap();
        let (means, of_means) = ClassMean.select(&candidates, 1, 7).unwrap();
        assert_eq!((&rows, &of_rows), (&means, &of_means), "one cluster is the class");
        let (rows, of_rows) = KMeansPseudobulks.select(&candidates, 4, 7).unwrap();
        assert_eq!(of_rows, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
        assert_ne!(rows.row(0), rows.row(1));

        let medoid = Medoid.choose(&candidates, 2, 7).unwrap().unwrap();
        assert_eq!(medoid.len(), 6);
        for (class, pair) in medoid.chunks(2).enumerate() {
            let mean = ndarray::Array1::from(candidates.mean_latent(&members[class]).unwrap());
            let far = |cell: usize| crate::distill::squared_distance(latents.row(cell), mean.view());
            assert!(far(pair[0]) <= far(pair[1]));
            assert!(members[class].iter().filter(|cell| !pair.contains(cell)).all(|&cell| far(cell) >= far(pair[1])));
        }

        // Decoding is affine before the rectifier: with principal components it undoes the encoding's mean.
        let (decoded, of_decoded) = ClassMeanLatent.select(&candidates, 3, 7).unwrap();
        assert_eq!(of_decoded, [0, 1, 2]);
        let again = study.foundation().embed(&Expression::from_array(&decoded).unwrap()).unwrap();
        for (class, row) in again.rows().into_iter().enumerate() {
            let mean = candidates.mean_latent(&members[class]).unwrap();
            let apart: f32 = row.iter().zip(&mean).map(|(a, b)| (a - b).powi(2)).sum();
            let length: f32 = mean.iter().map(|value| value * value).sum();
            assert!(apart < 0.05 * length, "{apart} {length}");
        }
        let (decoded, of_decoded) = DecodedCells.select(&candidates, 2, 7).unwrap();
        let (real, of_real) = RandomCells.select(&candidates, 2, 7).unwrap();
        assert_eq!(of_decoded, of_real);
        assert_ne!(decoded, real);
        let error = |a: &Array2<f32>, b: &Array2<f32>| (a - b).mapv(|value| value * value).sum();
        assert!(error(&decoded, &real) < error(&Array2::zeros(real.dim()), &real));
    }
}
