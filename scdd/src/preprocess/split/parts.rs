//! Training cells and test cells as types, so that no stage can read the others.

use std::sync::Arc;

use super::Split;
use crate::cells::{Cells, Labels, LogNormalized};

/// Training and validation cells: all that a foundation model, an SCDG or a distillation can be given.
///
/// Made by splitting labelled cells; see [`Study`](crate::Study).
#[derive(Clone, Debug)]
pub struct TrainingCells {
    cells: Cells<LogNormalized>,
    labels: Labels,
    split: Arc<Split>,
}

/// Test cells: only evaluation reads them.
#[derive(Clone, Debug)]
pub struct TestCells {
    labels: Labels,
    split: Arc<Split>,
}

impl Split {
    /// Training and test cells of labelled cells.
    pub(crate) fn apply(self, cells: Cells<LogNormalized>, labels: Labels) -> (TrainingCells, TestCells) {
        let split = Arc::new(self);
        let test = TestCells { labels: labels.clone(), split: split.clone() };
        (TrainingCells { cells, labels, split }, test)
    }
}

impl TrainingCells {
    /// All cells, of which only [`train`](Self::train) and [`validation`](Self::validation) may be used.
    pub(crate) fn cells(&self) -> &Cells<LogNormalized> {
        &self.cells
    }

    /// The label of every cell.
    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Indices of the cells to train on.
    pub fn train(&self) -> &[usize] {
        &self.split.train
    }

    /// Indices of the cells that choices are made on.
    pub fn validation(&self) -> &[usize] {
        &self.split.validation
    }

    /// Classes in the order of their numbers.
    pub fn classes(&self) -> &[String] {
        &self.labels.classes
    }

    /// Labels of the training cells, in the order of [`train`](Self::train).
    pub fn train_labels(&self) -> Vec<u32> {
        self.train().iter().map(|&cell| self.labels.of_cell[cell]).collect()
    }

    /// Classes without a validation or test cell, a line each.
    pub(crate) fn notes(&self) -> &[String] {
        &self.split.notes
    }

    /// Training cells per class.
    pub fn train_counts(&self) -> Vec<usize> {
        self.train_per_class().iter().map(Vec::len).collect()
    }

    /// Training cells of each class, in the order of [`train`](Self::train).
    pub(crate) fn train_per_class(&self) -> Vec<Vec<usize>> {
        let mut cells = vec![Vec::new(); self.classes().len()];
        for &cell in self.train() {
            cells[self.labels.of_cell[cell] as usize].push(cell);
        }
        cells
    }
}

impl TestCells {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.split.test.len()
    }

    pub(crate) fn test(&self) -> &[usize] {
        &self.split.test
    }

    pub(crate) fn labels(&self) -> Vec<u32> {
        self.split.test.iter().map(|&cell| self.labels.of_cell[cell]).collect()
    }
}
