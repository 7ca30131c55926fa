//! What a notebook needs: `use scdd::prelude::*;`.

pub use crate::{Cells, Counts, Error, H5ad, Labels, LogNormalized, Result, demo_cells, read_h5ad, simulate};
pub use crate::evaluate::{ClassMean, EvaluationRow, Protocol, RandomCells, Scores, Selection};
pub use crate::{Cells, Counts, Error, LogNormalized, Result};
