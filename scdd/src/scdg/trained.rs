//! A trained generator: its study, how it was trained, and the network.

use std::sync::Arc;

use super::conditions::Condition;
use super::config::{ScdgConfig, ScdgHistory};
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
    pub(super) conditions: Vec<Condition>,
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
        )?;
        for condition in &self.parts.conditions {
            write!(f, "; conditioned on '{}' ({} values)", condition.column(), condition.values().len())?;
        }
        if history.interrupted {
            write!(f, "; interrupted, {} steps were planned", self.parts.config.steps)?;
        }
        Ok(())
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

    /// The values of a condition beside the class that it was trained with, sorted; None where it is no condition.
    pub fn condition_values(&self, column: &str) -> Option<&[String]> {
        let condition = self.parts.conditions.iter().find(|condition| condition.column() == column);
        condition.map(Condition::values)
    }

    /// Its losses.
    pub fn history(&self) -> &ScdgHistory {
        &self.parts.history
    }

    /// The network and the decoder after it.
    pub fn generator(&self) -> &Generator {
        &self.parts.generator
    }

    /// Shows the training's summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}
