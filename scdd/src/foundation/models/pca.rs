//! Principal components as a foundation model: linear, invertible, fitted on the training cells.
//!
//! z = s (x - m) V and x = relu(z V^T / s + m), with the components V `[genes, components]`, the genes' means m, and
//! one constant s that makes the training cells' latents of mean squared length 1. Cells are not normalised one by one:
//! that would lose what decoding needs.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, activation::relu};
use ndarray::{Array2, Axis};
use scdd_compute::spmm_plain;
use scdd_learn::pca::{Components, principal_components};

use crate::cells::{Cells, Expression, LogNormalized};
use crate::device::or_default;
use crate::foundation::error::check_genes;
use crate::foundation::register::SharedGenes;
use crate::foundation::{FoundationError, FoundationModel, PretrainingCells, Registered};
use crate::preprocess::TrainingCells;
use crate::{seed, tensors};

/// Cells that are embedded at a time.
const CHUNK: usize = 4096;

/// Opens the fit of principal components: [`Foundation::pca`](crate::Foundation::pca).
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct PcaBuilder {
    cells: TrainingCells,
    components: usize,
    seed: u64,
    device: Option<Device>,
}

impl PcaBuilder {
    /// Components of training cells, none of the validation and test cells.
    pub fn new(cells: &TrainingCells) -> Self {
        Self { cells: cells.clone(), components: 50, seed: seed::DEFAULT_SEED, device: None }
    }

    /// How many components, the dimensions of a latent; 50 (scanpy's default).
    pub fn components(mut self, components: usize) -> Self {
        self.components = components;
        self
    }

    /// Seed of the solver's first vector; 7. It changes no more than the last digits.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Another device than [`default_device`](crate::default_device) for what follows; the fit itself is on the CPU.
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// Fits.
    ///
    /// # Errors
    /// When there are not more training cells and genes than components, or the cells are all equal.
    pub fn run(&self) -> crate::Result<Pca> {
        let device = or_default(self.device.as_ref())?;
        let cells = self.cells.cells();
        let training = cells.expression().select_cells(self.cells.train());
        let seed = seed::number(self.seed, "principal components");
        let found = principal_components(training.view(), self.components, seed)?;
        let pretraining_cells = PretrainingCells::of(cells.expression(), self.cells.train(), cells.gene_names());
        Ok(Pca::new(found, cells.gene_names().to_vec(), device, pretraining_cells))
    }
}

/// Principal components of training cells as a foundation model. Cheap to clone.
///
/// A gene that other cells lack is zero to it: its `(0 - mean) V` stays, and the decoder does not make it.
#[derive(Clone)]
pub struct Pca {
    parts: Arc<Parts>,
}

struct Parts {
    genes: Vec<String>,
    /// s V `[genes, components]`, on the host for sparse rows.
    weights: Vec<f32>,
    /// - s m V over all genes of the fit, `[components]`, and `[1, components]` on the device.
    offset: Vec<f32>,
    shift: Tensor<2>,
    encoder: Tensor<2>,
    decoder: Tensor<2>,
    mean: Tensor<2>,
    found: Components,
    pretraining_cells: PretrainingCells,
}

impl std::fmt::Debug for Pca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = self.explained_variance_ratio().iter().sum::<f64>();
        write!(f, "PCA of {} genes: {} components with {share:.3} of the variance", self.genes().len(), self.latent())
    }
}

impl Pca {
    fn new(found: Components, genes: Vec<String>, device: Device, pretraining_cells: PretrainingCells) -> Self {
        let scale = scale(&found);
        // f64: thousands of genes of one sign would lose digits.
        let along = |component: usize| {
            let loadings = found.loadings.column(component);
            let sum: f64 = found.mean.iter().zip(loadings).map(|(&mean, &v)| f64::from(mean) * f64::from(v)).sum();
            (-scale * sum) as f32
        };
        let offset = (0..found.loadings.ncols()).map(along).collect();
        Self::with(found, genes, offset, device, pretraining_cells)
    }

    fn with(
        found: Components,
        genes: Vec<String>,
        offset: Vec<f32>,
        device: Device,
        pretraining_cells: PretrainingCells,
    ) -> Self {
        let scale = scale(&found) as f32;
        let encoder = found.loadings.mapv(|value| value * scale);
        let decoder = found.loadings.t().mapv(|value| value / scale);
        let parts = Parts {
            genes,
            encoder: tensors::tensor(&encoder, &device),
            decoder: tensors::tensor(&decoder, &device),
            mean: tensors::from_rows(found.mean.clone(), found.mean.len(), &device),
            shift: tensors::from_rows(offset.clone(), offset.len(), &device),
            weights: encoder.into_iter().collect(),
            offset,
            found,
            pretraining_cells,
        };
        Self { parts: Arc::new(parts) }
    }

    /// Variance along each component, divided by training cells - 1, as scikit-learn gives it.
    pub fn explained_variance(&self) -> &[f64] {
        &self.parts.found.variance
    }

    /// Its share of the training cells' variance.
    pub fn explained_variance_ratio(&self) -> &[f64] {
        &self.parts.found.variance_ratio
    }

    /// The components `[genes, components]`, each of length one over the genes of the fit.
    pub fn loadings(&self) -> &Array2<f32> {
        &self.parts.found.loadings
    }

    /// What coordinates along the components are multiplied with to be latents.
    pub fn scale(&self) -> f64 {
        scale(&self.parts.found)
    }

    /// Shows what it is in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}

fn scale(found: &Components) -> f64 {
    1.0 / found.mean_squared_norm.sqrt()
}

impl FoundationModel for Pca {
    fn name(&self) -> String {
        "PCA".to_owned()
    }

    fn genes(&self) -> &[String] {
        &self.parts.genes
    }

    fn latent(&self) -> usize {
        self.parts.offset.len()
    }

    fn device(&self) -> Device {
        self.parts.encoder.device()
    }

    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>> {
        let parts = &*self.parts;
        Some(expression.matmul(parts.encoder.clone()) + parts.shift.clone())
    }

    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>> {
        Some(relu(latents.matmul(self.parts.decoder.clone()) + self.parts.mean.clone()))
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        let parts = &*self.parts;
        check_genes(expression, &parts.genes)?;
        let width = self.latent();
        let mut latents = Vec::with_capacity(expression.cells() * width);
        let cells: Vec<usize> = (0..expression.cells()).collect();
        for chunk in cells.chunks(CHUNK) {
            let chunk = expression.csr().select_rows(chunk);
            let products = spmm_plain(chunk.view(), &parts.weights, width);
            latents.extend(products.iter().zip(parts.offset.iter().cycle()).map(|(product, offset)| product + offset));
        }
        // There are as many values as cells times components.
        Ok(Array2::from_shape_vec((cells.len(), width), latents).unwrap_or_default())
    }

    fn pretraining_cells(&self) -> Option<&PretrainingCells> {
        Some(&self.parts.pretraining_cells)
    }

    fn for_cells(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<Registered>> {
        let (genes, found) = (self.genes(), &self.parts.found);
        let shared = SharedGenes::find(&self.name(), genes, cells.gene_names())?;
        if shared.are_all(genes.len(), cells.genes()) {
            return Ok(Some(Registered { cells: cells.clone(), foundation: self.clone().into() }));
        }
        let cells = cells.select_genes(&shared.of_cells)?;
        let cut = Components {
            loadings: found.loadings.select(Axis(0), &shared.of_model),
            mean: shared.of_model.iter().map(|&gene| found.mean[gene]).collect(),
            variance: found.variance.clone(),
            variance_ratio: found.variance_ratio.clone(),
            mean_squared_norm: found.mean_squared_norm,
        };
        let (names, offset) = (cells.gene_names().to_vec(), self.parts.offset.clone());
        let model = Self::with(cut, names, offset, self.device(), self.parts.pretraining_cells.clone());
        Ok(Some(Registered { cells, foundation: model.into() }))
    }
}

#[cfg(test)]
#[path = "pca_tests.rs"]
mod tests;
