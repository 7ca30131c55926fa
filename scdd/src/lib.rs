//! Distils single-cell data sets into a few synthetic cells per class.
//!
//! An atlas of a hundred thousand cells becomes a few dozen synthetic ones that train a classifier nearly as well, can
//! be shared in place of patients' cells, and can be looked at. The method is scDD (Yu et al. 2025, "Latent Codes Based
//! scRNA-seq Dataset Distillation with Foundation Model Knowledge", arXiv 2503.04357).
//!
//! Data flows one way, and each stage is a type, so that a wrong next step is a missing method:
//!
//! ```text
//! Cells<Counts> -> Cells<LogNormalized> -> Study -> Scdg -> Distilled -> Evaluation, Figure
//! ```
//!
//! | stage | what it is | folder |
//! |---|---|---|
//! | [`Cells<Counts>`](Cells) | sparse counts with polars frames of annotations, from .h5ad or simulated | [`cells`] |
//! | [`Cells<LogNormalized>`](Cells) | log1p of counts per 10,000 of each cell | [`preprocess`] |
//! | [`Study`] | labelled cells, split and embedded by a foundation model, by default one pretrained on the training cells | [`study`], [`foundation`] |
//! | [`Scdg`] | the single-step conditional diffusion generator | [`scdg`] |
//! | [`Distilled`] | synthetic cells of each class | [`distill`] |
//! | [`Evaluation`](evaluate::Evaluation) | scores on test cells, beside baselines | [`evaluate`] |
//! | [`Annotation`](annotate::Annotation) | labels of other cells, by a trained classifier or by nearest neighbours | [`mod@annotate`] |
//! | [`BenchmarkResults`](benchmark::BenchmarkResults) | grids of methods, models, data sets and seeds: the paper's tables | [`mod@benchmark`] |
//! | [`Figure`](visualize::Figure) | UMAP, heatmap, matrixplot, curves | [`visualize`] |
//!
//! A verb on a stage opens a builder with documented defaults; `.plan()` says what would run, `.run()` does it. Stages are
//! cheap to clone and take `&self`, which is what notebook cells need. One seed decides everything.
//!
//! The whole path, on simulated cells and far too short to be good:
//!
//! ```
//! use scdd::prelude::*;
//!
//! let cells = simulate().cells(300).genes(200).classes(3).run()?;
//! let cells = cells.preprocess().min_genes(10).run()?;
//! let study = cells.study("cell_type").foundation_epochs(2).seed(7).run()?;
//! let scdg = study.train_scdg().steps(20).run()?;
//! let distilled = scdg.distill(GradientMatching::default()).per_class(1).steps(5).run()?;
//! assert_eq!(distilled.labels(), [0, 1, 2]);
//!
//! let evaluation = distilled.evaluate().run()?;
//! println!("{}", evaluation.table()?);
//! println!("{}", distilled.umap()?.summary());
//! # Ok::<(), scdd::Error>(())
//! ```
#![warn(missing_docs)]
#![recursion_limit = "256"]

pub mod annotate;
mod atomic_file;
pub mod benchmark;
pub mod cells;
mod checkpoints;
pub mod device;
pub mod distill;
pub mod error;
pub mod evaluate;
pub mod foundation;
mod notebook;
mod optimizer;
pub mod plan;
pub mod prelude;
pub mod preprocess;
pub mod progress;
pub mod scdg;
pub mod study;
mod tensors;
mod text;
pub mod visualize;

pub use benchmark::benchmark;
pub use cells::{Cells, Counts, H5ad, Labels, LogNormalized, demo_cells, read_h5ad, simulate};
pub use device::{default_device, device};
pub use distill::{
    CovarianceMatching, Distilled, DistilledEmbeddings, DistributionMatching, GradientMatching, Init, KernelMatching,
    Mixture, Optimizer, SmallClasses, TrajectoryMatching,
};
pub use error::{Error, Result, SettingError};
pub use foundation::Foundation;
pub use plan::Plan;
pub use scdd_learn::seed;
pub use scdg::{Noise, Sampler, Scdg};
pub use study::Study;

/// The crates whose types appear in the public API.
pub use burn;
pub use ndarray;
pub use plotly;
pub use polars;
pub use rand;
pub use rand_chacha;
pub use serde_json;
