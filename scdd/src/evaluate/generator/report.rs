//! Result of a generator report: figures of generated and real cells.

use std::sync::Arc;

use polars::prelude::{Column, DataFrame};
use serde::{Deserialize, Serialize};

use crate::evaluate::EvaluateError;

/// One figure of generated against real cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportFigure {
    /// What it is.
    pub name: String,
    /// Its value for generated cells; None where it is undefined.
    pub generated: Option<f64>,
    /// Its value for real training cells instead: what can be reached.
    pub real: Option<f64>,
    /// The value of a generator whose cells nothing can tell from real ones, with cells without end.
    pub ideal: f64,
    /// Why a value is missing.
    pub reason: Option<String>,
}

/// Figures of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassFigures {
    /// The class.
    pub class: String,
    /// Its generated cells.
    pub generated_cells: usize,
    /// Its held-out real cells.
    pub real_cells: usize,
    /// Fraction of its generated cells that a classifier of real training cells (CellTypist's) predicts as this class; None
    /// without any.
    pub recall: Option<f64>,
    /// The same of the held-out real cells.
    pub recall_of_real: Option<f64>,
    /// Fraction of its top marker genes among generated cells that are its top markers among held-out real cells.
    pub marker_overlap: Option<f64>,
    /// The same for real training cells instead of generated ones.
    pub marker_overlap_of_real: Option<f64>,
    /// Why a value is missing.
    pub reason: Option<String>,
}

/// Figures of a generator's cells beside held-out real ones. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GeneratorReport {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    title: String,
    figures: Vec<ReportFigure>,
    classes: Vec<ClassFigures>,
}

impl GeneratorReport {
    pub(super) fn new(title: String, figures: Vec<ReportFigure>, classes: Vec<ClassFigures>) -> Self {
        Self { parts: Arc::new(Parts { title, figures, classes }) }
    }

    /// What was compared with what.
    pub fn title(&self) -> &str {
        &self.parts.title
    }

    /// Every figure.
    pub fn figures(&self) -> &[ReportFigure] {
        &self.parts.figures
    }

    /// One figure by its name, such as "integration LISI".
    pub fn figure(&self, name: &str) -> Option<&ReportFigure> {
        self.parts.figures.iter().find(|figure| figure.name == name)
    }

    /// Figures of each class, in the order of the study's classes.
    pub fn classes(&self) -> &[ClassFigures] {
        &self.parts.classes
    }

    /// The figures as a polars frame.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let figures = &self.parts.figures;
        let columns = vec![
            Column::new("figure".into(), figures.iter().map(|figure| figure.name.as_str()).collect::<Vec<_>>()),
            Column::new("generated".into(), figures.iter().map(|figure| figure.generated).collect::<Vec<_>>()),
            Column::new("real".into(), figures.iter().map(|figure| figure.real).collect::<Vec<_>>()),
            Column::new("ideal".into(), figures.iter().map(|figure| figure.ideal).collect::<Vec<_>>()),
            Column::new("reason".into(), figures.iter().map(|figure| figure.reason.as_deref()).collect::<Vec<_>>()),
        ];
        Ok(DataFrame::new(figures.len(), columns).map_err(EvaluateError::from)?)
    }

    /// The classes as a polars frame.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn classes_frame(&self) -> crate::Result<DataFrame> {
        let classes = &self.parts.classes;
        let number = |name: &str, of: fn(&ClassFigures) -> Option<f64>| {
            Column::new(name.into(), classes.iter().map(of).collect::<Vec<_>>())
        };
        let count = |name: &str, of: fn(&ClassFigures) -> usize| {
            Column::new(name.into(), classes.iter().map(|class| of(class) as u64).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new("class".into(), classes.iter().map(|class| class.class.as_str()).collect::<Vec<_>>()),
            count("generated_cells", |class| class.generated_cells),
            count("real_cells", |class| class.real_cells),
            number("recall", |class| class.recall),
            number("recall_of_real", |class| class.recall_of_real),
            number("marker_overlap", |class| class.marker_overlap),
            number("marker_overlap_of_real", |class| class.marker_overlap_of_real),
            Column::new("reason".into(), classes.iter().map(|class| class.reason.as_deref()).collect::<Vec<_>>()),
        ];
        Ok(DataFrame::new(classes.len(), columns).map_err(EvaluateError::from)?)
    }
}
