//! A small multilayer perceptron on log-normalised expression: one hidden layer of rectified units, softmax, Adam.
//!
//! The first layer only reads the weights of genes that a cell expresses, forward and back.

use std::sync::Arc;

use ndarray::Array2;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{EvaluationModel, ModelInput, TrainedModel, agreement, check_set, largest};
use crate::cells::Expression;
use crate::evaluate::{EvaluateError, Protocol};
use crate::seed;

/// Adam's averages of gradients and of their squares (Kingma and Ba 2015).
const BETAS: [f32; 2] = [0.9, 0.999];

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
                return Err(EvaluateError::Setting { name, value: "0".into(), expected: "1 or more" });
            }
        }
        let rate = self.learning_rate;
        if rate.is_finite() && rate > 0.0 {
            return Ok(());
        }
        Err(EvaluateError::Setting {
            name: "learning_rate",
            value: rate.to_string(),
            expected: "a finite number above 0",
        })
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
        check_set(expression.cells(), expression.genes(), labels, classes)?;
        let networks = (0..protocol.networks).into_par_iter().map(|number| {
            let stream = |what: &str| seed::stream(protocol.seed, &format!("MLP {number}: {what}"));
            let mut network = Network::new(expression.genes(), self.hidden, classes, &mut stream("initial weights"));
            network.train(expression, labels, self, protocol, &mut stream("order of cells"));
            let probabilities = network.probabilities(expression);
            let training_accuracy = agreement(&largest(&probabilities), labels);
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
    training_accuracy: f64,
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

    fn training_accuracy(&self) -> Option<f64> {
        Some(self.training_accuracy)
    }
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

    /// Hidden activations and class probabilities of one cell.
    fn forward(&self, expression: &Expression, cell: usize, hidden: &mut [f32], output: &mut [f32]) {
        let (first, rest) = self.weights.split_at(self.genes * self.hidden);
        let (bias, second) = rest.split_at(self.hidden);
        let (second, output_bias) = second.split_at(self.hidden * self.classes);
        hidden.copy_from_slice(bias);
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            let weights = &first[gene as usize * self.hidden..][..self.hidden];
            hidden.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
        }
        hidden.iter_mut().for_each(|value| *value = value.max(0.0));
        output.copy_from_slice(output_bias);
        for (&value, weights) in hidden.iter().zip(second.chunks_exact(self.classes)) {
            output.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
        }
        let most = output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        output.iter_mut().for_each(|value| *value = (*value - most).exp());
        let sum: f32 = output.iter().sum();
        output.iter_mut().for_each(|value| *value /= sum);
    }

    /// Adds the gradient of one cell's cross-entropy times `share`.
    fn backward(&self, expression: &Expression, cell: usize, hidden: &[f32], error: &[f32], gradient: &mut [f32]) {
        let second = &self.weights[(self.genes + 1) * self.hidden..][..self.hidden * self.classes];
        let (of_first, rest) = gradient.split_at_mut(self.genes * self.hidden);
        let (of_bias, rest) = rest.split_at_mut(self.hidden);
        let (of_second, of_output_bias) = rest.split_at_mut(self.hidden * self.classes);
        of_output_bias.iter_mut().zip(error).for_each(|(sum, error)| *sum += error);
        let mut back = vec![0.0; self.hidden];
        let layers = second.chunks_exact(self.classes).zip(of_second.chunks_exact_mut(self.classes));
        for ((&value, back), (weights, sums)) in hidden.iter().zip(&mut back).zip(layers) {
            if value > 0.0 {
                *back = weights.iter().zip(error).map(|(weight, error)| weight * error).sum();
                sums.iter_mut().zip(error).for_each(|(sum, error)| *sum += value * error);
            }
        }
        of_bias.iter_mut().zip(&back).for_each(|(sum, back)| *sum += back);
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            let sums = &mut of_first[gene as usize * self.hidden..][..self.hidden];
            sums.iter_mut().zip(&back).for_each(|(sum, back)| *sum += value * back);
        }
    }

    fn train(&mut self, x: &Expression, labels: &[u32], config: &Mlp, protocol: &Protocol, random: &mut ChaCha8Rng) {
        let mut order: Vec<usize> = (0..x.cells()).collect();
        let mut gradient = vec![0.0; self.weights.len()];
        let (mut first, mut second) = (gradient.clone(), gradient.clone());
        let (mut hidden, mut output) = (vec![0.0; self.hidden], vec![0.0; self.classes]);
        let mut step = 0;
        for _ in 0..protocol.epochs {
            order.shuffle(random);
            for batch in order.chunks(protocol.batch_size) {
                if step == config.steps {
                    return;
                }
                step += 1;
                gradient.fill(0.0);
                for &cell in batch {
                    self.forward(x, cell, &mut hidden, &mut output);
                    output[labels[cell] as usize] -= 1.0;
                    output.iter_mut().for_each(|error| *error /= batch.len() as f32);
                    self.backward(x, cell, &hidden, &output, &mut gradient);
                }
                // Adam with both corrections in the rate.
                let corrected = |beta: f32| 1.0 - f64::from(beta).powi(step as i32);
                let rate = (config.learning_rate / corrected(BETAS[0])) as f32;
                let scale = (1.0 / corrected(BETAS[1])) as f32;
                let averages = first.iter_mut().zip(&mut second);
                for ((weight, &gradient), (first, second)) in self.weights.iter_mut().zip(&gradient).zip(averages) {
                    *first += (1.0 - BETAS[0]) * (gradient - *first);
                    *second += (1.0 - BETAS[1]) * (gradient * gradient - *second);
                    *weight -= rate * *first / ((*second * scale).sqrt() + 1e-8);
                }
            }
        }
    }

    fn probabilities(&self, expression: &Expression) -> Array2<f32> {
        let mut values = vec![0.0; expression.cells() * self.classes];
        values.par_chunks_exact_mut(self.classes).with_min_len(64).enumerate().for_each_init(
            || vec![0.0; self.hidden],
            |hidden, (cell, output)| self.forward(expression, cell, hidden, output),
        );
        // One value for each cell and class.
        Array2::from_shape_vec((expression.cells(), self.classes), values).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_equals_finite_differences() {
        let (genes, hidden, classes) = (6, 5, 3);
        let mut random = seed::stream(5, "MLP gradient");
        let mut network = Network::new(genes, hidden, classes, &mut random);
        let dense: Vec<f32> = (0..genes).map(|gene| if gene % 2 == 0 { 1.0 + gene as f32 } else { 0.0 }).collect();
        let cell = Expression::from_dense(genes, &dense).unwrap();
        let (mut middle, mut output) = (vec![0.0; hidden], vec![0.0; classes]);
        network.forward(&cell, 0, &mut middle, &mut output);
        output[1] -= 1.0;
        let mut gradient = vec![0.0; network.weights.len()];
        network.backward(&cell, 0, &middle, &output, &mut gradient);
        assert!(middle.iter().any(|value| *value > 0.0));
        let mut loss = |network: &Network| {
            network.forward(&cell, 0, &mut middle, &mut output);
            -f64::from(output[1]).ln()
        };
        for place in 0..network.weights.len() {
            let weight = network.weights[place];
            let mut at = |weight: f32| {
                network.weights[place] = weight;
                loss(&network)
            };
            let difference = (at(weight + 1e-3) - at(weight - 1e-3)) / 2e-3;
            network.weights[place] = weight;
            let ours = f64::from(gradient[place]);
            assert!((ours - difference).abs() < 2e-3, "weight {place}: {ours} {difference}");
        }
    }
}
