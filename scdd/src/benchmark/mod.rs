//! Grids of methods, models, data sets, labels and seeds, such as the paper's tables, run as one call.
//!
//! [`benchmark`] opens a grid; each of its rows is one model, trained on one set, scored on the test cells of one split.
//! Rows are written to a file one by one, and a killed run continues; [`shard`](BenchmarkBuilder::shard) splits a grid over machines and
//! [`merge`] joins the parts. [`BenchmarkResults`] are tables with the best and the second best marked, paired tests
//! between methods ([`Paired`]) and figures.
//!
//! The scores of a row depend on its data set, label, seed, method, budget, model and settings alone, not on the other rows, the
//! machine or the order. A row that can't be made is kept with the reason in its `status`.

mod error;
mod grid;
mod journal;
mod memory;
mod merge;
mod method;
mod names;
mod plan;
mod recipe;
mod report;
mod results;
mod row;
mod run;
mod settings;
mod shared;
mod source;
mod tables;

pub use error::BenchmarkError;
pub use grid::{BenchmarkBuilder, benchmark, models_named};
pub use merge::merge;
pub use method::{Method, all_methods, methods_named, paper_methods};
pub use report::{Along, Curve, CurvePoint, Paired, ScoreTable};
pub use results::BenchmarkResults;
pub use row::{BenchmarkRow, Measure};
pub use shared::Shared;
