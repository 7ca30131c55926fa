//! Joint labels: each combination of values of several label columns is a class.

use std::collections::BTreeMap;

use super::{StudyConfig, StudyError};
use crate::cells::{Cells, Labels, LogNormalized};

/// Stands between the values of a joint label, and between the columns in its name.
const BETWEEN: &str = " | ";

/// The label columns, each with the value that every class has in it.
pub(crate) type LabelColumns = Vec<(String, Vec<String>)>;

/// Labels of one column, or of several combined.
pub(super) fn labels(cells: &Cells<LogNormalized>, config: &StudyConfig) -> crate::Result<(Labels, LabelColumns)> {
    if config.joint_labels.is_empty() {
        let labels = cells.labels(&config.label)?;
        let columns = vec![(config.label.clone(), labels.classes.to_vec())];
        return Ok((labels, columns));
    }
    let names: Vec<&str> =
        std::iter::once(config.label.as_str()).chain(config.joint_labels.iter().map(String::as_str)).collect();
    if let Some((_, twice)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(StudyError::LabelTwice { column: (*twice).to_owned() }.into());
    }
    let values = names.iter().map(|name| cells.labels(name)).collect::<crate::Result<Vec<Labels>>>()?;
    let of_cell = |cell: usize| -> Vec<&str> {
        values.iter().map(|labels| labels.classes[labels.of_cell[cell] as usize].as_str()).collect()
    };
    let combined: Vec<String> = (0..cells.cells()).map(|cell| of_cell(cell).join(BETWEEN)).collect();
    let labels = Labels::from_names(&names.join(BETWEEN), &combined);
    let mut of_class: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (cell, &class) in labels.of_cell.iter().enumerate() {
        let found = of_cell(cell);
        if of_class.entry(class).or_insert_with(|| found.clone()) != &found {
            let (columns, class) = (labels.column.clone(), labels.classes[class as usize].clone());
            return Err(StudyError::AmbiguousLabel { columns, class, between: BETWEEN }.into());
        }
    }
    let column = |i: usize| of_class.values().map(|values| values[i].to_owned()).collect();
    Ok((labels, names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), column(i))).collect()))
}
