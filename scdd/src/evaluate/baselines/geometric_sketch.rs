//! Geometric sketching (Hie et al. 2019): cells spread evenly over the space that a class fills, not over its density.

use ndarray::{Array2, Axis};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::plaid::plaid;
use super::{Baseline, Candidates, Selected};
use crate::Result;

/// Covers the latents of each class with as many equal boxes as cells are wanted, and draws one cell of each box; where
/// there are more boxes than cells some are left out by chance, where there are fewer, boxes are drawn from again.
///
/// Boxes lie in the latents of the foundation model, instead of the paper's first 100 principal components, and the
/// budget is that of a class, so that rare classes are kept (ours). At one per class it is a random cell.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeometricSketch;

impl Baseline for GeometricSketch {
    fn name(&self) -> String {
        "geometric sketch".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Option<Vec<usize>>> {
        let latents = cells.latents()?;
        let mut chosen = Vec::new();
        for (class, members) in cells.of_classes(per_class)?.into_iter().enumerate() {
            let mut random = crate::seed::stream(seed, &format!("geometric sketch of class {class}"));
            let drawn = sketch(&latents.select(Axis(0), &members), per_class, &mut random);
            chosen.extend(drawn.into_iter().map(|position| members[position]));
        }
        Ok(Some(chosen))
    }
}

/// Rows of the points `[points, width]`, each at most once.
fn sketch(points: &Array2<f32>, wanted: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    if wanted >= points.nrows() {
        return (0..points.nrows()).collect();
    }
    let mut boxes = plaid(points, wanted);
    let (mut chosen, mut round) = (Vec::new(), Vec::new());
    while chosen.len() < wanted {
        if round.is_empty() {
            round = (0..boxes.len()).filter(|&position| !boxes[position].is_empty()).collect();
        }
        let position = round.swap_remove(random.random_range(0..round.len()));
        let of_box: &mut Vec<usize> = &mut boxes[position];
        chosen.push(of_box.swap_remove(random.random_range(0..of_box.len())));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    /// Points, and what geosketch found for each size of a sketch.
    #[derive(serde::Deserialize)]
    struct Golden {
        points: Vec<Vec<f32>>,
        sketches: Vec<OfSize>,
    }

    #[derive(serde::Deserialize)]
    struct OfSize {
        cells: usize,
        boxes: usize,
        hausdorff_mean: f64,
        random_mean: f64,
        rare_mean: f64,
    }

    /// The largest distance of a point to its nearest one in the sketch.
    fn hausdorff(points: &Array2<f32>, sketch: &[usize]) -> f64 {
        let chosen = points.select(Axis(0), sketch);
        let nearest = |point: ndarray::ArrayView1<f32>| {
            let far = chosen.rows().into_iter().map(|row| scdd_learn::kmeans::squared_distance(point, row));
            far.fold(f64::INFINITY, f64::min).sqrt()
        };
        points.rows().into_iter().map(nearest).fold(0.0, f64::max)
    }

    #[test]
    fn boxes_and_coverage_are_those_of_the_package_geosketch() {
        let golden: Golden = serde_json::from_str(include_str!("../../../../tests/goldens/geosketch.json")).unwrap();
        let (cells, width) = (golden.points.len(), golden.points[0].len());
        let points = Array2::from_shape_vec((cells, width), golden.points.concat()).unwrap();
        for of_size in golden.sketches {
            assert_eq!(plaid(&points, of_size.cells).len(), of_size.boxes, "boxes of {} cells", of_size.cells);
            let (mut sum, mut rare) = (0.0, 0);
            for seed in 0..200 {
                let chosen = sketch(&points, of_size.cells, &mut seed::stream(seed, "geosketch golden"));
                assert_eq!(chosen.len(), of_size.cells);
                sum += hausdorff(&points, &chosen) / 200.0;
                // The last twenty points are the rare kind.
                rare += chosen.iter().filter(|&&cell| cell >= cells - 20).count();
            }
            // By chance means of 200 sketches deviate by less than 1 %, their rare points by up to 3 %.
            assert!((sum / of_size.hausdorff_mean - 1.0).abs() < 0.03, "{sum} and {}", of_size.hausdorff_mean);
            assert!((rare as f64 / 200.0 / of_size.rare_mean - 1.0).abs() < 0.1, "{rare} and {}", of_size.rare_mean);
            assert!(sum < 0.85 * of_size.random_mean, "{sum}, of random points {}", of_size.random_mean);
        }
    }

    #[test]
    fn points_are_drawn_once_each_also_when_there_are_fewer_boxes_than_wanted() {
        let points = Array2::from_shape_fn((12, 2), |(point, _)| (point % 3) as f32);
        for seed in 0..20 {
            let mut chosen = sketch(&points, 7, &mut seed::stream(seed, "few boxes"));
            // Three boxes: two or three of each.
            let of_box = |kind: usize| chosen.iter().filter(|&&cell| cell % 3 == kind).count();
            assert!((0..3).all(|kind| (2..=3).contains(&of_box(kind))), "{chosen:?}");
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 7);
        }
        assert_eq!(sketch(&points, 30, &mut seed::stream(1, "all")).len(), 12);
    }
}
