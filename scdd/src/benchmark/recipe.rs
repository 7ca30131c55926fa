//! How methods of a benchmark make their sets: by matching an objective on a pipeline, or by sampling SCDG.

use serde::Serialize;
use serde_json::{Value, json};

use super::Shared;
use crate::distill::{
    DistillBuilder, Distilled, DistributionMatching, GradientMatching, MatchingObjective, Pipeline, RidgeSurrogates,
};
use crate::evaluate::TrainingSet;

/// How a method makes its sets.
#[derive(Clone, Debug)]
pub(super) enum Recipe {
    /// An objective is matched on a pipeline.
    Matching(Matching),
    /// SCDG is sampled; nothing is optimised.
    Generation,
}

/// A pipeline that matches an objective.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Matching {
    pipeline: Matched,
    objective: Objective,
    /// Steps where the method is a point of a curve; the pipeline's own otherwise.
    steps: Option<usize>,
}

/// The pipelines that match an objective: each [`Pipeline`] but generation.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Matched {
    Expression,
    Decoder,
    Scdg,
    DiffusionChain,
    Embeddings,
    DecodedEmbeddings,
    Metacells,
}

/// The objective.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Objective {
    Distribution,
    Gradient { hidden: Vec<usize>, unfrozen: bool },
    Ridge,
}

impl Matched {
    fn pipeline(self) -> Pipeline {
        match self {
            Self::Expression => Pipeline::Expression,
            Self::Decoder => Pipeline::Decoder,
            Self::Scdg => Pipeline::Scdg,
            Self::DiffusionChain => Pipeline::DiffusionChain,
            Self::Embeddings => Pipeline::Embeddings,
            Self::DecodedEmbeddings => Pipeline::DecodedEmbeddings,
            Self::Metacells => Pipeline::Metacells,
        }
    }
}

impl Objective {
    /// Gradient matching with a linear head on the frozen encoder.
    pub(super) fn gradient() -> Self {
        Self::Gradient { hidden: Vec::new(), unfrozen: false }
    }
}

/// Pipelines of tables II and III, without random cells.
pub(super) fn paper_recipes() -> Vec<Recipe> {
    let both = |pipeline| {
        [Objective::gradient(), Objective::Distribution].map(|objective| Matching::new(pipeline, objective).into())
    };
    let latent = [Matched::Embeddings, Matched::DecodedEmbeddings, Matched::Decoder, Matched::Scdg];
    let expression = both(Matched::Expression).into_iter();
    expression.chain([Recipe::Generation]).chain(latent.into_iter().flat_map(both)).collect()
}

impl Recipe {
    /// The name in tables: that of the set, and the steps where they vary.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Matching(matching) => matching.name(),
            Self::Generation => Pipeline::Generation.name("none"),
        }
    }

    /// The settings that tell rows apart.
    pub(super) fn config(&self) -> Value {
        match self {
            Self::Matching(matching) => json!(matching),
            Self::Generation => json!("generation"),
        }
    }

    /// Makes a set.
    pub(super) fn make(&self, shared: &Shared, per_class: usize) -> crate::Result<TrainingSet> {
        match self {
            Self::Matching(matching) => matching.make(shared, per_class),
            Self::Generation => {
                let sample = shared.scdg()?.sample().per_class(per_class).small_classes(shared.small_classes());
                Ok((&sample.run()?).into())
            }
        }
    }
}

impl From<Matching> for Recipe {
    fn from(matching: Matching) -> Self {
        Self::Matching(matching)
    }
}

impl Matching {
    pub(super) fn new(pipeline: Matched, objective: Objective) -> Self {
        Self { pipeline, objective, steps: None }
    }

    /// The same with a number of steps, as in table VII.
    pub(super) fn steps(self, steps: usize) -> Self {
        Self { steps: Some(steps), ..self }
    }

    fn name(&self) -> String {
        let objective = match &self.objective {
            Objective::Distribution => DistributionMatching::default().short_name(),
            Objective::Gradient { hidden, unfrozen } => gradient(hidden, *unfrozen).short_name(),
            Objective::Ridge => RidgeSurrogates::default().short_name(),
        };
        let steps = self.steps.map_or(String::new(), |steps| format!(", {steps} steps"));
        format!("{}{steps}", self.pipeline.pipeline().name(&objective))
    }

    fn make(&self, shared: &Shared, per_class: usize) -> crate::Result<TrainingSet> {
        match &self.objective {
            Objective::Distribution => self.match_with(DistributionMatching::default(), shared, per_class),
            Objective::Gradient { hidden, unfrozen } => self.match_with(gradient(hidden, *unfrozen), shared, per_class),
            Objective::Ridge => self.match_with(RidgeSurrogates::default(), shared, per_class),
        }
    }

    fn match_with(
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
            Matched::Expression => cells(study.distill_expression(objective)),
            Matched::Decoder => cells(study.distill_decoder(objective)),
            Matched::Scdg => cells(shared.scdg()?.distill(objective).into()),
            Matched::DiffusionChain => cells(shared.scdg()?.distill_chain(objective).into()),
            Matched::Metacells => cells(shared.metacells()?.distill(objective)),
            Matched::Embeddings => {
                Ok((&self.budget(study.distill_embeddings(objective), shared, per_class).run()?).into())
            }
            Matched::DecodedEmbeddings => {
                let embeddings = self.budget(study.distill_embeddings(objective), shared, per_class).run()?;
                Ok((&embeddings.decoded()?).into())
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
