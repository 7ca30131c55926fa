//! `scdd info`, `preprocess` and `embed`.

use std::path::PathBuf;

use clap::Args;
use scdd::{Foundation, H5ad};
use serde_json::{Value, json};

use crate::study::Input;
use crate::{Outcome, say};

#[derive(Args)]
pub struct Info {
    /// An .h5ad file.
    file: PathBuf,
    /// The file is log-normalised.
    #[arg(long)]
    log_normalized: bool,
    /// One line of JSON: cells, genes, and the classes of each column of obs that has some.
    #[arg(long)]
    json: bool,
}

impl Info {
    pub fn run(&self) -> Outcome {
        let opened = H5ad::open(&self.file);
        let (about, words) = match self.log_normalized {
            true => {
                let cells = opened.log_normalized().read()?;
                (about(&cells), cells.summary())
            }
            false => {
                let cells = opened.read()?;
                (about(&cells), cells.summary())
            }
        };
        say(self.json, about, || words.trim_end().to_owned());
        Ok(())
    }
}

fn about<Stage>(cells: &scdd::Cells<Stage>) -> Value {
    let column = |name: &str| {
        let kind = cells.obs().column(name).map(|column| column.dtype().to_string()).unwrap_or_default();
        let classes = cells.labels(name).ok().filter(|labels| labels.classes.len() < cells.cells()).map(|labels| {
            let counts = labels.count_per_class();
            labels.classes.iter().cloned().zip(counts).map(|(class, count)| (class, json!(count))).collect()
        });
        json!({ "name": name, "type": kind, "classes": classes.map(Value::Object) })
    };
    json!({
        "cells": cells.cells(),
        "genes": cells.genes(),
        "sparsity": cells.sparsity(),
        "obs": cells.obs().get_column_names().iter().map(|name| column(name)).collect::<Vec<_>>(),
        "obsm": cells.obsm_keys(),
        "source_sha256": cells.provenance().sha256,
        "scdd": scdd::cells::read_recipe(&cells.provenance().source).ok().flatten(),
    })
}

#[derive(Args)]
pub struct Preprocess {
    #[command(flatten)]
    input: Input,
    /// The .h5ad file that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Preprocess {
    pub fn run(&self) -> Outcome {
        let cells = self.input.cells()?;
        cells.write_h5ad(&self.out)?;
        let steps = &cells.provenance().steps;
        let said = json!({ "out": self.out, "cells": cells.cells(), "genes": cells.genes(), "steps": steps });
        say(self.json, said, || format!("{}: {cells:?}\n{}", self.out.display(), steps.join("\n")));
        Ok(())
    }
}

#[derive(Args)]
pub struct Embed {
    #[command(flatten)]
    input: Input,
    /// A foundation model: a file of `scdd train`, or SCimilarity's folder.
    #[arg(long, value_name = "MODEL")]
    foundation: PathBuf,
    /// Name of the embedding in obsm.
    #[arg(long, default_value = "X_scdd")]
    key: String,
    /// The .h5ad file that is written: log-normalised cells with the embedding.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Embed {
    pub fn run(&self) -> Outcome {
        let cells = self.input.cells()?;
        let registered = Foundation::read(&self.foundation)?.register(&cells)?;
        let latents = registered.foundation.embed_cells(&registered.cells).map_err(scdd::Error::from)?;
        let (genes, latent) = (registered.cells.genes(), latents.ncols());
        cells.with_obsm(&self.key, latents)?.write_h5ad(&self.out)?;
        let said = json!({
            "out": self.out, "key": self.key, "cells": cells.cells(), "latent": latent, "shared_genes": genes,
        });
        let words = || {
            let (file, key, count) = (self.out.display(), &self.key, cells.cells());
            format!("{file}: obsm '{key}', {count} cells x {latent}, from {genes} genes of the model")
        };
        say(self.json, said, words);
        Ok(())
    }
}
