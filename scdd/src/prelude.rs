//! What a notebook needs: `use scdd::prelude::*;`.

pub use crate::{Cells, Counts, Error, LogNormalized, Result};
