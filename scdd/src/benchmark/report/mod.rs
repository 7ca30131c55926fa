//! What is made of result rows: tables, comparisons, pages, curves and polars frames.

mod claims;
mod compare;
mod curves;
mod frames;
mod page;
mod paired;
mod summary;
mod table;
mod unseen_models;

pub use curves::{Along, Curve, CurvePoint};
pub use paired::Paired;
pub use table::ScoreTable;
pub(super) use table::{LINEAR_HEAD, MEAN_OF_UNSEEN};
