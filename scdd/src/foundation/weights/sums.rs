//! SHA256SUMS in a model directory, if there is one: the files that are read must be the ones that it lists.
//!
//! The format is that of `sha256sum`: 64 hexadecimal digits, two spaces (or a space and `*`), the name. Files that are
//! listed and not read, or read and not listed, are passed over.

use std::path::Path;

use super::error::WeightsError;
use crate::cells::h5ad::sha256;

const SUMS: &str = "SHA256SUMS";

pub(super) fn verify(directory: &Path, files: &[&Path]) -> Result<(), WeightsError> {
    let sums = directory.join(SUMS);
    if !sums.exists() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&sums).map_err(|error| WeightsError::file(&sums, error))?;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once(' ').filter(|(sum, _)| is_sum(sum));
        let Some((expected, name)) = parts else {
            let problem = format!("line {number} is '{line}'; expected lines as `sha256sum *.ckpt` prints them");
            return Err(WeightsError::file(&sums, problem));
        };
        let name = name.trim_start_matches([' ', '*']).trim_start_matches("./").trim_end();
        let listed = directory.join(name);
        if !files.contains(&listed.as_path()) {
            continue;
        }
        let found = sum(&listed)?;
        if !found.eq_ignore_ascii_case(expected) {
            let source_of_sum = format!("line {number} of {}", sums.display());
            return Err(WeightsError::Checksum {
                path: listed,
                found,
                expected: expected.to_lowercase(),
                source_of_sum,
            });
        }
    }
    Ok(())
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn sum(path: &Path) -> Result<String, WeightsError> {
    sha256(path).map_err(|error| WeightsError::file(path, error))
}
