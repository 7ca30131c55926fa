//! Metacells: small groups of similar training cells of one class, by k-means on latents. Synthetic cells can be mixtures of
//! their means (our choice).
//!
//! A decoder blurs: models learn less of a class mean that was decoded than of the mean itself. A mixture of metacells,
//! S_j = sum_m softmax(z_j)_m x_m with x_m the mean expression of metacell m of the class, stays within the span of the class's
//! real cells and has their library sizes and zeros. Equal weights of all cells give the class mean exactly.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Tensor;
use scdd_learn::kmeans::kmeans;

use super::error::DistillError;
use crate::error::SettingError;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::study::Study;
use crate::text::{count, grouped};
use crate::{seed, tensors};

/// Opens metacells: `study.metacells()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct MetacellsBuilder {
    study: Study,
    max_per_class: usize,
    seed: u64,
}

/// Metacells of a study's training cells: in each class, groups of cells that k-means finds among the latents of the
/// foundation model. Cheap to clone.
#[derive(Clone)]
pub struct Metacells {
    parts: Arc<Parts>,
}

struct Parts {
    study: Study,
    of_class: Vec<OfClass>,
    seconds: f64,
}

/// The metacells of one class.
struct OfClass {
    /// Mean expression `[metacells, genes]`, log1p of counts per 1e4.
    means: Tensor<2>,
    sizes: Vec<usize>,
    /// The metacell of each training cell.
    of_cell: HashMap<usize, usize>,
}

impl Study {
    /// Opens the grouping of each class's training cells into metacells, to distil mixtures of them.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let distilled = study.metacells().max_per_class(8).run()?.distill(RidgeSurrogates::default()).steps(3).run()?;
    /// assert_eq!(distilled.method(), "scDD+Metacells, ridge");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn metacells(&self) -> MetacellsBuilder {
        MetacellsBuilder { study: self.clone(), max_per_class: 64, seed: self.config().seed }
    }
}

impl MetacellsBuilder {
    /// The most metacells of a class; 64 (our choice). In a class with fewer training cells each is a metacell.
    pub fn max_per_class(mut self, metacells: usize) -> Self {
        self.max_per_class = metacells;
        self
    }

    /// Seed of k-means; the study's unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> crate::Result<Plan> {
        self.check()?;
        let study = &self.study;
        let counts = study.training_cells().train_counts();
        let metacells: usize = counts.iter().map(|&cells| cells.min(self.max_per_class)).sum();
        Ok(Plan::new("metacells by k-means on latents")
            .with("metacells", format!("{} of {}", grouped(metacells), count(counts.len(), "class")))
            .with("training cells", grouped(counts.iter().sum()))
            .with("size", format!("{:.1} MB", (metacells * study.cells().genes() * 4) as f64 / 1e6)))
    }

    fn check(&self) -> Result<(), DistillError> {
        if self.max_per_class == 0 {
            return Err(SettingError::new("max_per_class", 0, "at least 1 metacell").into());
        }
        let counts = self.study.training_cells().train_counts();
        match counts.iter().zip(self.study.classes()).find(|(count, _)| **count == 0) {
            Some((_, class)) => Err(DistillError::EmptyClass(class.clone())),
            None => Ok(()),
        }
    }

    /// Groups the cells.
    ///
    /// # Errors
    /// When no metacells are asked for, or a class has no training cells.
    pub fn run(&self) -> crate::Result<Metacells> {
        self.check()?;
        let (study, started) = (&self.study, Instant::now());
        let classes = study.training_cells().train_per_class();
        let mut progress = Progress::new("grouping cells", classes.len());
        let mut of_class = Vec::new();
        for (class, cells) in classes.iter().enumerate() {
            progress.check_stop()?;
            let mut rng = seed::stream(self.seed, &format!("metacells of class {class}"));
            let groups = kmeans(&study.embeddings_of(cells), self.max_per_class, &mut rng).clusters;
            of_class.push(OfClass::new(study, cells, &groups));
            progress.step(|| study.classes()[class].clone());
        }
        let metacells: usize = of_class.iter().map(|class| class.sizes.len()).sum();
        progress.finish(|| format!("{metacells} metacells"));
        let seconds = started.elapsed().as_secs_f64();
        Ok(Metacells { parts: Arc::new(Parts { study: study.clone(), of_class, seconds }) })
    }
}

impl OfClass {
    fn new(study: &Study, cells: &[usize], groups: &[usize]) -> Self {
        let (genes, metacells) = (study.cells().genes(), groups.iter().max().map_or(0, |&last| last + 1));
        let (mut sums, mut sizes) = (vec![0.0f64; metacells * genes], vec![0; metacells]);
        for (&cell, &group) in cells.iter().zip(groups) {
            let (indices, values) = study.cells().expression().row(cell);
            for (&gene, &value) in indices.iter().zip(values) {
                sums[group * genes + gene as usize] += f64::from(value);
            }
            sizes[group] += 1;
        }
        let mean = |(index, &sum): (usize, &f64)| (sum / f64::from(sizes[index / genes])) as f32;
        let means = tensors::from_rows(sums.iter().enumerate().map(mean).collect(), genes, study.device());
        let sizes = sizes.into_iter().map(|size: u32| size as usize).collect();
        Self { means, sizes, of_cell: cells.iter().copied().zip(groups.iter().copied()).collect() }
    }
}

impl Metacells {
    /// The study whose training cells they group.
    pub fn study(&self) -> &Study {
        &self.parts.study
    }

    /// Cells in each metacell of each class.
    pub fn sizes(&self) -> Vec<Vec<usize>> {
        self.parts.of_class.iter().map(|class| class.sizes.clone()).collect()
    }

    /// Mean expression `[metacells, genes]` of a class's metacells.
    pub(super) fn means(&self, class: usize) -> &Tensor<2> {
        &self.parts.of_class[class].means
    }

    /// The most metacells that a class has, which is the width of a code.
    pub(super) fn width(&self) -> usize {
        self.parts.of_class.iter().map(|class| class.sizes.len()).max().unwrap_or(0)
    }

    /// The fraction of some cells of one class that is in each of its metacells, with the fraction of the class that is.
    pub(super) fn fractions(&self, cells: &[usize]) -> Vec<(f64, f64)> {
        let classes = &self.parts.of_class;
        let found = cells.first().and_then(|first| classes.iter().find(|class| class.of_cell.contains_key(first)));
        let Some(class) = found else { return Vec::new() };
        let mut counts = vec![0usize; class.sizes.len()];
        for metacell in cells.iter().filter_map(|cell| class.of_cell.get(cell)) {
            counts[*metacell] += 1;
        }
        let all = class.of_cell.len() as f64;
        let fraction = |(&count, &size): (&usize, &usize)| (count as f64 / cells.len() as f64, size as f64 / all);
        counts.iter().zip(&class.sizes).map(fraction).collect()
    }

    /// Seconds that grouping took.
    pub fn seconds(&self) -> f64 {
        self.parts.seconds
    }

    /// Shows how many there are in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}

impl std::fmt::Debug for Metacells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<usize> = self.sizes().into_iter().flatten().collect();
        let (smallest, largest) = (sizes.iter().min().unwrap_or(&0), sizes.iter().max().unwrap_or(&0));
        let (metacells, classes) = (sizes.len(), self.parts.of_class.len());
        write!(f, "{metacells} metacells of {classes} classes, {smallest} to {largest} cells each")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study() -> Study {
        let cells = crate::simulate().cells(200).genes(80).classes(3).run().unwrap();
        cells.preprocess().min_genes(5).run().unwrap().study("cell_type").foundation_epochs(1).run().unwrap()
    }

    #[test]
    fn every_training_cell_is_in_one_metacell_of_its_class_whose_mean_is_theirs() {
        let study = study();
        let metacells = study.metacells().max_per_class(6).run().unwrap();
        for (class, cells) in study.training_cells().train_per_class().iter().enumerate() {
            let (of_class, genes) = (&metacells.parts.of_class[class], study.cells().genes());
            assert_eq!(of_class.sizes.len(), 6.min(cells.len()));
            assert_eq!(of_class.sizes.iter().sum::<usize>(), cells.len());
            let means = tensors::array(of_class.means.clone());
            for (metacell, &size) in of_class.sizes.iter().enumerate() {
                let members: Vec<usize> =
                    cells.iter().copied().filter(|cell| of_class.of_cell[cell] == metacell).collect();
                assert_eq!(members.len(), size);
                let dense = study.cells().expression().dense_rows(&members);
                let mean = dense.iter().skip(3).step_by(genes).sum::<f32>() / size as f32;
                assert!((mean - means[[metacell, 3]]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn no_metacells_are_refused() {
        let message = study().metacells().max_per_class(0).run().unwrap_err().to_string();
        assert!(message.contains("at least 1 metacell"), "{message}");
    }
}
