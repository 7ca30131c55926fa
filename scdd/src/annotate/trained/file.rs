//! File of a trained model, in the .safetensors format. The metadata are texts, most of them JSON: `scdd_annotator` (1, the format),
//! `scdd_version`, `kind`, `model`, `set`, `label`, `classes`, `genes`, `config`, `foundation` (name and checksum, or null) and
//! `checksum`: SHA-256 over length and bytes of each of these texts but the version, in the order of their names, and over
//! name and bytes of each array, in the order of theirs.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::About;
use crate::annotate::AnnotateError;
use crate::atomic_file;
use crate::evaluate::{Numbers, SavedModel};
use crate::text::hexadecimal;

/// Version of what the metadata hold.
const FORMAT: &str = "1";

type Texts = BTreeMap<String, String>;

fn texts(about: &About, saved: &SavedModel) -> Texts {
    let text = |key: &str, value: String| (key.to_owned(), value);
    BTreeMap::from([
        text("scdd_annotator", FORMAT.to_owned()),
        text("kind", saved.kind.clone()),
        text("model", about.model.clone()),
        text("set", about.set.clone()),
        text("label", about.label.clone()),
        text("classes", json!(*about.classes).to_string()),
        text("genes", json!(about.genes).to_string()),
        text("config", saved.config.to_string()),
        text("foundation", json!(about.foundation).to_string()),
    ])
}

fn bytes(numbers: &Numbers) -> (Dtype, Vec<u8>) {
    match numbers {
        Numbers::F32(values) => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Numbers::F64(values) => (Dtype::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Numbers::U32(values) => (Dtype::U32, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Numbers::U64(values) => (Dtype::U64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
    }
}

fn checksum<'a>(texts: &Texts, arrays: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (key, text) in texts {
        add(key.as_bytes());
        add(text.as_bytes());
    }
    for (name, values) in arrays {
        add(name.as_bytes());
        add(values);
    }
    hexadecimal(hash)
}

pub(super) fn write(path: &Path, about: &About, saved: &SavedModel) -> Result<(), AnnotateError> {
    let failed = |problem: &dyn std::fmt::Display| AnnotateError::ModelFile {
        path: path.to_path_buf(),
        problem: format!("cannot be written: {problem}"),
    };
    if path.extension().is_none_or(|ending| ending != "safetensors") {
        return Err(failed(&"expected a name that ends in .safetensors"));
    }
    atomic_file::check_path(path).map_err(|problem| failed(&problem))?;
    let arrays: Vec<(&str, &[usize], Dtype, Vec<u8>)> = saved
        .arrays
        .iter()
        .map(|(name, array)| {
            let (kind, bytes) = bytes(&array.numbers);
            (name.as_str(), array.shape.as_slice(), kind, bytes)
        })
        .collect();
    let mut texts = texts(about, saved);
    let sum = checksum(&texts, arrays.iter().map(|(name, _, _, bytes)| (*name, bytes.as_slice())));
    texts.insert("checksum".to_owned(), sum);
    texts.insert("scdd_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());

    // Wide numbers come first, so that every array is aligned to its type.
    let mut order: Vec<usize> = (0..arrays.len()).collect();
    order.sort_by_key(|&position| (std::cmp::Reverse(arrays[position].2.bitsize()), position));
    let (mut header, mut end) = (BTreeMap::from([("__metadata__", json!(texts))]), 0);
    for &position in &order {
        let (name, shape, kind, bytes) = &arrays[position];
        let info = TensorInfo { dtype: *kind, shape: shape.to_vec(), data_offsets: (end, end + bytes.len()) };
        end += bytes.len();
        header.insert(name, serde_json::to_value(&info).map_err(|problem| failed(&problem))?);
    }
    let mut header = serde_json::to_vec(&header).map_err(|problem| failed(&problem))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    atomic_file::write(path, ".safetensors.part", |temporary| {
        temporary.write_all(&(header.len() as u64).to_le_bytes())?;
        temporary.write_all(&header)?;
        order.iter().try_for_each(|&position| temporary.write_all(&arrays[position].3))
    })
    .map_err(|problem| failed(&problem))
}

pub(super) fn read(path: &Path) -> Result<(About, SavedModel), AnnotateError> {
    let wrong = |problem: String| AnnotateError::ModelFile { path: path.to_path_buf(), problem };
    let content = std::fs::read(path).map_err(|problem| wrong(format!("cannot be read: {problem}")))?;
    let damaged = |problem: &dyn std::fmt::Display| {
        let size = content.len();
        wrong(format!("is no whole .safetensors file of {size} bytes ({problem}); have it written or copied again"))
    };
    let (_, metadata): (usize, Metadata) = SafeTensors::read_metadata(&content).map_err(|problem| damaged(&problem))?;
    let tensors = SafeTensors::deserialize(&content).map_err(|problem| damaged(&problem))?;
    let mut texts: Texts = metadata.metadata().clone().unwrap_or_default().into_iter().collect();
    match texts.get("scdd_annotator").map(String::as_str) {
        Some(FORMAT) => {}
        Some(newer) => {
            let problem = format!("has the format {newer}; this version of scdd reads {FORMAT}, a newer one made it");
            return Err(wrong(problem));
        }
        None => {
            let problem = "holds no trained model of scdd: a file that Annotator::write made was expected".to_owned();
            return Err(wrong(problem));
        }
    }
    texts.remove("scdd_version");
    let expected = texts.remove("checksum").ok_or_else(|| wrong("has no checksum".to_owned()))?;
    let mut names: Vec<String> = tensors.names().into_iter().map(|name| name.to_owned()).collect();
    names.sort();
    let mut views = BTreeMap::new();
    for name in &names {
        views.insert(name.as_str(), tensors.tensor(name).map_err(|problem| damaged(&problem))?);
    }
    let found = checksum(&texts, views.iter().map(|(name, view)| (*name, view.data())));
    if found != expected {
        let problem =
            format!("has the checksum {found}, but says {expected}: it was changed or damaged; copy it again");
        return Err(wrong(problem));
    }
    let text = |key: &str| texts.get(key).ok_or_else(|| wrong(format!("has no {key}")));
    let parsed = |key: &str| text(key).map(|text| serde_json::from_str::<serde_json::Value>(text));
    let broken = |key: &str, problem: serde_json::Error| wrong(format!("has a broken {key}: {problem}"));
    let list = |key: &str| -> Result<Vec<String>, AnnotateError> {
        serde_json::from_str(text(key)?).map_err(|problem| broken(key, problem))
    };
    let about = About {
        model: text("model")?.clone(),
        set: text("set")?.clone(),
        label: text("label")?.clone(),
        classes: list("classes")?.into(),
        genes: list("genes")?,
        foundation: serde_json::from_str(text("foundation")?).map_err(|problem| broken("foundation", problem))?,
    };
    let config = parsed("config")?.map_err(|problem| broken("config", problem))?;
    let mut saved = SavedModel::new(text("kind")?, config);
    for (name, view) in views {
        let numbers = match view.dtype() {
            Dtype::F32 => Numbers::F32(numbers(view.data(), f32::from_le_bytes)),
            Dtype::F64 => Numbers::F64(numbers(view.data(), f64::from_le_bytes)),
            Dtype::U32 => Numbers::U32(numbers(view.data(), u32::from_le_bytes)),
            Dtype::U64 => Numbers::U64(numbers(view.data(), u64::from_le_bytes)),
            other => return Err(wrong(format!("has '{name}' of type {other:?}, which no model of scdd has"))),
        };
        saved = saved.with(name, view.shape(), numbers);
    }
    let agree = |key: &str, count: usize| match saved.config.get(key).and_then(serde_json::Value::as_u64) {
        Some(found) if found as usize != count => {
            Err(wrong(format!("has a model of {found} {key}, but names {count} of them")))
        }
        _ => Ok(()),
    };
    agree("genes", about.genes.len())?;
    agree("classes", about.classes.len())?;
    Ok((about, saved))
}

fn numbers<const WIDTH: usize, Number>(bytes: &[u8], number: fn([u8; WIDTH]) -> Number) -> Vec<Number> {
    bytes.as_chunks::<WIDTH>().0.iter().map(|bytes| number(*bytes)).collect()
}
