//! Properties of a distilled set as cells, beside real cells of the same classes: `distilled.properties()`.
//!
//! A set that trains well may still be no cells: values below zero, no zeros at all, library sizes that no cell has, genes
//! that vary together as they never do. A classifier's accuracy measures none of this.

mod correlations;
mod measure;

use std::sync::Arc;

use polars::prelude::{Column, DataFrame};
use serde::{Deserialize, Serialize};

use super::{Baseline, Candidates, ClassMean, EvaluateError, RandomCells};
use crate::cells::Expression;
use crate::distill::Distilled;
use crate::seed;
use measure::Measured;

/// Numbers of one set, means over its classes of means over the cells of each, so that a class counts once whatever
/// its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetProperties {
    /// "real training cells", what made the distilled set, or the baseline.
    pub set: String,
    /// How many cells.
    pub cells: usize,
    /// The smallest value; expression is not negative.
    pub smallest_value: f64,
    /// Fraction of values that are zero.
    pub zero_fraction: f64,
    /// Standard deviation of that fraction over the cells of a class; None when no class has two cells.
    pub zero_fraction_spread: Option<f64>,
    /// Counts per 10,000 that the genes of the study add up to, from log1p back: the library size that is left to them.
    pub library_size: f64,
    /// Standard deviation of the logarithm of library sizes over the cells of a class; None when no class has two cells.
    pub library_size_spread: Option<f64>,
    /// Root mean square difference from the real cells' Pearson correlations, over pairs of the 200 most variable genes
    /// that vary in both, each class weighing the same; 0 for the real cells. A small set is far from them whatever it
    /// is: compare it with random cells. None below three cells.
    pub correlation_distance: Option<f64>,
    /// Pairs of genes that this is taken over.
    pub correlated_pairs: usize,
    /// Mean Euclidean distance between the mean profiles of two classes; None for one class.
    pub class_distance: Option<f64>,
    /// The smallest such distance: the two classes that are told apart worst.
    pub smallest_class_distance: Option<f64>,
    /// Pearson's correlation of these distances with those of the real cells; None below three classes.
    pub class_distance_agreement: Option<f64>,
}

/// Properties of a distilled set, of real cells of its classes, and of two baselines at its budget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Properties {
    sets: Arc<Vec<SetProperties>>,
}

impl Distilled {
    /// What the set is like as cells: values below zero, fraction of zeros, library size, correlations of genes, distances
    /// between classes; beside the training cells of the same classes, random cells and class means at its budget.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let distilled = study.distill_decoder(DistributionMatching::default()).steps(3).run()?;
    /// let properties = distilled.properties()?;
    /// let (real, ours) = (&properties.sets()[0], &properties.sets()[1]);
    /// assert!(ours.smallest_value >= 0.0);
    /// println!("zeros: {:.2}, in real cells {:.2}", ours.zero_fraction, real.zero_fraction);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn properties(&self) -> crate::Result<Properties> {
        let study = self.study();
        let (real, real_labels) = study.training_expression();
        let classes = study.classes().len();
        let mut present = vec![false; classes];
        self.labels().iter().for_each(|&label| present[label as usize] = true);
        let same: Vec<usize> = (0..real.cells()).filter(|&cell| present[real_labels[cell] as usize]).collect();
        let real = real.select_cells(&same);
        let real_labels: Vec<u32> = same.iter().map(|&cell| real_labels[cell]).collect();

        let candidates = Candidates::new(&real, &real_labels, classes)?;
        let (per_class, seed) = (self.config().per_class, seed::number(self.config().seed, "properties"));
        let mut sets = vec![(self.method(), self.sparse_expression()?, self.labels().to_vec())];
        for baseline in [&RandomCells as &dyn Baseline, &ClassMean] {
            let (rows, labels) = baseline.select(&candidates, per_class, seed)?;
            sets.push((baseline.name(), Expression::from_array(&rows)?, labels));
        }
        let reference = Measured::new(&real, &real_labels, classes)?;
        let mut found = vec![reference.properties("real training cells", &reference)];
        for (name, expression, labels) in sets {
            found.push(Measured::beside(&expression, &labels, &reference)?.properties(&name, &reference));
        }
        Ok(Properties { sets: Arc::new(found) })
    }
}

impl Properties {
    /// Real training cells, the distilled set, random cells, class means.
    pub fn sets(&self) -> &[SetProperties] {
        &self.sets
    }

    /// The same as a polars frame, one row per set and one column per property.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let sets = &*self.sets;
        let number = |name: &str, of: fn(&SetProperties) -> Option<f64>| {
            Column::new(name.into(), sets.iter().map(of).collect::<Vec<_>>())
        };
        let count = |name: &str, of: fn(&SetProperties) -> usize| {
            Column::new(name.into(), sets.iter().map(|set| of(set) as u64).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new("set".into(), sets.iter().map(|set| set.set.as_str()).collect::<Vec<_>>()),
            count("cells", |set| set.cells),
            number("smallest_value", |set| Some(set.smallest_value)),
            number("zero_fraction", |set| Some(set.zero_fraction)),
            number("zero_fraction_spread", |set| set.zero_fraction_spread),
            number("library_size", |set| Some(set.library_size)),
            number("library_size_spread", |set| set.library_size_spread),
            number("correlation_distance", |set| set.correlation_distance),
            count("correlated_pairs", |set| set.correlated_pairs),
            number("class_distance", |set| set.class_distance),
            number("smallest_class_distance", |set| set.smallest_class_distance),
            number("class_distance_agreement", |set| set.class_distance_agreement),
        ];
        Ok(DataFrame::new(sets.len(), columns).map_err(EvaluateError::from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes of four cells; genes 0 and 1 rise together within a class, gene 2 falls.
    fn cells() -> (Expression, Vec<u32>) {
        let mut dense = Vec::new();
        for class in 0..2 {
            for step in 0..4 {
                let step = step as f32 * 0.5;
                dense.extend([1.0 + step, 2.0 + step, 3.0 - step, if class == 0 { 0.0 } else { 2.0 }]);
            }
        }
        (Expression::from_dense(4, &dense).unwrap(), vec![0, 0, 0, 0, 1, 1, 1, 1])
    }

    #[test]
    fn properties_are_those_of_numbers_checked_by_hand() {
        let (real, labels) = cells();
        let reference = Measured::new(&real, &labels, 2).unwrap();
        let found = reference.properties("real", &reference);
        // Class 0 lacks gene 3 in every cell, class 1 has all four.
        assert!((found.zero_fraction - 0.125).abs() < 1e-12);
        assert_eq!(found.zero_fraction_spread, Some(0.0));
        assert_eq!((found.smallest_value, found.correlation_distance), (0.0, Some(0.0)));
        // The classes differ by 2 in gene 3.
        assert!((found.class_distance.unwrap() - 2.0).abs() < 1e-6);
        assert_eq!(found.class_distance_agreement, None, "two classes have one distance");
        let own: f64 = (0..8).map(|cell| real.row(cell).1.iter().map(|&v| f64::from(v).exp_m1()).sum::<f64>()).sum();
        assert!((found.library_size - own / 8.0).abs() < 1e-4);

        // The same cells with gene 2 turned round: its correlations with 0 and 1 change from -1 to 1.
        let turned: Vec<f32> = (0..8)
            .flat_map(|cell| {
                let mut row = real.dense_rows(&[cell]);
                row[2] = 4.5 - row[2];
                row
            })
            .collect();
        let turned = Expression::from_dense(4, &turned).unwrap();
        let other = Measured::beside(&turned, &labels, &reference).unwrap().properties("turned", &reference);
        // Two of six pairs differ by 2.
        assert_eq!(other.correlated_pairs, 6);
        assert!((other.correlation_distance.unwrap() - (8.0f64 / 6.0).sqrt()).abs() < 1e-5, "{other:?}");
    }

    #[test]
    fn what_a_small_set_does_not_have_is_none_and_negative_values_are_shown() {
        let (real, labels) = cells();
        let reference = Measured::new(&real, &labels, 2).unwrap();
        let two = Expression::from_dense(4, &[1.0, 2.0, 0.0, -0.5, 0.0, 2.0, 3.0, 0.0]).unwrap();
        let found = Measured::beside(&two, &[0, 1], &reference).unwrap().properties("two", &reference);
        assert_eq!(
            (found.zero_fraction_spread, found.library_size_spread, found.correlation_distance),
            (None, None, None)
        );
        assert_eq!(found.smallest_value, -0.5);
        assert!((found.zero_fraction - 0.375).abs() < 1e-12);
    }

    #[test]
    fn a_distilled_set_stands_beside_real_cells_and_baselines_and_every_number_is_a_column() {
        crate::progress::quiet(true);
        let cells = crate::simulate().cells(300).genes(200).classes(3).smallest_class(20).run().unwrap();
        let study =
            cells.preprocess().min_genes(10).run().unwrap().study("cell_type").foundation_epochs(3).run().unwrap();
        let set = study.distill_decoder(crate::DistributionMatching::default()).per_class(2).steps(3).run().unwrap();
        let properties = set.properties().unwrap();
        let [real, ours, random, mean] = properties.sets() else { panic!("{:?}", properties.sets()) };
        assert_eq!((ours.cells, random.cells, mean.cells), (6, 6, 3));
        assert_eq!(ours.set, "scDD+Decoder, DM");
        // Means have fewer zeros than cells; random cells are cells.
        assert!(mean.zero_fraction < 0.5 * random.zero_fraction && ours.smallest_value >= 0.0);
        assert!((random.zero_fraction - real.zero_fraction).abs() < 0.1);
        assert!(mean.class_distance_agreement.unwrap() > 0.999);
        let fields = serde_json::to_value(real).unwrap();
        let mut names: Vec<String> = fields.as_object().unwrap().keys().cloned().collect();
        let frame = properties.frame().unwrap();
        let mut columns: Vec<String> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
        names.sort();
        columns.sort();
        assert_eq!(columns, names);
    }
}
