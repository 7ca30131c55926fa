//! Softmax regression on frozen embeddings: one linear layer, the evaluation model of Yu et al. 2025 for SCimilarity
//! ("a single-layer head is best"), trained by the [`Protocol`].

use std::sync::Arc;

use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::kernel::{self, Inputs, Layer};
use super::{EvaluateError, Protocol, check_labels, sgd};

/// One trained linear layer: class scores are `weights . (scale * embedding) + bias`. A clone shares the weights.
///
/// It remembers how its training ended, so that a table can mark a bound that was not reached.
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
/// use scdd::evaluate::{Protocol, Scores, train_heads};
/// let embeddings = array![[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]];
/// let heads = train_heads(&embeddings, &[0, 0, 1, 1], 2, &Protocol::default())?;
/// assert_eq!(heads.len(), 5);
/// let predicted = heads[0].predict(&array![[0.9, 0.1], [-0.2, 0.9]])?;
/// assert_eq!(Scores::new(&[0, 1], &predicted, 2)?.accuracy, 1.0);
/// # Ok::<(), scdd::evaluate::EvaluateError>(())
/// ```
pub fn train_heads(
    train: &Array2<f32>,
    labels: &[u32],
    classes: usize,
    protocol: &Protocol,
) -> Result<Vec<LinearHead>, EvaluateError> {
    protocol.check()?;
    let (cells, features) = train.dim();
    if cells == 0 || features == 0 {
        return Err(EvaluateError::EmptyTraining { cells, features });
    }
    check_labels("training cells", cells, labels, classes)?;
    if labels.iter().all(|label| *label == labels[0]) {
        return Err(EvaluateError::OneClass { class: labels[0], cells });
    }
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
) -> Result<LinearHead, EvaluateError> {
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
    /// Of a file, which does not say how the training went: losses are missing, and loss and accuracy of the training NaN.
    pub(super) fn from_weights(weights: Array2<f32>, bias: Vec<f32>, scale: f32) -> Self {
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
    pub fn predict(&self, embeddings: &Array2<f32>) -> Result<Vec<u32>, EvaluateError> {
        let probabilities = self.probabilities(embeddings)?;
        let most_probable = probabilities.rows().into_iter().map(|row| {
            let better = |best: usize, class: usize| if row[class] > row[best] { class } else { best };
            (0..row.len()).fold(0, better) as u32
        });
        Ok(most_probable.collect())
    }

    /// Class probabilities `[cells, classes]` of embeddings `[cells, features]`.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn probabilities(&self, embeddings: &Array2<f32>) -> Result<Array2<f32>, EvaluateError> {
        let (found, expected) = (embeddings.ncols(), self.weights.ncols());
        if found != expected {
            return Err(EvaluateError::Width { found, expected });
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

    /// What embeddings are multiplied with before the layer.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Mean cross-entropy of each epoch, measured while the weights moved. It is flat at the end of every run, because
    /// the rate has fallen, so flatness is no sign of a reached bound; [`training_accuracy`](Self::training_accuracy) is.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Mean cross-entropy of the training cells after training, without weight decay.
    pub fn training_loss(&self) -> f64 {
        self.training_loss
    }

    /// Share of the training cells that the head predicts after training. Well below 1 on all cells, it says that the
    /// bound underfits.
    pub fn training_accuracy(&self) -> f64 {
        self.training_accuracy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells around one centre per class, of unit norm.
    fn blobs(cells: usize, features: usize, classes: u32, spread: f32) -> (Array2<f32>, Vec<u32>) {
        let mut random = crate::seed::stream(11, "blobs");
        let mut draw = || random.random::<f32>() * 2.0 - 1.0;
        let centres = Array2::from_shape_simple_fn((classes as usize, features), &mut draw);
        let labels: Vec<u32> = (0..cells as u32).map(|cell| cell % classes).collect();
        let mut rows = Array2::from_shape_simple_fn((cells, features), || spread * draw());
        for (mut row, &label) in rows.rows_mut().into_iter().zip(&labels) {
            row += &centres.row(label as usize);
            let norm = row.dot(&row).sqrt();
            row /= norm;
        }
        (rows, labels)
    }

    fn quick() -> Protocol {
        Protocol { networks: 3, epochs: 20, batch_size: 16, ..Protocol::default() }
    }

    fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    }

    #[track_caller]
    fn near<'a>(ours: impl IntoIterator<Item = &'a f32>, theirs: impl IntoIterator<Item = &'a f32>) {
        let (ours, theirs): (Vec<_>, Vec<_>) = (ours.into_iter().collect(), theirs.into_iter().collect());
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
    }

    #[test]
    fn training_equals_pytorch_from_the_same_weights_and_order() {
        #[derive(serde::Deserialize)]
        struct Golden {
            protocol: Protocol,
            embeddings: Vec<Vec<f32>>,
            labels: Vec<u32>,
            initial_weights: Vec<Vec<f32>>,
            initial_bias: Vec<f32>,
            orders: Vec<Vec<u32>>,
            losses: Vec<f64>,
            weights: Vec<Vec<f32>>,
            bias: Vec<f32>,
            probabilities: Vec<Vec<f32>>,
            training_loss: f64,
            training_accuracy: f64,
        }
        let golden: Golden =
            serde_json::from_str(include_str!("../../../tests/goldens/evaluate_linear_head.json")).unwrap();
        let embeddings = matrix(&golden.embeddings);
        let inputs = Inputs::new(&embeddings, golden.protocol.scale(embeddings.ncols())).unwrap();
        let start = Layer::pack(&matrix(&golden.initial_weights), &golden.initial_bias);
        let mut orders = golden.orders.iter();
        let reorder = |cells: &mut [u32]| cells.copy_from_slice(orders.next().unwrap());
        let head = train_from(&inputs, &golden.labels, &golden.protocol, 0, start, reorder).unwrap();
        near(head.weights(), &matrix(&golden.weights));
        near(head.bias(), &golden.bias);
        near(&head.probabilities(&embeddings).unwrap(), &matrix(&golden.probabilities));
        for (ours, theirs) in head.losses().iter().zip(&golden.losses) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
        assert!((head.training_loss() - golden.training_loss).abs() < 1e-4);
        assert!((head.training_accuracy() - golden.training_accuracy).abs() < 1e-4);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss_for_any_number_of_features_and_classes() {
        for (features, classes, cells) in [(3, 2, 5), (7, 17, 33), (8, 16, 64), (1, 33, 70)] {
            let (rows, labels) = blobs(cells, features, classes as u32, 1.0);
            let inputs = Inputs::new(&rows, 1.7).unwrap();
            let layer = fresh_layer(features, classes, &mut crate::seed::stream(3, "gradient test"));
            let mut scratch = kernel::Scratch::new(classes);
            let (mut gradient, mut portable) = (Layer::zeros(features, classes), Layer::zeros(features, classes));
            let all: Vec<u32> = (0..cells as u32).collect();
            let pass = kernel::gradient(&inputs, &labels, &all, &layer, &mut scratch, &mut gradient);
            let other = kernel::gradient_any::<false>(&inputs, &labels, &all, &layer, &mut scratch, &mut portable);
            assert!((pass.loss - other.loss).abs() < 1e-4);
            // plain f64, one cell after the other
            let (weights, bias) = layer.clone().unpack(features);
            let mut expected = Array2::<f64>::zeros((classes, features + 1));
            for (row, &label) in rows.rows().into_iter().zip(&labels) {
                let h: Vec<f64> = row.iter().map(|v| f64::from(*v) * 1.7).chain([1.0]).collect();
                let logit = |c: usize| (0..features).map(|f| f64::from(weights[[c, f]]) * h[f]).sum::<f64>();
                let powers: Vec<f64> = (0..classes).map(|c| (logit(c) + f64::from(bias[c])).exp()).collect();
                let sum: f64 = powers.iter().sum();
                for ((c, f), place) in expected.indexed_iter_mut() {
                    let error = powers[c] / sum - f64::from(u8::from(c == label as usize));
                    *place += error * h[f] / cells as f64;
                }
            }
            for mut gradient in [gradient, portable] {
                let (ours, ours_bias) = gradient.unpack(features);
                for ((c, f), &value) in expected.indexed_iter() {
                    let ours = if f == features { ours_bias[c] } else { ours[[c, f]] };
                    assert!((f64::from(ours) - value).abs() < 1e-6, "{features} x {classes}: {ours} {value}");
                }
            }
        }
    }

    #[test]
    fn two_runs_with_one_seed_are_equal_and_networks_differ() {
        let (rows, labels) = blobs(60, 10, 4, 0.8);
        let first = train_heads(&rows, &labels, 4, &quick()).unwrap();
        let second = train_heads(&rows, &labels, 4, &quick()).unwrap();
        assert!(first.iter().zip(&second).all(|(a, b)| a.weights() == b.weights() && a.losses() == b.losses()));
        assert_ne!(first[0].weights(), first[1].weights());
        let other = train_heads(&rows, &labels, 4, &Protocol { seed: 8, ..quick() }).unwrap();
        assert_ne!(first[0].weights(), other[0].weights());
        // more networks change nothing for the first ones
        let more = train_heads(&rows, &labels, 4, &Protocol { networks: 5, ..quick() }).unwrap();
        assert_eq!(first[2].weights(), more[2].weights());
    }

    #[test]
    fn separable_classes_are_learned_and_probabilities_sum_to_one() {
        let (rows, labels) = blobs(200, 32, 5, 0.2);
        for head in train_heads(&rows, &labels, 5, &Protocol::default()).unwrap() {
            assert_eq!(head.training_accuracy(), 1.0);
            assert_eq!(head.predict(&rows).unwrap(), labels);
            for row in head.probabilities(&rows).unwrap().rows() {
                assert!((row.sum() - 1.0).abs() < 1e-5);
            }
            assert!(head.losses()[299] < 0.1 * head.losses()[0]);
        }
    }

    #[test]
    fn scaled_unit_embeddings_are_fitted_where_unscaled_ones_are_not() {
        let (rows, labels) = blobs(400, 128, 8, 2.0);
        let loss = |embedding_scale| {
            let protocol = Protocol { networks: 1, epochs: 30, embedding_scale, ..Protocol::default() };
            train_heads(&rows, &labels, 8, &protocol).unwrap()[0].training_loss()
        };
        assert!(loss(None) < 0.5 * loss(Some(1.0)));
    }

    #[test]
    fn what_cannot_be_trained_on_is_refused_with_its_numbers() {
        let (rows, labels) = blobs(6, 3, 2, 0.5);
        let message = |rows: &Array2<f32>, labels: &[u32], classes| {
            train_heads(rows, labels, classes, &quick()).unwrap_err().to_string()
        };
        assert!(message(&rows, &[1; 6], 2).contains("all 6 training cells have label 1"));
        assert!(message(&rows, &labels[..5], 2).contains("6 training cells for 5 labels"));
        assert!(message(&rows, &labels, 1).contains("cell 1 has label 1, but there are 1 classes, 0 to 0"));
        assert!(message(&Array2::zeros((0, 3)), &[], 2).contains("0 cells x 3 features"));
        let mut broken = rows.clone();
        broken[[4, 2]] = f32::NAN;
        assert!(message(&broken, &labels, 2).contains("cell 4, feature 2 is NaN"));
        let head = train_heads(&rows, &labels, 2, &quick()).unwrap().remove(0);
        assert!(head.predict(&broken).unwrap_err().to_string().contains("cell 4, feature 2 is NaN"));
        let wide = head.predict(&Array2::zeros((2, 7))).unwrap_err().to_string();
        assert!(wide.contains("7 features, but the model was trained on 3"));
    }

    #[test]
    fn a_rate_far_too_high_is_an_error_that_names_it() {
        let (rows, labels) = blobs(60, 10, 4, 0.8);
        let wild = Protocol { learning_rate: 1e30, embedding_scale: Some(1e9), ..quick() };
        let message = train_heads(&rows, &labels, 4, &wild).unwrap_err().to_string();
        assert!(message.contains("diverged in epoch") && message.contains("learning_rate"), "{message}");
    }
}
