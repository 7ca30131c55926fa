//! Settings of a benchmark, part of every row's config.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Method;
use crate::distill::SmallClasses;
use crate::evaluate::Protocol;
use crate::preprocess::PreprocessConfig;

/// How cells are read, embedded, distilled and evaluated; None is the library's default.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) preprocess: PreprocessConfig,
    pub(super) variable_genes: Option<usize>,
    pub(super) foundation_epochs: Option<usize>,
    pub(super) scdg_steps: Option<usize>,
    pub(super) steps: Option<usize>,
    pub(super) small_classes: SmallClasses,
    pub(super) on_validation: bool,
    pub(super) protocol: Protocol,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            preprocess: PreprocessConfig::default(),
            variable_genes: None,
            foundation_epochs: None,
            scdg_steps: None,
            steps: None,
            small_classes: SmallClasses::TakeAll,
            on_validation: false,
            // Each seed draws split, model, set and network anew.
            protocol: Protocol { networks: 1, ..Protocol::default() },
        }
    }
}

impl Settings {
    /// The protocol of one seed.
    pub(super) fn protocol(&self, seed: u64) -> Protocol {
        Protocol { seed, ..self.protocol.clone() }
    }

    /// The config of a row: two rows of one key and one config are the same row.
    pub(super) fn config(&self, cells: &str, foundation: &Value, method: &Method) -> Value {
        let mut settings = json!(self);
        // Its seed is the row's.
        if let Some(protocol) = settings["protocol"].as_object_mut() {
            protocol.remove("seed");
        }
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cells_sha256": cells,
            "foundation": foundation,
            "settings": settings,
            "method": method.config(),
        })
    }
}
