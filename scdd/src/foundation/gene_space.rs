//! Expression itself as the latent space: the control that says what a foundation model is worth.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, activation::relu};
use ndarray::Array2;

use super::error::check_genes;
use super::register::SharedGenes;
use super::{FoundationError, FoundationModel, Registered};
use crate::cells::{Cells, Expression, LogNormalized};
use crate::preprocess::TrainingCells;

/// z = s x and x = relu(z / s), with one constant s that makes the training cells' latents of mean squared length 1.
/// Made by [`Foundation::genes`](super::Foundation::genes). Cheap to clone.
///
/// Its latents `[cells, genes]` are dense, so keep to variable genes, as a study does by default.
#[derive(Clone, Debug)]
pub struct GeneSpace {
    genes: Arc<Vec<String>>,
    scale: f32,
    device: Device,
}

impl GeneSpace {
    pub(super) fn new(cells: &TrainingCells) -> crate::Result<Self> {
        let (cells, train) = (cells.cells(), cells.train());
        let values = train.iter().flat_map(|&cell| cells.expression().row(cell).1);
        let squares: f64 = values.map(|&value| f64::from(value) * f64::from(value)).sum();
        if squares <= 0.0 {
            return Err(FoundationError::NoVariance { cells: train.len(), genes: cells.genes() }.into());
        }
        Ok(Self {
            genes: Arc::new(cells.gene_names().to_vec()),
            scale: (train.len() as f64 / squares).sqrt() as f32,
            device: crate::default_device()?,
        })
    }

    /// What expression is multiplied with to be a latent.
    pub fn scale(&self) -> f32 {
        self.scale
    }
}

impl FoundationModel for GeneSpace {
    fn name(&self) -> String {
        "genes".to_owned()
    }

    fn genes(&self) -> &[String] {
        &self.genes
    }

    fn latent(&self) -> usize {
        self.genes.len()
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>> {
        Some(expression.mul_scalar(self.scale))
    }

    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>> {
        Some(relu(latents.div_scalar(self.scale)))
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        check_genes(expression, &self.genes)?;
        let mut latents = Array2::zeros((expression.cells(), expression.genes()));
        for (cell, mut latent) in latents.rows_mut().into_iter().enumerate() {
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                latent[gene as usize] = value * self.scale;
            }
        }
        Ok(latents)
    }

    fn for_cells(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<Registered>> {
        let shared = SharedGenes::find("the gene space", &self.genes, cells.gene_names())?;
        let cells = match shared.are_all(self.genes.len(), cells.genes()) {
            true => cells.clone(),
            false => cells.select_genes(&shared.of_cells)?,
        };
        let model = Self { genes: Arc::new(cells.gene_names().to_vec()), ..self.clone() };
        Ok(Some(Registered { cells, foundation: model.into() }))
    }
}

#[cfg(test)]
mod tests {
    use crate::foundation::Foundation;
    use crate::tensors;
    use ndarray::Axis;

    #[test]
    fn latents_of_training_cells_have_mean_squared_length_one_and_decode_to_their_expression() {
        let cells = crate::simulate().cells(200).genes(80).classes(3).run().unwrap();
        let cells = cells.preprocess().min_genes(5).run().unwrap();
        let training = cells.study("cell_type").training_cells().unwrap();
        let model = Foundation::genes(&training).unwrap();
        let expression = cells.expression().select_cells(training.train());
        let latents = model.embed(&expression).unwrap();
        let mean = latents.iter().map(|value| f64::from(value * value)).sum::<f64>() / latents.nrows() as f64;
        assert!((mean - 1.0).abs() < 1e-4, "{mean}");

        let all: Vec<usize> = (0..expression.cells()).collect();
        let dense = tensors::from_rows(expression.dense_rows(&all), expression.genes(), &model.device());
        let encoded = model.encode(dense.clone()).unwrap();
        assert_eq!(tensors::array(encoded.clone()), latents);
        let decoded = tensors::array(model.decode(encoded).unwrap());
        for (decoded, value) in decoded.iter().zip(&tensors::array(dense)) {
            assert!((decoded - value).abs() < 1e-5);
        }
    }

    #[test]
    fn cells_with_fewer_genes_keep_their_coordinates() {
        let cells = crate::simulate().cells(100).genes(60).classes(2).run().unwrap();
        let cells = cells.preprocess().min_genes(5).min_cells(1).run().unwrap();
        let model = Foundation::genes(&cells.study("cell_type").training_cells().unwrap()).unwrap();
        let whole = model.embed(cells.expression()).unwrap();
        let genes: Vec<usize> = (0..cells.genes()).rev().step_by(2).collect();
        let registered = model.register(&cells.select_genes(&genes).unwrap()).unwrap();
        let latents = registered.foundation.embed(registered.cells.expression()).unwrap();
        assert_eq!(latents, whole.select(Axis(1), &genes));
        assert_eq!(registered.foundation.latent(), genes.len());
    }
}
