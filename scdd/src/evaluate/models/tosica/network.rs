//! TOSICA's transformer: a class token before the tokens of the gene sets, blocks of attention and perceptron with
//! normalisation before each, and a linear head on the class token. No position embedding: sets have no order.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData, activation::gelu, activation::softmax};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::SavedModel;
use super::super::training::{from_values, linear, normal, put, put_linear, put_norm, take, take_linear, take_norm};

/// Deviation of initial weights of linear layers (TOSICA's code), and of the class token.
const LINEAR: f64 = 0.01;
const TOKEN: f64 = 0.02;

/// Sizes of the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    /// Hidden units of a block's perceptron for each number of a token.
    pub(super) ratio: usize,
    pub(super) classes: usize,
}

/// Dropout rates of units and paths in training.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    pub(super) units: f64,
    pub(super) paths: f64,
}

#[derive(Module, Debug)]
struct Block {
    attended: LayerNorm,
    qkv: Linear,
    projection: Linear,
    perceived: LayerNorm,
    hidden: Linear,
    output: Linear,
}

#[derive(Module, Debug)]
pub(super) struct Network {
    class_token: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    heads: usize,
}

/// Random numbers of a training step, or none.
type Draws<'a> = Option<(&'a mut ChaCha8Rng, Dropped)>;

impl Network {
    pub(super) fn new(sizes: Sizes, random: &mut ChaCha8Rng, device: &Device) -> Self {
        let Sizes { width, depth, heads, ratio, classes } = sizes;
        let norm = || LayerNormConfig::new(width).with_epsilon(1e-6).init(device);
        let mut blocks = Vec::new();
        for _ in 0..depth {
            blocks.push(Block {
                attended: norm(),
                qkv: linear(width, 3 * width, LINEAR, random, device),
                projection: linear(width, width, LINEAR, random, device),
                perceived: norm(),
                hidden: linear(width, ratio * width, LINEAR, random, device),
                output: linear(ratio * width, width, LINEAR, random, device),
            });
        }
        let class_token = normal([1, 1, width], TOKEN, random, device);
        Self { class_token, blocks, norm: norm(), head: linear(width, classes, LINEAR, random, device), heads }
    }

    /// Logits `[cells, classes]` of tokens `[cells, tokens, width]`, and if wanted the attention of each block averaged
    /// over heads, `[cells, tokens + 1, tokens + 1]`, of the last one for the class token alone.
    pub(super) fn forward(
        &self,
        tokens: Tensor<3>,
        mut draws: Draws<'_>,
        attention: Option<&mut Vec<Tensor<3>>>,
    ) -> Tensor<2> {
        let [cells, _, width] = tokens.dims();
        let class = self.class_token.val().expand([cells, 1, width]);
        let mut hidden = drop_units(Tensor::cat(vec![class, tokens], 1), &mut draws);
        let mut maps = Vec::new();
        for (number, block) in self.blocks.iter().enumerate() {
            // Rising from block to block (stochastic depth).
            let fraction = number as f64 / (self.blocks.len() - 1).max(1) as f64;
            // Of the last block only the class token is used.
            let last = number + 1 == self.blocks.len();
            let (after, attended) = block.forward(hidden, self.heads, last, fraction, &mut draws);
            hidden = after;
            maps.push(attended);
        }
        if let Some(attention) = attention {
            attention.extend(maps.into_iter().map(|of_heads| of_heads.mean_dim(1).squeeze_dim::<3>(1)));
        }
        let class = self.norm.forward(hidden.narrow(1, 0, 1)).reshape([cells, width]);
        self.head.forward(class)
    }
}

impl Block {
    fn forward(
        &self,
        input: Tensor<3>,
        heads: usize,
        class_only: bool,
        fraction: f64,
        draws: &mut Draws<'_>,
    ) -> (Tensor<3>, Tensor<4>) {
        let [cells, tokens, width] = input.dims();
        let asking = if class_only { 1 } else { tokens };
        let each = width / heads;
        let normed = self.attended.forward(input.clone());
        let qkv = self.qkv.forward(normed).reshape([cells, tokens, 3, heads, each]).permute([2, 0, 3, 1, 4]);
        let part = |index: usize| qkv.clone().narrow(0, index, 1).reshape([cells, heads, tokens, each]);
        let queries = part(0).narrow(2, 0, asking).mul_scalar(1.0 / (each as f64).sqrt());
        let attention = softmax(queries.matmul(part(1).swap_dims(2, 3)), 3);
        let gathered = drop_units(attention.clone(), draws).matmul(part(2));
        let gathered = gathered.swap_dims(1, 2).reshape([cells, asking, width]);
        let gathered = drop_units(self.projection.forward(gathered), draws);
        let hidden = input.narrow(1, 0, asking) + drop_path(gathered, fraction, draws);
        let perceived = gelu(self.hidden.forward(self.perceived.forward(hidden.clone())));
        let perceived = drop_units(self.output.forward(drop_units(perceived, draws)), draws);
        (hidden + drop_path(perceived, fraction, draws), attention)
    }
}

/// Ones over the fraction that is kept, or zeros.
fn mask(count: usize, rate: f64, random: &mut ChaCha8Rng) -> Vec<f32> {
    let (keep, threshold) = ((1.0 / (1.0 - rate)) as f32, (rate * f64::from(u32::MAX)) as u32);
    (0..count).map(|_| if random.random::<u32>() < threshold { 0.0 } else { keep }).collect()
}

fn drop_units<const D: usize>(input: Tensor<D>, draws: &mut Draws<'_>) -> Tensor<D> {
    match draws {
        Some((random, dropped)) if dropped.units > 0.0 => {
            let shape = input.dims();
            let mask = mask(shape.iter().product(), dropped.units, random);
            let mask = Tensor::from_data(TensorData::new(mask, shape), &input.device());
            input * mask
        }
        _ => input,
    }
}

fn drop_path(input: Tensor<3>, fraction: f64, draws: &mut Draws<'_>) -> Tensor<3> {
    match draws {
        Some((random, dropped)) if dropped.paths * fraction > 0.0 => {
            let cells = input.dims()[0];
            let mask = mask(cells, dropped.paths * fraction, random);
            input.clone() * Tensor::from_data(TensorData::new(mask, [cells, 1, 1]), &input.device())
        }
        _ => input,
    }
}

impl Network {
    pub(super) fn put(&self, mut saved: SavedModel) -> SavedModel {
        saved = put(saved, "class_token", self.class_token.val());
        for (number, block) in self.blocks.iter().enumerate() {
            let name = |part: &str| format!("blocks.{number}.{part}");
            saved = put_norm(saved, &name("norm1"), &block.attended);
            saved = put_linear(saved, &name("attn.qkv"), &block.qkv);
            saved = put_linear(saved, &name("attn.proj"), &block.projection);
            saved = put_norm(saved, &name("norm2"), &block.perceived);
            saved = put_linear(saved, &name("mlp.fc1"), &block.hidden);
            saved = put_linear(saved, &name("mlp.fc2"), &block.output);
        }
        put_linear(put_norm(saved, "norm", &self.norm), "head", &self.head)
    }

    pub(super) fn take(saved: &SavedModel, sizes: Sizes, device: &Device) -> Result<Self, String> {
        let Sizes { width, depth, heads, ratio, classes } = sizes;
        let block = |number: usize| {
            let name = |part: &str| format!("blocks.{number}.{part}");
            Ok(Block {
                attended: take_norm(saved, &name("norm1"), width, device)?,
                qkv: take_linear(saved, &name("attn.qkv"), width, 3 * width, device)?,
                projection: take_linear(saved, &name("attn.proj"), width, width, device)?,
                perceived: take_norm(saved, &name("norm2"), width, device)?,
                hidden: take_linear(saved, &name("mlp.fc1"), width, ratio * width, device)?,
                output: take_linear(saved, &name("mlp.fc2"), ratio * width, width, device)?,
            })
        };
        Ok(Self {
            class_token: take(saved, "class_token", [1, 1, width], device)?,
            blocks: (0..depth).map(block).collect::<Result<_, String>>()?,
            norm: take_norm(saved, "norm", width, device)?,
            head: take_linear(saved, "head", width, classes, device)?,
            heads,
        })
    }
}

/// A tensor `[cells, tokens, width]` of the host's numbers.
pub(super) fn tokens(values: Vec<f32>, cells: usize, width: usize, device: &Device) -> Tensor<3> {
    let tokens = values.len() / (cells * width).max(1);
    from_values([cells, tokens, width], values, device).val()
}
