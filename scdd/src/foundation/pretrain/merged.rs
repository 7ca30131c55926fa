//! Several sets of cells as one: all genes that any of them measured, and which genes each set did (gene registration).

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use super::corpus::{Corpus, CorpusSet};
use crate::cells::Expression;
use crate::error::SettingError;
use crate::foundation::register::SharedGenes;
use crate::foundation::{FoundationError, PretrainingCells};
use crate::preprocess::most_variable_genes;
use crate::text::hexadecimal;
use crate::{seed, tensors};

/// Share of the cells of a set without a split that are chosen on.
const VALIDATION: f64 = 0.1;

/// The genes that a model is to have.
#[derive(Clone, Debug)]
pub(super) enum Genes {
    /// Every gene of every set.
    All,
    /// These, in this order.
    These(Vec<String>),
    /// So many that vary most among the training cells, of those that every set measured.
    Variable(usize),
}

/// The cells of a corpus in one gene order.
pub(super) struct Merged {
    pub(super) genes: Vec<String>,
    pub(super) expression: Expression,
    /// Class of every cell over all sets, by name; None where a set has no labels.
    pub(super) labels: Vec<Option<u32>>,
    /// Study of every cell; a set without a column of studies is one.
    pub(super) studies: Vec<u32>,
    pub(super) train: Vec<usize>,
    pub(super) validation: Vec<usize>,
    set_of_cell: Vec<usize>,
    /// For each set 1 for a gene that it measured, else 0; None when it measured all.
    measured: Vec<Option<Vec<f32>>>,
}

impl Merged {
    /// Brings the sets together, with the genes that the model is to have.
    pub(super) fn new(corpus: &Corpus, genes: &Genes, seed: u64) -> crate::Result<Self> {
        corpus.check()?;
        let merged = Self::with_genes(corpus, genes, seed)?;
        let Genes::Variable(count) = genes else { return Ok(merged) };
        let training = merged.expression.select_cells(&merged.train);
        let variable = most_variable_genes(&training, *count)?;
        let genes = variable.into_iter().map(|gene| merged.genes[gene].clone()).collect();
        Self::with_genes(corpus, &Genes::These(genes), seed)
    }

    fn with_genes(corpus: &Corpus, genes: &Genes, seed: u64) -> crate::Result<Self> {
        let genes = match genes {
            Genes::These(genes) => {
                for set in &corpus.sets {
                    SharedGenes::find("the model to be", genes, set.cells.gene_names())?;
                }
                genes.to_vec()
            }
            Genes::All => all_genes(corpus),
            Genes::Variable(_) => common_genes(corpus),
        };
        let mut merged = Self {
            expression: Expression::empty(genes.len()),
            genes,
            labels: Vec::new(),
            studies: Vec::new(),
            train: Vec::new(),
            validation: Vec::new(),
            set_of_cell: Vec::new(),
            measured: Vec::new(),
        };
        let (mut classes, mut studies, mut parts) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let number = |names: &mut BTreeMap<String, u32>, name: &str| {
            let next = names.len() as u32;
            *names.entry(name.to_owned()).or_insert(next)
        };
        for (place, set) in corpus.sets.iter().enumerate() {
            let (train, validation) = match &set.split {
                Some(split) => split.clone(),
                None => draw_split(set.cells.cells(), seed, place),
            };
            let registered = merged.register(set.cells.expression(), set.cells.gene_names());
            for (cells, kept) in [(&train, &mut merged.train), (&validation, &mut merged.validation)] {
                let first = merged.labels.len();
                kept.extend(first..first + cells.len());
                for &cell in cells {
                    let label = set.labels.as_ref().map(|labels| number(&mut classes, &labels[cell]));
                    merged.labels.push(label);
                    let study = match &set.studies {
                        Some(studies) => format!("{place} {}", studies[cell]),
                        None => place.to_string(),
                    };
                    merged.studies.push(number(&mut studies, &study));
                    merged.set_of_cell.push(place);
                }
            }
            parts.push(registered.select_cells(&[train, validation].concat()));
        }
        merged.expression = Expression::concatenate(merged.genes.len(), &parts);
        if merged.train.len() < 2 {
            return Err(FoundationError::Setting(SettingError::new(
                "the corpus",
                format!("{} cells to train on", merged.train.len()),
                "at least 2, which batch normalisation needs",
            ))
            .into());
        }
        Ok(merged)
    }

    /// A set's expression in the common gene order; remembers which genes it measured.
    fn register(&mut self, expression: &Expression, names: &[String]) -> Expression {
        let shared = SharedGenes::of(&self.genes, names);
        if shared.are_all(self.genes.len(), names.len()) {
            self.measured.push(None);
            return expression.clone();
        }
        let mut measured = vec![0.0; self.genes.len()];
        shared.of_model.iter().for_each(|&gene| measured[gene] = 1.0);
        let all = shared.of_model.len() == self.genes.len();
        self.measured.push((!all).then_some(measured));
        expression.select_genes(&shared.of_cells).place_genes(self.genes.len(), &shared.of_model)
    }

    /// 1 where a cell's set measured the gene, else 0: `[cells, genes]`. None when all were.
    pub(super) fn measured(&self, cells: &[usize], device: &Device) -> Option<Tensor<2>> {
        if self.measured.iter().all(Option::is_none) {
            return None;
        }
        let mut rows = Vec::with_capacity(cells.len() * self.genes.len());
        for &cell in cells {
            match &self.measured[self.set_of_cell[cell]] {
                Some(measured) => rows.extend_from_slice(measured),
                None => rows.resize(rows.len() + self.genes.len(), 1.0),
            }
        }
        Some(tensors::from_rows(rows, self.genes.len(), device))
    }

    /// Marks of all cells, training and validation.
    pub(super) fn pretraining_cells(&self) -> PretrainingCells {
        let all: Vec<usize> = (0..self.expression.cells()).collect();
        PretrainingCells::of(&self.expression, &all, &self.genes)
    }

    /// What a checkpoint must agree with: genes, cells, labels and split.
    pub(super) fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        self.genes.iter().for_each(|gene| hash.update(format!("{gene}\n")));
        for cell in 0..self.expression.cells() {
            let (genes, values) = self.expression.row(cell);
            genes.iter().for_each(|gene| hash.update(gene.to_le_bytes()));
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
            hash.update(format!("{:?} {}\n", self.labels[cell], self.studies[cell]));
        }
        hash.update(format!("{:?} {:?}", self.train, self.validation));
        hexadecimal(hash)
    }
}

/// Genes that every set measured, in the order of the first.
fn common_genes(corpus: &Corpus) -> Vec<String> {
    let Some((first, others)) = corpus.sets.split_first() else { return Vec::new() };
    let names = |set: &CorpusSet| set.cells.gene_names().iter().cloned().collect::<HashSet<String>>();
    let others: Vec<HashSet<String>> = others.iter().map(names).collect();
    let common = first.cells.gene_names().iter().filter(|gene| others.iter().all(|names| names.contains(*gene)));
    common.cloned().collect()
}

/// Genes of all sets: those of the first in its order, then what the others have besides, in theirs.
fn all_genes(corpus: &Corpus) -> Vec<String> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut genes = Vec::new();
    for set in &corpus.sets {
        for gene in set.cells.gene_names() {
            places.entry(gene).or_insert_with(|| {
                genes.push(gene.clone());
                genes.len() - 1
            });
        }
    }
    genes
}

fn draw_split(cells: usize, seed: u64, set: usize) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..cells).collect();
    order.shuffle(&mut seed::stream(seed, &format!("validation cells of corpus {set}")));
    let mut validation = order.split_off(cells - (cells as f64 * VALIDATION) as usize);
    order.sort_unstable();
    validation.sort_unstable();
    (order, validation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Cells, LogNormalized};

    fn simulated(seed: u64, genes: &[usize]) -> Cells<LogNormalized> {
        let cells = crate::simulate().cells(40).genes(60).classes(2).seed(seed).run().unwrap();
        let cells = cells.preprocess().min_genes(1).min_cells(0).run().unwrap();
        cells.select_genes(genes).unwrap()
    }

    #[test]
    fn sets_with_other_genes_come_into_one_order_and_unmeasured_genes_are_known() {
        let (a, b) = (simulated(1, &(0..40).collect::<Vec<_>>()), simulated(2, &(10..60).rev().collect::<Vec<_>>()));
        let corpus = Corpus::labelled(&a, "cell_type").unwrap().and(&Corpus::unlabelled(&b));
        let merged = Merged::new(&corpus, &Genes::All, 7).unwrap();
        assert_eq!(merged.genes.len(), 60);
        assert_eq!((merged.train.len(), merged.validation.len()), (72, 8));
        assert_eq!(merged.labels.iter().filter(|label| label.is_some()).count(), 40);
        let last = merged.expression.cells() - 1; // a validation cell of the second set
        let dense = merged.expression.dense_rows(&[last]);
        let original = (0..40).find(|&cell| {
            let row = b.expression().dense_rows(&[cell]);
            b.gene_names().iter().zip(&row).all(|(gene, value)| {
                let place = merged.genes.iter().position(|other| other == gene).unwrap();
                dense[place] == *value
            })
        });
        assert!(original.is_some(), "the row is no cell of the second set");
        let measured = tensors::to_vec(merged.measured(&[0, last], &Device::flex()).unwrap());
        for (place, gene) in merged.genes.iter().enumerate() {
            assert_eq!(measured[place] == 1.0, a.gene_names().contains(gene));
            assert_eq!(measured[60 + place] == 1.0, b.gene_names().contains(gene));
        }
    }

    #[test]
    fn variable_genes_are_chosen_among_those_that_every_set_measured() {
        let (a, b) = (simulated(1, &(0..40).collect::<Vec<_>>()), simulated(2, &(10..60).collect::<Vec<_>>()));
        let corpus = Corpus::unlabelled(&a).and(&Corpus::unlabelled(&b));
        let merged = Merged::new(&corpus, &Genes::Variable(12), 7).unwrap();
        assert_eq!(merged.genes.len(), 12);
        assert!(merged.genes.iter().all(|gene| a.gene_names().contains(gene) && b.gene_names().contains(gene)));
        assert!(merged.measured(&[0], &Device::flex()).is_none());
    }

    #[test]
    fn test_cells_of_a_study_are_not_among_its_training_cells() {
        let cells = simulated(3, &(0..60).collect::<Vec<_>>());
        let training = cells.study("cell_type").training_cells().unwrap();
        let merged = Merged::new(&Corpus::from(&training), &Genes::All, 7).unwrap();
        assert_eq!(merged.expression.cells(), training.train().len() + training.validation().len());
    }
}
