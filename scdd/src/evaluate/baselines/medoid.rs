//! Medoids: the real cells nearest to the mean latent of each class (ours).

use super::{Baseline, Candidates, Selected};
use crate::Result;
use scdd_learn::kmeans::squared_distance;

/// The training cells whose latents are nearest to the mean latent of their class, nearest first. A class with fewer cells
/// than `per_class` gives all that it has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Medoid;

impl Baseline for Medoid {
    fn name(&self) -> String {
        "medoid".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> Result<Option<Vec<usize>>> {
        let latents = cells.latents()?;
        let mut chosen = Vec::new();
        for members in cells.of_classes(per_class)? {
            let mean = ndarray::Array1::from(cells.mean_latent(&members)?);
            let far = |cell: usize| (squared_distance(latents.row(cell), mean.view()), cell);
            let mut order: Vec<(f64, usize)> = members.into_iter().map(far).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            chosen.extend(order.into_iter().take(per_class).map(|(_, cell)| cell));
        }
        Ok(Some(chosen))
    }
}
