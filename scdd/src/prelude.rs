//! What a notebook needs: `use scdd::prelude::*;`.

pub use crate::evaluate::{ClassMean, EvaluationRow, Protocol, RandomCells, Scores, Selection};
pub use crate::{Cells, Counts, Error, LogNormalized, Result};
