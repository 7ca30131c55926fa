//! Expression itself as the latent space: the baseline that says what a foundation model is worth.
//!
//! The space stays that of the genes it was made with: cells that lack some of them are zero there, so that latents of
//! sets that measure different genes can be compared.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, activation::relu};
use ndarray::Array2;

use crate::cells::{Cells, Expression, LogNormalized};
use crate::foundation::error::check_genes;
use crate::foundation::register::SharedGenes;
use crate::foundation::{FoundationError, FoundationModel, Registered};
use crate::preprocess::TrainingCells;
use crate::tensors;

/// z = s x and x = relu(z / s), with one constant s that makes the training cells' latents of mean squared norm 1.
/// Made by [`Foundation::genes`](crate::Foundation::genes). Cheap to clone.
///
/// Its latents `[cells, genes]` are dense, so keep to variable genes, as a study does by default.
#[derive(Clone, Debug)]
pub struct GeneSpace {
    genes: Arc<Vec<String>>,
    /// The coordinate of each gene; all of them, in order, before the model is registered with other cells.
    places: Arc<Vec<usize>>,
    latent: usize,
    scale: f32,
    device: Device,
}

impl GeneSpace {
    pub(crate) fn new(cells: &TrainingCells) -> crate::Result<Self> {
        let (cells, train) = (cells.cells(), cells.train());
        let values = train.iter().flat_map(|&cell| cells.expression().row(cell).1);
        let squares: f64 = values.map(|&value| f64::from(value) * f64::from(value)).sum();
        if squares <= 0.0 {
            return Err(FoundationError::NoVariance { cells: train.len(), genes: cells.genes() }.into());
        }
        Ok(Self {
            genes: Arc::new(cells.gene_names().to_vec()),
            places: Arc::new((0..cells.genes()).collect()),
            latent: cells.genes(),
            scale: (train.len() as f64 / squares).sqrt() as f32,
            device: crate::default_device()?,
        })
    }

    /// What expression is multiplied with to be a latent.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Of each coordinate the gene that it comes from, and the scale, or 0 for a gene that the cells lack.
    fn sources(&self, device: &Device) -> (Tensor<1, Int>, Tensor<2>) {
        let (mut genes, mut scales) = (vec![0; self.latent], vec![0.0; self.latent]);
        for (gene, &place) in self.places.iter().enumerate() {
            (genes[place], scales[place]) = (gene, self.scale);
        }
        (tensors::indices(genes, device), tensors::from_rows(scales, self.latent, device))
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
        self.latent
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>> {
        let (genes, scales) = self.sources(&expression.device());
        Some(expression.select(1, genes) * scales)
    }

    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>> {
        let places = tensors::indices(self.places.iter().copied(), &latents.device());
        Some(relu(latents.select(1, places).div_scalar(self.scale)))
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        check_genes(expression, &self.genes)?;
        let mut latents = Array2::zeros((expression.cells(), self.latent));
        for (cell, mut latent) in latents.rows_mut().into_iter().enumerate() {
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                latent[self.places[gene as usize]] = value * self.scale;
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
        let places = shared.of_model.iter().map(|&gene| self.places[gene]).collect();
        let genes = Arc::new(cells.gene_names().to_vec());
        let model = Self { genes, places: Arc::new(places), ..self.clone() };
        Ok(Some(Registered { cells, foundation: model.into() }))
    }
}

#[cfg(test)]
mod tests {
    use crate::foundation::Foundation;
    use crate::tensors;

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
    fn cells_with_fewer_genes_keep_the_space_with_zeros_for_what_they_lack() {
        let cells = crate::simulate().cells(100).genes(60).classes(2).run().unwrap();
        let cells = cells.preprocess().min_genes(5).min_cells(1).run().unwrap();
        let model = Foundation::genes(&cells.study("cell_type").training_cells().unwrap()).unwrap();
        let mut expected = model.embed(cells.expression()).unwrap();
        expected.columns_mut().into_iter().skip(1).step_by(2).for_each(|mut gene| gene.fill(0.0));
        let genes: Vec<usize> = (0..cells.genes()).step_by(2).rev().collect();
        let registered = model.register(&cells.select_genes(&genes).unwrap()).unwrap();
        let (cut, cut_cells) = (registered.foundation, registered.cells);
        let latents = cut.embed(cut_cells.expression()).unwrap();
        assert_eq!(latents, expected);

        let all: Vec<usize> = (0..cut_cells.cells()).collect();
        let dense = tensors::from_rows(cut_cells.expression().dense_rows(&all), genes.len(), &cut.device());
        let encoded = cut.encode(dense.clone()).unwrap();
        assert_eq!(tensors::array(encoded.clone()), latents);
        let decoded = tensors::array(cut.decode(encoded).unwrap());
        assert!(decoded.iter().zip(&tensors::array(dense)).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn the_gradient_of_encoding_and_decoding_is_that_of_the_expression() {
        let cells = crate::simulate().cells(100).genes(60).classes(2).run().unwrap();
        let cells = cells.preprocess().min_genes(5).min_cells(1).run().unwrap();
        let model = Foundation::genes(&cells.study("cell_type").training_cells().unwrap()).unwrap();
        let genes: Vec<usize> = (0..cells.genes()).step_by(2).collect();
        let model = model.register(&cells.select_genes(&genes).unwrap()).unwrap().foundation;
        let values: Vec<f32> = (0..genes.len()).map(|gene| gene as f32 + 1.0).collect();
        let leaf = tensors::from_rows(values.clone(), genes.len(), &model.device()).autodiff().require_grad();
        let decoded = model.decode(model.encode(leaf.clone()).unwrap()).unwrap();
        let gradients = (decoded.clone() * decoded).sum().backward();
        let found = tensors::to_vec(leaf.grad(&gradients).unwrap());
        // d/dx of x^2
        assert!(found.iter().zip(values).all(|(found, x)| (found - 2.0 * x).abs() < 1e-3), "{found:?}");
    }
}
