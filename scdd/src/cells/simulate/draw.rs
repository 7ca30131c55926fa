//! Random draws of a simulation: class sizes, markers, mean profiles, and the counts of a cell.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, Gamma, LogNormal, Poisson};

use super::SimulationConfig;
use crate::seed::{number, stream};

/// Sizes that fall by one ratio from class to class down to the smallest; the largest takes what rounding leaves.
pub(super) fn class_sizes(config: &SimulationConfig) -> Vec<usize> {
    let size =
        |ratio: f64, class: usize| config.smallest_class as f64 * ratio.powi((config.classes - 1 - class) as i32);
    let total = |ratio: f64| (0..config.classes).map(|class| size(ratio, class)).sum::<f64>();
    let (mut low, mut high) = (1.0, config.cells as f64);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if total(middle) > config.cells as f64 { high = middle } else { low = middle }
    }
    let mut sizes: Vec<usize> = (0..config.classes)
        .map(|class| (size(low, class) + 1e-6).floor() as usize)
        .map(|size| size.clamp(config.smallest_class, config.cells))
        .collect();
    sizes[0] = config.cells.saturating_sub(sizes[1..].iter().sum());
    sizes
}

/// The class that each gene marks, if any.
pub(super) fn draw_markers(config: &SimulationConfig) -> Vec<Option<usize>> {
    let mut genes: Vec<usize> = (0..config.genes).collect();
    genes.shuffle(&mut stream(config.seed, "simulate: markers"));
    let each = config.markers.clamp(1, (config.genes / config.classes).max(1));
    let mut marker_of = vec![None; config.genes];
    for (position, gene) in genes.into_iter().take(each * config.classes).enumerate() {
        marker_of[gene] = Some(position / each);
    }
    marker_of
}

/// Fraction of a cell's counts in each gene, for each class and batch.
pub(super) fn draw_profiles(config: &SimulationConfig, marker_of: &[Option<usize>]) -> Vec<Vec<f64>> {
    let mut means = stream(config.seed, "simulate: gene means");
    let mut effects = stream(config.seed, "simulate: batch effects");
    // spread of gene means over four orders of magnitude, as sequencing shows
    let base: Vec<f64> = (0..config.genes).map(|_| (1.5 * standard_normal(&mut means)).exp()).collect();
    let fold: Vec<f64> =
        (0..config.genes).map(|_| (config.log2_fold_change + 0.5 * standard_normal(&mut means)).exp2()).collect();
    let batch: Vec<Vec<f64>> = (0..config.batches)
        .map(|_| (0..config.genes).map(|_| (config.batch_effect * standard_normal(&mut effects)).exp()).collect())
        .collect();
    let mut profiles = Vec::with_capacity(config.classes * config.batches);
    for class in 0..config.classes {
        for batch in &batch {
            let mut profile: Vec<f64> = (0..config.genes)
                .map(|gene| base[gene] * batch[gene] * if marker_of[gene] == Some(class) { fold[gene] } else { 1.0 })
                .collect();
            let total: f64 = profile.iter().sum();
            profile.iter_mut().for_each(|fraction| *fraction /= total);
            profiles.push(profile);
        }
    }
    profiles
}

fn standard_normal(random: &mut impl rand::Rng) -> f64 {
    rand_distr::StandardNormal.sample(random)
}

/// One cell from a stream of its own, so that cells can be drawn in any order.
pub(super) fn draw_cell(config: &SimulationConfig, cell: usize, profile: &[f64]) -> Vec<(u32, f32)> {
    let mut random = stream(number(config.seed, "simulate: cells"), &cell.to_string());
    let library = LogNormal::new(config.library_size.ln(), config.library_spread)
        .map_or(config.library_size, |sizes| sizes.sample(&mut random));
    let mut row = Vec::new();
    for (gene, fraction) in profile.iter().enumerate() {
        let mean = library * fraction;
        let rate = match Gamma::new(1.0 / config.dispersion, mean * config.dispersion) {
            Ok(rates) if config.dispersion > 0.0 => rates.sample(&mut random),
            _ => mean,
        };
        // a rate of zero is no Poisson
        let count: f64 = Poisson::new(rate).map_or(0.0, |counts| counts.sample(&mut random));
        if count > 0.0 && random.random::<f64>() >= config.dropout * (-mean).exp() {
            row.push((gene as u32, count as f32));
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_sizes_fall_geometrically_to_two_cells_and_fill_the_set() {
        let config = SimulationConfig::default();
        let sizes = class_sizes(&config);
        assert_eq!(sizes.iter().sum::<usize>(), 2000);
        assert_eq!(sizes[7], 2);
        assert!(sizes.windows(2).all(|pair| pair[0] > pair[1]), "{sizes:?}");
        for cells in 16..60 {
            let sizes = class_sizes(&SimulationConfig { cells, ..config.clone() });
            assert_eq!(sizes.iter().sum::<usize>(), cells);
            assert!(sizes.iter().all(|&size| size >= 2), "{cells}: {sizes:?}");
        }
    }
}
