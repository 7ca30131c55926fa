//! Codes, and how many of them each class gets.

use itertools::Itertools;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::DistillError;

/// What happens to classes with fewer training cells than synthetic cells are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmallClasses {
    /// An error that lists them.
    #[default]
    Refuse,
    /// Such a class gets as many synthetic cells as it has training cells.
    TakeAll,
}

/// Codes `[rows, width]` and their classes, sorted by class.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    pub(super) values: Array2<f32>,
    pub(super) labels: Vec<u32>,
}

/// Number of codes of each class: `per_class`, or that of its training cells where these are fewer and that is allowed.
pub(super) fn budget(
    per_class: usize,
    small: SmallClasses,
    counts: &[usize],
    classes: &[String],
) -> Result<Vec<usize>, DistillError> {
    if per_class == 0 {
        return Err(DistillError::NoCells);
    }
    if let Some((_, class)) = counts.iter().zip(classes).find(|(count, _)| **count == 0) {
        return Err(DistillError::EmptyClass(class.clone()));
    }
    let too_small: Vec<_> = counts.iter().zip(classes).filter(|(count, _)| **count < per_class).collect();
    if small == SmallClasses::Refuse && !too_small.is_empty() {
        return Err(DistillError::MoreThanReal {
            per_class,
            classes: too_small.len(),
            list: too_small.iter().map(|(count, class)| format!("'{class}' has {count}")).join(", "),
            smallest: counts.iter().copied().min().unwrap_or(0),
        });
    }
    Ok(counts.iter().map(|&count| per_class.min(count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_without_training_cells_is_refused_by_name_whatever_is_done_about_small_ones() {
        let classes = ["T".to_owned(), "B".to_owned()];
        for small in [SmallClasses::Refuse, SmallClasses::TakeAll] {
            let message = budget(1, small, &[3, 0], &classes).unwrap_err().to_string();
            assert!(message.contains("'B' has no training cells"), "{message}");
        }
        assert_eq!(budget(5, SmallClasses::TakeAll, &[3, 9], &classes).unwrap(), [3, 5]);
    }
}
