//! Embeddings of a large data set, computed once and kept in the cache folder.
//!
//! The key is what decides an embedding: the model's checksum (weights, genes, form), the cells' gene names and the very
//! expression that is embedded (pointers, genes, values), which covers the file, the choice of cells and the
//! preprocessing. It is the name of a file in `embeddings/`, a .safetensors of one tensor `[cells, latent]`. Files may be
//! deleted at any time. One that is damaged is made anew, and a folder that can't be written is not an error.
//!
//! Hashing costs a SHA-256 over weights and cells, so that sets which are embedded in a second or so are left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use super::{Foundation, FoundationError};
use crate::cells::{Cells, Expression, LogNormalized, cache_folder};
use crate::text::hexadecimal;

/// Fewest stored values of cells whose embeddings are kept: about 14,000 cells, 1.5 seconds of a model of
/// SCimilarity's size on two cores (ours).
const LEAST: usize = 20_000_000;
/// Values that are hashed at a time, in parallel; part of the key.
const PIECE: usize = 1 << 20;
/// The tensor's name in the file, and where the checksum of its bytes stands.
const TENSOR: &str = "embeddings";
const CHECKSUM: &str = "sha256";

/// Where embeddings are kept, and of how many values on.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddingCache {
    folder: Option<PathBuf>,
    least: usize,
}

impl EmbeddingCache {
    /// The user's: `embeddings` in `$SCDD_DATA`, else `$XDG_CACHE_HOME/scdd`, else `~/.cache/scdd`. None when
    /// `SCDD_NO_CACHE` is set.
    pub(crate) fn of_user() -> Self {
        match std::env::var_os("SCDD_NO_CACHE") {
            Some(_) => Self::none(),
            None => Self { folder: cache_folder().map(|folder| folder.join("embeddings")), least: LEAST },
        }
    }

    /// Keeps nothing.
    pub(crate) fn none() -> Self {
        Self { folder: None, least: LEAST }
    }

    /// Latents `[cells, latent]`: those that are kept, or else the model's, which are kept then.
    ///
    /// # Errors
    /// As [`embed_cells`](super::FoundationModel::embed_cells).
    pub(crate) fn embed(
        &self,
        model: &Foundation,
        cells: &Cells<LogNormalized>,
    ) -> Result<Array2<f32>, FoundationError> {
        let Some(path) = self.path(model, cells) else { return model.embed_cells(cells) };
        let shape = (cells.cells(), model.latent());
        if let Some(kept) = read(&path, shape) {
            return Ok(kept);
        }
        let embeddings = model.embed_cells(cells)?;
        // Without the file the next study computes them again, and that is all.
        let _ = write(&path, &embeddings);
        Ok(embeddings)
    }

    /// Where the embeddings would lie; None when they are not kept.
    fn path(&self, model: &Foundation, cells: &Cells<LogNormalized>) -> Option<PathBuf> {
        if cells.expression().nnz() < self.least {
            return None;
        }
        let key = key(&model.checksum()?, model.latent(), cells.gene_names(), cells.expression());
        Some(self.folder.as_ref()?.join(format!("{key}.safetensors")))
    }
}

/// What decides an embedding, in 64 hexadecimal digits.
fn key(model: &str, latent: usize, genes: &[String], expression: &Expression) -> String {
    let mut hash = Sha256::new();
    let texts = ["scdd embeddings 1", model].into_iter().chain(genes.iter().map(String::as_str));
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    for number in [latent, expression.genes(), expression.cells(), expression.nnz()] {
        hash.update((number as u64).to_le_bytes());
    }
    add(&mut hash, expression.indptr(), |pointer| pointer.to_le_bytes());
    add(&mut hash, expression.indices(), |gene| gene.to_le_bytes());
    add(&mut hash, expression.values(), |value| value.to_le_bytes());
    hexadecimal(hash)
}

/// Adds the checksums of pieces of numbers, which are computed in parallel.
fn add<Number: Copy + Sync, const N: usize>(
    hash: &mut Sha256,
    numbers: &[Number],
    bytes: impl Fn(Number) -> [u8; N] + Sync,
) {
    let pieces = numbers.par_chunks(PIECE).map(|piece| {
        let (mut hash, mut buffer) = (Sha256::new(), Vec::new());
        for part in piece.chunks(1 << 12) {
            buffer.clear();
            buffer.extend(part.iter().flat_map(|&number| bytes(number)));
            hash.update(&buffer);
        }
        hash.finalize()
    });
    for digest in pieces.collect::<Vec<_>>() {
        hash.update(digest);
    }
}

/// What is kept, if it is whole and of the shape that is expected.
fn read(path: &Path, (cells, latent): (usize, usize)) -> Option<Array2<f32>> {
    let bytes = std::fs::read(path).ok()?;
    let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
    let expected = header.metadata().as_ref()?.get(CHECKSUM)?;
    let file = SafeTensors::deserialize(&bytes).ok()?;
    let tensor = file.tensor(TENSOR).ok()?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != [cells, latent] || checksum(tensor.data()) != *expected {
        return None;
    }
    let (values, _) = tensor.data().as_chunks::<4>();
    Array2::from_shape_vec((cells, latent), values.iter().map(|&value| f32::from_le_bytes(value)).collect()).ok()
}

/// Writes under a temporary name first, so that a file is there as a whole or not at all.
fn write(path: &Path, embeddings: &Array2<f32>) -> std::io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)?;
    let bytes: Vec<u8> = embeddings.iter().flat_map(|value| value.to_le_bytes()).collect();
    let about = HashMap::from([(CHECKSUM.to_owned(), checksum(&bytes))]);
    let tensor = TensorView::new(Dtype::F32, embeddings.shape().to_vec(), &bytes).map_err(std::io::Error::other)?;
    let file = safetensors::serialize([(TENSOR, tensor)], Some(about)).map_err(std::io::Error::other)?;
    let mut temporary = tempfile::Builder::new().prefix(".scdd-").suffix(".part").tempfile_in(folder)?;
    std::io::Write::write_all(&mut temporary, &file)?;
    temporary.persist(path)?;
    Ok(())
}

fn checksum(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hexadecimal(hash)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::foundation::FoundationModel;

    /// Embeds a cell as the sum of its values, times a weight, and counts how often it is asked.
    struct Counting {
        genes: Vec<String>,
        weight: f32,
        known: bool,
        asked: Arc<AtomicUsize>,
    }

    impl FoundationModel for Counting {
        fn name(&self) -> String {
            "counting".to_owned()
        }
        fn genes(&self) -> &[String] {
            &self.genes
        }
        fn latent(&self) -> usize {
            2
        }
        fn device(&self) -> Device {
            Device::flex()
        }
        fn encode(&self, _: Tensor<2>) -> Option<Tensor<2>> {
            None
        }
        fn decode(&self, _: Tensor<2>) -> Option<Tensor<2>> {
            None
        }
        fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok(Array2::from_shape_fn((expression.cells(), 2), |(cell, place)| {
                self.weight * expression.row(cell).1.iter().sum::<f32>() + place as f32
            }))
        }
        fn checksum(&self) -> Option<String> {
            self.known.then(|| format!("weight {}", self.weight))
        }
    }

    struct Bench {
        folder: tempfile::TempDir,
        cells: Cells<LogNormalized>,
        asked: Arc<AtomicUsize>,
    }

    impl Bench {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), cells: cells(1e4), asked: Arc::default() }
        }

        fn cache(&self) -> EmbeddingCache {
            EmbeddingCache { folder: Some(self.folder.path().join("embeddings")), least: 0 }
        }

        fn model(&self, weight: f32, known: bool) -> Foundation {
            let genes = self.cells.gene_names().to_vec();
            Foundation::new(Counting { genes, weight, known, asked: self.asked.clone() })
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }

        fn files(&self) -> Vec<PathBuf> {
            let folder = std::fs::read_dir(self.folder.path().join("embeddings"));
            folder.map_or(Vec::new(), |files| files.map(|file| file.unwrap().path()).collect())
        }
    }

    fn cells(target_sum: f64) -> Cells<LogNormalized> {
        let counts = crate::simulate().cells(40).genes(30).classes(2).run().unwrap();
        counts.preprocess().min_genes(1).min_cells(1).target_sum(target_sum).run().unwrap()
    }

    #[test]
    fn the_model_is_asked_once_and_the_file_gives_the_same_embeddings() {
        let bench = Bench::new();
        let first = bench.cache().embed(&bench.model(0.5, true), &bench.cells).unwrap();
        let second = bench.cache().embed(&bench.model(0.5, true), &bench.cells).unwrap();
        assert_eq!((bench.asked(), bench.files().len()), (1, 1));
        assert_eq!(first, second);
    }

    #[test]
    fn other_weights_preprocessing_cells_or_gene_names_miss() {
        let bench = Bench::new();
        let embed =
            |weight, cells: &Cells<LogNormalized>| bench.cache().embed(&bench.model(weight, true), cells).unwrap();
        embed(0.5, &bench.cells);
        embed(0.25, &bench.cells);
        assert_eq!(bench.asked(), 2);
        embed(0.5, &cells(1e3));
        assert_eq!(bench.asked(), 3);
        let fewer = bench.cells.select_cells(&[1, 0, 2]).unwrap();
        assert_eq!(embed(0.5, &fewer).nrows(), 3);
        assert_eq!(bench.asked(), 4);
        assert_eq!(bench.files().len(), 4);
        let (names, expression) = (bench.cells.gene_names(), bench.cells.expression());
        let mut others = names.to_vec();
        others.swap(0, 1);
        assert_ne!(key("weights", 2, names, expression), key("weights", 2, &others, expression));
    }

    #[test]
    fn a_damaged_file_is_made_anew() {
        let bench = Bench::new();
        let model = bench.model(0.5, true);
        let first = bench.cache().embed(&model, &bench.cells).unwrap();
        let path = bench.files().remove(0);
        let whole = std::fs::read(&path).unwrap();
        let mut turned = whole.clone();
        turned[whole.len() - 3] ^= 1;
        let damages = [&whole[..whole.len() - 1], &turned, &whole[..20], b"", b"not a tensor"];
        for (number, damaged) in (2..).zip(damages) {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(bench.cache().embed(&model, &bench.cells).unwrap(), first);
            assert_eq!(bench.asked(), number);
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn models_without_a_checksum_small_sets_and_a_cache_that_is_off_leave_no_files() {
        let bench = Bench::new();
        bench.cache().embed(&bench.model(0.5, false), &bench.cells).unwrap();
        EmbeddingCache::none().embed(&bench.model(0.5, true), &bench.cells).unwrap();
        let least = bench.cells.expression().nnz() + 1;
        EmbeddingCache { least, ..bench.cache() }.embed(&bench.model(0.5, true), &bench.cells).unwrap();
        assert_eq!((bench.asked(), bench.files().len()), (3, 0));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_not_an_error() {
        let bench = Bench::new();
        let file = bench.folder.path().join("a file");
        std::fs::write(&file, b"").unwrap();
        let cache = EmbeddingCache { folder: Some(file), least: 0 };
        assert_eq!(cache.embed(&bench.model(0.5, true), &bench.cells).unwrap().nrows(), bench.cells.cells());
    }
}
