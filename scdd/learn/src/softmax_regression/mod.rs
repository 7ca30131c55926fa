//! Softmax regression (multinomial logistic regression) on dense embeddings: one linear layer, trained by minibatch SGD with
//! cross-entropy loss as a [`Protocol`] says. O(networks epochs n d classes).
//!
//! Loss and gradient are in closed form (`kernel.rs`), compiled for AVX2 with FMA and for any processor.
//!
//! It is the evaluation model of Yu et al. 2025 for SCimilarity ("a single-layer head is best").

mod kernel;
mod protocol;
mod sgd;

use std::sync::Arc;

use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::LearnError;
use crate::error::check_training_set;
use crate::metrics::argmax;
use kernel::{Inputs, Layer};
pub use protocol::Protocol;

/// One trained linear layer: class scores are `weights . (scale * embedding) + bias`. A clone shares the weights.
///
/// It knows how its training ended, so that a table can mark a classifier that underfits.
#[derive(Clone, Debug)]
pub struct LinearHead {
    weights: Arc<Array2<f32>>,
    bias: Arc<Vec<f32>>,
    scale: f32,
    losses: Arc<Vec<f64>>,
    training_loss: f64,
    training_accuracy: f64,
}

/// Trains `protocol.networks` fresh linear heads on embeddings `[cells, features]`, one label per cell below `classes`.
///
/// Each network has its own random streams: weights and biases uniform within `1 / sqrt(features)` (PyTorch's
/// `nn.Linear`), and a new order of the cells in every epoch. Networks train side by side; the result does not
/// depend on how many do. Classes without a training cell are allowed, as long as two have one.
///
/// # Errors
/// When a number of the protocol is outside its range, there is nothing to train on, labels and cells differ in
/// number, a label reaches `classes`, all labels are equal, a feature is NaN or infinite, or training diverges.
///
/// ```
/// use ndarray::array;
/// use scdd_learn::{metrics::Scores, softmax_regression::{Protocol, train_heads}};
/// let embeddings = array![[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]];
/// let heads = train_heads(&embeddings, &[0, 0, 1, 1], 2, &Protocol::default())?;
/// assert_eq!(heads.len(), 5);
/// let predicted = heads[0].predict(&array![[0.9, 0.1], [-0.2, 0.9]])?;
/// assert_eq!(Scores::new(&[0, 1], &predicted, 2)?.accuracy, 1.0);
/// # Ok::<(), scdd_learn::LearnError>(())
/// ```
pub fn train_heads(
    train: &Array2<f32>,
    labels: &[u32],
    classes: usize,
    protocol: &Protocol,
) -> Result<Vec<LinearHead>, LearnError> {
    protocol.check()?;
    let (cells, features) = train.dim();
    check_training_set(cells, features, labels, classes)?;
    let inputs = Inputs::new(train, protocol.scale(features))?;
    (0..protocol.networks)
        .into_par_iter()
        .map(|network| {
            let mut start = crate::seed::stream(protocol.seed, &format!("linear head {network}: initial weights"));
            let mut order = crate::seed::stream(protocol.seed, &format!("linear head {network}: order of cells"));
            let layer = fresh_layer(features, classes, &mut start);
            train_from(&inputs, labels, protocol, network, layer, |cells| cells.shuffle(&mut order))
        })
        .collect()
}

/// PyTorch's `nn.Linear` before training.
fn fresh_layer(features: usize, classes: usize, random: &mut impl Rng) -> Layer {
    let bound = 1.0 / (features as f32).sqrt();
    let mut draw = || (random.random::<f32>() * 2.0 - 1.0) * bound;
    let weights = Array2::from_shape_simple_fn((classes, features), &mut draw);
    let bias: Vec<f32> = (0..classes).map(|_| draw()).collect();
    Layer::pack(&weights, &bias)
}

/// Trains one head from given weights with a given order of cells; see [`sgd::fit`].
fn train_from(
    inputs: &Inputs,
    labels: &[u32],
    protocol: &Protocol,
    network: usize,
    layer: Layer,
    reorder: impl FnMut(&mut [u32]),
) -> Result<LinearHead, LearnError> {
    let mut fit = sgd::fit(inputs, labels, protocol, network, layer, reorder)?;
    let (weights, bias) = fit.layer.unpack(inputs.features());
    Ok(LinearHead {
        weights: Arc::new(weights),
        bias: Arc::new(bias),
        scale: protocol.scale(inputs.features()),
        losses: Arc::new(fit.losses),
        training_loss: fit.loss,
        training_accuracy: fit.accuracy,
    })
}

impl LinearHead {
    /// From weights `[classes, features]`, one bias per class and the factor of embeddings, as a file has them. How the training
    /// went is unknown: there are no losses, and loss and accuracy of the training are NaN.
    pub fn from_weights(weights: Array2<f32>, bias: Vec<f32>, scale: f32) -> Self {
        Self {
            weights: Arc::new(weights),
            bias: Arc::new(bias),
            scale,
            losses: Arc::default(),
            training_loss: f64::NAN,
            training_accuracy: f64::NAN,
        }
    }

    /// The most probable class of each embedding `[cells, features]`; of equals the first.
    ///
    /// # Errors
    /// When the width is not that of the training embeddings, or a value is NaN or infinite.
    pub fn predict(&self, embeddings: &Array2<f32>) -> Result<Vec<u32>, LearnError> {
        Ok(argmax(&self.probabilities(embeddings)?))
    }

    /// Class probabilities `[cells, classes]` of embeddings `[cells, features]`.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn probabilities(&self, embeddings: &Array2<f32>) -> Result<Array2<f32>, LearnError> {
        let (found, expected) = (embeddings.ncols(), self.weights.ncols());
        if found != expected {
            return Err(LearnError::Width { found, expected });
        }
        let inputs = Inputs::new(embeddings, self.scale)?;
        Ok(kernel::probabilities(&inputs, &Layer::pack(&self.weights, &self.bias)))
    }

    /// Weights `[classes, features]`, of scaled embeddings.
    pub fn weights(&self) -> &Array2<f32> {
        &self.weights
    }

    /// One bias per class.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Factor of embeddings before the layer.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Mean cross-entropy of each epoch, measured while the weights change. It is flat at the end of every run, because
    /// the rate has fallen: flatness does not show convergence; [`training_accuracy`](Self::training_accuracy) does.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Mean cross-entropy of the training cells after training, without weight decay.
    pub fn training_loss(&self) -> f64 {
        self.training_loss
    }

    /// Fraction of the training cells that the head predicts after training. Well below 1, the head underfits.
    pub fn training_accuracy(&self) -> f64 {
        self.training_accuracy
    }
}

#[cfg(test)]
mod tests;
