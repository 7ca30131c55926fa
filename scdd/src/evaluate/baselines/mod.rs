//! Baselines: training sets of the same budget without distillation.
//!
//! | baseline | at n per class |
//! |---|---|
//! | [`RandomCells`] | n real cells |
//! | [`ClassMean`] | the mean expression of all cells, one row |
//! | [`Medoid`] | the n real cells nearest to the mean latent |
//! | [`KMeansPseudobulks`] | the mean expression of n clusters |
//! | [`ClassMeanLatent`] | the mean latent, decoded, one row |
//! | [`DecodedCells`] | n real cells, encoded and decoded |
//! | [`Herding`] | n real cells, greedily, whose mean latent is nearest to the class's |
//! | [`KCentre`] | n real cells, each the farthest from those before |
//! | [`GeometricSketch`] | n real cells, one of each of n equal boxes that cover the class |
//! | [`ScValue`] | n real cells of every grade of value for telling classes apart |
//! | [`Stratified`] | real cells, n for each class in all, with the classes' proportions |
//! | [`MergedMetacells`] | n metacells, merged along the graph of nearest neighbours |

mod candidates;
mod class_mean;
mod class_mean_latent;
mod decoded_cells;
mod geometric_sketch;
mod herding;
mod k_centre;
mod kmeans_pseudobulks;
mod medoid;
mod merged_metacells;
mod out_of_bag;
mod plaid;
mod random_cells;
mod sc_value;
mod stratified;

use std::sync::Arc;

use ndarray::Array2;

pub use candidates::Candidates;
pub use class_mean::ClassMean;
pub use class_mean_latent::ClassMeanLatent;
pub use decoded_cells::DecodedCells;
pub use geometric_sketch::GeometricSketch;
pub use herding::Herding;
pub use k_centre::KCentre;
pub use kmeans_pseudobulks::KMeansPseudobulks;
pub use medoid::Medoid;
pub use merged_metacells::MergedMetacells;
pub use random_cells::RandomCells;
pub use sc_value::ScValue;
pub use stratified::Stratified;

/// Expression rows `[cells, genes]` and the label of each row.
pub type Selected = (Array2<f32>, Vec<u32>);

/// A way to pick or make a few labelled cells from the training cells. Implement it, and it stands in every table.
///
/// It may give fewer rows than `per_class` for a class, and never more in all than that for each class; rows come class by
/// class. A class without
/// training cells gets no row.
///
/// ```
/// use scdd::cells::Expression;
/// use scdd::evaluate::{Candidates, Selected, Baseline};
///
/// /// The first cells of each class, as they stand in the file.
/// struct FirstCells;
///
/// impl Baseline for FirstCells {
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
    note = "implement `Baseline` for `{Self}`: `name(&self) -> String` and `select(&self, &Candidates<'_>, per_class, seed) \
            -> Result<Selected>`, which gives rows of expression and their labels"
)]
pub trait Baseline: Send + Sync {
    /// What the table calls it.
    fn name(&self) -> String;

    /// Gives at most `per_class` rows for each class on average, from training cells with their labels and latents. The same seed
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

/// The baselines that show what distillation adds: `evaluate().baselines(main_baselines())`. Two of them need a foundation
/// model with a decoder. [`all_baselines`] adds what others use instead.
pub fn main_baselines() -> Vec<Arc<dyn Baseline>> {
    vec![
        Arc::new(RandomCells),
        Arc::new(ClassMean),
        Arc::new(Medoid),
        Arc::new(KMeansPseudobulks),
        Arc::new(ClassMeanLatent),
        Arc::new(DecodedCells),
    ]
}

/// [`main_baselines`], and what others use instead of distilling: herding, k-centre greedy, geometric sketching, scValue, a
/// stratified subsample and metacells.
///
/// ```
/// use scdd::prelude::*;
/// let cells = simulate().cells(300).genes(200).classes(3).smallest_class(20).run()?.preprocess().min_genes(10).run()?;
/// let study = cells.study("cell_type").foundation_epochs(1).run()?;
/// let evaluation = study.evaluate().baselines(all_baselines()).per_class(3).on_validation().run()?;
/// assert!(evaluation.rows().iter().any(|row| row.method == "geometric sketch" && row.cells == 9));
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn all_baselines() -> Vec<Arc<dyn Baseline>> {
    let picks: [Arc<dyn Baseline>; 6] = [
        Arc::new(Herding),
        Arc::new(KCentre),
        Arc::new(GeometricSketch),
        Arc::new(ScValue),
        Arc::new(Stratified),
        Arc::new(MergedMetacells),
    ];
    main_baselines().into_iter().chain(picks).collect()
}

#[cfg(test)]
mod tests;
