//! Grids of methods, models, data sets, labels and seeds, such as the paper's tables, run as one call.
//!
//! [`benchmark`] opens a grid; each of its rows is one model, trained on one set, scored on the test cells of one split.
//! Rows stream to a file as they come and a killed run goes on; [`shard`](Benchmark::shard) splits a grid over machines and
//! [`merge`] joins what they made. [`BenchmarkResults`] are tables with the best and the second best marked, paired tests
//! between methods ([`Paired`]) and figures.
//!
//! What a row gives depends on nothing but its data set, label, seed, method, budget, model and settings, never on which other
//! rows run, where, or in which order. A row that can't be is kept and says why in its `status`.

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
pub use grid::{Benchmark, benchmark, models_named};
pub use merge::merge;
pub use method::{Method, all_methods, methods_named, paper_methods};
pub use report::{Along, Curve, CurvePoint, Paired, ScoreTable};
pub use results::BenchmarkResults;
pub use row::{BenchmarkRow, Measure};
pub use shared::Shared;
