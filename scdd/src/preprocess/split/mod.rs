//! A stratified split into training, validation and test cells, with a stated rule for classes of a few cells.
//!
//! Yu et al. 2025, section "Experiments", split 8:2; the rule for small classes is our choice. A random split puts cells of
//! one donor on both sides; where donors are known, a split by donor is the harder test.

mod parts;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

pub use parts::{TestCells, TrainingCells};

use super::PreprocessError;
use crate::cells::Labels;
use crate::error::SettingError;
use crate::text::grouped;
use crate::{Result, seed};

/// Indices of training, validation and test cells, sorted ascending in each part; no cell is in two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Cells to train on.
    pub train: Vec<usize>,
    /// Cells to choose settings on, taken out of the training cells.
    pub validation: Vec<usize>,
    /// Cells to report on.
    pub test: Vec<usize>,
    /// Classes without a validation or test cell, a line each.
    pub notes: Vec<String>,
}

/// Splits the cells of each class at random: of `n` cells, `round(n * test_fraction)` go to test but never the last
/// one; of those that remain, `round(remaining * validation_fraction)` go to validation, again never the last one.
/// So every class keeps a training cell; a class that has none in test or validation is named in the notes.
/// Usual fractions are 0.2 (Yu et al. 2025) and 0.1 (our choice).
///
/// # Errors
/// When a fraction is not in 0 <= fraction < 1, or there are no cells.
///
/// ```
/// use scdd::{Labels, preprocess::stratified_split};
/// let labels = Labels::from_names("type", &["T", "T", "T", "T", "T", "B", "B", "T", "T", "T", "T", "T"]);
/// let split = stratified_split(&labels, 0.2, 0.1, 7)?;
/// assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (9, 1, 2));
/// assert_eq!(split.notes, ["'B' has 2 cells: 2 in training, none in validation, none in test"]);
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn stratified_split(labels: &Labels, test_fraction: f64, validation_fraction: f64, seed: u64) -> Result<Split> {
    for (name, fraction) in [("test_fraction", test_fraction), ("validation_fraction", validation_fraction)] {
        if !(0.0..1.0).contains(&fraction) {
            let problem = SettingError::new(name, fraction, "0 or more and less than 1, 0.2 is usual");
            return Err(PreprocessError::from(problem).into());
        }
    }
    if labels.of_cell.is_empty() {
        return Err(PreprocessError::NoCells.into());
    }
    let mut split = Split { train: Vec::new(), validation: Vec::new(), test: Vec::new(), notes: Vec::new() };
    for (class, mut cells) in labels.cells_per_class().into_iter().enumerate() {
        let name = &labels.classes[class];
        // a stream per class: what happens to one class does not move the cells of another
        cells.shuffle(&mut seed::stream(seed, &format!("split: {name}")));
        let total = cells.len();
        let test = taken(total, test_fraction);
        let validation = taken(total - test, validation_fraction);
        let train = total - test - validation;
        split.test.extend(&cells[..test]);
        split.validation.extend(&cells[test..test + validation]);
        split.train.extend(&cells[test + validation..]);
        let lost: Vec<&str> = [
            (validation_fraction > 0.0 && validation == 0, "none in validation"),
            (test_fraction > 0.0 && test == 0, "none in test"),
        ]
        .into_iter()
        .filter_map(|(is_lost, text)| is_lost.then_some(text))
        .collect();
        if total == 0 {
            split.notes.push(format!("'{name}' has no cells"));
        } else if !lost.is_empty() {
            let unit = if total == 1 { "cell" } else { "cells" };
            let found = format!("'{name}' has {} {unit}: {} in training", grouped(total), grouped(train));
            split.notes.push(format!("{found}, {}", lost.join(", ")));
        }
    }
    for part in [&mut split.train, &mut split.validation, &mut split.test] {
        part.sort_unstable();
    }
    Ok(split)
}

/// How many of the cells a fraction takes, the last one never.
fn taken(cells: usize, fraction: f64) -> usize {
    ((cells as f64 * fraction).round() as usize).min(cells.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sizes: &[usize]) -> Labels {
        let names: Vec<String> =
            sizes.iter().enumerate().flat_map(|(class, &size)| vec![format!("class {class:03}"); size]).collect();
        Labels::from_names("type", &names)
    }

    #[test]
    fn every_class_size_follows_the_rule_and_keeps_a_training_cell() {
        let sizes: Vec<usize> = (1..=120).collect();
        let labels = labels(&sizes);
        for (test_fraction, validation_fraction) in [(0.2, 0.1), (0.0, 0.0), (0.5, 0.5), (0.99, 0.99), (0.2, 0.0)] {
            let split = stratified_split(&labels, test_fraction, validation_fraction, 1).unwrap();
            let count = |part: &[usize]| labels.select(part).count_per_class();
            let (train, validation, test) = (count(&split.train), count(&split.validation), count(&split.test));
            for (class, &size) in sizes.iter().enumerate() {
                let wanted_test = ((size as f64 * test_fraction).round() as usize).min(size - 1);
                let left = size - wanted_test;
                assert_eq!(test[class], wanted_test, "{size} cells");
                let wanted_validation = ((left as f64 * validation_fraction).round() as usize).min(left - 1);
                assert_eq!(validation[class], wanted_validation, "{size} cells");
                assert!(train[class] >= 1);
                let none_in_test = test_fraction > 0.0 && test[class] == 0;
                let name = format!("'class {class:03}' ");
                let note = split.notes.iter().find(|note| note.starts_with(&name));
                assert_eq!(note.is_some_and(|note| note.contains("none in test")), none_in_test, "{note:?}");
            }
            let mut all = [split.train.clone(), split.validation.clone(), split.test.clone()].concat();
            for part in [&split.train, &split.validation, &split.test] {
                assert!(part.windows(2).all(|pair| pair[0] < pair[1]));
            }
            all.sort_unstable();
            assert_eq!(all, (0..labels.of_cell.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn classes_of_two_to_four_cells_lose_what_is_said() {
        let split = stratified_split(&labels(&[2, 3, 4, 50]), 0.2, 0.1, 7).unwrap();
        assert_eq!(
            split.notes,
            [
                "'class 000' has 2 cells: 2 in training, none in validation, none in test",
                "'class 001' has 3 cells: 2 in training, none in validation",
                "'class 002' has 4 cells: 3 in training, none in validation",
            ]
        );
    }

    #[test]
    fn one_seed_gives_one_split_and_another_seed_another() {
        let labels = labels(&[30, 40]);
        let split = |seed| stratified_split(&labels, 0.2, 0.1, seed).unwrap();
        assert_eq!(split(3), split(3));
        assert_ne!(split(3).test, split(4).test);
    }

    #[test]
    fn fractions_outside_their_range_are_refused() {
        for fraction in [1.0, -0.1, f64::NAN, 2.0] {
            let error = stratified_split(&labels(&[5, 5]), fraction, 0.1, 1).unwrap_err().to_string();
            assert!(error.contains("test_fraction is"), "{error}");
        }
    }
}
