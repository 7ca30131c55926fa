//! How good a training set is: models trained on it from scratch, scored on real test cells, beside controls.
//!
//! The protocol is DC-BENCH's (Cui et al. 2022), which Yu et al. 2025 use: [`Protocol`] says how a model is
//! trained, [`train_heads`] trains softmax regression on frozen embeddings, [`Scores`] compares predictions
//! with labels, a [`Selection`] picks control cells at the same budget, and [`EvaluationRow`]s make the table.

mod baselines;
mod error;
mod evaluation;
mod kernel;
mod linear_head;
mod metrics;
mod protocol;
mod run;
mod set;
mod sgd;
mod table;

pub use baselines::{ClassMean, RandomCells, Selected, Selection};
pub use error::EvaluateError;
pub use evaluation::Evaluation;
pub use linear_head::{LinearHead, train_heads};
pub use metrics::Scores;
pub use protocol::Protocol;
pub use run::EvaluateBuilder;
pub use set::TrainingSet;
pub use table::{EvaluationRow, mean, sample_deviation, table};

pub(crate) use error::check_labels;
