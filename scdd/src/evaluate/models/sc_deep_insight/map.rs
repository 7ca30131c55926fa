//! Layout of genes on an image: a pixel for each gene, so that genes of similar profiles are neighbours.

use ndarray::Array2;
use rand::seq::index::sample;
use rayon::prelude::*;

use super::rectangle::upright;
use crate::cells::Expression;
use crate::seed;
use scdd_learn::knn::{Distance, nearest};
use scdd_learn::tsne::tsne;

/// Genes that t-SNE places; the others lie where the most similar of them does (ours: its cost grows with their square).
const PLACED: usize = 3_000;
/// Cells that profiles are compared over (ours).
const CELLS: usize = 1_000;
/// No pixel: no cell expressed the gene.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The pixel of each gene.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) size: usize,
    /// Row times size plus column, or [`NOWHERE`].
    pub(super) pixels: Vec<u32>,
}

impl Map {
    pub(super) fn of(expression: &Expression, size: usize, seed: u64) -> Self {
        let mut random = seed::stream(seed, "scDeepInsight: map of genes");
        let cells: Vec<usize> = match expression.cells() {
            few if few <= CELLS => (0..few).collect(),
            many => sample(&mut random, many, CELLS).into_vec(),
        };
        let by_gene = expression.select_cells(&cells).transposed();
        let variance = |gene: usize| {
            let values = by_gene.row(gene).1;
            let (sum, squares) = values.iter().fold((0.0, 0.0), |(sum, squares), &value| {
                (sum + f64::from(value), squares + f64::from(value).powi(2))
            });
            squares / cells.len() as f64 - (sum / cells.len() as f64).powi(2)
        };
        let mut expressed: Vec<(usize, f64)> = (0..expression.genes())
            .into_par_iter()
            .filter(|&gene| !by_gene.row(gene).1.is_empty())
            .map(|gene| (gene, variance(gene)))
            .collect();
        expressed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let order: Vec<usize> = expressed.into_iter().map(|(gene, _)| gene).collect();
        let (placed, others) = order.split_at(order.len().min(PLACED));
        let profiles = unit_profiles(&by_gene, placed, cells.len());
        let positions = upright(&tsne(&profiles, &mut random));
        let pixel = |position: [f32; 2]| {
            let [row, column] = position.map(|fraction| ((fraction * size as f32) as usize).min(size - 1));
            (row * size + column) as u32
        };
        let mut pixels = vec![NOWHERE; expression.genes()];
        placed.iter().zip(&positions).for_each(|(&gene, position)| pixels[gene] = pixel(*position));
        for others in others.chunks(4_096) {
            let (found, _) = nearest(&unit_profiles(&by_gene, others, cells.len()), &profiles, 1, Distance::Cosine);
            others.iter().zip(found.column(0)).for_each(|(&gene, &like)| pixels[gene] = pixels[placed[like as usize]]);
        }
        Self { size, pixels }
    }

    /// Images `[cells, size * size]`: the mean of each pixel's genes, times a scale and 1 at most.
    pub(super) fn images(&self, expression: &Expression, cells: &[usize], scale: f32) -> Vec<f32> {
        let area = self.size * self.size;
        let mut counts = vec![0.0f32; area];
        self.pixels.iter().filter(|pixel| **pixel != NOWHERE).for_each(|&pixel| counts[pixel as usize] += 1.0);
        let mut images = vec![0.0; cells.len() * area];
        for (image, &cell) in images.chunks_exact_mut(area).zip(cells) {
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                let pixel = self.pixels[gene as usize];
                if pixel != NOWHERE {
                    image[pixel as usize] += (value * scale).min(1.0) / counts[pixel as usize];
                }
            }
        }
        images
    }

    /// Whether its pixels are in bounds, as those of a file may not be.
    pub(super) fn is_whole(&self) -> bool {
        let area = (self.size * self.size) as u32;
        self.pixels.iter().all(|pixel| *pixel < area || *pixel == NOWHERE)
    }
}

/// Profiles of genes over cells, of L2 norm 1.
fn unit_profiles(by_gene: &Expression, genes: &[usize], cells: usize) -> Array2<f32> {
    let mut profiles = Array2::zeros((genes.len(), cells));
    for (mut profile, &gene) in profiles.rows_mut().into_iter().zip(genes) {
        let (of_cells, values) = by_gene.row(gene);
        let norm = values.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        of_cells.iter().zip(values).for_each(|(&cell, value)| profile[cell as usize] = value / norm);
    }
    profiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genes_of_like_profiles_lie_together_and_silent_ones_nowhere() {
        // Three groups of genes, each of other cells; gene 0 is silent.
        let (cells, genes) = (30, 91);
        let dense: Vec<f32> = (0..cells)
            .flat_map(|cell| (0..genes).map(move |gene| (cell, gene)))
            .map(|(cell, gene)| if gene > 0 && cell % 3 == gene % 3 { 1.0 + ((cell * gene) % 7) as f32 } else { 0.0 })
            .collect();
        let expression = Expression::from_dense(genes, &dense).unwrap();
        let map = Map::of(&expression, 12, 3);
        assert_eq!(map, Map::of(&expression, 12, 3));
        assert!(map.is_whole() && map.pixels[0] == NOWHERE);
        let position = |gene: usize| [(map.pixels[gene] / 12) as f32, (map.pixels[gene] % 12) as f32];
        let apart =
            |a: usize, b: usize| (0..2).map(|axis| (position(a)[axis] - position(b)[axis]).powi(2)).sum::<f32>();
        let mean = |same: bool| {
            let pairs = (1..genes).flat_map(|a| (1..a).map(move |b| (a, b))).filter(|(a, b)| (a % 3 == b % 3) == same);
            let found: Vec<f32> = pairs.map(|(a, b)| apart(a, b)).collect();
            found.iter().sum::<f32>() / found.len() as f32
        };
        assert!(mean(true) * 2.0 < mean(false), "{} {}", mean(true), mean(false));
    }

    #[test]
    fn a_pixel_is_the_mean_of_its_genes() {
        let map = Map { size: 2, pixels: vec![0, 3, 3, NOWHERE] };
        let expression = Expression::from_dense(4, &[1.0, 2.0, 0.0, 9.0, 0.0, 8.0, 1.0, 0.0]).unwrap();
        let images = map.images(&expression, &[1, 0], 0.25);
        // Eight quarters are one.
        assert_eq!(images, [0.0, 0.0, 0.0, 0.625, 0.25, 0.0, 0.0, 0.25]);
    }
}
