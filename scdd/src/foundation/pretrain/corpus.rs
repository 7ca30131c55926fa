//! What a foundation model is pretrained on: training cells of a study, other cells, or several sets at once.

use std::sync::Arc;

use crate::cells::{Cells, LogNormalized};
use crate::error::SettingError;
use crate::foundation::FoundationError;
use crate::preprocess::TrainingCells;
use crate::text::{count, grouped};

/// Cells to pretrain on. Cheap to clone.
///
/// Test cells can't be passed in:
///
/// ```compile_fail,E0277
/// # fn leak(study: scdd::Study) {
/// use scdd::foundation::Corpus;
/// let corpus = Corpus::from(&study.test_cells()); // `Corpus: From<&TestCells>` is not satisfied
/// # }
/// ```
///
/// Whole sets can, because an atlas has no test cells; a study refuses a model that has seen its test cells, wherever it
/// saw them.
///
/// ```
/// use scdd::foundation::Corpus;
/// let simulated = |seed| scdd::simulate().cells(200).genes(100).classes(3).seed(seed).run();
/// let labelled = simulated(1)?.preprocess().min_genes(5).run()?;
/// let unlabelled = simulated(2)?.preprocess().min_genes(5).run()?;
/// let corpus = Corpus::labelled(&labelled, "cell_type")?.and(&Corpus::unlabelled(&unlabelled));
/// assert_eq!(corpus.sets(), 2);
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Corpus {
    pub(super) sets: Vec<CorpusSet>,
}

/// One set of cells.
#[derive(Clone, Debug)]
pub(super) struct CorpusSet {
    pub(super) cells: Cells<LogNormalized>,
    /// The class of every cell.
    pub(super) labels: Option<Arc<Vec<String>>>,
    /// The study of every cell, where positives of the triplet loss should come from another one.
    pub(super) studies: Option<Arc<Vec<String>>>,
    /// Cells to train and to choose on; drawn when the pretraining starts where there is no split yet.
    pub(super) split: Option<(Vec<usize>, Vec<usize>)>,
}

impl Corpus {
    /// All cells of a set with the classes in a column of [`obs`](Cells::obs). A tenth of them is not trained on but
    /// chosen on.
    ///
    /// # Errors
    /// When there is no such column, or cells have no label in it.
    pub fn labelled(cells: &Cells<LogNormalized>, column: &str) -> crate::Result<Self> {
        let labels = names(cells, column)?;
        Ok(Self { sets: vec![CorpusSet { cells: cells.clone(), labels: Some(labels), studies: None, split: None }] })
    }

    /// All cells of a set without classes: they are reconstructed, and are in no triplet.
    pub fn unlabelled(cells: &Cells<LogNormalized>) -> Self {
        Self { sets: vec![CorpusSet { cells: cells.clone(), labels: None, studies: None, split: None }] }
    }

    /// Names the study (donor, data set) of each cell by a column of `obs` that all sets here have: the positive of a
    /// triplet then comes from another study than its anchor, as in SCimilarity. Without it each set is one study.
    ///
    /// # Errors
    /// When a set has no such column, or cells have no value in it.
    pub fn studies(mut self, column: &str) -> crate::Result<Self> {
        for set in &mut self.sets {
            set.studies = Some(names(&set.cells, column)?);
        }
        Ok(self)
    }

    /// These sets and others.
    pub fn and(mut self, other: &Self) -> Self {
        self.sets.extend(other.sets.iter().cloned());
        self
    }

    /// Number of sets.
    pub fn sets(&self) -> usize {
        self.sets.len()
    }

    /// One line per set: cells, genes, classes, where it is from.
    pub fn summary(&self) -> String {
        let line = |set: &CorpusSet| {
            let classes = set.labels.as_ref().map_or("no labels".to_owned(), |labels| {
                let distinct: std::collections::HashSet<_> = labels.iter().collect();
                count(distinct.len(), "class")
            });
            format!(
                "{} cells x {} genes, {classes}: {}",
                grouped(set.cells()),
                grouped(set.cells.genes()),
                set.cells.provenance().source
            )
        };
        self.sets.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Shows the sets in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&self.summary());
    }

    /// Refuses a corpus of too few cells.
    pub(super) fn check(&self) -> Result<(), FoundationError> {
        let cells: usize = self.sets.iter().map(CorpusSet::cells).sum();
        if cells < 2 {
            return Err(FoundationError::Setting(SettingError::new(
                "the corpus",
                format!("{cells} cells in {} sets", self.sets.len()),
                "at least 2 cells to train on, which batch normalisation needs",
            )));
        }
        Ok(())
    }
}

impl CorpusSet {
    /// Cells that may be used.
    pub(super) fn cells(&self) -> usize {
        self.split.as_ref().map_or(self.cells.cells(), |(train, validation)| train.len() + validation.len())
    }
}

impl From<&TrainingCells> for Corpus {
    fn from(training: &TrainingCells) -> Self {
        let labels = training.labels();
        let names = labels.of_cell.iter().map(|&label| labels.classes[label as usize].clone()).collect();
        Self {
            sets: vec![CorpusSet {
                cells: training.cells().clone(),
                labels: Some(Arc::new(names)),
                studies: None,
                split: Some((training.train().to_vec(), training.validation().to_vec())),
            }],
        }
    }
}

impl From<&Corpus> for Corpus {
    fn from(corpus: &Corpus) -> Self {
        corpus.clone()
    }
}

/// The values of a column of obs, one per cell.
fn names(cells: &Cells<LogNormalized>, column: &str) -> crate::Result<Arc<Vec<String>>> {
    Ok(Arc::new(cells.obs_values(column)?))
}
