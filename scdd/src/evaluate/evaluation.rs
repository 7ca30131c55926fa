//! Result of an evaluation: rows of scores, with the study and protocol that they belong to.

use std::sync::Arc;

use polars::prelude::DataFrame;

use super::table::table;
use super::{EvaluationRow, Protocol};
use crate::study::Study;

/// Scores of distilled sets, baselines and all training cells on real cells. Cheap to clone.
#[derive(Clone)]
pub struct Evaluation {
    parts: Arc<Parts>,
}

struct Parts {
    rows: Vec<EvaluationRow>,
    notes: Vec<String>,
    study: Study,
    protocol: Protocol,
    scored: usize,
}

impl std::fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.parts.rows).finish()
    }
}

impl Evaluation {
    pub(super) fn new(
        rows: Vec<EvaluationRow>,
        notes: Vec<String>,
        study: Study,
        protocol: Protocol,
        scored: usize,
    ) -> Self {
        Self { parts: Arc::new(Parts { rows, notes, study, protocol, scored }) }
    }

    /// One row per model and training set: distilled sets, baselines, all training cells.
    pub fn rows(&self) -> &[EvaluationRow] {
        &self.parts.rows
    }

    /// What was left out of the table, and why.
    pub fn notes(&self) -> &[String] {
        &self.parts.notes
    }

    /// The same as a polars frame.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        Ok(table(&self.parts.rows)?)
    }

    /// How the networks were trained.
    pub fn protocol(&self) -> &Protocol {
        &self.parts.protocol
    }

    /// On how many cells scores were taken; each row's `scored_on` says on which.
    pub fn scored_cells(&self) -> usize {
        self.parts.scored
    }

    /// The study whose cells were used.
    pub fn study(&self) -> &Study {
        &self.parts.study
    }
}
