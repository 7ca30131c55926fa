//! How good a training set is: models trained on it from scratch, scored on real test cells, beside baselines.
//!
//! The protocol is DC-BENCH's (Cui et al. 2022), which Yu et al. 2025 use: [`Protocol`] says how a model is
//! trained, an [`EvaluationModel`] is what is trained ([`train_heads`]' softmax regression on frozen embeddings unless
//! another is asked for), [`Scores`] compares predictions with labels, a [`Baseline`] picks or makes cells at the same
//! budget, and [`EvaluationRow`]s make the table. [`Properties`] says what a distilled set is like as cells, and a
//! [`GeneratorReport`] how generated cells compare with real ones; [`Privacy`] says what a set gives away of training cells.

mod annotator;
mod baselines;
mod error;
mod evaluation;
mod forest;
mod generator;
mod kernel;
mod linear_head;
mod metrics;
mod models;
mod privacy;
mod properties;
mod protocol;
mod run;
mod scorer;
mod set;
mod sgd;
mod statistics;
mod table;
mod task;

pub use annotator::{AnnotateBuilder, Annotated, Annotator};
pub use baselines::{
    Baseline, Candidates, ClassMean, ClassMeanLatent, DecodedCells, GeometricSketch, Herding, KCentre,
    KMeansPseudobulks, Medoid, MergedMetacells, RandomCells, ScValue, Selected, Stratified, all_baselines,
    main_baselines,
};
pub use error::EvaluateError;
pub use evaluation::Evaluation;
pub use generator::{ClassFigures, GeneratorReport, ReportBuilder, ReportFigure};
pub use linear_head::{LinearHead, train_heads};
pub use metrics::Scores;
pub use models::{
    Attention, CellTypist, EvaluationModel, GeneSets, LinearProbe, Mlp, ModelInput, NearestNeighbours, Numbers,
    RandomForest, SavedArray, SavedModel, ScDeepInsight, Tosica, TrainedModel, all_models,
};
pub use privacy::{Attack, Privacy, PrivacyBuilder, SetPrivacy};
pub use properties::{Properties, SetProperties};
pub use protocol::Protocol;
pub use run::EvaluateBuilder;
pub use set::TrainingSet;
pub use table::{EvaluationRow, mean, sample_deviation, table};

pub(crate) use error::check_labels;
pub(crate) use models::largest;
pub(crate) use scorer::{ScoredOn, Scorer, Trial};
pub(crate) use statistics::{median, pearson};
