//! The distilled set: synthetic cells with their labels, and the recipe that made them.

use std::ops::Deref;
use std::sync::Arc;

use ndarray::Array2;

use super::distillation::Distillation;

/// Synthetic cells of each class; has the methods of [`Distillation`]. Cheap to clone.
#[derive(Clone)]
pub struct Distilled {
    parts: Arc<Parts>,
}

struct Parts {
    made: Distillation,
    expression: Array2<f32>,
}

impl std::fmt::Debug for Distilled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.made.summary("cells", self.parts.expression.ncols(), "genes"))
    }
}

impl Deref for Distilled {
    type Target = Distillation;

    fn deref(&self) -> &Distillation {
        &self.parts.made
    }
}

impl Distilled {
    pub(super) fn new(made: Distillation, expression: Array2<f32>) -> Self {
        Self { parts: Arc::new(Parts { made, expression }) }
    }

    /// Expression `[synthetic cells, genes]`, log1p of counts per 1e4, not negative.
    pub fn expression(&self) -> &Array2<f32> {
        &self.parts.expression
    }

    /// Shows the summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
