//! The engine: algorithm 1 of Yu et al. 2025 for any objective.
//!
//! Memory is bounded by the chunk of the second pass, not by the number of synthetic cells: the first pass makes the
//! expression S without a graph, the objective gives dL/dS, and chunk by chunk a second pass with a graph turns it into
//! dL/dZ = (dS/dZ)^T dL/dS.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor};
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

use super::codes::{Codes, SmallClasses};
use super::distilled::Distilled;
use super::error::DistillError;
use super::matching::{Matching, MatchingObjective};
use crate::progress::Progress;
use crate::scdg::{Generator, Noise, Scdg};
use crate::{seed, tensors};

/// How cells are distilled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistillConfig {
    /// Synthetic cells per class; 1.
    pub per_class: usize,
    /// What is done about classes with fewer training cells; refuse (ours).
    pub small_classes: SmallClasses,
    /// Steps K; 50 (the axis of the paper's table VII).
    pub steps: usize,
    /// Learning rate of the codes (Adam, at scale sqrt(latent)); None takes the objective's (ours).
    pub learning_rate: Option<f64>,
    /// Real cells of each class in a step's batch; 256 (Zhao and Bilen), or all where there are fewer.
    pub real_batch: usize,
    /// Step t of the noise schedule that codes are noised to; 100 of 1,000, alpha_bar 0.90 (ours).
    pub noise_step: usize,
    /// Which noise; fixed for each code (ours).
    pub noise: Noise,
    /// Synthetic cells in a chunk of the second pass; 256 (ours).
    pub chunk: usize,
    /// Seed of codes, batches, heads and noise.
    pub seed: u64,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self {
            per_class: 1,
            small_classes: SmallClasses::Refuse,
            steps: 50,
            learning_rate: None,
            real_batch: 256,
            noise_step: 100,
            noise: Noise::Fixed,
            chunk: 256,
            seed: seed::DEFAULT_SEED,
        }
    }
}

/// What happened in each step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DistillHistory {
    /// The objective's loss.
    pub loss: Vec<f64>,
    /// Length of the gradient of all codes.
    pub gradient: Vec<f64>,
    /// Seconds that all steps took.
    pub seconds: f64,
}

/// Opens a distillation: `scdg.distill(GradientMatching::default())`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct DistillBuilder {
    scdg: Scdg,
    objective: Arc<dyn MatchingObjective>,
    config: DistillConfig,
}

impl Scdg {
    /// Opens a distillation with a matching objective; the seed is the study's unless set.
    pub fn distill(&self, objective: impl MatchingObjective) -> DistillBuilder {
        let config = DistillConfig { seed: self.study().config().seed, ..DistillConfig::default() };
        DistillBuilder { scdg: self.clone(), objective: Arc::new(objective), config }
    }
}

impl DistillBuilder {
    /// Synthetic cells per class; 1.
    pub fn per_class(mut self, per_class: usize) -> Self {
        self.config.per_class = per_class;
        self
    }

    /// What is done about classes with fewer training cells than that; refuse.
    pub fn small_classes(mut self, small_classes: SmallClasses) -> Self {
        self.config.small_classes = small_classes;
        self
    }

    /// Steps; 50.
    pub fn steps(mut self, steps: usize) -> Self {
        self.config.steps = steps;
        self
    }

    /// Learning rate of the codes; the objective's unless set.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = Some(rate);
        self
    }

    /// Which noise codes get, and to which step of the schedule; fixed, 100.
    pub fn noise(mut self, noise: Noise, step: usize) -> Self {
        self.config.noise = noise;
        self.config.noise_step = step;
        self
    }

    /// Seed of codes, batches, heads and noise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Another config, seed included.
    pub fn config(mut self, config: DistillConfig) -> Self {
        self.config = config;
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run), for the number of cells.
    pub fn plan(&self) -> crate::Result<String> {
        let codes = self.codes()?;
        let study = self.scdg.study();
        let (rows, genes) = (codes.labels.len(), study.cells().genes());
        let training = study.training_cells().train().len();
        Ok(format!(
            "{}: {rows} synthetic cells of {} classes, {:.1} permille of {training} training cells, {:.0} kB of \
             expression; {} steps",
            self.objective.name(),
            study.classes().len(),
            1_000.0 * rows as f64 / training as f64,
            (rows * genes * 4) as f64 / 1_000.0,
            self.config.steps
        ))
    }

    fn codes(&self) -> Result<Codes, DistillError> {
        let config = &self.config;
        Codes::random_real(self.scdg.study(), config.per_class, config.small_classes, config.seed)
    }

    /// Distils.
    ///
    /// # Errors
    /// When no cells are asked for, or more per class than there are training cells; when a setting is out of range;
    /// when the loss does not stay finite.
    pub fn run(&self) -> crate::Result<Distilled> {
        let codes = self.codes()?;
        let rate = self.config.learning_rate.unwrap_or(self.objective.learning_rate());
        check(&self.config, rate, self.scdg.config().schedule.steps)?;
        let run = Run::new(&self.scdg, &*self.objective, &self.config, rate, &codes.labels);
        let (expression, history) = run.descend(&codes)?;
        Ok(Distilled::new(
            &self.scdg,
            self.objective.name(),
            self.config.clone(),
            rate,
            expression,
            codes.labels,
            history,
        ))
    }
}

fn check(config: &DistillConfig, rate: f64, schedule_steps: usize) -> Result<(), DistillError> {
    let fail = |setting, found: String, expected: String| Err(DistillError::Setting { setting, found, expected });
    if config.noise_step > schedule_steps {
        return fail("noise_step", config.noise_step.to_string(), format!("0 to {schedule_steps}"));
    }
    if !(rate.is_finite() && rate > 0.0) {
        return fail("learning_rate", rate.to_string(), "a number above 0".to_owned());
    }
    if config.chunk == 0 || config.real_batch == 0 {
        let found = format!("{} and {}", config.chunk, config.real_batch);
        return fail("chunk and real_batch", found, "at least 1 cell each".to_owned());
    }
    Ok(())
}

/// Codes as a module, so that Burn's optimisers can move them.
#[derive(Module, Debug)]
struct Movable {
    codes: Param<Tensor<2>>,
}

struct Run<'a> {
    scdg: &'a Scdg,
    objective: &'a dyn MatchingObjective,
    config: &'a DistillConfig,
    rate: f64,
    labels: &'a [u32],
    members: Vec<Vec<usize>>,
    device: Device,
}

impl<'a> Run<'a> {
    fn new(
        scdg: &'a Scdg,
        objective: &'a dyn MatchingObjective,
        config: &'a DistillConfig,
        rate: f64,
        labels: &'a [u32],
    ) -> Self {
        let training = scdg.study().training_cells();
        let mut members = vec![Vec::new(); training.classes().len()];
        for (&cell, label) in training.train().iter().zip(training.train_labels()) {
            members[label as usize].push(cell);
        }
        Self { scdg, objective, config, rate, labels, members, device: scdg.study().device().clone() }
    }

    fn descend(&self, start: &Codes) -> Result<(ndarray::Array2<f32>, DistillHistory), DistillError> {
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
            let (loss, upstream) = self.compare(expression, step);
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
    fn compare(&self, expression: Tensor<2>, step: usize) -> (f64, Tensor<2>) {
        let study = self.scdg.study();
        let (cells, labels) = self.real_batch(step);
        let expression = expression.autodiff().require_grad();
        let real_expression = || {
            let dense = study.cells().expression().dense_rows(&cells);
            tensors::from_rows(dense, study.cells().genes(), &self.device)
        };
        let matching = Matching {
            synthetic_features: study.foundation().encode(expression.clone()),
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
        (tensors::scalar(loss), gradient.unwrap_or_else(|| expression.inner().zeros_like()))
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
