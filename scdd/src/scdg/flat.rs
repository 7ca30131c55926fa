//! The denoiser's weights one behind the other in one vector, as its training moves them: where each lies, and the way there
//! from the network and back.

use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};

use super::denoiser::{Block, Denoiser};
use crate::tensors;

/// All weights of a network, in the order in which it has them.
pub(super) fn flat(network: &Denoiser) -> Vec<f32> {
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
pub(super) fn filled(network: Denoiser, weights: &[f32], device: &Device) -> Denoiser {
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

/// Where a linear layer's weights `[inputs, outputs]` and bias lie.
#[derive(Clone, Debug)]
pub(super) struct LinearAt {
    pub(super) weight: Range<usize>,
    pub(super) bias: Range<usize>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// Where a block's weights lie.
#[derive(Clone, Debug)]
pub(super) struct BlockAt {
    pub(super) linear: LinearAt,
    pub(super) modulation: LinearAt,
    pub(super) gamma: Range<usize>,
    pub(super) beta: Range<usize>,
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) time: [LinearAt; 2],
    /// Tables of embeddings: of the class, then of each further condition.
    pub(super) tables: Vec<Range<usize>>,
    pub(super) null: Option<Range<usize>>,
    /// The way down, then the way up.
    pub(super) blocks: Vec<BlockAt>,
    /// How many of them go down.
    pub(super) down: usize,
    pub(super) output: LinearAt,
    pub(super) embedding: usize,
    pub(super) weights: usize,
}

/// Takes places one behind the other.
struct Taken(usize);

impl Taken {
    fn take(&mut self, count: usize) -> Range<usize> {
        let start = self.0;
        self.0 += count;
        start..self.0
    }

    fn linear(&mut self, layer: &Linear) -> LinearAt {
        let [inputs, outputs] = layer.weight.dims();
        LinearAt { weight: self.take(inputs * outputs), bias: self.take(outputs), inputs, outputs }
    }

    fn block(&mut self, block: &Block) -> BlockAt {
        let (linear, modulation) = (self.linear(&block.linear), self.linear(&block.modulation));
        let width = linear.outputs;
        BlockAt { linear, modulation, gamma: self.take(width), beta: self.take(width) }
    }

    fn table(&mut self, table: &Param<Tensor<2>>) -> Range<usize> {
        self.take(table.shape().num_elements())
    }
}

impl Layout {
    pub(super) fn of(network: &Denoiser) -> Self {
        let mut taken = Taken(0);
        // A denoiser has two layers of time.
        let time = [0, 1].map(|layer| taken.linear(&network.time[layer]));
        let tables = std::iter::once(&network.classes).chain(&network.conditions);
        let tables = tables.map(|table| taken.table(table)).collect();
        let null = network.null.as_ref().map(|null| taken.table(null));
        let blocks = network.down.iter().chain(&network.up).map(|block| taken.block(block)).collect();
        let output = taken.linear(&network.output);
        let embedding = time[0].inputs;
        Self { time, tables, null, blocks, down: network.down.len(), output, embedding, weights: taken.0 }
    }

    /// The block on the way down whose outputs are added to those of this block on the way up.
    pub(super) fn skip(&self, block: usize) -> Option<usize> {
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
        let (one, other) = (flat(&network(1)), flat(&network(2)));
        assert!(one != other);
        assert_eq!(flat(&filled(network(2), &one, &Device::flex())), one);
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
