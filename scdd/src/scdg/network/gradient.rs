//! The gradient of the loss by the denoiser's weights, from the traces of all rows (`forward_backward.rs`): x^T delta of each layer,
//! sums of delta for biases and embeddings. Threads take parts of the weights, so that no sum is shared.

use std::ops::Range;

use rayon::prelude::*;

use super::forward_backward::Trace;
use super::layout::{Layout, LinearRange};
use scdd_compute::NormSilu;
use scdd_compute::gemm::{Accumulate, gemm_tn};

/// Rows of a layer's weights that are one part.
const PART: usize = 128;

/// What fills a part of the gradient.
type Fill<'a> = Box<dyn Fn(&mut [f32]) + Send + Sync + 'a>;

/// Writes the gradient to `gradient`, which has the layout.
pub(in crate::scdg) fn gradient(layout: &Layout, traces: &[Trace], gradient: &mut [f32]) {
    let mut rest = gradient;
    let mut parts = Vec::new();
    for (range, fill) in fills(layout, traces) {
        let (part, behind) = rest.split_at_mut(range.len());
        parts.push((part, fill));
        rest = behind;
    }
    parts.into_par_iter().with_max_len(1).for_each(|(part, fill): (&mut [f32], Fill)| fill(part));
}

/// All parts, in the order of the layout.
fn fills<'a>(layout: &'a Layout, traces: &'a [Trace]) -> Vec<(Range<usize>, Fill<'a>)> {
    let mut fills: Vec<(Range<usize>, Fill)> = Vec::new();
    let [first, second] = &layout.time;
    linear(&mut fills, first, traces, |trace| [&trace.batch.time, &trace.by_time]);
    linear(&mut fills, second, traces, |trace| [&trace.time, &trace.by_sum]);
    for (place, table) in layout.tables.iter().enumerate() {
        let fill = move |part: &mut [f32]| embeddings(part, layout.embedding, traces, place);
        fills.push((table.clone(), Box::new(fill)));
    }
    if let Some(null) = &layout.null {
        fills.push((null.clone(), Box::new(|part| dropped(part, traces))));
    }
    for (place, block) in layout.blocks.iter().enumerate() {
        linear(&mut fills, &block.linear, traces, move |trace| {
            [&trace.inputs[place], &trace.between[place].pre_activations]
        });
        linear(&mut fills, &block.modulation, traces, move |trace| {
            [&trace.condition, &trace.between[place].modulation]
        });
        let kept = move |of: fn(&NormSilu) -> &[f32]| -> Fill<'a> {
            Box::new(move |part| added(part, traces.iter().map(|trace| of(&trace.between[place]))))
        };
        fills.push((block.gamma.clone(), kept(|between| &between.gamma)));
        fills.push((block.beta.clone(), kept(|between| &between.beta)));
    }
    linear(&mut fills, &layout.output, traces, |trace| [&trace.inputs[layout.blocks.len()], &trace.predicted]);
    fills
}

/// The parts of a linear layer, from its inputs and the gradients by its pre-activations.
fn linear<'a>(
    fills: &mut Vec<(Range<usize>, Fill<'a>)>,
    layer: &'a LinearRange,
    traces: &'a [Trace],
    of: impl Fn(&'a Trace) -> [&'a Vec<f32>; 2] + Copy + Send + Sync + 'a,
) {
    for first in (0..layer.inputs).step_by(PART) {
        let last = (first + PART).min(layer.inputs);
        let range = layer.weight.start + first * layer.outputs..layer.weight.start + last * layer.outputs;
        let fill = move |part: &mut [f32]| {
            for (number, trace) in traces.iter().enumerate() {
                let ([inputs, by_pre_activations], accumulate) =
                    (of(trace), if number == 0 { Accumulate::Overwrite } else { Accumulate::Add });
                gemm_tn((inputs, layer.inputs, first), by_pre_activations, layer.outputs, part, accumulate);
            }
        };
        fills.push((range, Box::new(fill)));
    }
    let rows = move || traces.iter().flat_map(move |trace| of(trace)[1].chunks_exact(layer.outputs));
    fills.push((layer.bias.clone(), Box::new(move |part| added(part, rows()))));
}

/// The sum of some rows.
fn added<'a>(sum: &mut [f32], rows: impl Iterator<Item = &'a [f32]>) {
    sum.fill(0.0);
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

/// An embedding table: each entry's gradient is the sum over the rows that had it.
fn embeddings(table: &mut [f32], embedding: usize, traces: &[Trace], place: usize) {
    table.fill(0.0);
    for trace in traces {
        for (row, (by_sum, number)) in trace.by_sum.chunks_exact(embedding).zip(&trace.batch.numbers[place]).enumerate()
        {
            if !trace.batch.is_dropped(row) {
                let own = &mut table[number * embedding..][..embedding];
                own.iter_mut().zip(by_sum).for_each(|(sum, value)| *sum += value);
            }
        }
    }
}

/// The embedding of no condition: the sum over the rows whose conditions were dropped.
fn dropped(null: &mut [f32], traces: &[Trace]) {
    let width = null.len();
    let rows = traces.iter().flat_map(|trace| {
        let rows = trace.by_sum.chunks_exact(width).enumerate();
        rows.filter(|(row, _)| trace.batch.is_dropped(*row)).map(|(_, by_sum)| by_sum)
    });
    added(null, rows);
}

#[cfg(test)]
#[path = "gradient_tests.rs"]
mod tests;
