//! Result of a privacy analysis, in numbers and in one sentence.

use std::sync::Arc;

use polars::prelude::{Column, DataFrame};
use serde::{Deserialize, Serialize};

use scdd_learn::statistics::median;

use crate::evaluate::EvaluateError;
use crate::text::{count, grouped};

/// How well an attack tells training cells from held-out ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Chance that a training cell scores above a held-out one of its class; 0.5 is guessing.
    pub auc: f64,
    /// Lower end of its 95 % interval (DeLong's).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Training cells that were attacked.
    pub training_cells: usize,
    /// Held-out cells that were attacked.
    pub held_out_cells: usize,
}

/// What one set gives away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetPrivacy {
    /// What made the distilled set, or the baseline.
    pub set: String,
    /// How many cells.
    pub cells: usize,
    /// Cells equal to a training cell in every gene, up to 1e-6.
    pub exact_copies: usize,
    /// Median cosine distance of its cells to their nearest training cell. A mean profile has no noise of its own and so is
    /// nearer to cells than another cell is: small is no sign of a copy by itself.
    pub nearest_training: f64,
    /// Cells whose distance to the nearest training cell, over that to the next, is smaller than that of 99 of 100 held-out
    /// cells (of all, where there are fewer than 100): a single cell is behind them, a copy perhaps with noise.
    pub singled_out: usize,
    /// Fraction of its cells whose nearest real cell is a training cell and not a held-out one; see
    /// [`Privacy::training_fraction`].
    pub nearest_is_training: f64,
    /// Training cells told by their nearness to the set's cells of their class; None for too few cells.
    pub nearness: Option<Attack>,
    /// The same beside their nearness to the mean of held-out cells of their class, which is the stronger attack on
    /// means.
    pub calibrated: Option<Attack>,
    /// Why there is no attack.
    pub reason: Option<String>,
}

impl SetPrivacy {
    /// The attack that is farther from guessing.
    pub fn best_attack(&self) -> Option<&Attack> {
        let far = |attack: &&Attack| (attack.auc - 0.5).abs();
        self.nearness.iter().chain(&self.calibrated).max_by(|a, b| far(a).total_cmp(&far(b)))
    }
}

/// What a distilled set gives away, beside random cells and class means at its budget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Privacy {
    parts: Arc<Parts>,
}

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) held_out: String,
    pub(super) held_out_cells: usize,
    pub(super) training_cells: usize,
    pub(super) held_out_distances: Vec<f64>,
    pub(super) distances: Vec<f64>,
    pub(super) sets: Vec<SetPrivacy>,
}

impl Privacy {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// The distilled set, random cells (which are copies), class means.
    pub fn sets(&self) -> &[SetPrivacy] {
        &self.parts.sets
    }

    /// What the held-out cells are: "validation cells" or "test cells".
    pub fn held_out(&self) -> &str {
        &self.parts.held_out
    }

    /// Held-out cells of the set's classes.
    pub fn held_out_cells(&self) -> usize {
        self.parts.held_out_cells
    }

    /// Cosine distance of each synthetic cell to its nearest training cell, in the order of the set.
    pub fn distances(&self) -> &[f64] {
        &self.parts.distances
    }

    /// The same of held-out cells, 1,000 of them at most.
    pub fn held_out_distances(&self) -> &[f64] {
        &self.parts.held_out_distances
    }

    /// Median of these, what [`SetPrivacy::nearest_training`] is of a set.
    pub fn held_out_nearest(&self) -> f64 {
        median(&self.parts.held_out_distances)
    }

    /// Fraction of training cells among training and held-out cells: so often the nearest real cell would be a training
    /// cell if the set had nothing to do with either.
    pub fn training_fraction(&self) -> f64 {
        let training = self.parts.training_cells as f64;
        training / (training + self.parts.held_out_cells as f64)
    }

    /// What was found of the distilled set, with its limits.
    pub fn sentence(&self) -> String {
        let Some(set) = self.sets().first() else { return String::new() };
        let held_out = self.held_out();
        let copies = match set.exact_copies {
            0 => "none is a copy of a training cell".to_owned(),
            1 => "one is a copy of a training cell".to_owned(),
            many => format!("{} are copies of training cells", grouped(many)),
        };
        let single = match set.singled_out {
            0 => "none lies".to_owned(),
            1 => "one lies".to_owned(),
            many => format!("{} lie", grouped(many)),
        };
        let few = match self.held_out_distances().len() {
            few if few < 100 => format!("none of the {few}"),
            _ => "only 1 in 100".to_owned(),
        };
        let told = match (set.best_attack(), &set.reason) {
            (Some(attack), _) => {
                let chance = attack.low <= 0.5 && 0.5 <= attack.high;
                format!(
                    "training cells {} be told from {} {held_out} by their distance to the set (AUC {:.3}, 95 % interval \
                     {:.3} to {:.3}, 0.5 is guessing)",
                    if chance { "could not" } else { "can" },
                    grouped(attack.held_out_cells),
                    attack.auc,
                    attack.low,
                    attack.high
                )
            }
            (None, Some(reason)) => format!("whether training cells can be told is not known: {reason}"),
            (None, None) => "whether training cells can be told was not tested".to_owned(),
        };
        format!(
            "Of {}, {copies} and {single} as near to a single training cell as {few} {held_out} does; {told}. This is the better \
             of two attacks that see only the set: others may find more, and since cells of one donor may be on both \
             sides of the split, nothing is said of donors.",
            count(set.cells, "synthetic cell")
        )
    }

    /// The numbers as a polars frame, one row per set.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let sets = self.sets();
        let number = |name: &str, of: fn(&SetPrivacy) -> Option<f64>| {
            Column::new(name.into(), sets.iter().map(of).collect::<Vec<_>>())
        };
        let whole = |name: &str, of: fn(&SetPrivacy) -> usize| {
            Column::new(name.into(), sets.iter().map(|set| of(set) as u64).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new("set".into(), sets.iter().map(|set| set.set.as_str()).collect::<Vec<_>>()),
            whole("cells", |set| set.cells),
            whole("exact_copies", |set| set.exact_copies),
            number("nearest_training", |set| Some(set.nearest_training)),
            whole("singled_out", |set| set.singled_out),
            number("nearest_is_training", |set| Some(set.nearest_is_training)),
            number("nearness_auc", |set| set.nearness.as_ref().map(|attack| attack.auc)),
            number("nearness_low", |set| set.nearness.as_ref().map(|attack| attack.low)),
            number("nearness_high", |set| set.nearness.as_ref().map(|attack| attack.high)),
            number("calibrated_auc", |set| set.calibrated.as_ref().map(|attack| attack.auc)),
            number("calibrated_low", |set| set.calibrated.as_ref().map(|attack| attack.low)),
            number("calibrated_high", |set| set.calibrated.as_ref().map(|attack| attack.high)),
            Column::new("reason".into(), sets.iter().map(|set| set.reason.as_deref()).collect::<Vec<_>>()),
        ];
        Ok(DataFrame::new(sets.len(), columns).map_err(EvaluateError::from)?)
    }
}
