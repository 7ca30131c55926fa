//! Trained TOSICA network: predictions, attention to gene sets, and its serialised form.

use burn::tensor::Device;
use ndarray::Array2;
use serde_json::json;

use super::super::training::probabilities;
use super::super::{Attention, ModelInput, Numbers, SavedModel, TrainedModel};
use super::embedding::Embedding;
use super::gene_sets::Mask;
use super::network::{Network, Sizes, tokens};
use crate::cells::Expression;
use crate::evaluate::EvaluateError;
use crate::tensors;

/// Cells that are predicted at a time.
const CHUNK: usize = 32;

pub(super) struct Trained {
    pub(super) embedding: Embedding,
    pub(super) network: Network,
    pub(super) sizes: Sizes,
    pub(super) device: Device,
    pub(super) training_accuracy: Option<f64>,
}

impl Trained {
    /// Probabilities `[cells, classes]`, and the attention of the class token to each gene set, over all blocks.
    pub(super) fn run(
        &self,
        expression: &Expression,
        mut attended: Option<&mut Vec<f32>>,
    ) -> Result<Array2<f32>, EvaluateError> {
        let (found, expected) = (expression.genes(), self.embedding.mask.genes());
        if found != expected {
            return Err(EvaluateError::Genes { found, expected });
        }
        let cells: Vec<usize> = (0..expression.cells()).collect();
        let mut all = Vec::with_capacity(cells.len() * self.sizes.classes);
        for chunk in cells.chunks(CHUNK) {
            let values = self.embedding.forward(expression, chunk);
            let input = tokens(values, chunk.len(), self.sizes.width, &self.device);
            let mut maps = Vec::new();
            let logits = self.network.forward(input, None, attended.is_some().then_some(&mut maps));
            all.extend(probabilities(logits));
            if let Some(attended) = attended.as_deref_mut() {
                let maps: Vec<Vec<f32>> = maps.into_iter().map(tensors::to_vec).collect();
                attended.extend(rollout(&maps, chunk.len(), self.embedding.mask.names.len()));
            }
        }
        // One value for each cell and class.
        Ok(Array2::from_shape_vec((cells.len(), self.sizes.classes), all).unwrap_or_default())
    }
}

/// Attention rollout (Abnar and Zuidema 2020), as TOSICA reads it out: of each block the mean over heads, half itself, and
/// the product over blocks from the class token back to the gene sets, `[cells, sets]`.
fn rollout(maps: &[Vec<f32>], cells: usize, sets: usize) -> Vec<f32> {
    let all = sets + 1;
    let mut found = Vec::with_capacity(cells * sets);
    for cell in 0..cells {
        // The class token's row of the last block.
        let mut row = vec![0.0; all];
        row[0] = 1.0;
        for (number, map) in maps.iter().enumerate().rev() {
            let rows = if number + 1 == maps.len() { 1 } else { all };
            let map = &map[cell * rows * all..][..rows * all];
            let mut next: Vec<f32> = row.iter().map(|weight| weight / 2.0).collect();
            for (weight, attended) in row.iter().zip(map.chunks_exact(all)) {
                next.iter_mut().zip(attended).for_each(|(sum, value)| *sum += weight * value / 2.0);
            }
            row = next;
        }
        found.extend(&row[1..]);
    }
    found
}

impl TrainedModel for Trained {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.run(cells.expression()?, None)?)
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        self.decide(cells)
    }

    fn attention(&self, cells: &ModelInput) -> crate::Result<Option<Attention>> {
        let (expression, mut found) = (cells.expression()?, Vec::new());
        self.run(expression, Some(&mut found))?;
        let names = self.embedding.mask.names.clone();
        let values = Array2::from_shape_vec((expression.cells(), names.len()), found).unwrap_or_default();
        Ok(Some(Attention { gene_sets: names, values }))
    }

    fn save(&self) -> Option<SavedModel> {
        let (mask, Sizes { width, depth, heads, ratio, classes }) = (&self.embedding.mask, self.sizes);
        let config = json!({
            "width": width, "depth": depth, "heads": heads, "ratio": ratio, "classes": classes, "gene_sets": mask.names,
        });
        let weights = self.embedding.weights.clone();
        let saved = SavedModel::new(KIND, config)
            .with("mask.pointers", &[mask.pointers.len()], Numbers::U64(mask.pointers.clone()))
            .with("mask.tokens", &[mask.tokens.len()], Numbers::U32(mask.tokens.clone()))
            .with("embedding", &[weights.len() / width, width], Numbers::F32(weights));
        Some(self.network.put(saved))
    }

    fn training_accuracy(&self) -> Option<f64> {
        self.training_accuracy
    }
}

/// Which files hold one.
pub(in super::super) const KIND: &str = "TOSICA";

pub(in super::super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let number =
        |name| saved.number(name).and_then(|number| if number > 0 { Ok(number) } else { Err(format!("no {name}")) });
    let (width, heads) = (number("width")?, number("heads")?);
    let sizes = Sizes { width, heads, depth: number("depth")?, ratio: number("ratio")?, classes: number("classes")? };
    let names = saved.config.get("gene_sets").cloned().unwrap_or_default();
    let names: Vec<String> = serde_json::from_value(names).map_err(|problem| format!("its gene sets: {problem}"))?;
    let mask = Mask { names, pointers: saved.u64("mask.pointers")?, tokens: saved.u32("mask.tokens")? };
    if mask.pointers.is_empty() || !mask.is_whole() || !width.is_multiple_of(heads) {
        return Err("its gene sets do not fit its genes, or its heads its width".into());
    }
    let weights = saved.f32("embedding", &[mask.tokens.len() + mask.names.len(), width])?;
    let device = crate::default_device().map_err(|problem| problem.to_string())?;
    let network = Network::take(saved, sizes, &device)?;
    let embedding = Embedding { mask, width, weights };
    Ok(Box::new(Trained { embedding, network, sizes, device, training_accuracy: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_the_product_of_half_attention_and_half_identity() {
        // Two sets. The first block swaps them and leaves the class token; the second attends to the first set alone.
        let first = vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let second = vec![0.0, 1.0, 0.0];
        // Class: half itself, half set 1, which is half itself and half set 2.
        assert_eq!(rollout(&[first, second], 1, 2), [0.25, 0.25]);
    }
}
