//! A distilled set of embeddings, without expression: FeatDistill of Yu et al. 2025.

use std::ops::Deref;
use std::sync::Arc;

use ndarray::Array2;

use super::distillation::Distillation;
use crate::distill::Distilled;
use crate::distill::path::{Pipeline, decode_embeddings};

/// Embeddings of each class that a head on latents is trained on; has the methods of [`Distillation`]. Cheap to clone.
///
/// They are no cells: there is no expression to show or to write, and these methods are missing.
/// [`decoded`](Self::decoded) makes cells of them.
///
/// ```compile_fail,E0599
/// # fn skip(embeddings: scdd::distill::DistilledEmbeddings) {
/// embeddings.write_h5ad("distilled.h5ad");
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # fn skip(embeddings: scdd::distill::DistilledEmbeddings) {
/// embeddings.heatmap();
/// # }
/// ```
#[derive(Clone)]
pub struct DistilledEmbeddings {
    parts: Arc<Parts>,
}

struct Parts {
    made: Distillation,
    embeddings: Array2<f32>,
}

impl std::fmt::Debug for DistilledEmbeddings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.made.summary("embeddings", self.parts.embeddings.ncols(), "coordinates"))
    }
}

impl Deref for DistilledEmbeddings {
    type Target = Distillation;

    fn deref(&self) -> &Distillation {
        &self.parts.made
    }
}

impl DistilledEmbeddings {
    pub(in crate::distill) fn new(made: Distillation, embeddings: Array2<f32>) -> Self {
        Self { parts: Arc::new(Parts { made, embeddings }) }
    }

    /// Embeddings `[synthetic cells, latent]`, at the scale of the foundation model's latents; of any norm (our choice).
    pub fn embeddings(&self) -> &Array2<f32> {
        &self.parts.embeddings
    }

    /// TextDistill: these embeddings, decoded once by the foundation model. Nothing is optimised any more.
    ///
    /// # Errors
    /// When the foundation model has no decoder.
    pub fn decoded(&self) -> crate::Result<Distilled> {
        let expression = decode_embeddings(self.study(), &self.parts.embeddings)?;
        let made = Distillation { pipeline: Pipeline::DecodedEmbeddings, ..self.parts.made.clone() };
        Ok(Distilled::new(made, expression, None))
    }

    /// Shows the summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
