//! The engine: algorithm 1 of Yu et al. 2025 for any objective and any generator path.
//!
//! Each step looks at what is made of the codes, asks the objective for its gradients, pulls them back to the codes
//! ([`Passes`]) and moves the codes. A step reads nothing but codes, optimiser and its own number, so that a run which goes
//! on from a checkpoint ends where one that never stopped does.

pub(super) mod checkpoint;
pub(super) mod forward_backward;
mod objective_step;

use burn::module::{Module, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use ndarray::Array2;

use self::checkpoint::Checkpoints;
use self::forward_backward::{Passes, Seen};
use crate::distill::codes::Codes;
use crate::distill::config::{DistillConfig, DistillHistory};
use crate::distill::error::DistillError;
use crate::distill::markers::Markers;
use crate::distill::objective::{MatchingObjective, class_rows};
use crate::distill::optimizer::Steps;
use crate::distill::path::GeneratorPath;
use crate::distill::selection::early_stopping::Watch;
use crate::distill::selection::validation::Validation;
use crate::progress::{Interrupt, Progress};
use crate::tensors;

/// Steps between two checkpoints.
const CHECKPOINT_EVERY: usize = 10;

/// Codes as a module, so that Burn's optimisers can move them: those of all classes, or of one each.
#[derive(Module, Debug)]
pub(in crate::distill) struct Movable {
    pub(in crate::distill) codes: Vec<Param<Tensor<2>>>,
}

impl Movable {
    pub(in crate::distill) fn new(groups: impl IntoIterator<Item = Tensor<2>>) -> Self {
        Self { codes: groups.into_iter().map(Param::from_tensor).collect() }
    }

    /// All codes `[rows, width]`, without a graph.
    pub(in crate::distill) fn all(&self) -> Tensor<2> {
        match &self.codes[..] {
            [one] => one.val().inner(),
            many => Tensor::cat(many.iter().map(|group| group.val().inner()).collect(), 0),
        }
    }
}

/// One distillation: what stays the same over its steps.
pub(in crate::distill) struct Run<'a> {
    pub(in crate::distill) passes: Passes<'a>,
    pub(in crate::distill) objective: &'a dyn MatchingObjective,
    pub(in crate::distill) rate: f64,
    pub(in crate::distill) members: Vec<Vec<usize>>,
    /// First row and rows of the codes that are moved at once.
    groups: Vec<(usize, usize)>,
    pub(in crate::distill) validation: Option<&'a Validation>,
    /// Where models on expression see markers alone.
    pub(in crate::distill) markers: Option<Markers>,
}

/// What changes over the steps: all that a checkpoint holds.
pub(in crate::distill) struct State {
    pub(in crate::distill) movable: Movable,
    pub(in crate::distill) optimizer: ModuleOptimizer,
    pub(in crate::distill) history: DistillHistory,
    pub(in crate::distill) watch: Watch,
}

/// What is delivered.
pub(in crate::distill) struct Made {
    /// Expression `[rows, genes]`, or features.
    pub(in crate::distill) values: Array2<f32>,
    /// Which genes models on expression are to see; None for all of them.
    pub(in crate::distill) markers: Option<Vec<bool>>,
}

impl State {
    /// Steps that are done.
    pub(in crate::distill) fn steps(&self) -> usize {
        self.history.loss.len()
    }
}

impl<'a> Run<'a> {
    pub(in crate::distill) fn new(
        path: &'a dyn GeneratorPath,
        objective: &'a dyn MatchingObjective,
        config: &'a DistillConfig,
        rate: f64,
        start: &'a Codes,
        validation: Option<&'a Validation>,
    ) -> Self {
        let members = path.study().training_cells().train_per_class();
        let groups = match config.step_order {
            Steps::Joint => vec![(0, start.labels.len())],
            Steps::PerClass => class_rows(&start.labels).into_iter().map(|(_, first, count)| (first, count)).collect(),
        };
        let passes = Passes::new(path, config, start);
        let markers = config.masks_genes().then(|| Markers::new(path.study()));
        Self { passes, objective, rate, members, groups, validation, markers }
    }

    /// What was made of the codes when they were moved, and what happened on the way.
    pub(in crate::distill) fn descend(
        &self,
        checkpoints: Option<&Checkpoints>,
        interrupt: &Interrupt,
    ) -> crate::Result<(Made, DistillHistory)> {
        let mut state = self.fresh();
        if let Some(checkpoints) = checkpoints {
            state = state.resume(checkpoints, &self.device())?;
        }
        let steps = self.config().steps;
        let share = match self.step_share() {
            1.0 => String::new(),
            share => format!(", {:.0} % of the genes", 100.0 * share),
        };
        let title = format!("distilling by {}{share}", self.objective.name());
        let mut progress = Progress::new(title, steps.saturating_sub(state.steps()));
        progress.go_on()?;
        while state.steps() < steps && !state.watch.stopped() && !interrupt.requested() {
            let step = state.steps();
            let codes = state.movable.all();
            let noise = self.passes.noise(step);
            let noise = noise.as_ref();
            let seen = self.passes.see(&codes, noise, self.compares_expression(), self.groups.len() == 1)?;
            if state.watch.due(step) && !state.watch.look(step, &codes, self.score(&seen, &codes, noise)?) {
                break;
            }
            let loss;
            (state, loss) = self.step(state, codes, noise, seen)?;
            if let Some(checkpoints) = checkpoints
                && state.steps().is_multiple_of(CHECKPOINT_EVERY)
            {
                state.write(checkpoints)?;
            }
            progress.step_with_loss(loss, || format!("loss {loss:.4}"));
        }
        if let Some(checkpoints) = checkpoints
            && state.steps() > 0
        {
            state.write(checkpoints)?;
        }
        let done = state.steps();
        let State { movable, mut history, mut watch, .. } = state;
        history.interrupted = done < steps && !watch.stopped();
        let mut kept = (done, self.config().marker_fractions[0], movable.all());
        if !watch.stopped() && self.validation.is_some() {
            let noise = self.passes.noise(done);
            let seen = self.passes.see(&kept.2, noise.as_ref(), false, false)?;
            watch.look(done, &kept.2, self.score(&seen, &kept.2, noise.as_ref())?);
        }
        // Either the last step, or a better one before it.
        if let Some((look, codes)) = watch.kept() {
            kept = (look.step, look.marker_fraction, codes);
        }
        let (step, marker_fraction, codes) = kept;
        let values = self.passes.make(&codes, self.passes.noise(step).as_ref())?;
        let markers = self.best_markers(&values, marker_fraction);
        let last = history.loss.last().copied().unwrap_or(f64::NAN);
        history.seconds = progress.finish(|| format!("loss {last:.4}"));
        history.kept_step = step;
        history.marker_fraction = self.markers.is_some().then_some(marker_fraction);
        history.validation = watch.scores();
        Ok((Made { values, markers }, history))
    }

    fn fresh(&self) -> State {
        let codes = tensors::tensor(&self.passes.start.values, &self.device().autodiff());
        let groups = self.groups.iter().map(|&(first, count)| codes.clone().narrow(0, first, count));
        let error = self.validation.map_or(0.0, |validation| 0.5 / (validation.cells() as f64).sqrt());
        let margin = self.config().min_improvement * error;
        State {
            movable: Movable::new(groups),
            optimizer: self.config().optimizer.init(),
            history: DistillHistory::default(),
            watch: Watch::new(self.config().early_stopping, self.config().steps, margin, codes.inner()),
        }
    }

    /// One step, with its loss.
    fn step(
        &self,
        mut state: State,
        mut codes: Tensor<2>,
        noise: Option<&Tensor<2>>,
        mut seen: Seen,
    ) -> crate::Result<(State, f64)> {
        let step = state.steps();
        let (mut value, mut squares) = (None, 0.0);
        let markers = self.step_markers(&seen);
        for (group, &rows) in self.groups.iter().enumerate() {
            let (loss, upstream) = self.compare(&seen, markers.as_ref(), step)?;
            let gradient = self.passes.pull_back(&codes, noise, rows, &upstream, seen.graph.take())?;
            let length = tensors::scalar(gradient.clone().powi_scalar(2).sum().sqrt());
            self.check_finite(loss, length, step)?;
            let mut gradients = GradientsParams::new();
            gradients.register(state.movable.codes[group].id, gradient);
            let moved = state.optimizer.step(self.rate, state.movable, gradients);
            state.movable = self.constrain(moved, group);
            if group + 1 < self.groups.len() {
                codes = state.movable.all();
                self.passes.renew(&mut seen, &codes, noise, rows)?;
            }
            value.get_or_insert(loss);
            squares += length * length;
        }
        let loss = value.unwrap_or(0.0);
        state.history.loss.push(loss);
        state.history.gradient.push(squares.sqrt());
        Ok((state, loss))
    }

    fn check_finite(&self, loss: f64, length: f64, step: usize) -> Result<(), DistillError> {
        let (objective, steps, learning_rate) = (self.objective.name(), self.config().steps, self.rate);
        if !loss.is_finite() {
            return Err(DistillError::Diverged { objective, loss, step, steps, learning_rate });
        }
        if !length.is_finite() {
            return Err(DistillError::Gradient { objective, length, step, steps, learning_rate });
        }
        Ok(())
    }

    fn constrain(&self, mut movable: Movable, group: usize) -> Movable {
        let codes = &movable.codes[group];
        if let Some(allowed) = self.passes.path.constrain(&codes.val().inner()) {
            let allowed = Tensor::from_inner(allowed).require_grad();
            movable.codes[group] = Param::initialized(codes.id, allowed);
        }
        movable
    }

    pub(in crate::distill) fn config(&self) -> &DistillConfig {
        self.passes.config
    }

    pub(in crate::distill) fn device(&self) -> Device {
        self.passes.device.clone()
    }
}

#[cfg(test)]
mod tests;
