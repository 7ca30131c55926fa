//! Evaluation models: classifiers that are trained on a set, real or synthetic, and scored on real cells.
//!
//! | model | input | networks |
//! |---|---|---|
//! | [`LinearProbe`] | latents of the frozen foundation model | as many as the protocol says |
//! | [`CellTypist`] | standardised expression | one: it has one solution |
//! | [`Mlp`] | expression | as many as the protocol says |
//! | [`NearestNeighbours`] | expression | one: nothing is drawn |
//! | [`RandomForest`] | expression | as many as the protocol says |
//! | [`Tosica`] | expression, gathered into gene sets | as many as the protocol says |
//! | [`ScDeepInsight`] | expression on a map of genes | as many as the protocol says |
//!
//! Distillation optimises cells for linear heads on latents. The other models have no part in it, so that their scores
//! show how the cells generalise (Yu et al. 2025, table IV: cross-architecture).

mod celltypist;
mod linear_probe;
mod mlp;
mod mlp_kernel;
mod nearest_neighbours;
mod random_forest;
mod saved;
mod sc_deep_insight;
mod tosica;
mod training;

use std::sync::Arc;

use ndarray::Array2;
use scdd_learn::metrics::argmax;

use super::{ModelInput, Protocol};

pub use celltypist::CellTypist;
pub use linear_probe::LinearProbe;
pub use mlp::Mlp;
pub use nearest_neighbours::NearestNeighbours;
pub use random_forest::RandomForest;
pub use saved::{Numbers, SavedArray, SavedModel};
pub use sc_deep_insight::ScDeepInsight;
pub use tosica::{GeneSets, Tosica};

/// A kind of model that a training set is evaluated by. Implement it, and it stands in every table:
/// `evaluate().model(...)`.
///
/// ```
/// use scdd::evaluate::{EvaluationModel, ModelInput, Protocol, TrainedModel};
/// use scdd::ndarray::Array2;
///
/// /// Says the most frequent class, whatever the cell.
/// struct Majority;
/// struct Always(u32, usize);
///
/// impl EvaluationModel for Majority {
///     fn name(&self) -> String {
///         "majority".into()
///     }
///     fn train(
///         &self, _: &ModelInput, labels: &[u32], classes: usize, _: &Protocol,
///     ) -> scdd::Result<Vec<Box<dyn TrainedModel>>> {
///         let count = |class: &u32| labels.iter().filter(|label| *label == class).count();
///         let most = (0..classes as u32).max_by_key(count).unwrap_or(0);
///         Ok(vec![Box::new(Always(most, classes))])
///     }
/// }
///
/// impl TrainedModel for Always {
///     fn decide(&self, cells: &ModelInput) -> scdd::Result<Array2<f32>> {
///         Ok(Array2::from_shape_fn((cells.cells(), self.1), |(_, class)| f32::from(class as u32 == self.0)))
///     }
/// }
///
/// let cells = scdd::simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
/// let study = cells.study("cell_type").foundation_epochs(1).run()?;
/// let evaluation = study.evaluate().model(Majority).run()?;
/// assert!(evaluation.rows().iter().any(|row| row.model == "majority"));
/// # Ok::<(), scdd::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an evaluation model",
    label = "expected a model such as `LinearProbe`, `CellTypist`, `Mlp`, `RandomForest` or `Tosica`",
    note = "implement `EvaluationModel` for `{Self}`: `name(&self) -> String` and `train(&self, &ModelInput, labels, \
            classes, &Protocol) -> Result<Vec<Box<dyn TrainedModel>>>`"
)]
pub trait EvaluationModel: Send + Sync {
    /// What tables call it.
    fn name(&self) -> String;

    /// Whether its input is latents of the foundation model instead of expression; false. Its rows then name that model,
    /// and features that are no cells can be its training set.
    fn sees_latents(&self) -> bool {
        false
    }

    /// Trains fresh models on cells with a label each, below `classes`; not every class need have a cell. The protocol
    /// says how many, and the seed that everything is drawn from; a model in which nothing is drawn gives one.
    ///
    /// # Errors
    /// When there are no cells, or all have one label; the error says how many there are. When labels and cells differ in
    /// number, or the cells lack the model's input.
    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>>;
}

impl EvaluationModel for Arc<dyn EvaluationModel> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn sees_latents(&self) -> bool {
        (**self).sees_latents()
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        (**self).train(cells, labels, classes, protocol)
    }
}

/// A model that has been trained.
pub trait TrainedModel: Send + Sync {
    /// A value for each cell and class `[cells, classes]`, larger for the more likely class; which value stands with the
    /// model. A class that it was not trained on may have minus infinity.
    ///
    /// # Errors
    /// When the cells have other genes or latents than those that it was trained on.
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>>;

    /// The class of the largest value of each cell; of equals the first.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    fn predict(&self, cells: &ModelInput) -> crate::Result<Vec<u32>> {
        Ok(argmax(&self.decide(cells)?))
    }

    /// The probability of each class for each cell `[cells, classes]`, as far as the model has one. The default takes decision
    /// values for logits: their softmax.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(softmax(self.decide(cells)?))
    }

    /// How much it attended to each gene set; None, the default, for a model that doesn't.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    fn attention(&self, cells: &ModelInput) -> crate::Result<Option<Attention>> {
        let _ = cells;
        Ok(None)
    }

    /// What it consists of, to be written to a file; None, the default, for a model that can't be read again.
    fn save(&self) -> Option<SavedModel> {
        None
    }

    /// Fraction of its own training cells that it predicts; None where that has no meaning.
    fn training_accuracy(&self) -> Option<f64> {
        None
    }

    /// What a reader of its scores should know, such as an end before it had converged.
    fn note(&self) -> Option<String> {
        None
    }
}

/// How much a model attended to gene sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Names of the sets.
    pub gene_sets: Vec<String>,
    /// `[cells, gene sets]`, 0 to 1.
    pub values: Array2<f32>,
}

/// Every evaluation model with its defaults: `evaluate().models(all_models())`.
pub fn all_models() -> Vec<Arc<dyn EvaluationModel>> {
    vec![
        Arc::new(LinearProbe),
        Arc::new(CellTypist::default()),
        Arc::new(Mlp::default()),
        Arc::new(NearestNeighbours::default()),
        Arc::new(RandomForest::default()),
        Arc::new(Tosica::default()),
        Arc::new(ScDeepInsight::default()),
    ]
}

fn softmax(mut values: Array2<f32>) -> Array2<f32> {
    for mut row in values.rows_mut() {
        let most = row.fold(f32::NEG_INFINITY, |most, value| most.max(*value));
        row.mapv_inplace(|value| (value - most).exp());
        let sum = row.sum();
        row /= sum;
    }
    values
}

/// A model of a file; the error says what does not fit.
pub(crate) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    match saved.kind.as_str() {
        linear_probe::KIND => linear_probe::load(saved),
        celltypist::KIND => celltypist::load(saved),
        mlp::KIND => mlp::load(saved),
        nearest_neighbours::KIND => nearest_neighbours::load(saved),
        random_forest::KIND => random_forest::load(saved),
        tosica::KIND => tosica::load(saved),
        sc_deep_insight::KIND => sc_deep_insight::load(saved),
        other => Err(format!("'{other}' is no kind of model that this version of scdd knows")),
    }
}

#[cfg(test)]
mod tests;
