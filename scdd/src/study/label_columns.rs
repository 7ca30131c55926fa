//! Classes of several label columns at once: each combination of values that occurs is a class, and keeps what it is of.

use std::collections::BTreeMap;

use super::{StudyConfig, StudyError};
use crate::cells::{Cells, Labels, LogNormalized};

/// Between the values of a combined class, and between the columns of its name.
const BETWEEN: &str = " | ";

/// The columns that classes are made of, each with its value of every class.
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
    if let Some(twice) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        return Err(StudyError::Label {
            column: (*twice.1).to_owned(),
            problem: "it stands twice among the label columns; name it once".to_owned(),
        }
        .into());
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
            let problem = format!(
                "'{}' is two combinations, because values have '{BETWEEN}' in them; rename those",
                labels.classes[class as usize]
            );
            return Err(StudyError::Label { column: labels.column.clone(), problem }.into());
        }
    }
    let column = |place: usize| of_class.values().map(|values| values[place].to_owned()).collect();
    Ok((labels, names.iter().enumerate().map(|(place, name)| ((*name).to_owned(), column(place))).collect()))
}
