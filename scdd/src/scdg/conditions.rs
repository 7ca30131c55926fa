//! Conditions beside the class, tau(c) of several columns: tissue, development stage, disease.
//!
//! Only training cells decide which values there are, and which is used for a class when none is given.

use super::ScdgError;
use crate::cells::Labels;
use crate::study::Study;
use crate::text::grouped;

/// One more column of obs that SCDG is conditioned on, as the training cells have it.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Values of the training cells; sorted.
    pub(super) labels: Labels,
    /// The most frequent value of each class, by number.
    ///
    /// Used when a class alone is given: the network was trained on this value with the class, and never on a mean of
    /// embeddings. Of equally frequent values the first by name.
    pub(super) usual: Vec<usize>,
}

impl Condition {
    /// Reads columns of obs for the training cells.
    pub(super) fn read_all(study: &Study, columns: &[String]) -> crate::Result<Vec<Self>> {
        for (index, column) in columns.iter().enumerate() {
            if study.label_columns().iter().any(|(label, _)| label == column) || columns[..index].contains(column) {
                let problem = "it is a condition already; leave it out".to_owned();
                return Err(ScdgError::Condition { column: column.clone(), problem }.into());
            }
        }
        columns.iter().map(|column| Self::read(study, column)).collect()
    }

    fn read(study: &Study, column: &str) -> crate::Result<Self> {
        let training = study.training_cells();
        let mut of_cells = vec![None; study.cells().cells()];
        for (cell, value) in study.cells().known_labels(column)? {
            of_cells[cell] = Some(value);
        }
        let values: Vec<String> = training.train().iter().filter_map(|&cell| of_cells[cell].take()).collect();
        let (cells, known) = (training.train().len(), values.len());
        let labels = Labels::from_names(column, &values);
        let fail = |problem: String| Err(ScdgError::Condition { column: column.to_owned(), problem }.into());
        if known < cells {
            return fail(format!(
                "{} of {} training cells have no value in it; its values are {}. Drop those cells before the study with \
                 cells.drop_missing(\"{column}\")",
                grouped(cells - known),
                grouped(cells),
                listed(&labels)
            ));
        }
        if labels.classes.len() < 2 {
            let only = listed(&labels);
            return fail(format!(
                "all {} training cells have the value {only}: there is nothing to condition on",
                grouped(cells)
            ));
        }
        if labels.classes.len() * 2 > cells {
            return fail(format!(
                "it has {} different values in {} training cells, so that most are of one cell: a measurement or a name, \
                 not a condition",
                grouped(labels.classes.len()),
                grouped(cells)
            ));
        }
        let usual = most_frequent(&labels, &training.train_labels(), training.classes().len());
        Ok(Self { labels, usual })
    }

    pub(super) fn column(&self) -> &str {
        &self.labels.column
    }

    pub(super) fn values(&self) -> &[String] {
        &self.labels.classes
    }

    /// The number of a value of the training cells.
    pub(super) fn number(&self, value: &str) -> Result<usize, ScdgError> {
        self.values().iter().position(|known| known == value).ok_or_else(|| ScdgError::Unknown {
            what: format!("value of the condition '{}'", self.column()),
            found: value.to_owned(),
            known: self.values().to_vec(),
        })
    }
}

fn listed(labels: &Labels) -> String {
    crate::text::first_few(&labels.classes)
}

/// The most frequent value among the cells of each class; of equally frequent ones the first.
fn most_frequent(labels: &Labels, classes_of_cells: &[u32], classes: usize) -> Vec<usize> {
    let values = labels.classes.len();
    let mut counts = vec![vec![0_usize; values]; classes];
    for (&class, &value) in classes_of_cells.iter().zip(labels.of_cell.iter()) {
        counts[class as usize][value as usize] += 1;
    }
    let most = |counts: &Vec<usize>| (0..values).rev().max_by_key(|&value| counts[value]).unwrap_or(0);
    counts.iter().map(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_without_a_condition_gets_its_most_frequent_value() {
        let tissues = ["blood", "liver", "liver", "skin", "blood", "liver"];
        let labels = Labels::from_names("tissue", &tissues);
        // Class 0: blood and liver once each; class 1: liver twice; class 2: skin once, blood once.
        let usual = most_frequent(&labels, &[0, 0, 1, 2, 2, 1], 3);
        let names: Vec<_> = usual.iter().map(|&value| labels.classes[value].as_str()).collect();
        assert_eq!(names, ["blood", "liver", "blood"]);
    }
}
