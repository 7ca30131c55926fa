//! The objective in a step: the batch of real cells that it compares with, its loss, and the gradients by embeddings and
//! expression.

use std::cell::{Cell, LazyCell};
use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use rand::seq::index::sample;

use super::forward_backward::{Forward, Upstream};
use crate::distill::codes::Codes;
use crate::distill::config::DistillConfig;
use crate::distill::error::DistillError;
use crate::distill::markers::{Markers, best_markers, mask};
use crate::distill::objective::{Matching, MatchingObjective};
use crate::distill::path::GeneratorPath;
use crate::error::SettingError;
use crate::{seed, tensors};
use scdd_learn::statistics::group_means;

/// An objective with the training cells that it draws its batches from.
pub(super) struct ObjectiveStep<'a> {
    path: &'a dyn GeneratorPath,
    objective: &'a dyn MatchingObjective,
    config: &'a DistillConfig,
    /// Classes of the synthetic cells.
    labels: &'a [u32],
    /// Training cells of each class.
    members: Vec<Vec<usize>>,
    markers: Option<Rc<Markers>>,
    device: Device,
}

impl<'a> ObjectiveStep<'a> {
    pub(super) fn new(
        path: &'a dyn GeneratorPath,
        objective: &'a dyn MatchingObjective,
        config: &'a DistillConfig,
        initial: &'a Codes,
        markers: Option<Rc<Markers>>,
    ) -> Self {
        let members = path.study().training_cells().train_per_class();
        let device = path.study().device().clone();
        Self { path, objective, config, labels: &initial.labels, members, markers, device }
    }

    pub(super) fn name(&self) -> String {
        self.objective.name()
    }

    /// Whether the expression of all rows is made for the objective.
    pub(super) fn compares_expression(&self) -> bool {
        self.objective.compares_expression() && self.path.makes_expression()
    }

    /// The genes that the objective compares, as `[1, genes]` of 1 and 0; None for all of them.
    pub(super) fn mask(&self, forward: &Forward) -> Option<Tensor<2>> {
        let fraction = self.config.step_marker_fractions[0];
        let expression = tensors::array(forward.expression.clone().filter(|_| fraction < 1.0)?);
        let markers = best_markers(self.markers.as_deref(), &expression, self.labels, fraction)?;
        Some(mask(&markers, &self.device))
    }

    /// The loss of a step, and its gradients by embeddings and expression, of which only genes of the mask are compared.
    pub(super) fn evaluate(
        &self,
        forward: &Forward,
        mask: Option<&Tensor<2>>,
        step: usize,
    ) -> Result<(f64, Upstream), DistillError> {
        let study = self.path.study();
        let (cells, labels) = self.real_batch(step);
        let leaf = |values: &Tensor<2>| values.clone().autodiff().require_grad();
        let (embeddings, expression) = (leaf(&forward.embeddings), forward.expression.as_ref().map(leaf));
        let real_expression = |rows: &[usize]| {
            let cells: Vec<usize> = rows.iter().map(|&row| cells[row]).collect();
            let dense = study.cells().expression().dense_rows(&cells);
            tensors::from_rows(dense, study.cells().genes(), &self.device)
        };
        let class_counts: Vec<usize> = self.members.iter().map(Vec::len).collect();
        let matching = Matching {
            synthetic_embeddings: embeddings.clone(),
            synthetic_expression: expression.clone().map(|all| match mask {
                Some(mask) => all * mask.clone(),
                None => all,
            }),
            expression_used: Cell::new(false),
            synthetic_labels: self.labels,
            real_embeddings: LazyCell::new(Box::new(|| tensors::tensor(&study.embeddings_of(&cells), &self.device))),
            real_class_means: &|| {
                let (rows, classes) = (cells.iter().map(|&cell| study.embedding_of(cell)), labels.iter());
                let means = group_means(rows, classes.map(|&class| class as usize), self.members.len());
                tensors::tensor(&means.mapv(|mean| mean as f32), &self.device)
            },
            real_labels: &labels,
            real_expression: &real_expression,
            genes: study.cells().genes(),
            class_counts: &class_counts,
            encoder: &|| study.foundation().encoder_layers(),
            step,
            seed: self.config.seed,
        };
        let loss = self.objective.loss(&matching);
        if expression.is_none() && matching.expression_used.get() {
            return Err(self.no_expression());
        }
        let found = loss.dims()[0];
        if found != 1 {
            return Err(DistillError::LossShape { objective: self.objective.name(), found });
        }
        let gradients = loss.backward();
        let expression = expression.and_then(|expression| expression.grad(&gradients));
        let upstream = Upstream { embeddings: embeddings.grad(&gradients), expression };
        Ok((tensors::scalar(loss), upstream))
    }

    fn no_expression(&self) -> DistillError {
        let objective = self.objective.name();
        if self.path.makes_expression() {
            let found = format!("false, and {objective} compared expression");
            return SettingError::new("compares_expression", found, "true, the default").into();
        }
        let pipeline = self.path.pipeline().name(&self.objective.short_name());
        DistillError::NoExpression { objective, pipeline }
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
