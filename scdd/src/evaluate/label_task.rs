//! Label of a classification task: the classes of the study, or another label column that the classes determine.
//!
//! A synthetic cell has the labels of its class. So a column can be evaluated when all training cells of a class have one value
//! in it: because the study combined it (`cells.study("cell_type").joint_label("disease")`), or because it is coarser.

use std::collections::BTreeMap;

use itertools::Itertools;

use super::EvaluateError;
use crate::study::Study;
use crate::text::{count, first_few};

/// Labels to be predicted, and those of the scored cells.
pub(super) struct LabelTask {
    /// The column, when it is not the study's own.
    column: Option<String>,
    /// Names of the labels; those that no training cell has come last.
    pub(super) names: Vec<String>,
    /// The label of each class; None keeps classes as they are.
    of_class: Option<Vec<u32>>,
    /// Scored cells.
    pub(super) cells: Vec<usize>,
    /// Their labels.
    pub(super) truth: Vec<u32>,
    /// What a reader of the scores should know.
    pub(super) notes: Vec<String>,
}

impl LabelTask {
    /// The study's own classes.
    pub(super) fn classes(study: &Study, cells: Vec<usize>, truth: Vec<u32>) -> Self {
        let (column, of_class, notes) = (None, None, Vec::new());
        Self { column, names: study.classes().to_vec(), of_class, cells, truth, notes }
    }

    /// Another column.
    pub(super) fn new(study: &Study, column: &str, cells: Vec<usize>, classes: Vec<u32>) -> crate::Result<Self> {
        if column == study.label() || (study.label_columns().len() == 1 && column == study.label_columns()[0].0) {
            return Ok(Self::classes(study, cells, classes));
        }
        let values = match study.label_columns().iter().find(|(name, _)| name == column) {
            Some((_, values)) => values.clone(),
            None => decided(study, column)?,
        };
        let mut names: Vec<String> = values.iter().cloned().sorted().dedup().collect();
        if names.len() < 2 {
            let problem = format!("all training cells have {}: there is nothing to tell apart", first_few(&names));
            return Err(EvaluateError::Label { column: column.to_owned(), problem }.into());
        }
        let number = |names: &[String], value: &String| names.iter().position(|name| name == value).unwrap_or(0) as u32;
        let of_class: Vec<u32> = values.iter().map(|value| number(&names, value)).collect();
        let known: BTreeMap<usize, String> = study.cells().known_labels(column)?.into_iter().collect();
        let (mut kept, mut truth, mut unknown) = (Vec::new(), Vec::new(), BTreeMap::<String, usize>::new());
        for cell in &cells {
            let Some(value) = known.get(cell) else { continue };
            if !names.contains(value) {
                names.push(value.clone());
            }
            if !values.contains(value) {
                *unknown.entry(value.clone()).or_default() += 1;
            }
            kept.push(*cell);
            truth.push(number(&names, value));
        }
        let mut notes = vec![format!("evaluated by '{column}'")];
        if kept.len() < cells.len() {
            notes.push(format!("{} without a value of '{column}' left out", count(cells.len() - kept.len(), "cell")));
        }
        if !unknown.is_empty() {
            let (number, labels) = (unknown.values().sum::<usize>(), unknown.into_keys().collect::<Vec<_>>());
            let cells = count(number, "scored cell");
            notes.push(format!(
                "{cells} with a label that no training cell has ({}) count as wrong",
                first_few(&labels)
            ));
        }
        if kept.is_empty() {
            return Err(EvaluateError::EmptyTest.into());
        }
        Ok(Self { column: Some(column.to_owned()), names, of_class: Some(of_class), cells: kept, truth, notes })
    }

    /// Labels of a set of these classes.
    pub(super) fn labels(&self, classes: &[u32]) -> Vec<u32> {
        match &self.of_class {
            Some(of_class) => classes.iter().map(|&class| of_class[class as usize]).collect(),
            None => classes.to_vec(),
        }
    }

    /// What to say of a set that lacks labels which scored cells have.
    pub(super) fn lacking(&self, method: &str, labels: &[u32]) -> Option<String> {
        let missing = |label: &u32| !labels.contains(label);
        let lacking: Vec<&String> = self
            .truth
            .iter()
            .sorted()
            .dedup()
            .filter(|label| missing(label))
            .map(|&l| &self.names[l as usize])
            .collect();
        let cells = self.truth.iter().filter(|label| missing(label)).count();
        let of = self.column.as_deref().map_or(String::new(), |column| format!(" of '{column}'"));
        (cells > 0).then(|| {
            format!(
                "'{method}' has no cell of {}{of} ({}): the {} of {} scored cells that have one count as wrong",
                count(lacking.len(), "label"),
                first_few(&lacking),
                cells,
                self.truth.len()
            )
        })
    }
}

/// The value of each class in a column, where its training cells have one only.
fn decided(study: &Study, column: &str) -> crate::Result<Vec<String>> {
    let training = study.training_cells();
    let known: BTreeMap<usize, String> = study.cells().known_labels(column)?.into_iter().collect();
    let value = |(class, cells): (usize, Vec<usize>)| {
        let values: Vec<&String> = cells.iter().filter_map(|cell| known.get(cell)).sorted().dedup().collect();
        match values.as_slice() {
            [value] => Ok((*value).clone()),
            several => {
                let problem = format!(
                    "training cells of '{}' have {} of it ({}), and a synthetic cell of that class has none of them. \
                     Study combinations of both: cells.study(\"{}\").joint_label(\"{column}\")",
                    study.classes()[class],
                    count(several.len(), "value"),
                    first_few(several),
                    study.config().label
                );
                Err(EvaluateError::Label { column: column.to_owned(), problem }.into())
            }
        }
    };
    training.train_per_class().into_iter().enumerate().map(value).collect()
}
