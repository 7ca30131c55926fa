//! Evaluation of training sets: models are trained on a set from scratch and scored on real test cells, beside baselines.
//!
//! The protocol is DC-BENCH's (Cui et al. 2022), which Yu et al. 2025 use. [`Protocol`] says how an [`EvaluationModel`] is
//! trained; the default is [`train_heads`]' softmax regression on frozen embeddings. [`Scores`] compares predictions with
//! labels, a [`Baseline`] selects or makes cells at the same budget, and [`EvaluationRow`]s make the table. [`Properties`]
//! compares a distilled set with real cells, a [`GeneratorReport`] generated cells with real ones, and [`Privacy`] measures
//! what a set reveals of training cells.

mod baselines;
mod error;
mod evaluation;
mod generator;
mod label_task;
mod models;
mod privacy;
mod properties;
mod run;
mod scorer;
mod table;
mod training_set;

pub use baselines::{
    Baseline, Candidates, ClassMean, ClassMeanLatent, DecodedCells, GeometricSketch, Herding, KCentre,
    KMeansPseudobulks, Medoid, MergedMetacells, RandomCells, ScValue, Selected, Stratified, all_baselines,
    main_baselines,
};
pub use error::EvaluateError;
pub use evaluation::Evaluation;
pub use generator::{ClassFigures, GeneratorReport, ReportBuilder, ReportFigure};
pub use models::{
    Attention, CellTypist, EvaluationModel, GeneSets, LinearProbe, Mlp, NearestNeighbours, Numbers, RandomForest,
    SavedArray, SavedModel, ScDeepInsight, Tosica, TrainedModel, all_models,
};
pub use privacy::{Attack, Privacy, PrivacyBuilder, SetPrivacy};
pub use properties::{Properties, SetProperties};
pub use run::EvaluateBuilder;
pub use table::EvaluationRow;
pub use training_set::TrainingSet;

/// Scores, softmax regression and how it is trained, of scdd-learn.
pub use scdd_learn::metrics::Scores;
pub use scdd_learn::softmax_regression::{LinearHead, Protocol, train_heads};

/// Cells that models are trained on and predict, of a study.
pub use crate::study::ModelInput;

pub(crate) use models::load as load_model;
pub(crate) use scdd_learn::statistics::{mean, pearson, sample_deviation};
pub(crate) use scorer::{ScoredOn, Scorer, Trial};
