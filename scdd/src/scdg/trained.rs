//! A trained generator: its study, how it was trained, and the network.

use std::sync::Arc;

use super::builder::{ScdgConfig, ScdgHistory};
use super::generator::Generator;
use crate::study::Study;

/// A trained generator over its study. Cheap to clone.
#[derive(Clone)]
pub struct Scdg {
    pub(super) parts: Arc<Parts>,
}

pub(super) struct Parts {
    pub(super) study: Study,
    pub(super) config: ScdgConfig,
    pub(super) generator: Generator,
    pub(super) history: ScdgHistory,
}

impl std::fmt::Debug for Scdg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let history = &self.parts.history;
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let hundred = history.loss.len().min(100);
        write!(
            f,
            "SCDG trained in {} steps, {:.0} s: loss {:.3} -> {:.3}",
            history.loss.len(),
            history.seconds,
            mean(&history.loss[..hundred]),
            mean(&history.loss[history.loss.len() - hundred..])
        )
    }
}

impl Scdg {
    /// The study that it was trained on.
    pub fn study(&self) -> &Study {
        &self.parts.study
    }

    /// How it was trained.
    pub fn config(&self) -> &ScdgConfig {
        &self.parts.config
    }

    /// Its losses.
    pub fn history(&self) -> &ScdgHistory {
        &self.parts.history
    }

    /// The network and the decoder behind it.
    pub fn generator(&self) -> &Generator {
        &self.parts.generator
    }

    /// Shows the training's summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
