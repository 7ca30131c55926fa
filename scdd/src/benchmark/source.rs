//! The data sets of a benchmark: files, or cells in memory.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::BenchmarkError;
use crate::cells::{Cells, LogNormalized, h5ad, read_h5ad};
use crate::preprocess::PreprocessConfig;
use crate::text::hexadecimal;

/// A data set and the label columns that are studied.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) labels: Vec<String>,
    pub(super) from: Origin,
}

/// A file, or cells in memory.
#[derive(Clone)]
pub(super) enum Origin {
    File(PathBuf),
    Memory(Box<Cells<LogNormalized>>),
}

impl Source {
    /// The log-normalised cells.
    pub(super) fn read(&self, preprocess: &PreprocessConfig) -> crate::Result<Cells<LogNormalized>> {
        match &self.from {
            Origin::Memory(cells) => Ok((**cells).clone()),
            Origin::File(path) => {
                let opened = read_h5ad(path)?.preprocess();
                let opened = opened.min_genes(preprocess.min_genes).min_cells(preprocess.min_cells);
                opened.target_sum(preprocess.target_sum).run()
            }
        }
    }

    /// SHA-256 of the file, or of the cells in memory with all of their label columns that are studied.
    pub(super) fn checksum(&self) -> crate::Result<String> {
        let cells = match &self.from {
            Origin::Memory(cells) => cells,
            Origin::File(path) => {
                let unreadable = |problem: std::io::Error| match problem.kind() {
                    std::io::ErrorKind::NotFound => "there is no such file; check the path".to_owned(),
                    _ => format!("can't be read: {problem}"),
                };
                let sha256 = h5ad::sha256(path);
                return Ok(sha256.map_err(|problem| BenchmarkError::file(path, unreadable(problem)))?);
            }
        };
        let (mut hash, expression) = (Sha256::new(), cells.expression());
        for name in cells.gene_names() {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
        }
        for cell in 0..expression.cells() {
            let (genes, values) = expression.row(cell);
            hash.update((genes.len() as u64).to_le_bytes());
            genes.iter().for_each(|gene| hash.update(gene.to_le_bytes()));
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        // The rows of a column that can't be studied have the reason.
        for (label, labels) in self.labels.iter().filter_map(|label| Some((label, cells.labels(label).ok()?))) {
            hash.update(format!("{label} {:?}", labels.classes));
            labels.of_cell.iter().for_each(|class| hash.update(class.to_le_bytes()));
        }
        Ok(hexadecimal(hash))
    }
}

/// A file's name without folder and ending.
pub(super) fn name_of(path: &std::path::Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
