//! A handle on any foundation model, and the ways to get one.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Tensor;

use super::register::{Registered, all_genes};
use super::{Corpus, FoundationModel, GeneSpace, PcaBuilder, Precomputed, PretrainBuilder, Scimilarity};
use crate::cells::{Cells, LogNormalized};
use crate::preprocess::TrainingCells;
use crate::text::grouped;

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
    pub fn pretrain(corpus: impl Into<Corpus>) -> PretrainBuilder {
        PretrainBuilder::new(corpus)
    }

    /// Opens the fit of principal components on training cells: a linear model, to compare with, or where a network would
    /// learn a small data set by heart.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = cells.study("cell_type");
    /// let pca = Foundation::pca(&opened.training_cells()?).components(20).run()?;
    /// let study = opened.foundation(pca).run()?;
    /// assert_eq!(study.foundation().latent(), 20);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn pca(cells: &TrainingCells) -> PcaBuilder {
        PcaBuilder::new(cells)
    }

    /// Expression of the training cells' genes as the latent space: the baseline without a foundation model.
    ///
    /// # Errors
    /// When all expression is zero.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = cells.study("cell_type").variable_genes(100);
    /// let genes = Foundation::genes(&opened.training_cells()?)?;
    /// assert_eq!(genes.latent(), 100);
    /// let study = cells.study("cell_type").foundation(genes).run()?;
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn genes(cells: &TrainingCells) -> crate::Result<Self> {
        Ok(GeneSpace::new(cells)?.into())
    }

    /// Embeddings that another tool has computed, such as `X_scVI` or `X_pca` in [`obsm`](Cells::obsm): the way to use an
    /// encoder that is not here. They are of the cells of the file only, so nothing can be matched through them; with a decoder
    /// of the study's own ([`train_decoder`](crate::Study::train_decoder)) they can be generated and decoded.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// # let cells = cells.with_obsm("X_scVI", ndarray::Array2::ones((cells.cells(), 8)))?;
    /// let study = cells.study("cell_type").foundation(Foundation::precomputed("X_scVI")).run()?;
    /// assert!(study.train_scdg().run().is_err());
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn precomputed(key: &str) -> Self {
        Precomputed::new(key).into()
    }

    /// SCimilarity's released weights: a directory with encoder.ckpt, decoder.ckpt and gene_order.tsv. docs/foundation.md says
    /// where they are; [`Scimilarity::read`] what else is read.
    ///
    /// # Errors
    /// When a file is missing, damaged, holds anything but weights, or does not fit the others.
    ///
    /// ```no_run
    /// # fn main() -> scdd::Result<()> {
    /// let foundation = scdd::Foundation::scimilarity("model_v1.1")?;
    /// # Ok(()) }
    /// ```
    pub fn scimilarity(directory: impl AsRef<Path>) -> crate::Result<Self> {
        Ok(Scimilarity::read(directory)?.into())
    }

    /// A model from a file that [`Scimilarity::write`] made, or from a model directory.
    ///
    /// # Errors
    /// As [`scimilarity`](Self::scimilarity).
    pub fn read(path: impl AsRef<Path>) -> crate::Result<Self> {
        Ok(Scimilarity::read(path)?.into())
    }

    /// Whether it has a decoder.
    pub(crate) fn can_decode(&self) -> bool {
        self.decode(Tensor::zeros([1, self.latent()], &self.device())).is_some()
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
        write!(f, "{}: {} genes, latents of {}", self.name(), grouped(self.genes().len()), self.latent())
    }
}

impl Foundation {
    /// Shows what it is in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
