//! The table of a privacy report: membership inference and nearest training cells of each set, under a summary sentence.

use polars::prelude::{Column, DataFrame};

use super::{Table, table};
use crate::evaluate::{Attack, EvaluateError, Privacy, SetPrivacy};
use crate::text::grouped;

impl Privacy {
    /// The numbers, one row per set, AUCs with their 95 % intervals; the last row has those of held-out cells.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn table(&self) -> crate::Result<Table> {
        let sets = self.sets();
        let with_interval = |attack: &Attack| format!("{:.3} ({:.3} to {:.3})", attack.auc, attack.low, attack.high);
        let attacks = |name: &str, of: fn(&SetPrivacy) -> Option<&Attack>| {
            let values = sets.iter().map(|set| of(set).map(with_interval));
            Column::new(name.into(), values.chain([Some("0.5".to_owned())]).collect::<Vec<_>>())
        };
        let text = |name: &str, of: &dyn Fn(&SetPrivacy) -> String, of_held_out: Option<String>| {
            let values: Vec<_> = sets.iter().map(|set| Some(of(set))).chain([of_held_out]).collect();
            Column::new(name.into(), values)
        };
        let columns = vec![
            text("set", &|set| set.set.clone(), Some(self.held_out().to_owned())),
            text("cells", &|set| grouped(set.cells), Some(grouped(self.held_out_cells()))),
            text("exact copies", &|set| grouped(set.exact_copies), None),
            text(
                "distance to a training cell",
                &|set| format!("{:.4}", set.nearest_training),
                Some(format!("{:.4}", self.held_out_nearest())),
            ),
            text("singled out", &|set| grouped(set.singled_out), Some("at most 1 %".to_owned())),
            text(
                "nearest to a training cell",
                &|set| format!("{:.3}", set.nearest_is_training),
                Some(format!("{:.3}", self.training_fraction())),
            ),
            attacks("AUC by nearness", |set| set.nearness.as_ref()),
            attacks("AUC, calibrated", |set| set.calibrated.as_ref()),
        ];
        let frame = DataFrame::new(sets.len() + 1, columns).map_err(EvaluateError::from)?;
        let mut caption = self.sentence();
        for set in sets.iter().skip(1) {
            if let Some(reason) = &set.reason {
                caption += &format!(" {}: {reason}.", set.set);
            }
        }
        Ok(Table::new(frame, &caption))
    }

    /// Shows the sentence and the table in a notebook.
    pub fn evcxr_display(&self) {
        table::show(self.table());
    }
}

impl std::fmt::Display for Privacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        table::write(self.table(), f)
    }
}
