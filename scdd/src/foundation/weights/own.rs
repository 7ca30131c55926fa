//! Our own models: one .safetensors file with SCimilarity's tensors and a card.
//!
//! Keys are SCimilarity's behind `encoder.` and `decoder.`, weights `[outputs, inputs]`. Batch normalisation is folded into
//! the linear layers, so its tensors do nothing: gamma 1, beta 0, mean 0 and variance 1 - 1e-5, to which PyTorch adds its
//! 1e-5. SCimilarity's own classes load them unchanged. The metadata are texts, most of them JSON: `scdd_format` (1),
//! `scdd_version`, `name`, `genes`, `config`, `card`, `checksum` (see checksum.rs), and `format`, `pt`, for other readers.
//! `seen_cells` are the marks of the cells that it was pretrained on (see pretraining_cells.rs), where they are known.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::directory::{check_genes, ends, fits};
use super::error::{WeightsError, listed};
use super::layers::{EPSILON, Layers, NORM, Network};
use super::tensor_file::TensorFile;
use super::{Origin, Weights, checksum};
use crate::atomic_file;
use crate::foundation::network::FrozenStack;
use crate::foundation::{Card, NetworkConfig, PretrainingCells};

/// Version of what the metadata hold.
const FORMAT: &str = "1";
/// Key of the marks.
const SEEN: &str = "seen_cells";

/// Where a tensor's numbers come from.
enum Source {
    Weight(Network, usize),
    Bias(Network, usize),
    Slope(Network, usize),
    Constant(f32),
    Counter,
    /// Marks of cells.
    Marks(Vec<u64>),
}

/// Writes to a temporary name beside it, then renames.
pub(in crate::foundation) fn write(
    path: &Path,
    name: &str,
    checksum: &str,
    weights: &Weights,
) -> Result<(), WeightsError> {
    let failed = |problem: &dyn std::fmt::Display| WeightsError::file(path, format!("cannot be written: {problem}"));
    check_genes(&weights.genes).map_err(|problem| failed(&format!("unusable genes: {problem}")))?;
    if path.extension().is_none_or(|ending| ending != "safetensors") {
        return Err(failed(&"expected a name that ends in .safetensors"));
    }
    atomic_file::check_path(path).map_err(|problem| failed(&problem))?;
    let texts = json!({
        "format": "pt",
        "scdd_format": FORMAT,
        "scdd_version": env!("CARGO_PKG_VERSION"),
        "name": name,
        "genes": json!(weights.genes).to_string(),
        "config": json!(weights.config).to_string(),
        "card": json!(weights.origin.card).to_string(),
        "checksum": checksum,
    });
    atomic_file::write(path, ".safetensors.part", |temporary| write_tensors(temporary.as_file(), texts, weights))
        .map_err(|problem| failed(&problem))
}

fn write_tensors(file: &std::fs::File, texts: Value, weights: &Weights) -> std::io::Result<()> {
    let mut tensors = tensors(Network::Encoder, &weights.encoder);
    if let Some(decoder) = &weights.decoder {
        tensors.extend(self::tensors(Network::Decoder, decoder));
    }
    if let Some(known) = &weights.origin.pretraining_cells {
        let marks = known.marks();
        tensors.push((SEEN.to_owned(), vec![marks.len()], Source::Marks(marks)));
    }
    // Integers of 8 bytes come first, so that every tensor is aligned to its type.
    let is_whole = |source: &Source| matches!(source, Source::Counter | Source::Marks(_));
    tensors.sort_by_key(|(key, _, source)| (!is_whole(source), key.clone()));
    let (mut header, mut end) = (BTreeMap::from([("__metadata__".to_owned(), texts)]), 0);
    for (key, shape, source) in &tensors {
        let (kind, size) = match source {
            Source::Counter => ("I64", 8),
            Source::Marks(_) => ("U64", 8),
            _ => ("F32", 4),
        };
        let start = end;
        end += shape.iter().product::<usize>() * size;
        header.insert(key.clone(), json!({ "dtype": kind, "shape": shape, "data_offsets": [start, end] }));
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = BufWriter::new(file);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    for (_, shape, source) in &tensors {
        let stack = |network: Network| match (network, &weights.decoder) {
            (Network::Decoder, Some(decoder)) => decoder,
            _ => &weights.encoder,
        };
        match source {
            Source::Counter => file.write_all(&0i64.to_le_bytes())?,
            Source::Marks(marks) => marks.iter().try_for_each(|mark| file.write_all(&mark.to_le_bytes()))?,
            Source::Constant(value) => write_values(&mut file, std::iter::repeat_n(*value, shape.iter().product()))?,
            Source::Weight(network, index) => {
                let weight = stack(*network).weight(*index);
                let outputs = shape[0];
                let transposed = (0..outputs).flat_map(|output| weight[output..].iter().step_by(outputs).copied());
                write_values(&mut file, transposed)?;
            }
            Source::Bias(network, index) => write_values(&mut file, stack(*network).bias(*index))?,
            Source::Slope(network, index) => write_values(&mut file, stack(*network).slope(*index))?,
        }
    }
    file.flush()
}

fn write_values(file: &mut impl Write, values: impl IntoIterator<Item = f32>) -> std::io::Result<()> {
    values.into_iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}

/// Key, shape and source of each tensor of a network.
fn tensors(network: Network, stack: &FrozenStack) -> Vec<(String, Vec<usize>, Source)> {
    let (name, last) = (network.name(), stack.len() - 1);
    let mut tensors = Vec::new();
    for (block, [inputs, outputs]) in stack.shapes().into_iter().enumerate() {
        let mut add =
            |key: String, shape: &[usize], source| tensors.push((format!("{name}.{key}"), shape.to_vec(), source));
        if block == last {
            add(format!("network.{block}.weight"), &[outputs, inputs], Source::Weight(network, block));
            add(format!("network.{block}.bias"), &[outputs], Source::Bias(network, block));
            continue;
        }
        add(network.key(block, 0, "weight"), &[outputs, inputs], Source::Weight(network, block));
        add(network.key(block, 0, "bias"), &[outputs], Source::Bias(network, block));
        let nothing = [1.0, 0.0, 0.0, (1.0 - EPSILON) as f32];
        for (name, value) in NORM.into_iter().zip(nothing) {
            add(network.key(block, 1, name), &[outputs], Source::Constant(value));
        }
        add(network.key(block, 1, "num_batches_tracked"), &[], Source::Counter);
        add(network.key(block, 2, "weight"), &[1], Source::Slope(network, block));
    }
    tensors
}

/// Reads what [`write`] wrote, and checks that the weights are those that it wrote.
pub(super) fn read(path: &Path, device: &Device) -> Result<Weights, WeightsError> {
    let file = TensorFile::open(path)?;
    let wrong = |problem: String| WeightsError::Card { path: path.to_path_buf(), problem };
    let text = |key: &str| file.texts.get(key).ok_or_else(|| wrong(format!("no {key}")));
    let format = text("scdd_format")?;
    if format != FORMAT {
        let problem = format!("the format {format}; this version of scdd reads {FORMAT}, a newer one made the file");
        return Err(WeightsError::file(path, problem));
    }
    let broken = |key: &str, error: serde_json::Error| wrong(format!("a broken {key}: {error}"));
    let genes: Vec<String> = serde_json::from_str(text("genes")?).map_err(|error| broken("genes", error))?;
    let config: NetworkConfig = serde_json::from_str(text("config")?).map_err(|error| broken("config", error))?;
    let card: Option<Card> = serde_json::from_str(text("card")?).map_err(|error| broken("card", error))?;
    check_genes(&genes).map_err(|problem| wrong(format!("unusable genes: {problem}")))?;

    let other = |key: &&String| !key.starts_with("encoder.") && !key.starts_with("decoder.") && *key != SEEN;
    let unexpected: Vec<&String> = file.entries.keys().filter(other).collect();
    if !unexpected.is_empty() {
        return Err(WeightsError::Keys {
            path: path.to_path_buf(),
            network: "encoder and decoder",
            missing: listed::<&str>(&[]),
            unexpected: listed(&unexpected),
            expected: "tensors of encoder. and decoder. alone".to_owned(),
        });
    }
    let encoder = Layers::find(&file, "encoder.", Network::Encoder)?;
    let (inputs, latent, hidden) = ends(&encoder.widths);
    if inputs != genes.len() {
        return Err(encoder.width_error(true, genes.len(), "the metadata name that many genes"));
    }
    if (latent, hidden) != (config.latent, config.hidden.as_slice()) {
        let found = format!("latent {}, hidden {:?}", config.latent, config.hidden);
        let expected = format!("latent {latent}, hidden {hidden:?}");
        return Err(WeightsError::Sizes { path: path.to_path_buf(), key: "config".to_owned(), found, expected });
    }
    let has_decoder = file.entries.keys().any(|key| key.starts_with("decoder."));
    let decoder = has_decoder.then(|| Layers::find(&file, "decoder.", Network::Decoder)).transpose()?;
    if let Some(decoder) = &decoder {
        fits(decoder, latent, genes.len())?;
    }
    let encoder = encoder.load(device)?;
    let decoder = decoder.map(|decoder| decoder.load(device)).transpose()?;

    let expected = text("checksum")?.clone();
    let found = checksum(text("name")?, &genes, &encoder, decoder.as_ref());
    if found != expected {
        let source_of_sum = "its metadata, over name, genes and weights,".to_owned();
        return Err(WeightsError::Checksum { path: path.to_path_buf(), found, expected, source_of_sum });
    }
    let pretraining_cells = match file.entries.contains_key(SEEN) {
        true => Some(PretrainingCells::from_marks(file.whole_numbers(SEEN)?)),
        false => None,
    };
    Ok(Weights { genes, config, encoder, decoder, origin: Origin { card, pretraining_cells } })
}
