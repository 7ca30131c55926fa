//! `scdd train` pretrains a foundation model.

use std::path::PathBuf;

use clap::Args;
use scdd::Foundation;
use scdd::foundation::FoundationModel;
use serde_json::json;

use crate::study::Input;
use crate::{Outcome, say};

#[derive(Args)]
#[command(
    after_help = "SCDG is not written, since it belongs to one split and one model; `scdd distill` trains it in a minute or so."
)]
pub struct Train {
    #[command(flatten)]
    input: Input,
    /// Column of obs that holds the classes. The model is trained on the training cells of the split by this column alone, so
    /// that `distill`, `evaluate` and `benchmark` with the same label and seed may use it.
    #[arg(long)]
    label: String,
    /// Seed of the split and of the training.
    #[arg(long, default_value_t = scdd::seed::DEFAULT_SEED)]
    seed: u64,
    /// Most variable genes of the training cells that are kept.
    #[arg(long, value_name = "GENES", default_value_t = 2_000)]
    variable_genes: usize,
    /// Passes over the training cells at most.
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// The .safetensors file that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A folder of checkpoints: a killed training continues from it.
    #[arg(long, value_name = "FOLDER")]
    checkpoints: Option<PathBuf>,
    /// One line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Train {
    pub fn run(&self) -> Outcome {
        let opened = self.input.cells()?.study(&self.label).seed(self.seed).variable_genes(self.variable_genes);
        let mut training = Foundation::pretrain(&opened.training_cells()?).seed(self.seed).epochs(self.epochs);
        if let Some(folder) = &self.checkpoints {
            training = training.checkpoints(folder);
        }
        let model = training.run()?;
        model.write(&self.out)?;
        let said = json!({
            "out": self.out, "name": model.name(), "genes": model.genes().len(), "latent": model.latent(),
            "checksum": model.checksum(), "history": model.history(),
        });
        say(self.json, said, || format!("{}: {model:?}", self.out.display()));
        Ok(())
    }
}
