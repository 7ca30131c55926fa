//! The denoiser forwards and backwards written out, for some rows of a batch: what `denoiser.rs` says in tensors, and the chain
//! rule from the loss to every sum. The gradients by weights, which need all rows, are made of it in `gradient.rs`.
//!
//! In tensors a step of training is some six hundred small operations, on one thread. Here each thread takes rows from the
//! first layer to the last one and back.

use super::flat::{Layout, LinearAt};
use scdd_compute::gemm::{Accumulate, gemm_nn, gemm_nt};
use scdd_compute::{NormSilu, silu};

/// Rows of a batch and what the network is to make of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Noised latents `[rows, latent]`.
    pub(super) noised: Vec<f32>,
    /// The latents that they were `[rows, latent]`.
    pub(super) clean: Vec<f32>,
    /// Time embeddings `[rows, embedding]`.
    pub(super) time: Vec<f32>,
    /// For each table of embeddings (class, then conditions) the number of each row.
    pub(super) numbers: Vec<Vec<usize>>,
    /// Whether class and conditions of a row are dropped; empty in a network that is never without.
    pub(super) dropped: Vec<bool>,
    /// How much the squared error of each row counts.
    pub(super) weights: Vec<f32>,
}

impl Seen {
    pub(super) fn is_dropped(&self, row: usize) -> bool {
        self.dropped.get(row).is_some_and(|&dropped| dropped)
    }
}

/// What the passes leave of some rows: the inputs of each layer, and the gradient of the loss by its sums.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) seen: Seen,
    /// Between the two layers of time `[rows, embedding]`, and the gradient by the first one's sums.
    pub(super) time: Vec<f32>,
    pub(super) by_time: Vec<f32>,
    /// What blocks are conditioned on `[rows, embedding]`, and the gradient by time and tau's sum.
    pub(super) condition: Vec<f32>,
    pub(super) by_sum: Vec<f32>,
    /// Inputs of each block, and of the output layer in the end.
    pub(super) inputs: Vec<Vec<f32>>,
    /// The gradients by them.
    by_inputs: Vec<Vec<f32>>,
    pub(super) between: Vec<NormSilu>,
    /// Predicted latents `[rows, latent]`, then the gradient by them.
    pub(super) predicted: Vec<f32>,
    by_condition: Vec<f32>,
}

impl Trace {
    /// Room for so many rows.
    pub(super) fn sized(layout: &Layout, rows: usize) -> Self {
        let embedded = vec![0.0; rows * layout.embedding];
        let inputs = zero_inputs(layout, rows);
        let between = layout.blocks.iter().map(|block| NormSilu::zeros(rows, block.linear.outputs));
        Self {
            seen: Seen::default(),
            time: embedded.clone(),
            by_time: embedded.clone(),
            condition: embedded.clone(),
            by_sum: embedded.clone(),
            by_condition: embedded,
            by_inputs: inputs.clone(),
            inputs,
            between: between.collect(),
            predicted: vec![0.0; rows * layout.output.outputs],
        }
    }

    /// From what is seen to predicted latents.
    pub(super) fn forward(&mut self, layout: &Layout, weights: &[f32]) {
        sums(&layout.time[0], weights, &self.seen.time, &mut self.time);
        silu(&mut self.time, &mut self.by_time);
        sums(&layout.time[1], weights, &self.time, &mut self.condition);
        for (row, sums) in self.condition.chunks_exact_mut(layout.embedding).enumerate() {
            let mut add = |embedding: &[f32]| sums.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += value);
            match layout.null.clone().filter(|_| self.seen.is_dropped(row)) {
                Some(null) => add(&weights[null]),
                None => tau(layout, weights, &self.seen.numbers, row).for_each(add),
            }
        }
        silu(&mut self.condition, &mut self.by_sum);
        self.inputs[0].copy_from_slice(&self.seen.noised);
        for (place, (block, between)) in layout.blocks.iter().zip(&mut self.between).enumerate() {
            sums(&block.linear, weights, &self.inputs[place], &mut between.pre_activations);
            sums(&block.modulation, weights, &self.condition, &mut between.modulation);
            let (earlier, outputs) = self.inputs.split_at_mut(place + 1);
            let outputs = &mut outputs[0];
            between.forward(&weights[block.gamma.clone()], &weights[block.beta.clone()], outputs);
            if let Some(skip) = layout.skip(place) {
                outputs.iter_mut().zip(&earlier[skip + 1]).for_each(|(output, skipped)| *output += skipped);
            }
        }
        sums(&layout.output, weights, &self.inputs[layout.blocks.len()], &mut self.predicted);
    }

    /// The weighted squared errors, added; leaves their gradient, times `share`, in the predicted latents.
    pub(super) fn loss(&mut self, share: f64) -> f64 {
        let latent = self.predicted.len() / self.seen.weights.len().max(1);
        let rows = self.predicted.chunks_exact_mut(latent.max(1)).zip(self.seen.clean.chunks_exact(latent.max(1)));
        let mut loss = 0.0;
        for ((predicted, clean), weight) in rows.zip(&self.seen.weights) {
            let factor = (2.0 * share) as f32 * weight;
            let mut squares = 0.0;
            for (predicted, clean) in predicted.iter_mut().zip(clean) {
                let error = *predicted - clean;
                squares += f64::from(error * error);
                *predicted = error * factor;
            }
            loss += squares * f64::from(*weight);
        }
        loss
    }

    /// From the gradient by predicted latents to those by the sums of each layer.
    pub(super) fn backward(&mut self, layout: &Layout, weights: &[f32]) {
        self.through_blocks(layout, weights, To::Conditions);
        self.by_sum.iter_mut().zip(&self.by_condition).for_each(|(slope, gradient)| *slope *= gradient);
        through(&layout.time[1], weights, &self.by_sum, &mut self.by_condition, Accumulate::Overwrite);
        self.by_time.iter_mut().zip(&self.by_condition).for_each(|(slope, gradient)| *slope *= gradient);
    }

    /// Drops what only gradients by weights need.
    pub(super) fn keep_way_to_latents(&mut self) {
        (self.inputs, self.by_inputs, self.seen) = (Vec::new(), Vec::new(), Seen::default());
    }

    /// From the gradient by predicted latents to that by the noised ones `[rows, latent]`.
    pub(super) fn backward_to_latents(mut self, layout: &Layout, weights: &[f32]) -> Vec<f32> {
        self.by_inputs = zero_inputs(layout, self.predicted.len() / layout.output.outputs.max(1));
        self.through_blocks(layout, weights, To::Latents);
        self.by_inputs.swap_remove(0)
    }

    fn through_blocks(&mut self, layout: &Layout, weights: &[f32], to: To) {
        let last = layout.blocks.len();
        let mut begun = vec![false; last + 1];
        through(&layout.output, weights, &self.predicted, &mut self.by_inputs[last], Accumulate::Overwrite);
        for (place, (block, between)) in layout.blocks.iter().zip(&mut self.between).enumerate().rev() {
            let (earlier, upstream) = self.by_inputs.split_at_mut(place + 1);
            if let Some(skip) = layout.skip(place) {
                earlier[skip + 1].copy_from_slice(&upstream[0]);
                begun[skip + 1] = true;
            }
            between.backward(&weights[block.gamma.clone()], &upstream[0]);
            if to == To::Conditions {
                let accumulate = if place + 1 == last { Accumulate::Overwrite } else { Accumulate::Add };
                through(&block.modulation, weights, &between.modulation, &mut self.by_condition, accumulate);
            }
            if place > 0 || to == To::Latents {
                let accumulate = if begun[place] { Accumulate::Add } else { Accumulate::Overwrite };
                through(&block.linear, weights, &between.pre_activations, &mut earlier[place], accumulate);
            }
        }
    }
}

/// Room for the inputs of each block and of the output layer.
fn zero_inputs(layout: &Layout, rows: usize) -> Vec<Vec<f32>> {
    let widths = layout.blocks.iter().map(|block| block.linear.inputs).chain([layout.output.inputs]);
    widths.map(|width| vec![0.0; rows * width]).collect()
}

/// Where a gradient ends beside the sums of blocks: at what they are conditioned on, which weights learn from, or at the latents
/// that the first one is given.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Conditions,
    Latents,
}

/// The embeddings whose sum is tau of a row.
fn tau<'a>(
    layout: &'a Layout,
    weights: &'a [f32],
    numbers: &'a [Vec<usize>],
    row: usize,
) -> impl Iterator<Item = &'a [f32]> {
    let tables = layout.tables.iter().zip(numbers);
    tables.map(move |(table, numbers)| &weights[table.clone()][numbers[row] * layout.embedding..][..layout.embedding])
}

/// A layer's sums of inputs.
fn sums(layer: &LinearAt, weights: &[f32], inputs: &[f32], sums: &mut [f32]) {
    let bias = &weights[layer.bias.clone()];
    sums.chunks_exact_mut(layer.outputs).for_each(|row| row.copy_from_slice(bias));
    gemm_nn(inputs, &weights[layer.weight.clone()], layer.inputs, layer.outputs, sums, Accumulate::Add);
}

/// Gradients by a layer's inputs from those by its sums.
fn through(layer: &LinearAt, weights: &[f32], by_sums: &[f32], by_inputs: &mut [f32], accumulate: Accumulate) {
    gemm_nt(by_sums, &weights[layer.weight.clone()], layer.outputs, by_inputs, accumulate);
}
