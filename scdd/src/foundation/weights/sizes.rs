//! layer_sizes.json and hyperparameters.json of a model directory: not needed, and where they are they must agree.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::WeightsError;
use super::tensor_file::TensorFile;

/// Checks both files; gives the dropout of input and hidden units, as far as they say.
pub(super) fn check(
    directory: &Path,
    encoder: &TensorFile,
    hidden: &[usize],
    latent: usize,
) -> Result<[Option<f64>; 2], WeightsError> {
    if let Some((path, sizes)) = object(directory, "layer_sizes.json")? {
        for (key, size) in &sizes {
            let expected = encoder.shape(key).map_or_else(|| "no such tensor".to_owned(), |shape| format!("{shape:?}"));
            let shape = serde_json::from_value::<Vec<usize>>(size.clone());
            if shape.ok().as_deref() != encoder.shape(key) || encoder.shape(key).is_none() {
                return Err(WeightsError::Sizes { path, key: key.clone(), found: size.to_string(), expected });
            }
        }
    }
    let Some((path, known)) = object(directory, "hyperparameters.json")? else {
        return Ok([None, None]);
    };
    // An option of scimilarity 0.1 that leaves no trace in the weights.
    if known.get("residual").is_some_and(|residual| *residual != Value::Bool(false)) {
        let problem = "these weights were trained with residual connections, which are not supported; SCimilarity's released \
                       weights have none";
        return Err(WeightsError::file(&path, problem));
    }
    for (key, expected) in [("latent_dim", serde_json::json!(latent)), ("hidden_dim", serde_json::json!(hidden))] {
        if let Some(found) = known.get(key).filter(|found| **found != expected) {
            let (found, expected) = (found.to_string(), expected.to_string());
            return Err(WeightsError::Sizes { path, key: key.to_owned(), found, expected });
        }
    }
    Ok(["input_dropout", "dropout"].map(|key| known.get(key).and_then(Value::as_f64)))
}

type Object = serde_json::Map<String, Value>;

fn object(directory: &Path, name: &str) -> Result<Option<(PathBuf, Object)>, WeightsError> {
    let path = directory.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(|error| WeightsError::file(&path, error))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(object)) => Ok(Some((path, object))),
        Ok(_) => Err(WeightsError::damaged(&path, "a JSON object", "it is JSON of another kind")),
        Err(error) => Err(WeightsError::damaged(&path, "a JSON object", error)),
    }
}
