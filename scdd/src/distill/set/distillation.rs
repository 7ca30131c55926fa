//! How a set was made: labels, recipe and history, which cells and embeddings share.

use crate::distill::config::DistillConfig;
use crate::distill::history::DistillHistory;
use crate::distill::path::{Denoising, Pipeline};
use crate::scdg::Scdg;
use crate::study::Study;
use crate::text::grouped;

/// Labels, recipe and history of a distilled set.
#[derive(Clone)]
pub struct Distillation {
    pub(in crate::distill) pipeline: Pipeline,
    pub(in crate::distill) study: Study,
    pub(in crate::distill) scdg: Option<Scdg>,
    pub(in crate::distill) objective: String,
    pub(in crate::distill) short_name: String,
    pub(in crate::distill) config: DistillConfig,
    pub(in crate::distill) denoising: Option<Denoising>,
    /// None when nothing was optimised.
    pub(in crate::distill) learning_rate: Option<f64>,
    pub(in crate::distill) labels: Vec<u32>,
    pub(in crate::distill) history: DistillHistory,
    pub(in crate::distill) preparation_seconds: f64,
}

impl Distillation {
    /// Class of each synthetic cell, as its number in [`Study::classes`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// What tables call it, as the paper does: "DC", "scDD+Decoder, DM", "scDD+SCDG, DC", "FeatDistill+DM",
    /// "TextDistill+DC", "generation only".
    pub fn method(&self) -> String {
        self.pipeline.name(&self.short_name)
    }

    /// The pipeline that made it.
    pub fn pipeline(&self) -> Pipeline {
        self.pipeline
    }

    /// Name of the objective that made it; "none" for generation only.
    pub fn objective(&self) -> &str {
        &self.objective
    }

    /// How it was made.
    pub fn config(&self) -> &DistillConfig {
        &self.config
    }

    /// How SCDG denoised the codes; None for pipelines without that.
    pub fn denoising(&self) -> Option<Denoising> {
        self.denoising
    }

    /// The learning rate that was used, after any choice; None when nothing was optimised.
    pub fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    /// Loss, gradient and validation scores of its steps.
    pub fn history(&self) -> &DistillHistory {
        &self.history
    }

    /// Seconds that it took: all steps, and preparing the pipeline beside the foundation model, such as training SCDG.
    pub fn seconds(&self) -> f64 {
        self.history.seconds + self.preparation_seconds
    }

    /// The generator that made it; None for pipelines without one.
    pub fn scdg(&self) -> Option<&Scdg> {
        self.scdg.as_ref()
    }

    /// The study that it was distilled from.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Synthetic cells for each 1,000 training cells.
    pub fn permille(&self) -> f64 {
        1_000.0 * self.labels.len() as f64 / self.study.training_cells().train().len() as f64
    }

    /// Everything that made it, for `uns["scdd"]`.
    pub fn recipe(&self) -> serde_json::Value {
        let study = &self.study;
        let training = study.training_cells();
        let provenance = study.cells().provenance();
        serde_json::json!({
            "method": self.method(),
            "pipeline": self.pipeline,
            "objective": self.objective,
            "distillation": self.config,
            "denoising": self.denoising,
            "learning_rate": self.learning_rate,
            "runs_tried": self.history.runs,
            "validation": self.history.validation,
            "kept_step": self.history.kept_step,
            "marker_fraction": self.history.marker_fraction,
            "steps_done": self.history.loss.len(),
            "scdg": self.scdg.as_ref().map(Scdg::config),
            "study": study.config(),
            // A precomputed model's name has its key in obsm; the latents of a PCA are its components.
            "foundation": {
                "name": study.foundation().name(),
                "latent": study.foundation().latent(),
                "pretraining": study.pretraining(),
                "decoder": study.decoder().map(|(config, _)| config),
            },
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

    /// Two lines on `rows`, "cells" or "embeddings", of `width` values of a kind.
    pub(in crate::distill) fn summary(&self, rows: &str, width: usize, values: &str) -> String {
        let history = &self.history;
        let mut text = format!(
            "{} synthetic {rows} x {} {values}, {} per class, {:.1} permille of the training cells\n{}: ",
            grouped(self.labels.len()),
            grouped(width),
            self.config.per_class,
            self.permille(),
            self.method(),
        );
        match (history.loss.first(), history.loss.last()) {
            (Some(first), Some(last)) => {
                let (steps, seconds) = (history.loss.len(), history.seconds);
                text += &format!("{} in {steps} steps, {seconds:.1} s: loss {first:.4} -> {last:.4}", self.objective);
                if history.interrupted {
                    text += &format!(", interrupted, {} steps were planned", self.config.steps);
                }
                if history.kept_step != steps {
                    text += &format!(", step {} kept", history.kept_step);
                }
                if let Some(fraction) = history.marker_fraction.filter(|fraction| *fraction < 1.0) {
                    text += &format!(", {:.0} % of the genes are markers", 100.0 * fraction);
                }
            }
            _ => text += "no steps",
        }
        text
    }
}
