//! How the distilled sets of a benchmark are made: a pipeline, an objective, and what a table varies.

use serde::Serialize;

use super::Shared;
use crate::distill::{
    DistillBuilder, Distilled, DistributionMatching, GradientMatching, MatchingObjective, Pipeline, RidgeSurrogates,
};
use crate::evaluate::TrainingSet;

/// A pipeline with an objective.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Recipe {
    pipeline: Pipeline,
    objective: Objective,
    /// Steps where the method stands for a point of a curve; the pipeline's otherwise.
    steps: Option<usize>,
}

/// What is matched.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Objective {
    None,
    Distribution,
    Gradient { hidden: Vec<usize>, unfrozen: bool },
    Ridge,
}

impl Objective {
    /// Gradient matching with a linear head on the frozen encoder.
    pub(super) fn gradient() -> Self {
        Self::Gradient { hidden: Vec::new(), unfrozen: false }
    }
}

/// Pipelines of tables II and III, but for cells picked at random.
pub(super) fn paper_recipes() -> Vec<Recipe> {
    let both =
        |pipeline| [Recipe::new(pipeline, Objective::gradient()), Recipe::new(pipeline, Objective::Distribution)];
    let expression = both(Pipeline::Expression).into_iter();
    let generation = [Recipe::new(Pipeline::Generation, Objective::None)];
    let latent = [Pipeline::Embeddings, Pipeline::DecodedEmbeddings, Pipeline::Decoder, Pipeline::Scdg];
    expression.chain(generation).chain(latent.into_iter().flat_map(both)).collect()
}

impl Recipe {
    pub(super) fn new(pipeline: Pipeline, objective: Objective) -> Self {
        Self { pipeline, objective, steps: None }
    }

    /// A point of table VII: so many steps.
    pub(super) fn steps(self, steps: usize) -> Self {
        Self { steps: Some(steps), ..self }
    }

    /// What tables call it: the set's own name, and the steps where they vary.
    pub(super) fn name(&self) -> String {
        let objective = match &self.objective {
            Objective::None => "none".to_owned(),
            Objective::Distribution => DistributionMatching::default().short_name(),
            Objective::Gradient { hidden, unfrozen } => gradient(hidden, *unfrozen).short_name(),
            Objective::Ridge => RidgeSurrogates::default().short_name(),
        };
        let steps = self.steps.map_or(String::new(), |steps| format!(", {steps} steps"));
        format!("{}{steps}", self.pipeline.name(&objective))
    }

    /// Makes a set.
    pub(super) fn make(&self, shared: &Shared, per_class: usize) -> crate::Result<TrainingSet> {
        match &self.objective {
            Objective::None => {
                let sample = shared.scdg()?.sample().per_class(per_class).small_classes(shared.small_classes());
                Ok((&sample.run()?).into())
            }
            Objective::Distribution => self.matched(DistributionMatching::default(), shared, per_class),
            Objective::Gradient { hidden, unfrozen } => self.matched(gradient(hidden, *unfrozen), shared, per_class),
            Objective::Ridge => self.matched(RidgeSurrogates::default(), shared, per_class),
        }
    }

    fn matched(
        &self,
        objective: impl MatchingObjective,
        shared: &Shared,
        per_class: usize,
    ) -> crate::Result<TrainingSet> {
        let study = shared.study();
        let cells = |opened: DistillBuilder<Distilled>| -> crate::Result<TrainingSet> {
            Ok((&self.budget(opened, shared, per_class).run()?).into())
        };
        match self.pipeline {
            Pipeline::Expression => cells(study.distill_expression(objective)),
            Pipeline::Decoder => cells(study.distill_decoder(objective)),
            Pipeline::Scdg | Pipeline::Generation => cells(shared.scdg()?.distill(objective).into()),
            Pipeline::DiffusionChain => cells(shared.scdg()?.distill_chain(objective).into()),
            Pipeline::Metacells => cells(shared.metacells()?.distill(objective)),
            Pipeline::Embeddings => {
                Ok((&self.budget(study.distill_embeddings(objective), shared, per_class).run()?).into())
            }
            Pipeline::DecodedEmbeddings => {
                let features = self.budget(study.distill_embeddings(objective), shared, per_class).run()?;
                Ok((&features.decoded()?).into())
            }
        }
    }

    fn budget<Set>(&self, opened: DistillBuilder<Set>, shared: &Shared, per_class: usize) -> DistillBuilder<Set> {
        let opened = opened.per_class(per_class).small_classes(shared.small_classes());
        match self.steps.or(shared.steps()) {
            Some(steps) => opened.steps(steps),
            None => opened,
        }
    }
}

fn gradient(hidden: &[usize], unfrozen: bool) -> GradientMatching {
    let objective = GradientMatching::default().hidden(hidden);
    if unfrozen { objective.unfrozen() } else { objective }
}
