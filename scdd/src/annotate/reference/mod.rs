//! Reference of embedded cells, for annotation and search as in SCimilarity (Heimberg et al. 2024).
//!
//! A reference and the cells that are compared with it may measure different genes. Each set is embedded by the model
//! cut to the genes that it shares with it ([`Foundation::register`]), so that latents of both are those of one model.

mod builder;
mod search;

use std::sync::Arc;

use ndarray::Array2;

use super::AnnotateError;
use crate::cells::{Cells, Labels, LogNormalized};
use crate::foundation::{Foundation, FoundationError};
use crate::study::Study;
use crate::text::{count, grouped};

pub use builder::KnnAnnotateBuilder;
pub use search::{Hit, Hits, QueryBuilder};

/// Cells embedded by a foundation model, with their labels. Cheap to clone.
///
/// Distances are SCimilarity's, `1 - cosine`: 0 for equal directions, 1 for orthogonal ones, 2 for opposite ones.
#[derive(Clone)]
pub struct Reference {
    parts: Arc<Parts>,
}

struct Parts {
    foundation: Foundation,
    cells: Cells<LogNormalized>,
    labels: Option<Labels>,
    latents: Array2<f32>,
}

impl Foundation {
    /// Embeds labelled cells, to annotate others by their nearest neighbours among them.
    ///
    /// # Errors
    /// When the label column is missing, has missing values or one class; when cells and model share too few genes; when
    /// a latent is not finite.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let known: Vec<usize> = (0..200).collect();
    /// let unknown: Vec<usize> = (200..cells.cells()).collect();
    /// let (known, unknown) = (cells.select_cells(&known)?, cells.select_cells(&unknown)?);
    ///
    /// let model: Foundation = Foundation::pca(&known.study("cell_type").training_cells()?).components(20).run()?.into();
    /// let annotation = model.reference(&known, "cell_type")?.annotate(&unknown).k(15).run()?;
    /// assert!(annotation.accuracy("cell_type")? > 0.8);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn reference(&self, cells: &Cells<LogNormalized>, column: &str) -> crate::Result<Reference> {
        let labels = cells.labels(column)?;
        Reference::embed(self, cells, Some(labels))
    }

    /// Embeds cells without labels, to search among them.
    ///
    /// # Errors
    /// As [`reference`](Self::reference), without those of labels.
    pub fn unlabelled_reference(&self, cells: &Cells<LogNormalized>) -> crate::Result<Reference> {
        Reference::embed(self, cells, None)
    }
}

impl Study {
    /// The training cells and their labels as a reference, to annotate other cells with and to search in. Other cells are
    /// embedded by the full-gene model, not by the one that is restricted to the genes of this study.
    ///
    /// # Errors
    /// When a latent is not finite.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let annotation = study.reference()?.annotate(&cells).run()?;
    /// assert_eq!(annotation.labels().len(), cells.cells());
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn reference(&self) -> crate::Result<Reference> {
        let training = self.training_cells();
        let train = training.train();
        let labels = training.labels().select(train);
        let latents = self.embeddings_of(train);
        Ok(Reference::new(self.full_gene_foundation(), self.cells().select_cells(train)?, Some(labels), latents)?)
    }
}

impl Reference {
    fn embed(foundation: &Foundation, cells: &Cells<LogNormalized>, labels: Option<Labels>) -> crate::Result<Self> {
        let registered = foundation.register(cells)?;
        let latents = registered.foundation.embed_cells(&registered.cells)?;
        Ok(Self::new(foundation, cells.clone(), labels, latents)?)
    }

    /// Cells that have been embedded by the model, cut to the genes that they share with it.
    fn new(
        foundation: &Foundation,
        cells: Cells<LogNormalized>,
        labels: Option<Labels>,
        latents: Array2<f32>,
    ) -> Result<Self, FoundationError> {
        check_finite("reference", &latents, cells.cell_names())?;
        Ok(Self { parts: Arc::new(Parts { foundation: foundation.clone(), cells, labels, latents }) })
    }

    /// Opens the annotation of cells by the labels of their nearest neighbours in this reference.
    pub fn annotate(&self, cells: &Cells<LogNormalized>) -> KnnAnnotateBuilder {
        KnnAnnotateBuilder::new(self, cells)
    }

    /// Opens a search for the reference's cells that are most similar to the given ones, or to their centroid.
    pub fn query(&self, cells: &Cells<LogNormalized>) -> QueryBuilder {
        QueryBuilder::new(self, cells)
    }

    /// The model, not cut to anybody's genes.
    pub fn foundation(&self) -> &Foundation {
        &self.parts.foundation
    }

    /// The cells of the reference.
    pub fn cells(&self) -> &Cells<LogNormalized> {
        &self.parts.cells
    }

    /// Their classes; None of a reference without labels.
    pub fn labels(&self) -> Option<&Labels> {
        self.parts.labels.as_ref()
    }

    /// Their latents `[cells, latent]`.
    pub fn latents(&self) -> &Array2<f32> {
        &self.parts.latents
    }

    /// Latents of other cells, by the model cut to the genes that it shares with those.
    fn embed_others(&self, cells: &Cells<LogNormalized>) -> crate::Result<Array2<f32>> {
        let registered = self.foundation().register(cells)?;
        let latents = registered.foundation.embed_cells(&registered.cells)?;
        self.check(&latents, cells.cell_names())?;
        Ok(latents)
    }

    fn check(&self, latents: &Array2<f32>, names: &[String]) -> Result<(), FoundationError> {
        if latents.ncols() != self.latents().ncols() {
            return Err(FoundationError::Width { found: latents.ncols(), expected: self.latents().ncols() });
        }
        check_finite("query", latents, names)
    }

    /// More neighbours than there are cells would be a vote of all cells: refused, as SCimilarity's index does.
    fn check_k(&self, k: usize) -> Result<(), AnnotateError> {
        let cells = self.cells().cells();
        if k == 0 || k > cells {
            return Err(AnnotateError::NeighbourCount { k, cells });
        }
        Ok(())
    }

    /// Shows what it is in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (cells, model) = (grouped(self.cells().cells()), self.foundation().name());
        write!(f, "Reference of {cells} cells, latents of {} by {model}", self.latents().ncols())?;
        match self.labels() {
            Some(labels) => write!(f, ", {} by '{}'", count(labels.classes.len(), "class"), labels.column),
            None => write!(f, ", without labels"),
        }
    }
}

fn check_finite(what: &str, latents: &Array2<f32>, names: &[String]) -> Result<(), FoundationError> {
    match latents.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((cell, dimension), &value)) => Err(FoundationError::NotFinite {
            what: format!("latents of the {what}"),
            cell,
            name: names.get(cell).cloned().unwrap_or_default(),
            dimension,
            value,
        }),
        None => Ok(()),
    }
}
