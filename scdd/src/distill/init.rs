//! Initialisation of the codes: algorithm 1, line 1 of Yu et al. 2025 takes random real cells; the others are our choice.

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate};
use rand::seq::index::sample;
use scdd_learn::kmeans::{kmeans, squared_distance};
use serde::{Deserialize, Serialize};

use super::codes::Codes;
use super::error::DistillError;
use super::path::{GeneratorPath, Space};
use crate::seed;

/// How codes are initialised. Which cells are near each other is decided by their latents; the code is the latent or the
/// expression, whichever the pipeline optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Init {
    /// Random training cells of the class, none twice (the paper's algorithm 1).
    #[default]
    RandomReal,
    /// The mean of the class's training cells. Several codes of a class begin equal, and where the pipeline adds no noise
    /// they stay equal: for more than one per class take [`KMeans`](Self::KMeans).
    ClassMean,
    /// The training cells nearest to the mean latent of their class.
    Medoid,
    /// Means of the clusters that k-means finds in a class, one for each code (Lloyd with k-means++, seeded).
    KMeans,
    /// Latents that SCDG draws for the class from noise; only where there is an SCDG.
    Generated,
}

impl Init {
    /// What plans call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RandomReal => "random real cells",
            Self::ClassMean => "class means",
            Self::Medoid => "medoids",
            Self::KMeans => "k-means pseudobulks",
            Self::Generated => "latents that SCDG draws",
        }
    }
}

/// Initial codes at the scale of the path's space, `budget` of each class.
pub(super) fn codes(path: &dyn GeneratorPath, init: Init, budget: &[usize], seed: u64) -> Result<Codes, DistillError> {
    let (study, training) = (path.study(), path.study().training_cells());
    let labels: Vec<u32> =
        budget.iter().enumerate().flat_map(|(class, &count)| std::iter::repeat_n(class as u32, count)).collect();
    if init == Init::Generated {
        let generated = path.generated(&labels, seed).ok_or(DistillError::NothingGenerated)?;
        return Ok(Codes { values: generated, labels });
    }
    let mut rng = seed::stream(seed, "codes");
    let mut parts = Vec::new();
    for (members, &count) in training.train_per_class().iter().zip(budget) {
        parts.push(match init {
            Init::RandomReal | Init::Generated => {
                let chosen: Vec<usize> = sample(&mut rng, members.len(), count).iter().map(|i| members[i]).collect();
                stack(&chosen.iter().map(|&cell| mean_code(path, &[cell])).collect::<Vec<_>>())
            }
            Init::ClassMean => stack(&vec![mean_code(path, members); count]),
            Init::Medoid => {
                let nearest = nearest_to_mean(&study.embeddings_of(members), count);
                let chosen: Vec<usize> = nearest.into_iter().map(|index| members[index]).collect();
                stack(&chosen.iter().map(|&cell| mean_code(path, &[cell])).collect::<Vec<_>>())
            }
            Init::KMeans => {
                let clusters = kmeans(&study.embeddings_of(members), count, &mut rng).clusters;
                let mean = |cluster| {
                    let belongs = members.iter().zip(&clusters).filter(|(_, of)| **of == cluster);
                    let cells: Vec<usize> = belongs.map(|(&cell, _)| cell).collect();
                    mean_code(path, &cells)
                };
                stack(&(0..count).map(mean).collect::<Vec<_>>())
            }
        });
    }
    Ok(Codes { values: stack(&parts), labels })
}

fn stack(parts: &[Array2<f32>]) -> Array2<f32> {
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    // All parts have the width of one space.
    concatenate(Axis(0), &views).unwrap_or_default()
}

/// The code `[1, width]` of the mean of some cells of one class.
fn mean_code(path: &dyn GeneratorPath, cells: &[usize]) -> Array2<f32> {
    let study = path.study();
    let code = match path.space() {
        Space::Latents => {
            let latents = study.embeddings_of(cells);
            let scale = (latents.len_of(Axis(1)) as f32).sqrt();
            mean(latents.rows().into_iter().map(|row| row.mapv(|value| value * scale)))
        }
        // Not all cells are dense at once.
        Space::Expression => mean(cells.iter().map(|&cell| study.cells().expression().dense_rows(&[cell]).into())),
        Space::Weights => path.weights(cells).into(),
    };
    code.insert_axis(Axis(0))
}

/// The mean of rows, summed in f64.
fn mean(rows: impl Iterator<Item = Array1<f32>>) -> Array1<f32> {
    let (mut sum, mut count): (Vec<f64>, usize) = (Vec::new(), 0);
    for row in rows {
        sum.resize(row.len(), 0.0);
        sum.iter_mut().zip(&row).for_each(|(sum, &value)| *sum += f64::from(value));
        count += 1;
    }
    sum.into_iter().map(|sum| (sum / count.max(1) as f64) as f32).collect()
}

/// Indices of the rows nearest to the mean of all rows, nearest first.
fn nearest_to_mean(latents: &Array2<f32>, count: usize) -> Vec<usize> {
    let mean = latents.mean_axis(Axis(0)).unwrap_or_default();
    let far = |row: ArrayView1<f32>| squared_distance(row, mean.view());
    let distances: Vec<f64> = latents.rows().into_iter().map(far).collect();
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_medoid_is_the_real_cell_nearest_to_the_mean() {
        // Mean (2, 1): squared distances 5, 1, 10 and 2.
        let latents = array![[0.0, 0.0], [2.0, 2.0], [5.0, 2.0], [1.0, 0.0]];
        assert_eq!(nearest_to_mean(&latents, 1), [1]);
        assert_eq!(nearest_to_mean(&latents, 3), [1, 3, 0]);
    }
}
