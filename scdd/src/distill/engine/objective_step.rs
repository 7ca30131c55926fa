//! What a step's objective is given, and what it says: its loss and the gradients by what it saw.

use std::cell::{Cell, LazyCell};

use burn::tensor::Tensor;
use rand::seq::index::sample;

use super::Run;
use super::forward_backward::{Seen, Upstream};
use crate::distill::error::DistillError;
use crate::distill::means::group_means;
use crate::distill::objective::Matching;
use crate::distill::path::Pipeline;
use crate::error::SettingError;
use crate::{seed, tensors};

impl Run<'_> {
    /// Whether the expression of all rows is made for the objective.
    pub(in crate::distill) fn compares_expression(&self) -> bool {
        self.objective.compares_expression() && self.passes.path.pipeline() != Pipeline::Embeddings
    }

    /// The objective's loss and its gradients by what it sees: of the expression, markers where there are any.
    pub(in crate::distill) fn compare(
        &self,
        seen: &Seen,
        markers: Option<&Tensor<2>>,
        step: usize,
    ) -> Result<(f64, Upstream), DistillError> {
        let study = self.passes.path.study();
        let (cells, labels) = self.real_batch(step);
        let leaf = |seen: &Tensor<2>| seen.clone().autodiff().require_grad();
        let (features, expression) = (leaf(&seen.features), seen.expression.as_ref().map(leaf));
        let real_expression = |rows: &[usize]| {
            let cells: Vec<usize> = rows.iter().map(|&row| cells[row]).collect();
            let dense = study.cells().expression().dense_rows(&cells);
            tensors::from_rows(dense, study.cells().genes(), &self.passes.device)
        };
        let class_counts: Vec<usize> = self.members.iter().map(Vec::len).collect();
        let matching = Matching {
            synthetic_embeddings: features.clone(),
            synthetic_expression: expression.clone().map(|all| match markers {
                Some(markers) => all * markers.clone(),
                None => all,
            }),
            expression_asked: Cell::new(false),
            synthetic_labels: self.passes.labels(),
            real_embeddings: LazyCell::new(Box::new(|| {
                tensors::tensor(&study.embeddings_of(&cells), &self.passes.device)
            })),
            real_class_means: &|| {
                let (rows, classes) = (cells.iter().map(|&cell| study.embedding_of(cell)), labels.iter());
                let means = group_means(rows, classes.map(|&class| class as usize), self.members.len());
                tensors::tensor(&means.mapv(|mean| mean as f32), &self.passes.device)
            },
            real_labels: &labels,
            real_expression: &real_expression,
            genes: study.cells().genes(),
            class_counts: &class_counts,
            encoder: &|| study.foundation().encoder_layers(),
            step,
            seed: self.config().seed,
        };
        let loss = self.objective.loss(&matching);
        if expression.is_none() && matching.expression_asked.get() {
            return Err(self.no_expression());
        }
        let found = loss.dims()[0];
        if found != 1 {
            return Err(DistillError::LossShape { objective: self.objective.name(), found });
        }
        let gradients = loss.backward();
        let expression = expression.and_then(|expression| expression.grad(&gradients));
        let upstream = Upstream { features: features.grad(&gradients), expression };
        Ok((tensors::scalar(loss), upstream))
    }

    fn no_expression(&self) -> DistillError {
        let (objective, pipeline) = (self.objective.name(), self.passes.path.pipeline());
        if pipeline != Pipeline::Embeddings {
            let found = format!("false, and {objective} asked for expression");
            let expected = "true, the default".to_owned();
            return DistillError::Setting(SettingError::new("compares_expression", found, expected));
        }
        DistillError::NoExpression { objective, pipeline: pipeline.name(&self.objective.short_name()) }
    }

    /// Up to `real_batch` training cells of each class, drawn anew in each step, sorted by class.
    fn real_batch(&self, step: usize) -> (Vec<usize>, Vec<u32>) {
        let mut rng = seed::stream(self.config().seed, &format!("real batch {step}"));
        let (mut cells, mut labels) = (Vec::new(), Vec::new());
        for (class, members) in self.members.iter().enumerate() {
            let count = members.len().min(self.config().real_batch);
            cells.extend(sample(&mut rng, members.len(), count).iter().map(|index| members[index]));
            labels.resize(cells.len(), class as u32);
        }
        (cells, labels)
    }
}
