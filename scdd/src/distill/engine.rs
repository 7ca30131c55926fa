//! The engine: algorithm 1 of Yu et al. 2025 for any objective and any generator path.
//!
//! Memory is bounded by the chunk of the second pass, not by the number of synthetic cells: the first pass makes the
//! expression S without a graph, the objective gives dL/dS, and chunk by chunk a second pass with a graph turns it into
//! dL/dZ = (dS/dZ)^T dL/dS.

use std::cell::Cell;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use ndarray::Array2;
use rand::seq::index::sample;

use super::codes::Codes;
use super::config::{DistillConfig, DistillHistory};
use super::error::DistillError;
use super::objective::{Matching, MatchingObjective};
use super::path::{GeneratorPath, Pipeline};
use super::validation::{Validation, Watch};
use crate::progress::Progress;
use crate::{seed, tensors};

/// Codes as a module, so that Burn's optimisers can move them.
#[derive(Module, Debug)]
struct Movable {
    codes: Param<Tensor<2>>,
}

/// One distillation: what stays the same over its steps.
pub(super) struct Run<'a> {
    path: &'a dyn GeneratorPath,
    objective: &'a dyn MatchingObjective,
    config: &'a DistillConfig,
    rate: f64,
    labels: &'a [u32],
    members: Vec<Vec<usize>>,
    device: Device,
    validation: Option<&'a Validation>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        path: &'a dyn GeneratorPath,
        objective: &'a dyn MatchingObjective,
        config: &'a DistillConfig,
        rate: f64,
        labels: &'a [u32],
        validation: Option<&'a Validation>,
    ) -> Self {
        let members = path.study().training_cells().train_per_class();
        Self { path, objective, config, rate, labels, members, device: path.study().device().clone(), validation }
    }

    /// What was made of the codes when they were moved, and what happened on the way.
    pub(super) fn descend(&self, start: &Codes) -> crate::Result<(Array2<f32>, DistillHistory)> {
        let steps = self.config.steps;
        let autodiff = self.device.clone().autodiff();
        let mut movable = Movable { codes: Param::from_tensor(tensors::tensor(&start.values, &autodiff)) };
        let mut optimizer = self.config.optimizer.init();
        let mut history = DistillHistory::default();
        let mut watch = Watch::new(self.config.early_stopping, steps);
        let mut progress = Progress::new(format!("distilling by {}", self.objective.name()), steps);
        for step in 0..steps {
            let codes = movable.codes.val().inner();
            let noise = self.noise(step);
            let made = self.make(&codes, noise.as_ref())?;
            if watch.due(step) && !watch.look(step, &made, self.score(&made)?) {
                break;
            }
            let (loss, upstream) = self.compare(made, step)?;
            let gradient = self.pull_back(&codes, noise.as_ref(), &upstream)?;
            let length = tensors::scalar(gradient.clone().powi_scalar(2).sum().sqrt());
            self.check_finite(loss, length, step)?;
            history.loss.push(loss);
            history.gradient.push(length);
            let mut gradients = GradientsParams::new();
            gradients.register(movable.codes.id, gradient);
            movable = self.constrain(optimizer.step(self.rate, movable, gradients));
            progress.step(|| format!("loss {loss:.4}"));
        }
        let mut made = None;
        if !watch.stopped() {
            let last = self.make(&movable.codes.val().inner(), self.noise(steps).as_ref())?;
            if watch.due(steps) || self.validation.is_some() {
                watch.look(steps, &last, self.score(&last)?);
            }
            made = Some(last);
        }
        let last = history.loss.last().copied().unwrap_or(f64::NAN);
        history.seconds = progress.finish(|| format!("loss {last:.4}"));
        history.kept_step = steps;
        if let Some((step, best)) = watch.best() {
            history.kept_step = step;
            made = Some(best);
        }
        history.validation = watch.scores();
        // Either there was a last step, or a better one before it.
        Ok((made.map(tensors::array).unwrap_or_default(), history))
    }

    fn check_finite(&self, loss: f64, length: f64, step: usize) -> Result<(), DistillError> {
        let (objective, steps, learning_rate) = (self.objective.name(), self.config.steps, self.rate);
        if !loss.is_finite() {
            return Err(DistillError::Diverged { objective, loss, step, steps, learning_rate });
        }
        if !length.is_finite() {
            return Err(DistillError::Gradient { objective, length, step, steps, learning_rate });
        }
        Ok(())
    }

    fn constrain(&self, movable: Movable) -> Movable {
        match self.path.constrain(&movable.codes.val().inner()) {
            Some(allowed) => {
                let allowed = Tensor::from_inner(allowed).require_grad();
                Movable { codes: Param::initialized(movable.codes.id, allowed) }
            }
            None => movable,
        }
    }

    fn noise(&self, step: usize) -> Option<Tensor<2>> {
        self.path.noise(self.labels.len(), step, self.config)
    }

    fn classes(&self) -> Tensor<1, Int> {
        tensors::indices(self.labels.iter().map(|&label| label as usize), &self.device)
    }

    /// What the path makes of rows of codes.
    fn part(&self, codes: Tensor<2>, first: usize, noise: Option<&Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        let count = codes.dims()[0];
        let classes = self.classes().narrow(0, first, count);
        let noise = noise.map(|noise| noise.clone().narrow(0, first, count));
        self.path.make(codes, classes, noise, self.config)
    }

    /// S = G(Z, y), without a graph, chunk by chunk.
    fn make(&self, codes: &Tensor<2>, noise: Option<&Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        let parts = chunks(codes.dims()[0], self.config.chunk)
            .map(|(first, count)| self.part(codes.clone().narrow(0, first, count), first, noise));
        Ok(Tensor::cat(parts.collect::<Result<_, _>>()?, 0))
    }

    /// How a head trained on what was made does on the validation cells.
    fn score(&self, made: &Tensor<2>) -> crate::Result<Option<super::ValidationScore>> {
        let Some(validation) = self.validation else { return Ok(None) };
        let features = tensors::array(self.path.features(made.clone())?);
        validation.score(&features, self.labels).map(Some)
    }

    /// The objective's loss L and dL/dS.
    fn compare(&self, made: Tensor<2>, step: usize) -> Result<(f64, Tensor<2>), DistillError> {
        let study = self.path.study();
        let (cells, labels) = self.real_batch(step);
        let made = made.autodiff().require_grad();
        let real_expression = |rows: &[usize]| {
            let cells: Vec<usize> = rows.iter().map(|&row| cells[row]).collect();
            let dense = study.cells().expression().dense_rows(&cells);
            tensors::from_rows(dense, study.cells().genes(), &self.device)
        };
        let class_counts: Vec<usize> = self.members.iter().map(Vec::len).collect();
        let matching = Matching {
            synthetic_features: self.path.features(made.clone())?,
            synthetic_expression: (self.path.pipeline() != Pipeline::Features).then(|| made.clone()),
            expression_asked: Cell::new(false),
            synthetic_labels: self.labels,
            real_features: tensors::tensor(&study.embeddings_of(&cells), &self.device),
            real_labels: &labels,
            real_expression: &real_expression,
            genes: study.cells().genes(),
            class_counts: &class_counts,
            encoder: &|| study.foundation().encoder_layers(),
            step,
            seed: self.config.seed,
        };
        let loss = self.objective.loss(&matching);
        if matching.synthetic_expression.is_none() && matching.expression_asked.get() {
            let pipeline = self.path.pipeline().name(&self.objective.short_name());
            return Err(DistillError::NoExpression { objective: self.objective.name(), pipeline });
        }
        let found = loss.dims()[0];
        if found != 1 {
            return Err(DistillError::LossShape { objective: self.objective.name(), found });
        }
        let gradient = made.grad(&loss.backward());
        Ok((tensors::scalar(loss), gradient.unwrap_or_else(|| made.inner().zeros_like())))
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

    /// dL/dZ = (dS/dZ)^T dL/dS, a chunk at a time: the gradient of <S(Z), dL/dS> with dL/dS held fixed.
    fn pull_back(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        upstream: &Tensor<2>,
    ) -> Result<Tensor<2>, DistillError> {
        let parts = chunks(codes.dims()[0], self.config.chunk).map(|(first, count)| {
            let leaf = codes.clone().narrow(0, first, count).autodiff().require_grad();
            let made = self.part(leaf.clone(), first, noise)?;
            let gradient = leaf.grad(&(made * upstream.clone().narrow(0, first, count)).sum().backward());
            Ok(gradient.unwrap_or_else(|| leaf.inner().zeros_like()))
        });
        Ok(Tensor::cat(parts.collect::<Result<_, DistillError>>()?, 0))
    }
}

fn chunks(rows: usize, chunk: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).step_by(chunk).map(move |first| (first, chunk.min(rows - first)))
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
