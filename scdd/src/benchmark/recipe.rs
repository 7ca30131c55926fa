//! Recipes of distilled and generated sets: a path, an objective, and steps.

use serde::Serialize;
use serde_json::json;

use super::Shared;
use crate::distill::{
    DistillBuilder, Distilled, DistributionMatching, GradientMatching, MatchingObjective, Pipeline, RidgeSurrogates,
};
use crate::evaluate::TrainingSet;

/// How a set is made.
#[derive(Clone, Debug)]
pub(super) enum Recipe {
    /// Samples of SCDG; nothing is optimised.
    Generation,
    /// Codes are optimised under an objective.
    Matching {
        path: Path,
        objective: Objective,
        /// Steps where the method is a point of a curve; the pipeline's otherwise.
        steps: Option<usize>,
    },
}

/// The path from codes to cells or embeddings.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path {
    Expression,
    Decoder,
    Scdg,
    DiffusionChain,
    Embeddings,
    DecodedEmbeddings,
    Metacells,
}

impl Path {
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

/// What is matched.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Objective {
    Distribution,
    Gradient { hidden: Vec<usize>, unfrozen: bool },
    Ridge,
}

impl Objective {
    /// Gradient matching with a linear head on the frozen encoder.
    pub(super) fn gradient() -> Self {
        Self::Gradient { hidden: Vec::new(), unfrozen: false }
    }

    /// The short name, as tables print it.
    fn name(&self) -> String {
        match self {
            Self::Distribution => DistributionMatching::default().short_name(),
            Self::Gradient { hidden, unfrozen } => gradient(hidden, *unfrozen).short_name(),
            Self::Ridge => RidgeSurrogates::default().short_name(),
        }
    }
}

/// The pipelines of tables II and III, without random cells.
pub(super) fn paper_recipes() -> Vec<Recipe> {
    let both = |path| [Recipe::new(path, Objective::gradient()), Recipe::new(path, Objective::Distribution)];
    let expression = both(Path::Expression).into_iter();
    let latent = [Path::Embeddings, Path::DecodedEmbeddings, Path::Decoder, Path::Scdg];
    expression.chain([Recipe::Generation]).chain(latent.into_iter().flat_map(both)).collect()
}

/// The form in the `config` of rows.
impl Serialize for Recipe {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match self {
            Self::Generation => json!({ "pipeline": Pipeline::Generation, "objective": "None", "steps": null }),
            Self::Matching { path, objective, steps } => {
                json!({ "pipeline": path.pipeline(), "objective": objective, "steps": steps })
            }
        };
        value.serialize(serializer)
    }
}

impl Recipe {
    pub(super) fn new(path: Path, objective: Objective) -> Self {
        Self::Matching { path, objective, steps: None }
    }

    /// A point of table VII: SCDG with gradient matching after so many steps.
    pub(super) fn after_steps(unfrozen: bool, steps: usize) -> Self {
        let objective = Objective::Gradient { hidden: Vec::new(), unfrozen };
        Self::Matching { path: Path::Scdg, objective, steps: Some(steps) }
    }

    /// The method's name in tables: the set's own name, and the steps where they vary.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Generation => Pipeline::Generation.name(""),
            Self::Matching { path, objective, steps } => {
                let steps = steps.map_or(String::new(), |steps| format!(", {steps} steps"));
                format!("{}{steps}", path.pipeline().name(&objective.name()))
            }
        }
    }

    /// Makes a set.
    pub(super) fn make(&self, shared: &Shared, per_class: usize) -> crate::Result<TrainingSet> {
        match self {
            Self::Generation => {
                let sample = shared.scdg()?.sample().per_class(per_class).small_classes(shared.small_classes());
                Ok((&sample.run()?).into())
            }
            Self::Matching { path, objective, steps } => {
                let matching = Matching { path: *path, steps: steps.or(shared.steps()), shared, per_class };
                match objective {
                    Objective::Distribution => matching.run(DistributionMatching::default()),
                    Objective::Gradient { hidden, unfrozen } => matching.run(gradient(hidden, *unfrozen)),
                    Objective::Ridge => matching.run(RidgeSurrogates::default()),
                }
            }
        }
    }
}

/// One distillation.
struct Matching<'a> {
    path: Path,
    steps: Option<usize>,
    shared: &'a Shared,
    per_class: usize,
}

impl Matching<'_> {
    fn run(&self, objective: impl MatchingObjective) -> crate::Result<TrainingSet> {
        let (study, shared) = (self.shared.study(), self.shared);
        let cells = |opened: DistillBuilder<Distilled>| -> crate::Result<TrainingSet> {
            Ok((&self.set_up(opened).run()?).into())
        };
        match self.path {
            Path::Expression => cells(study.distill_expression(objective)),
            Path::Decoder => cells(study.distill_decoder(objective)),
            Path::Scdg => cells(shared.scdg()?.distill(objective).into()),
            Path::DiffusionChain => cells(shared.scdg()?.distill_chain(objective).into()),
            Path::Metacells => cells(shared.metacells()?.distill(objective)),
            Path::Embeddings => Ok((&self.set_up(study.distill_embeddings(objective)).run()?).into()),
            Path::DecodedEmbeddings => {
                let embeddings = self.set_up(study.distill_embeddings(objective)).run()?;
                Ok((&embeddings.decoded()?).into())
            }
        }
    }

    fn set_up<Set>(&self, opened: DistillBuilder<Set>) -> DistillBuilder<Set> {
        let opened = opened.per_class(self.per_class).small_classes(self.shared.small_classes());
        match self.steps {
            Some(steps) => opened.steps(steps),
            None => opened,
        }
    }
}

fn gradient(hidden: &[usize], unfrozen: bool) -> GradientMatching {
    let objective = GradientMatching::default().hidden(hidden);
    if unfrozen { objective.unfrozen() } else { objective }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_of_rows_is_that_of_result_files_on_disk() {
        let generation = json!({ "pipeline": "Generation", "objective": "None", "steps": null });
        assert_eq!(json!(Recipe::Generation), generation);
        let gradient = json!({ "Gradient": { "hidden": [], "unfrozen": true } });
        let point = json!({ "pipeline": "Scdg", "objective": gradient, "steps": 10 });
        assert_eq!(json!(Recipe::after_steps(true, 10)), point);
        let ridge = json!({ "pipeline": "Metacells", "objective": "Ridge", "steps": null });
        assert_eq!(json!(Recipe::new(Path::Metacells, Objective::Ridge)), ridge);
    }
}
