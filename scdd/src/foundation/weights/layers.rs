//! Layers of SCimilarity's encoder and decoder under PyTorch's key names (scimilarity 0.1.0 to 0.4.1, nn_models.py).
//!
//! Block i is `network.i`, a sequence of dropout, linear, batch normalisation and PReLU with one slope; the decoder's first
//! block has no dropout, so its numbers begin at the linear layer. Last comes a linear layer, `network.n`. PyTorch keeps a
//! linear layer's weights as `[outputs, inputs]`, we as `[inputs, outputs]`.

use std::collections::BTreeSet;

use burn::tensor::Device;

use super::error::{WeightsError, listed};
use super::tensor_file::TensorFile;
use crate::foundation::network::{FrozenStack, HostLayer, Normalization};

/// PyTorch's default, which SCimilarity keeps.
pub(super) const EPSILON: f64 = 1e-5;

/// What of a block follows its linear layer, by its number and names.
pub(super) const NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// Which of the two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Encoder,
    Decoder,
}

impl Network {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }

    /// The key of a tensor: part 0 is the linear layer of a block, 1 its batch normalisation, 2 its PReLU.
    pub(super) fn key(self, block: usize, part: usize, name: &str) -> String {
        let linear = usize::from(self == Self::Encoder || block > 0);
        format!("network.{block}.{}.{name}", linear + part)
    }
}

/// One network in a file, its keys after a prefix (`""`, or `"encoder."`).
pub(super) struct Layers<'a> {
    file: &'a TensorFile,
    prefix: &'a str,
    network: Network,
    /// Widths from input to output.
    pub(super) widths: Vec<usize>,
}

impl<'a> Layers<'a> {
    /// Finds the layers: all keys that there must be, none besides, each of a shape that fits its neighbours.
    pub(super) fn find(file: &'a TensorFile, prefix: &'a str, network: Network) -> Result<Self, WeightsError> {
        let found: BTreeSet<&str> = file.entries.keys().filter_map(|key| key.strip_prefix(prefix)).collect();
        let blocks = blocks(&found);
        let mut required: BTreeSet<String> = ["weight", "bias"].map(|name| format!("network.{blocks}.{name}")).into();
        let mut counters = BTreeSet::new();
        for block in 0..blocks {
            required.extend(["weight", "bias"].map(|name| network.key(block, 0, name)));
            required.extend(NORM.map(|name| network.key(block, 1, name)));
            required.insert(network.key(block, 2, "weight"));
            // Counts training batches, for statistics without momentum: not needed here.
            counters.insert(network.key(block, 1, "num_batches_tracked"));
        }
        let missing: Vec<&String> = required.iter().filter(|key| !found.contains(key.as_str())).collect();
        let known = |key: &str| required.contains(key) || counters.contains(key);
        let unexpected: Vec<&str> = found.iter().filter(|key| !known(key)).copied().collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(WeightsError::Keys {
                path: file.path.clone(),
                network: network.name(),
                missing: listed(&missing),
                unexpected: listed(&unexpected),
                expected: format!("{blocks} hidden layers and an output layer"),
            });
        }
        let mut layers = Self { file, prefix, network, widths: Vec::new() };
        layers.widths = layers.check_shapes(blocks)?;
        Ok(layers)
    }

    fn key(&self, block: usize, part: usize, name: &str) -> String {
        format!("{}{}", self.prefix, self.network.key(block, part, name))
    }

    fn last(&self, block: usize, name: &str) -> String {
        format!("{}network.{block}.{name}", self.prefix)
    }

    fn check_shapes(&self, blocks: usize) -> Result<Vec<usize>, WeightsError> {
        let mut widths = Vec::new();
        for block in 0..blocks {
            self.linear(&self.key(block, 0, "weight"), &self.key(block, 0, "bias"), &mut widths)?;
            let units = widths.last().copied().unwrap_or(0);
            for name in NORM {
                self.same(&self.key(block, 1, name), &[units], "one value for each unit of the layer")?;
            }
            self.same(&self.key(block, 2, "weight"), &[1], "one slope, as in SCimilarity")?;
        }
        self.linear(&self.last(blocks, "weight"), &self.last(blocks, "bias"), &mut widths)?;
        Ok(widths)
    }

    /// Checks a linear layer against the width before it, and adds its own.
    fn linear(&self, weight: &str, bias: &str, widths: &mut Vec<usize>) -> Result<(), WeightsError> {
        let shape = self.file.shape(weight).unwrap_or_default();
        let (&[outputs, inputs], true) = (shape, !shape.contains(&0)) else {
            return Err(self.shape(weight, "[outputs, inputs], each at least 1".to_owned()));
        };
        match widths.last() {
            Some(&before) if before != inputs => {
                let expected = format!("[{outputs}, {before}]: the layer before it has {before} units");
                return Err(self.shape(weight, expected));
            }
            Some(_) => {}
            None => widths.push(inputs),
        }
        widths.push(outputs);
        self.same(bias, &[outputs], "one value for each output of the layer")
    }

    fn same(&self, key: &str, expected: &[usize], why: &str) -> Result<(), WeightsError> {
        if self.file.shape(key) == Some(expected) {
            return Ok(());
        }
        Err(self.shape(key, format!("{expected:?}: {why}")))
    }

    fn shape(&self, key: &str, expected: String) -> WeightsError {
        let found = self.file.shape(key).unwrap_or_default().to_vec();
        WeightsError::Shape { path: self.file.path.clone(), key: key.to_owned(), found, expected }
    }

    /// The error for a network whose input or output has another width than its use asks for.
    pub(super) fn width_error(&self, input: bool, expected: usize, why: &str) -> WeightsError {
        let (blocks, end) = (self.widths.len() - 2, self.widths.len() - 1);
        if input {
            let key = self.key(0, 0, "weight");
            return self.shape(&key, format!("[{}, {expected}]: {why}", self.widths[1]));
        }
        let key = self.last(blocks, "weight");
        self.shape(&key, format!("[{expected}, {}]: {why}", self.widths[end - 1]))
    }

    /// Reads and folds them, one tensor after the other.
    pub(super) fn load(&self, device: &Device) -> Result<FrozenStack, WeightsError> {
        let blocks = self.widths.len() - 2;
        let layers = (0..blocks).map(|block| self.block(block));
        let last =
            std::iter::once_with(|| self.plain(&self.last(blocks, "weight"), &self.last(blocks, "bias"), blocks));
        FrozenStack::try_new(layers.chain(last), device)
    }

    fn plain(&self, weight: &str, bias: &str, layer: usize) -> Result<HostLayer, WeightsError> {
        let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
        let weight = self.file.transposed(weight, outputs, inputs)?;
        Ok(HostLayer { weight, bias: self.file.vector(bias)?, slope: None })
    }

    fn block(&self, block: usize) -> Result<HostLayer, WeightsError> {
        let mut layer = self.plain(&self.key(block, 0, "weight"), &self.key(block, 0, "bias"), block)?;
        let [gamma, beta, mean, variance] = NORM.map(|name| self.key(block, 1, name));
        let key = variance;
        let variance = self.file.vector(&key)?;
        let negative = variance.iter().filter(|&&value| value < 0.0).count();
        if negative > 0 {
            return Err(self.file.values(&key, negative, variance.len(), "below zero, which no variance is"));
        }
        layer.fold(&Normalization {
            gamma: self.file.vector(&gamma)?,
            beta: self.file.vector(&beta)?,
            mean: self.file.vector(&mean)?,
            variance,
            epsilon: EPSILON,
        });
        layer.slope = self.file.vector(&self.key(block, 2, "weight"))?.first().copied();
        Ok(layer)
    }
}

/// Hidden layers: the number of the output layer, `network.n.weight`, or what the keys of blocks make likely.
fn blocks(keys: &BTreeSet<&str>) -> usize {
    let number = |key: &&str| {
        let (block, rest) = key.strip_prefix("network.")?.split_once('.')?;
        Some((block.parse::<usize>().ok()?, rest.contains('.')))
    };
    let (inner, outer): (Vec<_>, Vec<_>) = keys.iter().filter_map(number).partition(|(_, inner)| *inner);
    let output = outer.iter().map(|(block, _)| *block).max();
    let likely = inner.iter().map(|(block, _)| block + 1).max();
    // A file that names layer 10^9 has no such many; the number only decides which keys the error lists.
    output.or(likely).unwrap_or(3).clamp(1, 64)
}
