//! A handle on any foundation model, and the ways to get one.

use std::ops::Deref;
use std::sync::Arc;

use super::register::{Registered, all_genes};
use super::{Corpus, FoundationModel, Pretraining};
use crate::cells::{Cells, LogNormalized};

/// A foundation model of any kind. Cheap to clone; has the methods of [`FoundationModel`].
#[derive(Clone)]
pub struct Foundation {
    model: Arc<dyn FoundationModel>,
}

impl Foundation {
    /// A model of one's own.
    pub fn new(model: impl FoundationModel) -> Self {
        Self { model: Arc::new(model) }
    }

    /// Opens the pretraining of a [`Scimilarity`](super::Scimilarity): on training cells, or on a
    /// [`Corpus`](super::Corpus) of other cells.
    pub fn pretrain(corpus: impl Into<Corpus>) -> Pretraining {
        Pretraining::new(corpus)
    }

    /// The cells with the genes that they and the model know, in the order of the cells, and the model for these genes.
    /// Genes that were not measured are zero to the encoder, as in SCimilarity, and the decoder does not make them.
    ///
    /// # Errors
    /// When model and cells share too few genes; the error says how many, and shows names of both.
    pub fn register(&self, cells: &Cells<LogNormalized>) -> crate::Result<Registered> {
        match self.model.for_cells(cells)? {
            Some(registered) => Ok(registered),
            None => all_genes(self, cells),
        }
    }
}

impl Deref for Foundation {
    type Target = dyn FoundationModel;

    fn deref(&self) -> &Self::Target {
        &*self.model
    }
}

impl<Model: FoundationModel> From<Model> for Foundation {
    fn from(model: Model) -> Self {
        Self::new(model)
    }
}

impl std::fmt::Debug for Foundation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} genes, latents of {}", self.name(), self.genes().len(), self.latent())
    }
}

impl Foundation {
    /// Shows what it is in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
