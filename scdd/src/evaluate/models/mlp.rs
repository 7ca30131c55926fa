//! Multilayer perceptron (MLP) on log-normalised expression: one hidden ReLU layer, softmax, Adam.
//!
//! A batch goes through the first layer gene by gene: the weights of a gene are read once for all cells that express it,
//! and updated right after its gradient, so that memory traffic does not grow with the cells. Genes that no
//! training cell expresses keep the weights that they were drawn with: their gradient is zero in every step.

use std::sync::Arc;

use ndarray::Array2;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use scdd_compute::optim::AdamW;
use scdd_learn::check_training_set;
use scdd_learn::metrics::{accuracy, argmax};
use serde_json::json;

use super::mlp_kernel::{add_products, sum_products};
use super::training::demand_rate;
use super::{EvaluationModel, ModelInput, Numbers, SavedModel, TrainedModel};
use crate::cells::Expression;
use crate::error::SettingError;
use crate::evaluate::{EvaluateError, Protocol};
use crate::seed;

/// Cells that are predicted at a time.
const CHUNK: usize = 256;
/// Adam (Kingma and Ba 2015), with the paper's constants.
const ADAM: AdamW = AdamW { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0 };

/// A perceptron with one hidden layer on expression as it is. Decision values are class probabilities.
///
/// Networks, batch size, epochs and seed are the protocol's; the optimiser is Adam (ours: the protocol's SGD is tuned for a
/// linear layer on scaled latents), and large sets end after [`steps`](Self::steps).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mlp {
    /// Hidden units: 64 (ours).
    pub hidden: usize,
    /// Adam's rate: 1e-3 (Kingma and Ba's default).
    pub learning_rate: f64,
    /// Steps at most: 3,000 (ours). Ten thousand cells give 40 batches an epoch, so 75 epochs; a distilled set is one batch
    /// and takes as many steps as the protocol has epochs.
    pub steps: usize,
}

impl Default for Mlp {
    fn default() -> Self {
        Self { hidden: 64, learning_rate: 1e-3, steps: 3_000 }
    }
}

impl Mlp {
    /// With 64 hidden units.
    pub fn new() -> Self {
        Self::default()
    }

    fn check(&self) -> Result<(), EvaluateError> {
        for (name, count) in [("hidden", self.hidden), ("steps", self.steps)] {
            if count == 0 {
                return Err(EvaluateError::Setting(SettingError::new(name, "0", "1 or more")));
            }
        }
        demand_rate(self.learning_rate)
    }
}

impl EvaluationModel for Mlp {
    fn name(&self) -> String {
        "MLP".into()
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        self.check()?;
        protocol.check()?;
        let expression = cells.expression()?;
        check_training_set(expression.cells(), expression.genes(), labels, classes)?;
        let networks = (0..protocol.networks).into_par_iter().map(|number| {
            let stream = |what: &str| seed::stream(protocol.seed, &format!("MLP {number}: {what}"));
            let mut network = Network::new(expression.genes(), self.hidden, classes, &mut stream("initial weights"));
            network.train(expression, labels, self, protocol, &mut stream("order of cells"));
            let probabilities = network.probabilities(expression);
            let training_accuracy = Some(accuracy(&argmax(&probabilities), labels));
            match probabilities.iter().all(|value| value.is_finite()) {
                true => {
                    Ok(Box::new(Trained { network: Arc::new(network), training_accuracy }) as Box<dyn TrainedModel>)
                }
                false => Err(EvaluateError::MlpDiverged { network: number, learning_rate: self.learning_rate }),
            }
        });
        Ok(networks.collect::<Result<_, _>>()?)
    }
}

struct Trained {
    network: Arc<Network>,
    training_accuracy: Option<f64>,
}

impl TrainedModel for Trained {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        let expression = cells.expression()?;
        let (found, expected) = (expression.genes(), self.network.genes);
        if found != expected {
            return Err(EvaluateError::Genes { found, expected }.into());
        }
        Ok(self.network.probabilities(expression))
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        self.decide(cells)
    }

    fn save(&self) -> Option<SavedModel> {
        let Network { genes, hidden, classes, weights } = &*self.network;
        let config = json!({ "genes": genes, "hidden": hidden, "classes": classes });
        Some(SavedModel::new(KIND, config).with("weights", &[weights.len()], Numbers::F32(weights.clone())))
    }

    fn training_accuracy(&self) -> Option<f64> {
        self.training_accuracy
    }
}

/// Which files hold one.
pub(super) const KIND: &str = "MLP";

pub(super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let (genes, hidden, classes) = (saved.number("genes")?, saved.number("hidden")?, saved.number("classes")?);
    let count = |inputs: usize, outputs: usize| inputs.checked_add(1)?.checked_mul(outputs);
    let count = count(genes, hidden).zip(count(hidden, classes)).and_then(|(a, b)| a.checked_add(b));
    let weights = saved.f32("weights", &[count.ok_or("its sizes are beyond any memory")?])?;
    let network = Arc::new(Network { genes, hidden, classes, weights });
    Ok(Box::new(Trained { network, training_accuracy: None }))
}

/// Weights `[genes, hidden]`, hidden biases, weights `[hidden, classes]`, class biases, in one vector for the optimiser.
struct Network {
    genes: usize,
    hidden: usize,
    classes: usize,
    weights: Vec<f32>,
}

impl Network {
    /// As PyTorch's nn.Linear: uniform within 1 / sqrt(inputs).
    fn new(genes: usize, hidden: usize, classes: usize, random: &mut ChaCha8Rng) -> Self {
        let mut weights = Vec::with_capacity((genes + 1) * hidden + (hidden + 1) * classes);
        for (inputs, outputs) in [(genes, hidden), (hidden, classes)] {
            let bound = 1.0 / (inputs as f32).sqrt();
            weights.extend((0..(inputs + 1) * outputs).map(|_| random.random_range(-bound..bound)));
        }
        Self { genes, hidden, classes, weights }
    }

    /// Hidden activations `[cells, hidden]` and class probabilities `[cells, classes]`.
    fn forward(&self, by_gene: &Expression) -> (Vec<f32>, Vec<f32>) {
        let (first, rest) = self.weights.split_at(self.genes * self.hidden);
        let (bias, second) = rest.split_at(self.hidden);
        let (second, output_bias) = second.split_at(self.hidden * self.classes);
        let cells = by_gene.genes();
        let mut hidden = bias.repeat(cells);
        for (gene, weights) in first.chunks_exact(self.hidden).enumerate() {
            let (of_cells, values) = by_gene.row(gene);
            add_products(of_cells, values, weights, &mut hidden);
        }
        hidden.iter_mut().for_each(|value| *value = value.max(0.0));
        let mut outputs = output_bias.repeat(cells);
        for (hidden, output) in hidden.chunks_exact(self.hidden).zip(outputs.chunks_exact_mut(self.classes)) {
            for (&value, weights) in hidden.iter().zip(second.chunks_exact(self.classes)) {
                output.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            let most = output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            output.iter_mut().for_each(|value| *value = (*value - most).exp());
            let sum: f32 = output.iter().sum();
            output.iter_mut().for_each(|value| *value /= sum);
        }
        (hidden, outputs)
    }

    /// Errors of the mean cross-entropy at the outputs and at the hidden units.
    fn backward(&self, by_gene: Expression, labels: &[u32]) -> Pass {
        let (hidden, mut errors) = self.forward(&by_gene);
        let second = &self.weights[(self.genes + 1) * self.hidden..][..self.hidden * self.classes];
        let mut back = vec![0.0; hidden.len()];
        let cells = hidden.chunks_exact(self.hidden).zip(back.chunks_exact_mut(self.hidden));
        for ((error, &label), (hidden, back)) in errors.chunks_exact_mut(self.classes).zip(labels).zip(cells) {
            error[label as usize] -= 1.0;
            error.iter_mut().for_each(|error| *error /= labels.len() as f32);
            for ((back, &value), weights) in back.iter_mut().zip(hidden).zip(second.chunks_exact(self.classes)) {
                if value > 0.0 {
                    *back = weights.iter().zip(&*error).map(|(weight, error)| weight * error).sum();
                }
            }
        }
        Pass { by_gene, hidden, errors, back, width: self.hidden, classes: self.classes }
    }

    fn train(&mut self, x: &Expression, labels: &[u32], config: &Mlp, protocol: &Protocol, random: &mut ChaCha8Rng) {
        let mut order: Vec<usize> = (0..x.cells()).collect();
        let mut moments = [vec![0.0; self.weights.len()], vec![0.0; self.weights.len()]];
        let mut expressed = vec![false; x.genes()];
        x.indices().iter().for_each(|&gene| expressed[gene as usize] = true);
        let mut step = 0;
        for _ in 0..protocol.epochs {
            order.shuffle(random);
            for batch in order.chunks(protocol.batch_size) {
                if step == config.steps {
                    return;
                }
                step += 1;
                let of_batch: Vec<u32> = batch.iter().map(|&cell| labels[cell]).collect();
                let pass = self.backward(x.select_cells(batch).transposed(), &of_batch);
                let adam = ADAM.step(step, config.learning_rate);
                pass.gradient(&expressed, |start, gradient| {
                    let range = start..start + gradient.len();
                    let [first, second] = moments.each_mut().map(|moments| &mut moments[range.clone()]);
                    adam.update(&mut self.weights[range.clone()], gradient, first, second);
                });
            }
        }
    }

    fn probabilities(&self, expression: &Expression) -> Array2<f32> {
        let cells: Vec<usize> = (0..expression.cells()).collect();
        let some = |cells: &[usize]| self.forward(&expression.select_cells(cells).transposed()).1;
        let values: Vec<Vec<f32>> = cells.par_chunks(CHUNK).map(some).collect();
        // One value for each cell and class.
        Array2::from_shape_vec((expression.cells(), self.classes), values.concat()).unwrap_or_default()
    }
}

/// A batch that went forward and back.
struct Pass {
    by_gene: Expression,
    hidden: Vec<f32>,
    errors: Vec<f32>,
    back: Vec<f32>,
    width: usize,
    classes: usize,
}

impl Pass {
    /// The gradient piece by piece: where in the weights a piece starts, and the piece. Genes that no training cell expresses
    /// have none.
    fn gradient(&self, expressed: &[bool], mut take: impl FnMut(usize, &[f32])) {
        let mut of_gene = vec![0.0; self.width];
        for gene in (0..self.by_gene.cells()).filter(|&gene| expressed[gene]) {
            let (cells, values) = self.by_gene.row(gene);
            sum_products(cells, values, &self.back, &mut of_gene);
            take(gene * self.width, &of_gene);
        }
        let mut rest = vec![0.0; self.width + (self.width + 1) * self.classes];
        let (of_bias, of_second) = rest.split_at_mut(self.width);
        let (of_second, of_output_bias) = of_second.split_at_mut(self.width * self.classes);
        let errors = self.errors.chunks_exact(self.classes);
        let layers = self.hidden.chunks_exact(self.width).zip(self.back.chunks_exact(self.width));
        for (error, (hidden, back)) in errors.zip(layers) {
            of_bias.iter_mut().zip(back).for_each(|(sum, back)| *sum += back);
            of_output_bias.iter_mut().zip(error).for_each(|(sum, error)| *sum += error);
            for (&value, sums) in hidden.iter().zip(of_second.chunks_exact_mut(self.classes)) {
                sums.iter_mut().zip(error).for_each(|(sum, error)| *sum += value * error);
            }
        }
        take(self.by_gene.cells() * self.width, &rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (genes, hidden, classes) = (6, 5, 3);
        let mut network = Network::new(genes, hidden, classes, &mut seed::stream(5, "MLP gradient"));
        let dense: Vec<f32> =
            (0..2 * genes).map(|position| if position % 2 == 0 { 1.0 + position as f32 / 3.0 } else { 0.0 }).collect();
        let cells = Expression::from_dense(genes, &dense).unwrap().transposed();
        let pass = network.backward(cells.clone(), &[1, 2]);
        assert!(pass.hidden.iter().any(|value| *value > 0.0));
        let mut gradient = vec![f32::NAN; network.weights.len()];
        pass.gradient(&[true; 6], |start, piece| gradient[start..start + piece.len()].copy_from_slice(piece));
        for (position, ours) in gradient.into_iter().enumerate() {
            let weight = network.weights[position];
            let mut at = |weight: f32| {
                network.weights[position] = weight;
                let output = network.forward(&cells).1;
                -(f64::from(output[1]).ln() + f64::from(output[3 + 2]).ln()) / 2.0
            };
            let difference = (at(weight + 1e-3) - at(weight - 1e-3)) / 2e-3;
            network.weights[position] = weight;
            assert!((f64::from(ours) - difference).abs() < 2e-3, "weight {position}: {ours} {difference}");
        }
    }
}
