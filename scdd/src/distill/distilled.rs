//! The distilled set: synthetic cells with their labels, and the recipe that made them.

use std::sync::Arc;

use ndarray::Array2;

use super::builder::{DistillConfig, DistillHistory};
use crate::scdg::Scdg;
use crate::study::Study;
use crate::text::grouped;

/// Synthetic cells of each class. Cheap to clone.
#[derive(Clone)]
pub struct Distilled {
    parts: Arc<Parts>,
}

struct Parts {
    scdg: Scdg,
    objective: String,
    config: DistillConfig,
    learning_rate: f64,
    expression: Array2<f32>,
    labels: Vec<u32>,
    history: DistillHistory,
}

impl std::fmt::Debug for Distilled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary())
    }
}

impl Distilled {
    pub(super) fn new(
        scdg: &Scdg,
        objective: String,
        config: DistillConfig,
        learning_rate: f64,
        expression: Array2<f32>,
        labels: Vec<u32>,
        history: DistillHistory,
    ) -> Self {
        let scdg = scdg.clone();
        Self { parts: Arc::new(Parts { scdg, objective, config, learning_rate, expression, labels, history }) }
    }

    /// Expression `[synthetic cells, genes]`, log1p of counts per 1e4, not negative.
    pub fn expression(&self) -> &Array2<f32> {
        &self.parts.expression
    }

    /// Class of each synthetic cell, as its number in [`Study::classes`].
    pub fn labels(&self) -> &[u32] {
        &self.parts.labels
    }

    /// Name of the objective that made it.
    pub fn objective(&self) -> &str {
        &self.parts.objective
    }

    /// How it was made.
    pub fn config(&self) -> &DistillConfig {
        &self.parts.config
    }

    /// Loss and gradient of each step.
    pub fn history(&self) -> &DistillHistory {
        &self.parts.history
    }

    /// The generator that made it.
    pub fn scdg(&self) -> &Scdg {
        &self.parts.scdg
    }

    /// The study that it condenses.
    pub fn study(&self) -> &Study {
        self.parts.scdg.study()
    }

    /// Synthetic cells for each 1,000 training cells.
    pub fn permille(&self) -> f64 {
        1_000.0 * self.parts.labels.len() as f64 / self.study().training_cells().train().len() as f64
    }

    /// Everything that made it, for `uns["scdd"]`.
    pub fn recipe(&self) -> serde_json::Value {
        let study = self.study();
        let training = study.training_cells();
        let provenance = study.cells().provenance();
        serde_json::json!({
            "method": "scDD: latent codes through SCDG",
            "objective": self.parts.objective,
            "distillation": self.parts.config,
            "learning_rate": self.parts.learning_rate,
            "scdg": self.parts.scdg.config(),
            "study": study.config(),
            "foundation": { "name": study.foundation().name(), "pretraining": study.pretraining() },
            "split": {
                "training_cells": training.train().len(),
                "validation_cells": training.validation().len(),
                "test_cells": study.test_cells().count(),
                "training_cells_per_class": training.train_counts(),
                "notes": study.notes(),
            },
            "classes": study.classes(),
            "genes": study.cells().genes(),
            "normalisation": "log1p of counts per 10,000 of each cell",
            "source": provenance.source,
            "source_sha256": provenance.sha256,
            "steps": provenance.steps,
            "version": env!("CARGO_PKG_VERSION"),
        })
    }

    fn summary(&self) -> String {
        let history = &self.parts.history;
        let first_and_last = match (history.loss.first(), history.loss.last()) {
            (Some(first), Some(last)) => format!("loss {first:.4} -> {last:.4}"),
            _ => "no steps".to_owned(),
        };
        format!(
            "{} synthetic cells x {} genes, {} per class, {:.1} permille of the training cells\n{} in {} steps, {:.1} s: \
             {first_and_last}",
            grouped(self.parts.labels.len()),
            grouped(self.parts.expression.ncols()),
            self.parts.config.per_class,
            self.permille(),
            self.parts.objective,
            history.loss.len(),
            history.seconds,
        )
    }

    /// Shows the summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&self.summary());
    }
}
