//! Small residual network (He et al. 2016) on images of one channel: a first convolution, three residual blocks, the later two
//! at half the size each, and a linear head on 8 x 8 averages, since it
//! matters where a gene lies. Group normalisation (Wu and He 2018), since statistics of batches of synthetic cells are not
//! those of real ones.

use burn::module::{Module, Param};
use burn::nn::{GroupNorm, GroupNormConfig, Linear};
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, activation::relu};
use rand_chacha::ChaCha8Rng;

use super::super::SavedModel;
use super::super::training::{linear, normal, put, put_linear, take, take_linear};

/// Channels that are normalised together.
const GROUP: usize = 8;
/// Rows and columns of the pooled features before the head.
const POOLED: usize = 8;
/// Larger images are made smaller by the first convolution.
const LARGE: usize = 56;

/// Sizes of the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Rows and columns of an image.
    pub(super) size: usize,
    pub(super) channels: usize,
    pub(super) classes: usize,
}

impl Sizes {
    fn pooled(self) -> usize {
        let after = self.size.div_ceil(self.stride()).div_ceil(2).div_ceil(2);
        after.min(POOLED)
    }

    fn stride(self) -> usize {
        (self.size / LARGE).max(1)
    }
}

/// Two convolutions of 3 x 3 and, where channels or size change, one of 1 x 1 for what is carried on.
#[derive(Module, Debug)]
struct Pair {
    first: Param<Tensor<4>>,
    first_norm: GroupNorm,
    second: Param<Tensor<4>>,
    second_norm: GroupNorm,
    carried: Option<Param<Tensor<4>>>,
    stride: usize,
}

#[derive(Module, Debug)]
pub(super) struct Network {
    stem: Param<Tensor<4>>,
    stem_norm: GroupNorm,
    pairs: Vec<Pair>,
    head: Linear,
    stride: usize,
    pooled: usize,
}

fn norm(channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(channels.div_ceil(GROUP), channels).init(device)
}

fn convolve(input: Tensor<4>, weight: &Param<Tensor<4>>, stride: usize) -> Tensor<4> {
    let padding = weight.dims()[2] / 2;
    conv2d(input, weight.val(), None, ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1))
}

impl Network {
    pub(super) fn new(sizes: Sizes, random: &mut ChaCha8Rng, device: &Device) -> Self {
        // He et al. 2015: variance 2 / inputs.
        let mut weight = |outputs: usize, inputs: usize, width: usize| {
            let deviation = (2.0 / (inputs * width * width) as f64).sqrt();
            normal([outputs, inputs, width, width], deviation, random, device)
        };
        let stem = weight(sizes.channels, 1, 3);
        let mut pairs = Vec::new();
        for (inputs, outputs, stride) in Self::plan(sizes.channels) {
            pairs.push(Pair {
                first: weight(outputs, inputs, 3),
                first_norm: norm(outputs, device),
                second: weight(outputs, outputs, 3),
                second_norm: norm(outputs, device),
                carried: (inputs != outputs).then(|| weight(outputs, inputs, 1)),
                stride,
            });
        }
        let inputs = Self::head_inputs(sizes);
        let head = linear(inputs, sizes.classes, (1.0 / inputs as f64).sqrt(), random, device);
        let (stem_norm, stride) = (norm(sizes.channels, device), sizes.stride());
        Self { stem, stem_norm, pairs, head, stride, pooled: sizes.pooled() }
    }

    /// Channels in and out of each pair, and its stride.
    fn plan(channels: usize) -> [(usize, usize, usize); 3] {
        [(channels, channels, 1), (channels, 2 * channels, 2), (2 * channels, 4 * channels, 2)]
    }

    fn head_inputs(sizes: Sizes) -> usize {
        4 * sizes.channels * sizes.pooled() * sizes.pooled()
    }

    /// Logits `[cells, classes]` of images `[cells, 1, size, size]`.
    pub(super) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let cells = images.dims()[0];
        let mut hidden = relu(self.stem_norm.forward(convolve(images, &self.stem, self.stride)));
        for pair in &self.pairs {
            let first = relu(pair.first_norm.forward(convolve(hidden.clone(), &pair.first, pair.stride)));
            let second = pair.second_norm.forward(convolve(first, &pair.second, 1));
            let carried = match &pair.carried {
                Some(weight) => convolve(hidden, weight, pair.stride),
                None => hidden,
            };
            hidden = relu(second + carried);
        }
        let pooled = adaptive_avg_pool2d(hidden, [self.pooled; 2]);
        let width = pooled.dims().into_iter().skip(1).product();
        self.head.forward(pooled.reshape([cells, width]))
    }

    pub(super) fn put(&self, saved: SavedModel) -> SavedModel {
        let mut saved = put_norm(put(saved, "stem.weight", self.stem.val()), "stem.norm", &self.stem_norm);
        for (number, pair) in self.pairs.iter().enumerate() {
            let name = |part: &str| format!("pairs.{number}.{part}");
            saved = put(saved, &name("first.weight"), pair.first.val());
            saved = put_norm(saved, &name("first.norm"), &pair.first_norm);
            saved = put(saved, &name("second.weight"), pair.second.val());
            saved = put_norm(saved, &name("second.norm"), &pair.second_norm);
            if let Some(carried) = &pair.carried {
                saved = put(saved, &name("carried.weight"), carried.val());
            }
        }
        put_linear(saved, "head", &self.head)
    }

    pub(super) fn take(saved: &SavedModel, sizes: Sizes, device: &Device) -> Result<Self, String> {
        let pair = |(number, (inputs, outputs, stride)): (usize, (usize, usize, usize))| {
            let name = |part: &str| format!("pairs.{number}.{part}");
            let carried = || take(saved, &name("carried.weight"), [outputs, inputs, 1, 1], device);
            Ok(Pair {
                first: take(saved, &name("first.weight"), [outputs, inputs, 3, 3], device)?,
                first_norm: take_norm(saved, &name("first.norm"), outputs, device)?,
                second: take(saved, &name("second.weight"), [outputs, outputs, 3, 3], device)?,
                second_norm: take_norm(saved, &name("second.norm"), outputs, device)?,
                carried: (inputs != outputs).then(carried).transpose()?,
                stride,
            })
        };
        Ok(Self {
            stem: take(saved, "stem.weight", [sizes.channels, 1, 3, 3], device)?,
            stem_norm: take_norm(saved, "stem.norm", sizes.channels, device)?,
            pairs: Self::plan(sizes.channels).into_iter().enumerate().map(pair).collect::<Result<_, String>>()?,
            head: take_linear(saved, "head", Self::head_inputs(sizes), sizes.classes, device)?,
            stride: sizes.stride(),
            pooled: sizes.pooled(),
        })
    }
}

fn put_norm(mut saved: SavedModel, name: &str, norm: &GroupNorm) -> SavedModel {
    for (part, values) in [("weight", &norm.gamma), ("bias", &norm.beta)] {
        if let Some(values) = values {
            saved = put(saved, &format!("{name}.{part}"), values.val());
        }
    }
    saved
}

fn take_norm(saved: &SavedModel, name: &str, channels: usize, device: &Device) -> Result<GroupNorm, String> {
    let mut norm = norm(channels, device);
    norm.gamma = Some(take(saved, &format!("{name}.weight"), [channels], device)?);
    norm.beta = Some(take(saved, &format!("{name}.bias"), [channels], device)?);
    Ok(norm)
}
