//! `scdd annotate`.

use std::path::PathBuf;

use clap::Args;
use scdd::Foundation;
use scdd::annotate::Annotator;
use serde_json::json;

use crate::study::Input;
use crate::{Outcome, say};

#[derive(Args)]
#[command(
    after_help = "`scdd distill ... --annotator MODEL` writes a model that is trained on a distilled set; in a notebook, \
                  `study.train_model(...)?.write(...)` one that is trained on all training cells."
)]
pub struct Annotate {
    #[command(flatten)]
    input: Input,
    /// The .safetensors file of a trained model.
    #[arg(long, value_name = "MODEL")]
    annotator: PathBuf,
    /// The foundation model that the annotator was trained on, if that is one on latents, such as a linear head.
    #[arg(long, value_name = "MODEL")]
    foundation: Option<PathBuf>,
    /// Cells whose most probable class is less probable are "unassigned".
    #[arg(long, default_value_t = 0.0)]
    threshold: f64,
    /// A column of obs to compare with: prints how many cells have that label.
    #[arg(long, value_name = "COLUMN")]
    compare: Option<String>,
    /// The .h5ad file that is written: log-normalised cells with `annotation` and `annotation_confidence` in obs.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Annotate {
    pub fn run(&self) -> Outcome {
        let mut annotator = Annotator::read(&self.annotator)?;
        if let Some(model) = &self.foundation {
            annotator = annotator.with_foundation(Foundation::read(model)?)?;
        }
        let cells = self.input.cells()?;
        let annotated = annotator.annotate(&cells).threshold(self.threshold).run()?;
        let accuracy = self.compare.as_ref().map(|column| annotated.accuracy(column)).transpose()?;
        annotated.cells()?.write_h5ad(&self.out)?;
        let mut counts = std::collections::BTreeMap::new();
        for name in annotated.names() {
            *counts.entry(name).or_insert(0_usize) += 1;
        }
        let said = json!({
            "out": self.out, "cells": cells.cells(), "annotation": counts, "unassigned": annotated.unassigned(),
            "missing_genes": annotated.missing_genes().len(), "accuracy": accuracy,
        });
        say(self.json, said, || {
            let agree = match (&self.compare, accuracy) {
                (Some(column), Some(accuracy)) => format!("\n{:.1} % are as in '{column}'", accuracy * 100.0),
                _ => String::new(),
            };
            format!("{}: {annotated:?}{agree}", self.out.display())
        });
        Ok(())
    }
}
