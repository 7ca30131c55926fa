//! The engine: optimisation of the codes, algorithm 1 of Yu et al. 2025 for any objective and any generator path.
//!
//! | part | does | file |
//! |---|---|---|
//! | [`ForwardBackward`] | codes to embeddings and expression, gradients back to the codes, a chunk at a time | `forward_backward.rs` |
//! | [`ObjectiveStep`] | draws the real batch; loss and gradients of the objective | `objective_step.rs` |
//! | [`ValidationScorer`] | scores the set on validation cells | `../selection/score.rs` |
//! | [`State`] | codes, optimiser, history, early stopping | `state.rs`, `checkpoint.rs` |
//!
//! A step depends only on codes, optimiser and its own number, so a run that continues from a checkpoint ends where one that
//! never stopped does.

pub(super) mod checkpoint;
mod forward_backward;
mod objective_step;
mod state;

use std::rc::Rc;

use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use ndarray::Array2;

use self::checkpoint::{Checkpoints, RunOrigin};
use self::forward_backward::{Forward, ForwardBackward};
use self::objective_step::ObjectiveStep;
use self::state::{CodeGroups, State};
use super::codes::Codes;
use super::config::DistillConfig;
use super::error::DistillError;
use super::history::DistillHistory;
use super::markers::{Markers, best_markers};
use super::objective::{MatchingObjective, class_rows};
use super::path::GeneratorPath;
use super::selection::early_stopping::EarlyStopper;
use super::selection::score::ValidationScorer;
use super::selection::validation::{Validation, ValidationScore};
use super::step_order::StepOrder;
use crate::progress::{Interrupt, Progress};
use crate::tensors;

/// Steps between two checkpoints.
const CHECKPOINT_EVERY: usize = 10;

/// One run of the optimisation: what stays the same over its steps.
pub(super) struct Run<'a> {
    path: &'a dyn GeneratorPath,
    config: &'a DistillConfig,
    initial: &'a Codes,
    learning_rate: f64,
    device: Device,
    forward_backward: ForwardBackward<'a>,
    objective: ObjectiveStep<'a>,
    scorer: ValidationScorer<'a>,
    /// Where models on expression are trained with markers alone.
    markers: Option<Rc<Markers>>,
    /// First row and number of rows of the codes that are updated together.
    groups: Vec<(usize, usize)>,
}

/// What is delivered.
pub(super) struct Made {
    /// Expression `[rows, genes]`, or embeddings.
    pub(super) values: Array2<f32>,
    /// Which genes models on expression are trained with; None for all of them.
    pub(super) markers: Option<Vec<bool>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        path: &'a dyn GeneratorPath,
        objective: &'a dyn MatchingObjective,
        config: &'a DistillConfig,
        learning_rate: f64,
        initial: &'a Codes,
        validation: Option<&'a Validation>,
    ) -> Self {
        let groups = match config.step_order {
            StepOrder::Joint => vec![(0, initial.labels.len())],
            StepOrder::PerClass => {
                class_rows(&initial.labels).into_iter().map(|(_, first, rows)| (first, rows)).collect()
            }
        };
        let device = path.study().device().clone();
        let markers = (config.masks_genes() && path.makes_expression()).then(|| Rc::new(Markers::new(path.study())));
        Self {
            forward_backward: ForwardBackward::new(path, config, initial),
            objective: ObjectiveStep::new(path, objective, config, initial, markers.clone()),
            scorer: ValidationScorer::new(path, config, initial, markers.clone(), validation),
            path,
            config,
            initial,
            learning_rate,
            device,
            markers,
            groups,
        }
    }

    /// Optimises the codes; what was made of those that are delivered, and what happened in each step.
    pub(super) fn optimise(
        &self,
        checkpoints: Option<&Checkpoints>,
        interrupt: &Interrupt,
    ) -> crate::Result<(Made, DistillHistory)> {
        let mut state = self.fresh();
        if let Some(checkpoints) = checkpoints {
            state = checkpoint::resume(checkpoints, state, &self.device)?;
        }
        let steps = self.config.steps;
        let mut progress = Progress::new(self.title(), steps.saturating_sub(state.steps()));
        progress.check_stop()?;
        while state.steps() < steps && !state.stopper.stopped() && !interrupt.requested() {
            let step = state.steps();
            let codes = state.groups.all();
            let noise = self.forward_backward.noise(step);
            let noise = noise.as_ref();
            let (expression, graph) = (self.objective.compares_expression(), self.groups.len() == 1);
            let forward = self.forward_backward.forward(&codes, noise, expression, graph)?;
            if state.stopper.due(step) && !state.stopper.check(step, &codes, self.score(&forward, &codes, noise)?) {
                break;
            }
            let loss;
            (state, loss) = self.step(state, codes, noise, forward)?;
            if let Some(checkpoints) = checkpoints
                && state.steps().is_multiple_of(CHECKPOINT_EVERY)
            {
                checkpoint::write(checkpoints, &state)?;
            }
            progress.step_with_loss(loss, || format!("loss {loss:.4}"));
        }
        if let Some(checkpoints) = checkpoints
            && state.steps() > 0
        {
            checkpoint::write(checkpoints, &state)?;
        }
        let done = state.steps();
        let State { groups, mut history, mut stopper, .. } = state;
        history.interrupted = done < steps && !stopper.stopped();
        let mut kept = (done, self.config.marker_fractions[0], groups.all());
        if !stopper.stopped() && self.scorer.scores() {
            let noise = self.forward_backward.noise(done);
            let forward = self.forward_backward.forward(&kept.2, noise.as_ref(), false, false)?;
            stopper.check(done, &kept.2, self.score(&forward, &kept.2, noise.as_ref())?);
        }
        // Either the last step, or a better one before it.
        if let Some((score, codes)) = stopper.kept() {
            kept = (score.step, score.marker_fraction, codes);
        }
        let (step, marker_fraction, codes) = kept;
        let values = self.forward_backward.make(&codes, self.forward_backward.noise(step).as_ref())?;
        let markers = best_markers(self.markers.as_deref(), &values, &self.initial.labels, marker_fraction);
        let last = history.loss.last().copied().unwrap_or(f64::NAN);
        history.seconds = progress.finish(|| format!("loss {last:.4}"));
        history.kept_step = step;
        history.marker_fraction = self.markers.is_some().then_some(marker_fraction);
        history.validation = stopper.into_scores();
        Ok((Made { values, markers }, history))
    }

    /// The validation score of a set before any step.
    pub(super) fn score_initial(&self, initial: &Codes) -> crate::Result<Option<ValidationScore>> {
        let codes = tensors::tensor(&initial.values, &self.device);
        let noise = self.forward_backward.noise(0);
        let forward = self.forward_backward.forward(&codes, noise.as_ref(), false, false)?;
        self.score(&forward, &codes, noise.as_ref())
    }

    /// What checkpoints of this run belong to.
    pub(super) fn origin(&self) -> Result<RunOrigin, DistillError> {
        let (path, objective) = (self.path, self.objective.name());
        RunOrigin::new(path, self.config, self.initial, self.learning_rate, objective, self.initial_loss()?)
    }

    /// The objective's loss at the initial codes.
    fn initial_loss(&self) -> Result<f64, DistillError> {
        let codes = tensors::tensor(&self.initial.values, &self.device);
        let noise = self.forward_backward.noise(0);
        let expression = self.objective.compares_expression();
        let forward = self.forward_backward.forward(&codes, noise.as_ref(), expression, false)?;
        Ok(self.objective.evaluate(&forward, self.objective.mask(&forward).as_ref(), 0)?.0)
    }

    fn title(&self) -> String {
        let genes = match self.config.step_marker_fractions[0] {
            1.0 => String::new(),
            fraction => format!(", {:.0} % of the genes", 100.0 * fraction),
        };
        format!("distilling by {}{genes}", self.objective.name())
    }

    fn score(
        &self,
        forward: &Forward,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
    ) -> crate::Result<Option<ValidationScore>> {
        self.scorer.score(&forward.embeddings, || match &forward.expression {
            Some(expression) => Ok(tensors::array(expression.clone())),
            None => self.forward_backward.make(codes, noise),
        })
    }

    fn fresh(&self) -> State {
        let codes = tensors::tensor(&self.initial.values, &self.device.clone().autodiff());
        let groups = self.groups.iter().map(|&(first, count)| codes.clone().narrow(0, first, count));
        let min_improvement = self.config.min_improvement * self.scorer.standard_error();
        let (stopping, steps) = (self.config.early_stopping, self.config.steps);
        State {
            groups: CodeGroups::new(groups),
            optimizer: self.config.optimizer.init(),
            history: DistillHistory::default(),
            stopper: EarlyStopper::new(stopping, steps, min_improvement, codes.inner()),
        }
    }

    /// One step, with its loss.
    fn step(
        &self,
        mut state: State,
        mut codes: Tensor<2>,
        noise: Option<&Tensor<2>>,
        mut forward: Forward,
    ) -> crate::Result<(State, f64)> {
        let step = state.steps();
        let (mut value, mut squares) = (None, 0.0);
        let mask = self.objective.mask(&forward);
        for (group, &rows) in self.groups.iter().enumerate() {
            let (loss, upstream) = self.objective.evaluate(&forward, mask.as_ref(), step)?;
            let gradient = self.forward_backward.backward(&codes, noise, rows, &upstream, forward.graph.take())?;
            let norm = tensors::scalar(gradient.clone().powi_scalar(2).sum().sqrt());
            self.check_finite(loss, norm, step)?;
            let mut gradients = GradientsParams::new();
            gradients.register(state.groups.codes[group].id, gradient);
            let updated = state.optimizer.step(self.learning_rate, state.groups, gradients);
            state.groups = self.constrain(updated, group);
            if group + 1 < self.groups.len() {
                codes = state.groups.all();
                self.forward_backward.refresh(&mut forward, &codes, noise, rows)?;
            }
            value.get_or_insert(loss);
            squares += norm * norm;
        }
        let loss = value.unwrap_or(0.0);
        state.history.loss.push(loss);
        state.history.gradient.push(squares.sqrt());
        Ok((state, loss))
    }

    fn check_finite(&self, loss: f64, norm: f64, step: usize) -> Result<(), DistillError> {
        let (objective, steps, learning_rate) = (self.objective.name(), self.config.steps, self.learning_rate);
        if !loss.is_finite() {
            return Err(DistillError::Diverged { objective, loss, step, steps, learning_rate });
        }
        if !norm.is_finite() {
            return Err(DistillError::Gradient { objective, norm, step, steps, learning_rate });
        }
        Ok(())
    }

    /// Projects a group's codes to those that the path allows.
    fn constrain(&self, mut groups: CodeGroups, group: usize) -> CodeGroups {
        let codes = &groups.codes[group];
        if let Some(allowed) = self.path.constrain(&codes.val().inner()) {
            let allowed = Tensor::from_inner(allowed).require_grad();
            groups.codes[group] = Param::initialized(codes.id, allowed);
        }
        groups
    }
}

#[cfg(test)]
mod tests;
