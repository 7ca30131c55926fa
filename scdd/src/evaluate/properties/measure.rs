//! Properties of one set: zeros, library sizes and class profiles.

use super::SetProperties;
use super::correlations::{Correlations, distance};
use crate::cells::Expression;
use scdd_learn::statistics::{mean, pearson, sample_deviation};
use scdd_learn::{LearnError, check_labels};

use crate::preprocess::highly_variable_genes;

/// Genes whose correlations are compared (ours: 19,900 pairs).
const GENES: usize = 200;

/// What was counted of a set.
pub(super) struct Measured {
    cells: usize,
    smallest: f64,
    /// Fraction of zeros and library size of the cells of each class.
    zeros: Vec<Vec<f64>>,
    libraries: Vec<Vec<f64>>,
    /// Mean expression of each class with cells.
    profiles: Vec<Option<Vec<f64>>>,
    correlations: Option<Correlations>,
    genes: Vec<usize>,
}

impl Measured {
    /// Of real cells, whose most variable genes are those that are compared.
    pub(super) fn new(expression: &Expression, labels: &[u32], classes: usize) -> crate::Result<Self> {
        let mut genes = highly_variable_genes(expression, GENES)?.selected().to_vec();
        genes.truncate(GENES);
        Ok(Self::of(expression, labels, classes, genes)?)
    }

    /// Of another set, at the genes of a reference.
    pub(super) fn beside(expression: &Expression, labels: &[u32], reference: &Self) -> Result<Self, LearnError> {
        Self::of(expression, labels, reference.zeros.len(), reference.genes.clone())
    }

    fn of(expression: &Expression, labels: &[u32], classes: usize, genes: Vec<usize>) -> Result<Self, LearnError> {
        check_labels("cells", expression.cells(), labels, classes)?;
        let (mut zeros, mut libraries) = (vec![Vec::new(); classes], vec![Vec::new(); classes]);
        let mut profiles: Vec<Option<Vec<f64>>> = vec![None; classes];
        let width = expression.genes();
        let mut smallest = f64::INFINITY;
        for (cell, &label) in labels.iter().enumerate() {
            let (row_genes, values) = expression.row(cell);
            let profile = profiles[label as usize].get_or_insert_with(|| vec![0.0; width]);
            let (mut library, mut stored) = (0.0, 0);
            for (&gene, &value) in row_genes.iter().zip(values) {
                let value = f64::from(value);
                stored += usize::from(value != 0.0);
                library += value.exp_m1();
                profile[gene as usize] += value;
                smallest = smallest.min(value);
            }
            if stored < width {
                smallest = smallest.min(0.0);
            }
            zeros[label as usize].push(1.0 - stored as f64 / width.max(1) as f64);
            libraries[label as usize].push(library);
        }
        for (profile, cells) in profiles.iter_mut().zip(&zeros) {
            profile.iter_mut().flatten().for_each(|sum| *sum /= cells.len() as f64);
        }
        let correlations = Correlations::of(&expression.select_genes(&genes), labels, classes);
        Ok(Self { cells: labels.len(), smallest, zeros, libraries, profiles, correlations, genes })
    }

    pub(super) fn properties(&self, set: &str, reference: &Self) -> SetProperties {
        let over_classes = |of: &dyn Fn(&[f64]) -> Option<f64>, values: &[Vec<f64>]| {
            mean(&values.iter().filter_map(|class| of(class)).collect::<Vec<_>>())
        };
        let logarithms: Vec<Vec<f64>> = self
            .libraries
            .iter()
            .map(|class| class.iter().map(|size| size.max(f64::MIN_POSITIVE).ln()).collect())
            .collect();
        let apart = self.class_distances();
        let distances: Vec<f64> = apart.iter().map(|(_, distance)| *distance).collect();
        // Both sets' pairs of classes, in one order.
        let real: Vec<f64> = reference
            .class_distances()
            .into_iter()
            .filter(|(pair, _)| apart.iter().any(|(own, _)| own == pair))
            .map(|(_, distance)| distance)
            .collect();
        let compared =
            self.correlations.as_ref().zip(reference.correlations.as_ref()).and_then(|(a, b)| distance(a, b));
        SetProperties {
            set: set.to_owned(),
            cells: self.cells,
            smallest_value: self.smallest,
            zero_fraction: over_classes(&mean, &self.zeros).unwrap_or(0.0),
            zero_fraction_spread: over_classes(&sample_deviation, &self.zeros),
            library_size: over_classes(&mean, &self.libraries).unwrap_or(0.0),
            library_size_spread: over_classes(&sample_deviation, &logarithms),
            correlation_distance: compared.map(|(distance, _)| distance),
            correlated_pairs: compared.map_or(0, |(_, pairs)| pairs),
            class_distance: mean(&distances),
            smallest_class_distance: distances.iter().copied().reduce(f64::min),
            class_distance_agreement: pearson(&distances, &real),
        }
    }

    /// Euclidean distances between the profiles of every two classes that have cells.
    fn class_distances(&self) -> Vec<((usize, usize), f64)> {
        let present: Vec<(usize, &Vec<f64>)> =
            self.profiles.iter().enumerate().filter_map(|(class, profile)| Some((class, profile.as_ref()?))).collect();
        let mut distances = Vec::new();
        for (position, (class, profile)) in present.iter().enumerate() {
            for (other, of_other) in &present[position + 1..] {
                let squares: f64 = profile.iter().zip(*of_other).map(|(a, b)| (a - b).powi(2)).sum();
                distances.push(((*class, *other), squares.sqrt()));
            }
        }
        distances
    }
}
