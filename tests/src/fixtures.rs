//! What stories begin with: simulated cells, a study with a small foundation model, a small SCDG.

use std::path::{Path, PathBuf};

use scdd::cells::SimulationBuilder;
use scdd::foundation::{NetworkConfig, PretrainingConfig};
use scdd::prelude::*;
use scdd::scdg::{DenoiserConfig, ScdgConfig};

/// Runs a simulation, without progress, and log-normalises cells with at least so many genes.
pub fn log_normalized(simulation: SimulationBuilder, min_genes: usize) -> Cells<LogNormalized> {
    scdd::progress::quiet(true);
    simulation.run().unwrap().preprocess().min_genes(min_genes).run().unwrap()
}

/// 400 cells of 300 genes in 4 classes, the smallest of so many cells.
pub fn small_cells(smallest_class: usize) -> Cells<LogNormalized> {
    log_normalized(simulate().cells(400).genes(300).classes(4).smallest_class(smallest_class).seed(3), 10)
}

/// Three hidden layers of `hidden` units, `latent` dimensions, batches of 64.
pub fn pretraining(hidden: usize, latent: usize, epochs: usize) -> PretrainingConfig {
    let network = NetworkConfig { hidden: vec![hidden; 3], latent, ..NetworkConfig::default() };
    PretrainingConfig { network, epochs, batch: 64, ..PretrainingConfig::default() }
}

/// A study of cell types with a foundation model of 32 dimensions, pretrained for 10 epochs.
pub fn study_of(cells: &Cells<LogNormalized>, seed: u64) -> Study {
    cells.study("cell_type").seed(seed).pretraining(pretraining(64, 32, 10)).run().unwrap()
}

/// [`study_of`] [`small_cells`], with at least 30 cells in each class, seed 3.
pub fn small_study() -> Study {
    study_of(&small_cells(30), 3)
}

/// A denoiser of two layers on each side of its middle.
pub fn denoiser(outer: usize, inner: usize) -> DenoiserConfig {
    DenoiserConfig { widths: vec![outer, inner], embedding: 16 }
}

/// 200 steps of training, with the study's seed.
pub fn small_scdg(study: &Study) -> Scdg {
    let (steps, seed) = (200, study.config().seed);
    let config = ScdgConfig { denoiser: denoiser(64, 32), steps, batch: 64, seed, ..ScdgConfig::default() };
    study.train_scdg().config(config).run().unwrap()
}

/// Where a test leaves a file for the Python tests, which read it after them (tests/python).
pub fn for_python(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}
