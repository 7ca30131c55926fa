//! Embeddings that another tool has computed, read from obsm: any encoder of Python, without its network.
//!
//! Such embeddings exist for the cells of the file only. What needs no encoder works: linear heads on real cells,
//! annotation by neighbours, search. What makes cells (a generator, class means) does not.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use ndarray::Array2;

use crate::cells::{Cells, Expression, LogNormalized};
use crate::foundation::{FoundationError, FoundationModel, Registered};

/// Embeddings in [`obsm`](Cells::obsm), made by [`Foundation::precomputed`](crate::Foundation::precomputed).
///
/// They are multiplied with one constant that makes their mean squared norm 1 over all cells that the model is
/// registered with (ours): heads and objectives expect latents of about that norm, and a scVI latent or scanpy's
/// components can be a hundred times longer. The constant uses no label and changes no angle.
#[derive(Clone, Debug)]
pub struct Precomputed {
    key: String,
    genes: Arc<Vec<String>>,
    latent: usize,
    /// None before it is registered with cells.
    scale: Option<f32>,
}

impl Precomputed {
    pub(crate) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), genes: Arc::default(), latent: 0, scale: None }
    }

    /// The array of cells, without NaN, and the constant that it is multiplied with.
    fn read<'a>(&self, cells: &'a Cells<LogNormalized>) -> Result<(&'a Array2<f32>, f32), FoundationError> {
        let array = cells.embedding(&self.key)?;
        if let Some(((cell, dimension), value)) = array.indexed_iter().find(|(_, value)| !value.is_finite()) {
            let name = cells.cell_names().get(cell).cloned().unwrap_or_default();
            return Err(FoundationError::NotFinite { what: self.name(), cell, name, dimension, value: *value });
        }
        let squares: f64 = array.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        if squares <= 0.0 {
            return Err(FoundationError::NoVariance { cells: array.nrows(), genes: array.ncols() });
        }
        Ok((array, (array.nrows() as f64 / squares).sqrt() as f32))
    }
}

impl FoundationModel for Precomputed {
    fn name(&self) -> String {
        format!("obsm['{}']", self.key)
    }

    fn genes(&self) -> &[String] {
        &self.genes
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn device(&self) -> Device {
        Device::flex()
    }

    fn encode(&self, _expression: Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    fn decode(&self, _latents: Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        Err(FoundationError::NoEncoder { model: self.name(), asked: expression.cells() })
    }

    fn embed_cells(&self, cells: &Cells<LogNormalized>) -> Result<Array2<f32>, FoundationError> {
        let (array, scale) = self.read(cells)?;
        if self.scale.is_some() && array.ncols() != self.latent {
            return Err(FoundationError::Width { found: array.ncols(), expected: self.latent });
        }
        let scale = self.scale.unwrap_or(scale);
        Ok(array.mapv(|value| value * scale))
    }

    fn for_cells(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<Registered>> {
        let (array, scale) = self.read(cells)?;
        let model = Self {
            key: self.key.clone(),
            genes: Arc::new(cells.gene_names().to_vec()),
            latent: array.ncols(),
            scale: Some(scale),
        };
        Ok(Some(Registered { cells: cells.clone(), foundation: model.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::Foundation;

    fn cells() -> Cells<LogNormalized> {
        let cells = crate::simulate().cells(60).genes(50).classes(2).run().unwrap();
        cells.preprocess().min_genes(1).min_cells(1).run().unwrap()
    }

    #[test]
    fn embeddings_of_obsm_keep_their_angles_and_get_mean_squared_length_one() {
        let array = Array2::from_shape_fn((60, 4), |(cell, i)| 30.0 + (cell * 7 + i * 3) as f32 % 11.0);
        let cells = cells().with_obsm("X_scVI", array.clone()).unwrap();
        let registered = Foundation::precomputed("X_scVI").register(&cells).unwrap();
        assert_eq!(registered.foundation.latent(), 4);
        assert_eq!(registered.foundation.genes(), cells.gene_names());
        let latents = registered.foundation.embed_cells(&registered.cells).unwrap();
        let mean = latents.iter().map(|value| value * value).sum::<f32>() / 60.0;
        assert!((mean - 1.0).abs() < 1e-4, "{mean}");
        let ratio = latents[[0, 0]] / array[[0, 0]];
        assert!(latents.iter().zip(&array).all(|(latent, value)| (latent - ratio * value).abs() < 1e-6));
        // A part of the cells keeps the constant of all.
        let part = registered.foundation.embed_cells(&cells.select_cells(&[5]).unwrap()).unwrap();
        assert_eq!(part.row(0), latents.row(5));
    }

    #[test]
    fn new_expression_an_unknown_key_and_nan_are_refused_with_the_reason() {
        let model = Foundation::precomputed("X_scVI");
        let message = model.embed(cells().expression()).unwrap_err().to_string();
        assert!(message.contains("60 cells") && message.contains("Foundation::pca"), "{message}");

        let other = cells().with_obsm("X_pca", Array2::ones((60, 2))).unwrap();
        let message = model.register(&other).unwrap_err().to_string();
        assert!(message.contains("no array 'X_scVI'") && message.contains("'X_pca' (2)"), "{message}");

        let mut array = Array2::ones((60, 2));
        array[[3, 1]] = f32::NAN;
        let message = model.register(&cells().with_obsm("X_scVI", array).unwrap()).unwrap_err().to_string();
        assert!(message.contains("cell 3") && message.contains("dimension 1 is NaN"), "{message}");
        let zeros = cells().with_obsm("X_scVI", Array2::zeros((60, 2))).unwrap();
        assert!(model.register(&zeros).unwrap_err().to_string().contains("60 cells"));
    }
}
