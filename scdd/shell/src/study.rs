//! The arguments that commands on cells and studies share.

use std::path::PathBuf;

use clap::Args;
use scdd::study::StudyBuilder;
use scdd::{Cells, Foundation, H5ad, LogNormalized, Result, Study};

/// A file of cells.
#[derive(Args)]
pub struct Input {
    /// An .h5ad file of counts.
    pub file: PathBuf,
    /// The file is log-normalised already (log1p of counts per 10,000), and isn't filtered.
    #[arg(long)]
    log_normalized: bool,
    /// Genes that a cell must express to be kept.
    #[arg(long, value_name = "GENES", default_value_t = 200)]
    min_genes: usize,
    /// Cells that must express a gene for it to be kept.
    #[arg(long, value_name = "CELLS", default_value_t = 3)]
    min_cells: usize,
}

impl Input {
    /// Reads and log-normalises.
    pub fn cells(&self) -> Result<Cells<LogNormalized>> {
        if self.log_normalized {
            return H5ad::open(&self.file).log_normalized().read();
        }
        scdd::read_h5ad(&self.file)?.preprocess().min_genes(self.min_genes).min_cells(self.min_cells).run()
    }
}

/// A file of cells, split and embedded by a foundation model.
#[derive(Args)]
pub struct Studied {
    #[command(flatten)]
    pub input: Input,
    /// Column of obs that holds the classes.
    #[arg(long)]
    pub label: String,
    /// Seed of the split and of everything that is drawn.
    #[arg(long, default_value_t = scdd::seed::DEFAULT_SEED)]
    pub seed: u64,
    /// Most variable genes of the training cells that are kept; 2,000, or, with --foundation, all that the model knows.
    #[arg(long, value_name = "GENES")]
    variable_genes: Option<usize>,
    /// A foundation model: a file of `scdd train`, or SCimilarity's folder; without it, one is pretrained on the training cells.
    #[arg(long, value_name = "MODEL")]
    foundation: Option<PathBuf>,
    /// Passes of the pretraining.
    #[arg(long, value_name = "EPOCHS", conflicts_with = "foundation")]
    foundation_epochs: Option<usize>,
}

impl Studied {
    /// The study that is opened.
    pub fn opened(&self) -> Result<StudyBuilder> {
        let mut opened = self.input.cells()?.study(&self.label).seed(self.seed);
        if let Some(model) = &self.foundation {
            opened = opened.foundation(Foundation::read(model)?);
        }
        if let Some(genes) = self.variable_genes {
            opened = opened.variable_genes(genes);
        }
        if let Some(epochs) = self.foundation_epochs {
            opened = opened.foundation_epochs(epochs);
        }
        Ok(opened)
    }

    /// The study.
    pub fn study(&self) -> Result<Study> {
        let study = self.opened()?.run()?;
        eprintln!("{study:?}");
        Ok(study)
    }
}
