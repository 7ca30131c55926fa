//! The denoiser's forward and hand-derived backward pass on the host, for some rows of a batch: what `denoiser.rs` says in tensors,
//! and the chain rule from the loss to every pre-activation. `gradient.rs` makes the gradients by weights, which need all rows.
//!
//! In tensors a training step is some six hundred small operations, on one thread. Here each thread takes its rows from the first
//! layer to the last one and back.

use super::layout::{Layout, LinearRange};
use scdd_compute::gemm::{Accumulate, gemm_nn, gemm_nt};
use scdd_compute::{NormSilu, silu};

/// Rows of a batch: the network's inputs and targets.
#[derive(Clone, Debug, Default)]
pub(in crate::scdg) struct Batch {
    /// Noised latents `[rows, latent]`.
    pub(in crate::scdg) noised: Vec<f32>,
    /// The clean latents, the targets `[rows, latent]`.
    pub(in crate::scdg) clean: Vec<f32>,
    /// Time embeddings `[rows, embedding]`.
    pub(in crate::scdg) time: Vec<f32>,
    /// For each embedding table (class, then conditions) the entry of each row.
    pub(in crate::scdg) numbers: Vec<Vec<usize>>,
    /// Whether class and conditions of a row are dropped; empty in a network without condition dropout.
    pub(in crate::scdg) dropped: Vec<bool>,
    /// The weight of each row's squared error.
    pub(in crate::scdg) weights: Vec<f32>,
}

impl Batch {
    pub(in crate::scdg) fn is_dropped(&self, row: usize) -> bool {
        self.dropped.get(row).is_some_and(|&dropped| dropped)
    }
}

/// The activations of some rows, and after the backward pass the gradients of the loss by each layer's pre-activations.
#[derive(Clone, Debug)]
pub(in crate::scdg) struct Trace {
    pub(in crate::scdg) batch: Batch,
    /// Between the two layers of time `[rows, embedding]`, and the gradient by the first one's pre-activations.
    pub(in crate::scdg) time: Vec<f32>,
    pub(in crate::scdg) by_time: Vec<f32>,
    /// What blocks are conditioned on `[rows, embedding]`, and the gradient by the sum of time and tau.
    pub(in crate::scdg) condition: Vec<f32>,
    pub(in crate::scdg) by_sum: Vec<f32>,
    /// Inputs of each block, and last of the output layer.
    pub(in crate::scdg) inputs: Vec<Vec<f32>>,
    /// The gradients by them.
    by_inputs: Vec<Vec<f32>>,
    pub(in crate::scdg) between: Vec<NormSilu>,
    /// Predicted latents `[rows, latent]`, then the gradient by them.
    pub(in crate::scdg) predicted: Vec<f32>,
    by_condition: Vec<f32>,
}

impl Trace {
    /// Room for so many rows.
    pub(in crate::scdg) fn sized(layout: &Layout, rows: usize) -> Self {
        let embedded = vec![0.0; rows * layout.embedding];
        let inputs = zero_inputs(layout, rows);
        let between = layout.blocks.iter().map(|block| NormSilu::zeros(rows, block.linear.outputs));
        Self {
            batch: Batch::default(),
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

    /// From a batch to predicted latents.
    pub(in crate::scdg) fn forward(&mut self, layout: &Layout, weights: &[f32]) {
        linear(&layout.time[0], weights, &self.batch.time, &mut self.time);
        silu(&mut self.time, &mut self.by_time);
        linear(&layout.time[1], weights, &self.time, &mut self.condition);
        for (row, sums) in self.condition.chunks_exact_mut(layout.embedding).enumerate() {
            let mut add = |embedding: &[f32]| sums.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += value);
            match layout.null.clone().filter(|_| self.batch.is_dropped(row)) {
                Some(null) => add(&weights[null]),
                None => tau(layout, weights, &self.batch.numbers, row).for_each(add),
            }
        }
        silu(&mut self.condition, &mut self.by_sum);
        self.inputs[0].copy_from_slice(&self.batch.noised);
        for (place, (block, between)) in layout.blocks.iter().zip(&mut self.between).enumerate() {
            linear(&block.linear, weights, &self.inputs[place], &mut between.pre_activations);
            linear(&block.modulation, weights, &self.condition, &mut between.modulation);
            let (earlier, outputs) = self.inputs.split_at_mut(place + 1);
            let outputs = &mut outputs[0];
            between.forward(&weights[block.gamma.clone()], &weights[block.beta.clone()], outputs);
            if let Some(skip) = layout.skip(place) {
                outputs.iter_mut().zip(&earlier[skip + 1]).for_each(|(output, skipped)| *output += skipped);
            }
        }
        linear(&layout.output, weights, &self.inputs[layout.blocks.len()], &mut self.predicted);
    }

    /// The sum of weighted squared errors; leaves its gradient, times `factor`, in the predicted latents.
    pub(in crate::scdg) fn loss(&mut self, factor: f64) -> f64 {
        let latent = self.predicted.len() / self.batch.weights.len().max(1);
        let rows = self.predicted.chunks_exact_mut(latent.max(1)).zip(self.batch.clean.chunks_exact(latent.max(1)));
        let mut loss = 0.0;
        for ((predicted, clean), weight) in rows.zip(&self.batch.weights) {
            let scale = (2.0 * factor) as f32 * weight;
            let mut squares = 0.0;
            for (predicted, clean) in predicted.iter_mut().zip(clean) {
                let error = *predicted - clean;
                squares += f64::from(error * error);
                *predicted = error * scale;
            }
            loss += squares * f64::from(*weight);
        }
        loss
    }

    /// From the gradient by predicted latents to those by the pre-activations of each layer.
    pub(in crate::scdg) fn backward(&mut self, layout: &Layout, weights: &[f32]) {
        self.backward_blocks(layout, weights, To::Conditions);
        self.by_sum.iter_mut().zip(&self.by_condition).for_each(|(slope, gradient)| *slope *= gradient);
        linear_backward(&layout.time[1], weights, &self.by_sum, &mut self.by_condition, Accumulate::Overwrite);
        self.by_time.iter_mut().zip(&self.by_condition).for_each(|(slope, gradient)| *slope *= gradient);
    }

    /// Drops what only gradients by weights need.
    pub(in crate::scdg) fn drop_inputs(&mut self) {
        (self.inputs, self.by_inputs, self.batch) = (Vec::new(), Vec::new(), Batch::default());
    }

    /// From the gradient by predicted latents to that by the noised ones `[rows, latent]`.
    pub(in crate::scdg) fn backward_to_latents(mut self, layout: &Layout, weights: &[f32]) -> Vec<f32> {
        self.by_inputs = zero_inputs(layout, self.predicted.len() / layout.output.outputs.max(1));
        self.backward_blocks(layout, weights, To::Latents);
        self.by_inputs.swap_remove(0)
    }

    fn backward_blocks(&mut self, layout: &Layout, weights: &[f32], to: To) {
        let last = layout.blocks.len();
        let mut begun = vec![false; last + 1];
        linear_backward(&layout.output, weights, &self.predicted, &mut self.by_inputs[last], Accumulate::Overwrite);
        for (place, (block, between)) in layout.blocks.iter().zip(&mut self.between).enumerate().rev() {
            let (earlier, upstream) = self.by_inputs.split_at_mut(place + 1);
            if let Some(skip) = layout.skip(place) {
                earlier[skip + 1].copy_from_slice(&upstream[0]);
                begun[skip + 1] = true;
            }
            between.backward(&weights[block.gamma.clone()], &upstream[0]);
            if to == To::Conditions {
                let accumulate = if place + 1 == last { Accumulate::Overwrite } else { Accumulate::Add };
                linear_backward(&block.modulation, weights, &between.modulation, &mut self.by_condition, accumulate);
            }
            if place > 0 || to == To::Latents {
                let accumulate = if begun[place] { Accumulate::Add } else { Accumulate::Overwrite };
                linear_backward(&block.linear, weights, &between.pre_activations, &mut earlier[place], accumulate);
            }
        }
    }
}

/// Room for the inputs of each block and of the output layer.
fn zero_inputs(layout: &Layout, rows: usize) -> Vec<Vec<f32>> {
    let widths = layout.blocks.iter().map(|block| block.linear.inputs).chain([layout.output.inputs]);
    widths.map(|width| vec![0.0; rows * width]).collect()
}

/// What a gradient goes to beside the pre-activations of blocks: the conditions, to train weights, or the noised latents.
#[derive(Clone, Copy, PartialEq)]
enum To {
    Conditions,
    Latents,
}

/// The embeddings whose sum is a row's tau.
fn tau<'a>(
    layout: &'a Layout,
    weights: &'a [f32],
    numbers: &'a [Vec<usize>],
    row: usize,
) -> impl Iterator<Item = &'a [f32]> {
    let tables = layout.tables.iter().zip(numbers);
    tables.map(move |(table, numbers)| &weights[table.clone()][numbers[row] * layout.embedding..][..layout.embedding])
}

/// A layer's pre-activations: inputs W + b.
fn linear(layer: &LinearRange, weights: &[f32], inputs: &[f32], pre_activations: &mut [f32]) {
    let bias = &weights[layer.bias.clone()];
    pre_activations.chunks_exact_mut(layer.outputs).for_each(|row| row.copy_from_slice(bias));
    gemm_nn(inputs, &weights[layer.weight.clone()], layer.inputs, layer.outputs, pre_activations, Accumulate::Add);
}

/// Gradients by a layer's inputs from those by its pre-activations.
fn linear_backward(
    layer: &LinearRange,
    weights: &[f32],
    by_pre_activations: &[f32],
    by_inputs: &mut [f32],
    accumulate: Accumulate,
) {
    gemm_nt(by_pre_activations, &weights[layer.weight.clone()], layer.outputs, by_inputs, accumulate);
}
