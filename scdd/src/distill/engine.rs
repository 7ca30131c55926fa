//! The engine: algorithm 1 of Yu et al. 2025 for any objective.
//!
//! Memory is bounded by the chunk of the second pass, not by the number of synthetic cells: the first pass makes the
//! expression S without a graph, the objective gives dL/dS, and chunk by chunk a second pass with a graph turns it into
//! dL/dZ = (dS/dZ)^T dL/dS.

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor};
use rand::seq::index::sample;

use super::builder::{DistillConfig, DistillHistory};
use super::codes::Codes;
use super::error::DistillError;
use super::matching::{Matching, MatchingObjective};
use crate::progress::Progress;
use crate::scdg::{Generator, Scdg};
use crate::{seed, tensors};

/// Codes as a module, so that Burn's optimisers can move them.
#[derive(Module, Debug)]
struct Movable {
    codes: Param<Tensor<2>>,
}

/// One distillation: what stays the same over its steps.
pub(super) struct Run<'a> {
    scdg: &'a Scdg,
    objective: &'a dyn MatchingObjective,
    config: &'a DistillConfig,
    rate: f64,
    labels: &'a [u32],
    members: Vec<Vec<usize>>,
    device: Device,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        scdg: &'a Scdg,
        objective: &'a dyn MatchingObjective,
        config: &'a DistillConfig,
        rate: f64,
        labels: &'a [u32],
    ) -> Self {
        let members = scdg.study().training_cells().train_per_class();
        Self { scdg, objective, config, rate, labels, members, device: scdg.study().device().clone() }
    }

    pub(super) fn descend(&self, start: &Codes) -> Result<(ndarray::Array2<f32>, DistillHistory), DistillError> {
        let classes = || tensors::indices(self.labels.iter().map(|&label| label as usize), &self.device);
        let generator = self.scdg.generator();
        let autodiff = self.device.clone().autodiff();
        let mut movable = Movable { codes: Param::from_tensor(tensors::tensor(&start.values, &autodiff)) };
        let mut optimizer = AdamConfig::new().init();
        let mut history = DistillHistory::default();
        let mut progress = Progress::new(format!("distilling by {}", self.objective.name()), self.config.steps);
        for step in 0..self.config.steps {
            let codes = movable.codes.val().inner();
            let noise = self.noise(step);
            let expression = self.generate(&codes, &classes(), &noise);
            let (loss, upstream) = self.compare(expression, step)?;
            if !loss.is_finite() {
                return Err(DistillError::Diverged {
                    objective: self.objective.name(),
                    loss,
                    step,
                    steps: self.config.steps,
                    learning_rate: self.rate,
                });
            }
            let gradient = pull_back(generator, &codes, &classes(), &noise, &upstream, self.config);
            history.loss.push(loss);
            history.gradient.push(tensors::scalar(gradient.clone().powi_scalar(2).sum().sqrt()));
            let mut gradients = GradientsParams::new();
            gradients.register(movable.codes.id, gradient);
            movable = optimizer.step(self.rate, movable, gradients);
            progress.step(|| format!("loss {loss:.4}"));
        }
        let last = history.loss.last().copied().unwrap_or(f64::NAN);
        history.seconds = progress.finish(|| format!("loss {last:.4}"));
        let codes = movable.codes.val().inner();
        let expression = self.generate(&codes, &classes(), &self.noise(self.config.steps));
        Ok((tensors::array(expression), history))
    }

    fn noise(&self, step: usize) -> Tensor<2> {
        let config = self.config;
        self.scdg.generator().noise(config.noise, self.labels.len(), config.seed, step, &self.device)
    }

    /// S = G(Z, y), without a graph, chunk by chunk.
    fn generate(&self, codes: &Tensor<2>, classes: &Tensor<1, Int>, noise: &Tensor<2>) -> Tensor<2> {
        let rows = codes.dims()[0];
        let parts = chunks(rows, self.config.chunk).map(|(first, count)| {
            let part = |rows: &Tensor<2>| rows.clone().narrow(0, first, count);
            let classes = classes.clone().narrow(0, first, count);
            self.scdg.generator().generate(part(codes), classes, self.config.noise_step, part(noise))
        });
        Tensor::cat(parts.collect(), 0)
    }

    /// The objective's loss L and dL/dS.
    fn compare(&self, expression: Tensor<2>, step: usize) -> Result<(f64, Tensor<2>), DistillError> {
        let study = self.scdg.study();
        let (cells, labels) = self.real_batch(step);
        let expression = expression.autodiff().require_grad();
        let real_expression = || {
            let dense = study.cells().expression().dense_rows(&cells);
            tensors::from_rows(dense, study.cells().genes(), &self.device)
        };
        let matching = Matching {
            synthetic_features: self.features(expression.clone())?,
            synthetic_expression: expression.clone(),
            synthetic_labels: self.labels,
            real_features: tensors::tensor(&study.embeddings_of(&cells), &self.device),
            real_labels: &labels,
            real_expression: &real_expression,
            classes: self.members.len(),
            step,
            seed: self.config.seed,
        };
        let loss = self.objective.loss(&matching);
        let gradient = expression.grad(&loss.backward());
        Ok((tensors::scalar(loss), gradient.unwrap_or_else(|| expression.inner().zeros_like())))
    }

    fn features(&self, expression: Tensor<2>) -> Result<Tensor<2>, DistillError> {
        let foundation = self.scdg.study().foundation();
        foundation.encode(expression).ok_or_else(|| DistillError::NoEncoder(foundation.name()))
    }

    /// Up to `real_batch` training cells of each class, drawn anew in each step, sorted by class.
    fn real_batch(&self, step: usize) -> (Vec<usize>, Vec<u32>) {
        let mut rng = seed::stream(self.config.seed, &format!("real batch {step}"));
        let (mut cells, mut labels) = (Vec::new(), Vec::new());
        for (class, members) in self.members.iter().enumerate() {
            let count = members.len().min(self.config.real_batch);
            cells.extend(sample(&mut rng, members.len(), count).iter().map(|index| members[index]));
            labels.resize(cells.len(), class as u32);
        }
        (cells, labels)
    }
}

fn chunks(rows: usize, chunk: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).step_by(chunk).map(move |first| (first, chunk.min(rows - first)))
}

/// dL/dZ = (dS/dZ)^T dL/dS, a chunk at a time: the gradient of <S(Z), dL/dS> with dL/dS held fixed.
fn pull_back(
    generator: &Generator,
    codes: &Tensor<2>,
    classes: &Tensor<1, Int>,
    noise: &Tensor<2>,
    upstream: &Tensor<2>,
    config: &DistillConfig,
) -> Tensor<2> {
    let rows = codes.dims()[0];
    let parts = chunks(rows, config.chunk).map(|(first, count)| {
        let part = |rows: &Tensor<2>| rows.clone().narrow(0, first, count);
        let leaf = part(codes).autodiff().require_grad();
        let classes = classes.clone().narrow(0, first, count);
        let expression = generator.generate(leaf.clone(), classes, config.noise_step, part(noise));
        let gradient = leaf.grad(&(expression * part(upstream)).sum().backward());
        gradient.unwrap_or_else(|| leaf.inner().zeros_like())
    });
    Tensor::cat(parts.collect(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::{NetworkConfig, PretrainingConfig};
    use crate::scdg::{DenoiserConfig, ScdgConfig};

    #[test]
    fn the_gradient_of_the_codes_equals_finite_differences_through_generator_and_decoder() {
        crate::progress::quiet(true);
        let cells = crate::simulate().cells(120).genes(60).classes(3).seed(2).run().unwrap();
        let network = NetworkConfig { latent: 6, hidden: vec![16; 3], ..NetworkConfig::default() };
        let pretraining = PretrainingConfig { network, epochs: 3, batch: 32, ..PretrainingConfig::default() };
        let cells = cells.preprocess().min_genes(1).run().unwrap();
        let study = cells.study("cell_type").pretraining(pretraining).run().unwrap();
        let denoiser = DenoiserConfig { widths: vec![16, 8], embedding: 8 };
        let config = ScdgConfig { denoiser, steps: 50, batch: 32, ..ScdgConfig::default() };
        let scdg = study.train_scdg().config(config).run().unwrap();

        let device = Device::flex();
        let generator = scdg.generator();
        let mut rng = seed::stream(1, "test");
        let (codes, noise) = (tensors::normal(3, 6, &mut rng, &device), tensors::normal(3, 6, &mut rng, &device));
        let upstream = tensors::normal(3, study.cells().genes(), &mut rng, &device);
        let classes = || tensors::indices([0, 1, 2], &device);
        let config = DistillConfig { chunk: 2, ..DistillConfig::default() };
        let gradient = tensors::to_vec(pull_back(generator, &codes, &classes(), &noise, &upstream, &config));

        let values = tensors::to_vec(codes);
        let product = |values: Vec<f32>| {
            let codes = tensors::from_rows(values, 6, &device);
            let expression = generator.generate(codes, classes(), config.noise_step, noise.clone());
            tensors::scalar((expression * upstream.clone()).sum())
        };
        let step = 5e-3;
        let (mut error, mut length) = (0.0, 0.0);
        for (place, gradient) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[place] += by;
                product(values)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            error += (difference - f64::from(*gradient)).powi(2);
            length += difference.powi(2);
        }
        // The decoder's ReLUs have kinks, so single coordinates may be off; the direction may not.
        assert!(length > 0.0 && error < 1e-3 * length, "error {error} of {length}");
    }
}
