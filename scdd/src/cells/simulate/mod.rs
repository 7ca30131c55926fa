//! Simulated cells: negative-binomial counts with class programmes, library sizes, batches, dropout and a heavy
//! class imbalance. For tests, for demonstrations without a network, and for claims that need a known truth.
//!
//! The model is of Splatter's form (Zappia, Phipson and Oshlack 2017): gene means times class and batch effects,
//! scaled to a library size, drawn from a gamma-Poisson, thinned by dropout. Its numbers are our choice.

mod draw;

use polars::prelude::{Column, DataFrame};
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use draw::{class_sizes, draw_cell, draw_markers, draw_profiles};

use super::{Cells, CellsError, Counts, Expression, Provenance};
use crate::Result;
use crate::error::SettingError;
use crate::plan::Plan;
use crate::seed::{DEFAULT_SEED, stream};
use crate::text::grouped;

/// The numbers of a simulation, all chosen by us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulationConfig {
    /// Number of cells, 2,000.
    pub cells: usize,
    /// Number of genes, 2,000.
    pub genes: usize,
    /// Number of classes, 8.
    pub classes: usize,
    /// Cells of the smallest class, 2; class sizes grow geometrically from it.
    pub smallest_class: usize,
    /// Number of batches, 2; each cell is of one at random.
    pub batches: usize,
    /// Marker genes of each class, 20, or fewer when genes are few; no gene marks two classes.
    pub markers: usize,
    /// How much more a class expresses its markers: 2 to the power of a normal around this, 3.
    pub log2_fold_change: f64,
    /// Standard deviation of the natural logarithm of a gene's effect in a batch, 0.2.
    pub batch_effect: f64,
    /// Median number of counts of a cell before dropout, 3,000.
    pub library_size: f64,
    /// Standard deviation of the natural logarithm of library sizes, 0.4.
    pub library_spread: f64,
    /// Dispersion of the negative binomial, 0.3: variance = mean + dispersion * mean^2.
    pub dispersion: f64,
    /// Chance that a count with a mean near zero is lost, 0.2; it falls as exp(-mean).
    pub dropout: f64,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            cells: 2000,
            genes: 2000,
            classes: 8,
            smallest_class: 2,
            batches: 2,
            markers: 20,
            log2_fold_change: 3.0,
            batch_effect: 0.2,
            library_size: 3000.0,
            library_spread: 0.4,
            dispersion: 0.3,
            dropout: 0.2,
            seed: DEFAULT_SEED,
        }
    }
}

/// Opens a simulation; see [`SimulationConfig`] for the settings and their defaults.
///
/// ```
/// let cells = scdd::simulate().cells(200).genes(100).classes(4).batches(2).seed(7).run()?;
/// assert_eq!((cells.cells(), cells.genes()), (200, 100));
/// let sizes = cells.labels("cell_type")?.count_per_class();
/// assert_eq!(sizes.iter().min(), Some(&2));
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn simulate() -> SimulationBuilder {
    SimulationBuilder { config: SimulationConfig::default() }
}

/// Sets a simulation up: `simulate()`.
#[derive(Clone, Debug)]
#[must_use = "nothing is simulated before .run()"]
pub struct SimulationBuilder {
    config: SimulationConfig,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty),* $(,)?) => {
        $($(#[$doc])* pub fn $name(mut self, $name: $kind) -> Self { self.config.$name = $name; self })*
    };
}

impl SimulationBuilder {
    setters! {
        /// Number of cells.
        cells: usize,
        /// Number of genes.
        genes: usize,
        /// Number of classes.
        classes: usize,
        /// Cells of the smallest class.
        smallest_class: usize,
        /// Number of batches.
        batches: usize,
        /// Marker genes of each class.
        markers: usize,
        /// Mean log2 fold change of markers.
        log2_fold_change: f64,
        /// Standard deviation of the logarithm of a gene's effect in a batch.
        batch_effect: f64,
        /// Median number of counts of a cell before dropout.
        library_size: f64,
        /// Standard deviation of the natural logarithm of library sizes.
        library_spread: f64,
        /// Dispersion of the negative binomial.
        dispersion: f64,
        /// Chance that a count with a mean near zero is lost.
        dropout: f64,
        /// Seed of everything.
        seed: u64,
    }

    /// Sets all numbers at once.
    pub fn config(mut self, config: SimulationConfig) -> Self {
        self.config = config;
        self
    }

    /// What would be simulated.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(&self) -> Result<Plan> {
        let config = &self.config;
        check(config).map_err(CellsError::from)?;
        let sizes = class_sizes(config);
        Ok(Plan::new("simulated cells")
            .with("cells", grouped(config.cells))
            .with("genes", grouped(config.genes))
            .with(
                "classes",
                format!("{} of {} to {} cells", sizes.len(), grouped(sizes[sizes.len() - 1]), grouped(sizes[0])),
            )
            .with("batches", config.batches))
    }

    /// Makes the cells. `obs` has `cell_type` ("type_1", the largest, to "type_8") and `batch`; `var` has
    /// `marker_of`, a class or "none". Cells come in random order.
    ///
    /// # Errors
    /// When a number is out of range: no genes, fewer than two classes, fewer cells than the classes need,
    /// fewer genes than classes, negative spreads.
    pub fn run(&self) -> Result<Cells<Counts>> {
        let config = &self.config;
        check(config).map_err(CellsError::from)?;
        let sizes = class_sizes(config);
        let marker_of = draw_markers(config);
        let profiles = draw_profiles(config, &marker_of);

        let mut order = stream(config.seed, "simulate: order of cells");
        let mut classes: Vec<usize> =
            sizes.iter().enumerate().flat_map(|(class, &size)| std::iter::repeat_n(class, size)).collect();
        classes.shuffle(&mut order);
        let batches: Vec<usize> = (0..config.cells).map(|_| order.random_range(0..config.batches)).collect();

        let rows: Vec<Vec<(u32, f32)>> = (0..config.cells)
            .into_par_iter()
            .map(|cell| draw_cell(config, cell, &profiles[classes[cell] * config.batches + batches[cell]]))
            .collect();
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in rows {
            indices.extend(row.iter().map(|entry| entry.0));
            values.extend(row.iter().map(|entry| entry.1));
            indptr.push(values.len() as u64);
        }
        let expression = Expression::new(config.genes, indptr, indices, values)?;

        let class_name = |class: usize| format!("type_{}", class + 1);
        let cell_types: Vec<String> = classes.iter().map(|&class| class_name(class)).collect();
        let batches: Vec<String> = batches.iter().map(|batch| format!("batch_{}", batch + 1)).collect();
        let markers: Vec<String> =
            marker_of.iter().map(|class| class.map_or_else(|| "none".to_string(), class_name)).collect();
        let frame = |height, columns| DataFrame::new(height, columns).map_err(CellsError::from);
        let obs = frame(
            config.cells,
            vec![Column::new("cell_type".into(), cell_types), Column::new("batch".into(), batches)],
        )?;
        let var = frame(config.genes, vec![Column::new("marker_of".into(), markers)])?;
        let provenance = Provenance {
            source: "simulated".to_string(),
            sha256: None,
            steps: vec![format!(
                "simulated with seed {}: {} cells x {} genes, {} classes of {} to {} cells, {} batches",
                config.seed,
                grouped(config.cells),
                grouped(config.genes),
                config.classes,
                grouped(sizes[config.classes - 1]),
                grouped(sizes[0]),
                config.batches
            )],
        };
        Cells::<Counts>::new(
            expression,
            (1..=config.cells).map(|cell| format!("cell_{cell}")).collect(),
            (1..=config.genes).map(|gene| format!("gene_{gene}")).collect(),
            obs,
            var,
            provenance,
        )
    }
}

fn check(config: &SimulationConfig) -> Result<(), SettingError> {
    let fail = |setting, found: usize, expected: String| Err(SettingError::new(setting, found, expected));
    let SimulationConfig { cells, genes, classes, smallest_class, batches, .. } = *config;
    if classes < 2 {
        return fail("classes", classes, "2 or more".to_owned());
    }
    if batches < 1 {
        return fail("batches", batches, "1 or more".to_owned());
    }
    if smallest_class < 1 {
        return fail("smallest_class", smallest_class, "1 cell or more".to_owned());
    }
    let needed = classes.saturating_mul(smallest_class);
    if cells < needed {
        return fail("cells", cells, format!("{needed} or more: {smallest_class} for each of {classes} classes"));
    }
    if genes < classes || u32::try_from(genes).is_err() {
        return fail("genes", genes, format!("one for each of {classes} classes or more, and below 2^32"));
    }
    for (setting, found, least, most) in [
        ("library_size", config.library_size, f64::MIN_POSITIVE, 1e7),
        ("library_spread", config.library_spread, 0.0, 5.0),
        ("dropout", config.dropout, 0.0, 1.0),
        ("dispersion", config.dispersion, 0.0, 100.0),
        ("batch_effect", config.batch_effect, 0.0, 5.0),
        ("log2_fold_change", config.log2_fold_change, -20.0, 20.0),
    ] {
        if !(least..=most).contains(&found) {
            let least = if least == f64::MIN_POSITIVE { "above 0".to_owned() } else { format!("from {least}") };
            return Err(SettingError::new(setting, found, format!("{least} to {most}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::LogNormalized;

    #[test]
    fn the_same_seed_gives_the_same_cells_and_another_seed_others() {
        let run = |seed| simulate().cells(100).genes(80).classes(3).seed(seed).run().unwrap();
        let (first, second, other) = (run(1), run(1), run(2));
        assert_eq!(first.expression(), second.expression());
        assert!(first.obs().equals(second.obs()));
        assert_ne!(first.expression(), other.expression());
    }

    #[test]
    fn variance_exceeds_the_mean_as_the_dispersion_says() {
        let cells =
            simulate().cells(3000).genes(60).classes(2).batches(1).batch_effect(0.0).dropout(0.0).run().unwrap();
        let labels = cells.labels("cell_type").unwrap();
        let largest = &labels.cells_per_class()[0];
        let dense = cells.expression().dense_rows(largest);
        let (mut above, mut expressed) = (0, 0);
        for gene in 0..60 {
            let values: Vec<f64> = dense.iter().skip(gene).step_by(60).map(|&v| f64::from(v)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
            if mean > 1.0 {
                expressed += 1;
                above += usize::from(variance > mean + 0.2 * mean * mean);
            }
        }
        assert!(expressed > 20 && above == expressed, "{above} of {expressed} genes");
    }

    #[test]
    fn classes_can_be_told_apart_by_the_nearest_class_mean() {
        let cells = simulate().cells(800).genes(300).classes(4).smallest_class(20).run().unwrap();
        let cells: Cells<LogNormalized> = cells.preprocess().min_genes(10).run().unwrap();
        let labels = cells.labels("cell_type").unwrap();
        let (mut means, mut counts) = (vec![vec![0.0f32; cells.genes()]; 4], [0.0f32; 4]);
        let row = |cell: usize| cells.expression().dense_rows(&[cell]);
        for cell in (0..cells.cells()).step_by(2) {
            let class = labels.of_cell[cell] as usize;
            counts[class] += 1.0;
            means[class].iter_mut().zip(row(cell)).for_each(|(mean, value)| *mean += value);
        }
        means.iter_mut().zip(counts).for_each(|(mean, n)| mean.iter_mut().for_each(|value| *value /= n));
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let tested: Vec<usize> = (1..cells.cells()).step_by(2).collect();
        let right = tested.iter().filter(|&&cell| {
            let row = row(cell);
            let nearest = (0..4).min_by(|&a, &b| distance(&means[a], &row).total_cmp(&distance(&means[b], &row)));
            nearest == Some(labels.of_cell[cell] as usize)
        });
        let accuracy = right.count() as f64 / tested.len() as f64;
        assert!(accuracy > 0.95, "{accuracy}");
    }

    #[test]
    fn too_few_cells_for_the_classes_are_refused_with_the_number_needed() {
        let error = simulate().cells(10).classes(8).run().unwrap_err().to_string();
        assert_eq!(error, "cells is 10; expected 16 or more: 2 for each of 8 classes");
        let error = simulate().genes(0).run().unwrap_err().to_string();
        assert!(error.starts_with("genes is 0; expected one for each of 8 classes"), "{error}");
        let error = simulate().library_size(f64::NAN).run().unwrap_err().to_string();
        assert_eq!(error, "library_size is NaN; expected above 0 to 10000000");
    }
}
