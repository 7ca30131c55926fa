//! `scdd distill`.

use std::path::PathBuf;

use clap::Args;
use scdd::benchmark::{Method, Shared, models_named};
use scdd::evaluate::TrainingSet;

use crate::study::Studied;
use crate::{Outcome, say};

#[derive(Args)]
pub struct Distill {
    #[command(flatten)]
    studied: Studied,
    /// The method: "scDD+SCDG, DC", "scDD+Metacells, ridge", ... Case, spaces and punctuation don't matter.
    #[arg(long, default_value = "scDD+Metacells, ridge")]
    method: String,
    /// Synthetic cells per class; a class with fewer training cells gives as many as it has.
    #[arg(long, default_value_t = 1)]
    per_class: usize,
    /// Steps of the optimiser; by default the method's own, 50 or 200.
    #[arg(long)]
    steps: Option<usize>,
    /// Steps of SCDG's training, where the method has one; 2,000.
    #[arg(long)]
    scdg_steps: Option<usize>,
    /// The .h5ad file that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Writes 0 for all genes but the markers, which gives away less of the training cells. Models on expression learn the same
    /// from it; foundation models get fewer genes.
    #[arg(long)]
    only_markers: bool,
    /// Also trains a model on the set and writes it, a .safetensors file for `scdd annotate`.
    #[arg(long, value_name = "FILE")]
    annotator: Option<PathBuf>,
    /// Which model: "CellTypist", "random forest", ... as `scdd evaluate` knows them.
    #[arg(long, value_name = "MODEL", requires = "annotator", default_value = "CellTypist")]
    annotator_model: String,
    /// Prints the recipe, everything that made the set, as one line of JSON.
    #[arg(long)]
    json: bool,
}

impl Distill {
    pub fn run(&self) -> Outcome {
        let method = Method::named(&self.method).map_err(scdd::Error::from)?;
        let no_cells = |what: &str| format!("{} {what}; take one such as \"scDD+SCDG, DC\" or \"DM\"", method.name());
        let models = models_named([&self.annotator_model]).map_err(scdd::Error::from)?;
        let mut shared = Shared::of(&self.studied.study()?);
        if let Some(steps) = self.steps {
            shared = shared.with_steps(steps);
        }
        if let Some(steps) = self.scdg_steps {
            shared = shared.with_scdg_steps(steps);
        }
        match method.make(&shared, self.per_class)? {
            None => Err(no_cells("distils nothing: it is a baseline of `scdd evaluate` and `scdd benchmark`").into()),
            Some(TrainingSet::Features(_)) => {
                Err(no_cells("makes embeddings, no cells, and there is nothing to write").into())
            }
            Some(TrainingSet::Cells(cells)) => {
                if self.only_markers && cells.markers().is_none() {
                    let found = format!("--only-markers: {cells:?}: all its genes count, and there are no markers");
                    return Err(format!("{found}; leave the option out, or take \"scDD+Metacells, ridge\"").into());
                }
                let cells = if self.only_markers { cells.only_markers() } else { cells };
                cells.write_h5ad(&self.out)?;
                if let (Some(path), Some(model)) = (&self.annotator, models.first()) {
                    cells.train_model(model.clone())?.write(path)?;
                }
                say(self.json, cells.recipe(), || format!("{}: {cells:?}", self.out.display()));
                Ok(())
            }
        }
    }
}
