//! A model directory as SCimilarity publishes it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::error::{WeightsError, listed};
use super::layers::{Layers, Network};
use super::tensor_file::TensorFile;
use super::{Weights, sizes, sums};
use crate::foundation::NetworkConfig;

const GENE_ORDER: &str = "gene_order.tsv";

/// SCimilarity's dropout of the input and of hidden units, where hyperparameters.json does not say.
const DROPOUT: [f64; 2] = [0.4, 0.5];

pub(super) fn read(directory: &Path, device: &Device) -> Result<Weights, WeightsError> {
    let (encoder, decoder) = (tensors(directory, Network::Encoder), tensors(directory, Network::Decoder));
    let order = directory.join(GENE_ORDER);
    let (Some(encoder), true) = (&encoder, order.is_file()) else {
        return Err(missing(directory, encoder.is_none(), !order.is_file()));
    };
    let mut files = vec![encoder.as_path(), order.as_path()];
    files.extend(decoder.as_deref());
    sums::verify(directory, &files)?;

    let genes = gene_order(&order)?;
    let count =
        |weights| WeightsError::GeneCount { path: encoder.clone(), order: order.clone(), weights, genes: genes.len() };
    let file = TensorFile::open(encoder)?;
    let layers = Layers::find(&file, "", Network::Encoder)?;
    let (inputs, latent, hidden) = ends(&layers.widths);
    if inputs != genes.len() {
        return Err(count(inputs));
    }
    let dropout = sizes::check(directory, &file, hidden, latent)?;
    let [input_dropout, hidden_dropout] = [0, 1].map(|which| dropout[which].unwrap_or(DROPOUT[which]));
    let config = NetworkConfig { latent, hidden: hidden.to_vec(), input_dropout, hidden_dropout };

    // Both files are checked before the first weight is read.
    let decoder_file = decoder.as_deref().map(TensorFile::open).transpose()?;
    let decoder = decoder_file.as_ref().map(|file| Layers::find(file, "", Network::Decoder)).transpose()?;
    if let Some(decoder) = &decoder {
        fits(decoder, latent, genes.len())?;
    }
    let encoder = layers.load(device)?;
    let decoder = decoder.map(|decoder| decoder.load(device)).transpose()?;
    Ok(Weights { genes, config, encoder, decoder, card: serde_json::Value::Null })
}

/// Inputs, outputs and hidden widths.
pub(super) fn ends(widths: &[usize]) -> (usize, usize, &[usize]) {
    match widths {
        [first, hidden @ .., last] => (*first, *last, hidden),
        _ => (0, 0, &[]),
    }
}

/// Whether a decoder goes from the encoder's latents to the model's genes.
pub(super) fn fits(decoder: &Layers, latent: usize, genes: usize) -> Result<(), WeightsError> {
    let (inputs, outputs, _) = ends(&decoder.widths);
    if inputs != latent {
        return Err(decoder.width_error(true, latent, "the encoder's latents have that many dimensions"));
    }
    if outputs != genes {
        return Err(decoder.width_error(false, genes, "the model has that many genes"));
    }
    Ok(())
}

/// The file of a network: .ckpt, as published, before .safetensors.
fn tensors(directory: &Path, network: Network) -> Option<PathBuf> {
    let named = |ending| directory.join(format!("{}.{ending}", network.name()));
    [named("ckpt"), named("safetensors")].into_iter().find(|path| path.is_file())
}

fn missing(directory: &Path, encoder: bool, order: bool) -> WeightsError {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let within = names.iter().find(|name| tensors(&directory.join(name), Network::Encoder).is_some());
    let missing = [(encoder, "encoder.ckpt (nor encoder.safetensors)"), (order, GENE_ORDER)];
    let missing: Vec<&str> = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, name)| name).collect();
    WeightsError::MissingFile {
        directory: directory.to_path_buf(),
        missing: missing.join(" and no "),
        found: listed(&names),
        hint: within.map_or_else(String::new, |name| format!(". Its folder {name} looks like a model: give that one")),
    }
}

/// One gene symbol a line; spaces around it and empty lines at the end do not count, as in SCimilarity's reader.
fn gene_order(path: &Path) -> Result<Vec<String>, WeightsError> {
    let text = std::fs::read(path).map_err(|error| WeightsError::file(path, error))?;
    let wrong = |problem: String| Err(WeightsError::Genes { path: path.to_path_buf(), problem });
    let Ok(text) = String::from_utf8(text) else {
        return wrong("it is not text in UTF-8".to_owned());
    };
    let genes: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    match check_genes(&genes) {
        Ok(()) => Ok(genes),
        Err(problem) => wrong(problem),
    }
}

/// Each gene once, none without a name; the problem names lines, which count from 1.
pub(super) fn check_genes(genes: &[String]) -> Result<(), String> {
    if genes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut lines = HashMap::new();
    let mut twice = Vec::new();
    for (line, gene) in (1..).zip(genes) {
        if gene.is_empty() {
            return Err(format!("line {line} is empty"));
        }
        if let Some(before) = lines.insert(gene.as_str(), line) {
            twice.push(format!("'{gene}' is on lines {before} and {line}"));
        }
    }
    if twice.is_empty() { Ok(()) } else { Err(format!("{} names are there twice: {}", twice.len(), listed(&twice))) }
}
