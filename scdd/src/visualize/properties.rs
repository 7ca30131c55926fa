//! Tables of the properties of distilled sets, and of generated beside real cells.

use polars::prelude::{Column, DataFrame};

use super::{Table, table};
use crate::evaluate::{EvaluateError, GeneratorReport, Properties, SetProperties};

impl Properties {
    /// The properties, one row per set.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn table(&self) -> crate::Result<Table> {
        let sets = self.sets();
        let number = |name: &str, of: fn(&SetProperties) -> Option<f64>| {
            Column::new(name.into(), sets.iter().map(of).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new("set".into(), sets.iter().map(|set| set.set.as_str()).collect::<Vec<_>>()),
            Column::new("cells".into(), sets.iter().map(|set| set.cells as u64).collect::<Vec<_>>()),
            number("smallest value", |set| Some(set.smallest_value)),
            number("zero fraction", |set| Some(set.zero_fraction)),
            number("its spread", |set| set.zero_fraction_spread),
            number("library size", |set| Some(set.library_size)),
            number("spread of its log", |set| set.library_size_spread),
            number("correlation distance", |set| set.correlation_distance),
            number("class distance", |set| set.class_distance),
            number("smallest one", |set| set.smallest_class_distance),
            number("agreement of class distances", |set| set.class_distance_agreement),
        ];
        let frame = DataFrame::new(sets.len(), columns).map_err(EvaluateError::from)?;
        let pairs = sets.get(1).map_or(0, |set| set.correlated_pairs);
        let caption = format!(
            "What the set is like, means over classes; correlation distance over {} pairs of genes",
            crate::text::grouped(pairs)
        );
        Ok(Table::new(frame, &caption))
    }

    /// Shows the table in a notebook.
    pub fn evcxr_display(&self) {
        table::show(self.table());
    }
}

impl GeneratorReport {
    /// The measures: of generated cells, of real training cells in their stead, and the ideal.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn table(&self) -> crate::Result<Table> {
        let figures = self.figures();
        let text = |value: Option<f64>| value.map(|value| format!("{value:.3}"));
        let columns = vec![
            Column::new("figure".into(), figures.iter().map(|figure| figure.name.as_str()).collect::<Vec<_>>()),
            Column::new("generated".into(), figures.iter().map(|figure| text(figure.generated)).collect::<Vec<_>>()),
            Column::new(
                "real in their place".into(),
                figures.iter().map(|figure| text(figure.real)).collect::<Vec<_>>(),
            ),
            Column::new("ideal".into(), figures.iter().map(|figure| figure.ideal).collect::<Vec<_>>()),
        ];
        let frame = DataFrame::new(figures.len(), columns).map_err(EvaluateError::from)?;
        let mut caption = self.title().to_owned();
        for figure in figures {
            if let Some(reason) = &figure.reason {
                caption += &format!("; without {}: {reason}", figure.name);
            }
        }
        Ok(Table::new(frame, &caption))
    }

    /// The classes: how a classifier of real cells predicts them, and which of their markers are the same.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn classes_table(&self) -> crate::Result<Table> {
        Ok(Table::new(self.classes_frame()?, &format!("Classes of {}", self.title())))
    }

    /// Shows both tables in a notebook.
    pub fn evcxr_display(&self) {
        table::show(self.table());
        table::show(self.classes_table());
    }
}

impl std::fmt::Display for Properties {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        table::write(self.table(), f)
    }
}

impl std::fmt::Display for GeneratorReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        table::write(self.table(), f)
    }
}
