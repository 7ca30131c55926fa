//! Pseudobulks of k-means clusters: the class mean's counterpart at more than one cell per class (ours).

use ndarray::Axis;

use super::{Baseline, Candidates, Selected, candidates::stack};
use crate::Result;
use scdd_learn::kmeans::kmeans;

/// Clusters the latents of each class by k-means, `per_class` clusters, and takes the mean log-normalised expression of
/// each. A class with fewer cells gives one row for each. At one per class it is the class mean.
#[derive(Clone, Copy, Debug, Default)]
pub struct KMeansPseudobulks;

impl Baseline for KMeansPseudobulks {
    fn name(&self) -> String {
        "k-means pseudobulks".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        let latents = cells.latents()?;
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for (class, members) in (0..).zip(cells.of_classes(per_class)?) {
            // A stream per class: how one class is clustered does not depend on the others.
            let mut random = crate::seed::stream(seed, &format!("pseudobulks of class {class}"));
            let clusters = kmeans(&latents.select(Axis(0), &members), per_class, &mut random).clusters;
            for cluster in 0..per_class.min(members.len()) {
                let belongs = members.iter().zip(&clusters).filter(|(_, of)| **of == cluster);
                rows.push(cells.mean(&belongs.map(|(&cell, _)| cell).collect::<Vec<_>>()));
                labels.push(class);
            }
        }
        Ok((stack(&rows, cells.expression().genes()), labels))
    }
}
