//! The denoiser's weights flattened into one vector, as host training updates them: the range of each, and conversion from and to
//! the network.

use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};

use super::denoiser::{Block, Denoiser};
use crate::tensors;

/// All weights of a network, in the order in which it has them.
pub(in crate::scdg) fn flat_weights(network: &Denoiser) -> Vec<f32> {
    struct Weights(Vec<f32>);
    impl ModuleVisitor for Weights {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(tensors::to_vec(param.val()));
        }
    }
    let mut weights = Weights(Vec::new());
    network.visit(&mut weights);
    weights.0
}

/// The network with other weights, on a device.
pub(in crate::scdg) fn with_weights(network: Denoiser, weights: &[f32], device: &Device) -> Denoiser {
    struct Fill<'a>(&'a [f32], &'a Device);
    impl ModuleMapper for Fill<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.shape();
            let (own, rest) = self.0.split_at(shape.num_elements().min(self.0.len()));
            self.0 = rest;
            let data = TensorData::new(own.to_vec(), shape);
            param.map(|_| Tensor::from_data(data, self.1))
        }
    }
    network.map(&mut Fill(weights, device))
}

/// The ranges of a linear layer's weights `[inputs, outputs]` and bias.
#[derive(Clone, Debug)]
pub(in crate::scdg) struct LinearRange {
    pub(in crate::scdg) weight: Range<usize>,
    pub(in crate::scdg) bias: Range<usize>,
    pub(in crate::scdg) inputs: usize,
    pub(in crate::scdg) outputs: usize,
}

/// The ranges of a block's weights.
#[derive(Clone, Debug)]
pub(in crate::scdg) struct BlockRange {
    pub(in crate::scdg) linear: LinearRange,
    pub(in crate::scdg) modulation: LinearRange,
    pub(in crate::scdg) gamma: Range<usize>,
    pub(in crate::scdg) beta: Range<usize>,
}

/// The ranges of all weights.
#[derive(Clone, Debug)]
pub(in crate::scdg) struct Layout {
    pub(in crate::scdg) time: [LinearRange; 2],
    /// Embedding tables: of the class, then of each further condition.
    pub(in crate::scdg) tables: Vec<Range<usize>>,
    pub(in crate::scdg) null: Option<Range<usize>>,
    /// The blocks of the down path, then those of the up path.
    pub(in crate::scdg) blocks: Vec<BlockRange>,
    /// How many blocks the down path has.
    pub(in crate::scdg) down: usize,
    pub(in crate::scdg) output: LinearRange,
    pub(in crate::scdg) embedding: usize,
    pub(in crate::scdg) weights: usize,
}

/// Hands out ranges one after the other.
struct Ranges(usize);

impl Ranges {
    fn take(&mut self, count: usize) -> Range<usize> {
        let start = self.0;
        self.0 += count;
        start..self.0
    }

    fn linear(&mut self, layer: &Linear) -> LinearRange {
        let [inputs, outputs] = layer.weight.dims();
        LinearRange { weight: self.take(inputs * outputs), bias: self.take(outputs), inputs, outputs }
    }

    fn block(&mut self, block: &Block) -> BlockRange {
        let (linear, modulation) = (self.linear(&block.linear), self.linear(&block.modulation));
        let width = linear.outputs;
        BlockRange { linear, modulation, gamma: self.take(width), beta: self.take(width) }
    }

    fn table(&mut self, table: &Param<Tensor<2>>) -> Range<usize> {
        self.take(table.shape().num_elements())
    }
}

impl Layout {
    pub(in crate::scdg) fn of(network: &Denoiser) -> Self {
        let mut ranges = Ranges(0);
        // A denoiser has two layers of time.
        let time = [0, 1].map(|layer| ranges.linear(&network.time[layer]));
        let tables = std::iter::once(&network.classes).chain(&network.conditions);
        let tables = tables.map(|table| ranges.table(table)).collect();
        let null = network.null.as_ref().map(|null| ranges.table(null));
        let blocks = network.down.iter().chain(&network.up).map(|block| ranges.block(block)).collect();
        let output = ranges.linear(&network.output);
        let embedding = time[0].inputs;
        Self { time, tables, null, blocks, down: network.down.len(), output, embedding, weights: ranges.0 }
    }

    /// The block of the down path whose outputs are added to those of this block of the up path (a skip connection).
    pub(in crate::scdg) fn skip(&self, block: usize) -> Option<usize> {
        (2 * self.down).checked_sub(block + 2).filter(|_| block >= self.down)
    }
}

#[cfg(test)]
mod tests {
    use super::super::denoiser::{Conditioned, DenoiserConfig};
    use super::*;
    use crate::seed;

    #[test]
    fn a_network_filled_with_its_own_weights_is_the_same_and_the_layout_has_room_for_all() {
        let conditioned = Conditioned { classes: 3, conditions: vec![("site", 2)], dropped: true, seed: 1 };
        let config = DenoiserConfig { widths: vec![7, 5, 4], embedding: 6 };
        let network = |seed| Denoiser::new(4, &conditioned, &config, &mut seed::stream(seed, "test"), &Device::flex());
        let (one, other) = (flat_weights(&network(1)), flat_weights(&network(2)));
        assert!(one != other);
        assert_eq!(flat_weights(&with_weights(network(2), &one, &Device::flex())), one);
        let layout = Layout::of(&network(1));
        assert_eq!(layout.weights, one.len());
        // Layer norms begin at one and zero, and nothing else does.
        for block in &layout.blocks {
            assert!(one[block.gamma.clone()].iter().all(|&gamma| gamma == 1.0));
            assert!(one[block.beta.clone()].iter().all(|&beta| beta == 0.0));
        }
        // 3 blocks down, 2 up: the outputs of the second and the first one are added again.
        assert_eq!([0, 1, 2, 3, 4].map(|block| layout.skip(block)), [None, None, None, Some(1), Some(0)]);
    }
}
