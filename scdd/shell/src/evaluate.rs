//! `scdd evaluate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scdd::Distilled;
use scdd::benchmark::models_named;
use scdd::evaluate::{Protocol, all_baselines, main_baselines};

use crate::Outcome;
use crate::study::Studied;

#[derive(Args)]
pub struct Evaluate {
    #[command(flatten)]
    studied: Studied,
    /// A distilled set that `scdd distill` wrote, of the same file, label and seed; several are evaluated beside each other.
    #[arg(long = "set", value_name = "FILE")]
    sets: Vec<PathBuf>,
    /// Budgets of the baselines beside those of the sets.
    #[arg(long, value_delimiter = ',')]
    per_class: Vec<usize>,
    /// Models by name, with commas between them, or "all"; the linear head on the frozen encoder.
    #[arg(long, value_name = "MODELS", default_value = "linear head")]
    models: Vec<String>,
    /// More baselines than random cells and class means.
    #[arg(long, value_name = "WHICH")]
    baselines: Option<Baselines>,
    /// Networks that scores are the mean of.
    #[arg(long, default_value_t = 5)]
    networks: usize,
    /// Scores on validation cells; test cells stay closed.
    #[arg(long)]
    validation: bool,
    /// A line of JSON for each row.
    #[arg(long)]
    json: bool,
}

/// Which baselines are evaluated.
#[derive(Clone, Copy, ValueEnum)]
enum Baselines {
    /// Also medoids, pseudobulks, mean latents and decoded cells.
    Main,
    /// Those, herding, k-centre greedy, geometric sketching, scValue, a stratified subsample and metacells.
    All,
}

impl Evaluate {
    pub fn run(&self) -> Outcome {
        let study = self.studied.study()?;
        let models = models_named(&self.models).map_err(scdd::Error::from)?;
        let protocol = Protocol { networks: self.networks, seed: self.studied.seed, ..Protocol::default() };
        let mut evaluation = study.evaluate().models(models).protocol(protocol);
        for path in &self.sets {
            evaluation = evaluation.beside(&Distilled::read_h5ad(path, &study)?);
        }
        for &per_class in &self.per_class {
            evaluation = evaluation.per_class(per_class);
        }
        evaluation = match self.baselines {
            None => evaluation,
            Some(Baselines::Main) => evaluation.baselines(main_baselines()),
            Some(Baselines::All) => evaluation.baselines(all_baselines()),
        };
        let evaluation = if self.validation { evaluation.on_validation().run()? } else { evaluation.run()? };
        if self.json {
            for row in evaluation.rows() {
                println!("{}", serde_json::to_string(row)?);
            }
        } else {
            print!("{}", evaluation.table()?);
        }
        Ok(())
    }
}
