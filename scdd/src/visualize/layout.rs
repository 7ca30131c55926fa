//! The layout of UMAP (McInnes et al. 2018, section 3.2): stochastic gradient descent on the fuzzy graph with negative
//! sampling, in one thread and from one random stream, so that a seed gives one picture. umap-rs makes the graph; its own
//! layout draws from the thread's generator in parallel and differs from run to run. Initialised by the first two principal
//! components, by power iteration.

use ndarray::Array2;
use rand::{Rng, RngExt};

use crate::progress::stop_requested;

/// `1 / (1 + a d^(2 b))` fitted to a minimum distance of 0.5 and a spread of 1, scanpy's choice.
pub(super) const CURVE: (f32, f32) = (0.583_03, 1.334_167);

const NEGATIVE_SAMPLES: f64 = 5.0;

/// A weighted edge of the graph; weights are 0 to 1.
pub(super) struct Edge {
    pub head: u32,
    pub tail: u32,
    pub weight: f32,
}

/// Optimises `coordinates` `[cells, 2]` for the given number of epochs.
pub(super) fn optimise(coordinates: &mut Array2<f32>, edges: &[Edge], epochs: usize, stream: &mut impl Rng) {
    let strongest = edges.iter().map(|edge| edge.weight).fold(0.0f32, f32::max);
    let cells = coordinates.nrows();
    if strongest <= 0.0 || cells < 2 {
        return;
    }
    let mut points: Vec<[f32; 2]> = coordinates.rows().into_iter().map(|row| [row[0], row[1]]).collect();
    // An edge is drawn in proportion to its weight; edges too weak to be drawn once are left out.
    let edges: Vec<(usize, usize, f64)> = edges
        .iter()
        .filter(|edge| edge.weight * epochs as f32 >= strongest)
        .map(|edge| (edge.head as usize, edge.tail as usize, f64::from(strongest / edge.weight)))
        .collect();
    let mut next: Vec<f64> = edges.iter().map(|edge| edge.2).collect();
    let mut next_negative: Vec<f64> = next.iter().map(|period| period / NEGATIVE_SAMPLES).collect();

    for epoch in 1..=epochs {
        // The layout as it is: coarse after a few epochs, but a layout.
        if stop_requested() {
            break;
        }
        let rate = 1.0 - (epoch - 1) as f32 / epochs as f32;
        for (i, &(head, tail, period)) in edges.iter().enumerate() {
            if next[i] > epoch as f64 {
                continue;
            }
            next[i] += period;
            let pull = step(points[head], points[tail], attraction);
            for axis in 0..2 {
                points[head][axis] += rate * pull[axis];
                points[tail][axis] -= rate * pull[axis];
            }
            let negative_period = period / NEGATIVE_SAMPLES;
            let draws = ((epoch as f64 - next_negative[i]) / negative_period).max(0.0) as usize;
            next_negative[i] += draws as f64 * negative_period;
            for _ in 0..draws {
                let other = stream.random_range(0..cells as u32) as usize;
                if other != head {
                    let push = step(points[head], points[other], repulsion);
                    for axis in 0..2 {
                        points[head][axis] += rate * push[axis];
                    }
                }
            }
        }
    }
    for (mut row, point) in coordinates.rows_mut().into_iter().zip(points) {
        row[0] = point[0];
        row[1] = point[1];
    }
}

fn step(from: [f32; 2], to: [f32; 2], coefficient: impl Fn(f32) -> f32) -> [f32; 2] {
    let difference = [from[0] - to[0], from[1] - to[1]];
    let squared = difference[0] * difference[0] + difference[1] * difference[1];
    let factor = if squared > 0.0 { coefficient(squared) } else { 0.0 };
    difference.map(|part| (factor * part).clamp(-4.0, 4.0))
}

fn attraction(squared: f32) -> f32 {
    let (a, b) = CURVE;
    let power = squared.powf(b);
    -2.0 * a * b * power / squared / (a * power + 1.0)
}

fn repulsion(squared: f32) -> f32 {
    let (a, b) = CURVE;
    2.0 * b / ((0.001 + squared) * (a * squared.powf(b) + 1.0))
}

/// The first two principal components of `points` `[cells, latent]`, scaled to reach 10, with a little noise that
/// parts equal rows (umap-learn's scaling). The sign is fixed: the largest loading is positive.
pub(super) fn principal_components(points: &Array2<f32>, stream: &mut impl Rng) -> Array2<f32> {
    let (cells, latent) = points.dim();
    let centre: Vec<f64> = points.columns().into_iter().map(|c| c.iter().map(|&x| f64::from(x)).sum::<f64>()).collect();
    let centre: Vec<f64> = centre.into_iter().map(|sum| sum / cells as f64).collect();
    let score = |axis: &[f64], cell: usize| -> f64 {
        points.row(cell).iter().zip(&centre).zip(axis).map(|((&x, m), a)| (f64::from(x) - m) * a).sum()
    };
    let mut axes: [Vec<f64>; 2] = std::array::from_fn(|_| (0..latent).map(|_| stream.random::<f64>() - 0.5).collect());
    for _ in 0..60 {
        orthonormal(&mut axes);
        let mut product = [vec![0.0; latent], vec![0.0; latent]];
        for cell in 0..cells {
            let scores = [score(&axes[0], cell), score(&axes[1], cell)];
            for (gene, &x) in points.row(cell).iter().enumerate() {
                let x = f64::from(x) - centre[gene];
                product[0][gene] += scores[0] * x;
                product[1][gene] += scores[1] * x;
            }
        }
        axes = product;
    }
    orthonormal(&mut axes);
    for axis in &mut axes {
        let largest = axis.iter().copied().fold(0.0f64, |best, x| if x.abs() > best.abs() { x } else { best });
        if largest < 0.0 {
            axis.iter_mut().for_each(|x| *x = -*x);
        }
    }
    let mut coordinates = Array2::from_shape_fn((cells, 2), |(cell, axis)| score(&axes[axis], cell) as f32);
    let reach = coordinates.iter().fold(0.0f32, |reach, x| reach.max(x.abs()));
    let scale = if reach > 0.0 { 10.0 / reach } else { 0.0 };
    coordinates.mapv_inplace(|x| x * scale + 1e-3 * (stream.random::<f32>() - 0.5));
    coordinates
}

fn orthonormal(axes: &mut [Vec<f64>; 2]) {
    let [first, second] = axes;
    unit(first);
    let along: f64 = first.iter().zip(&*second).map(|(a, b)| a * b).sum();
    second.iter_mut().zip(&*first).for_each(|(b, a)| *b -= along * a);
    unit(second);
}

fn unit(axis: &mut [f64]) {
    let norm = axis.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 {
        axis.iter_mut().for_each(|x| *x /= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_follows_the_longest_direction() {
        let points = Array2::from_shape_fn((200, 3), |(cell, axis)| {
            let t = cell as f32 / 200.0 - 0.5;
            [0.1 * (40.0 * t).sin(), 5.0 * t, (13.0 * t).cos()][axis]
        });
        let scores = principal_components(&points, &mut crate::seed::stream(7, "test"));
        for cell in [0, 57, 199] {
            let expected = 10.0 * (cell as f32 / 200.0 - 0.5) / 0.5;
            assert!((scores[[cell, 0]] - expected).abs() < 0.5, "{} {expected}", scores[[cell, 0]]);
        }
    }

    #[test]
    fn attraction_and_repulsion_are_the_gradients_of_the_cross_entropy() {
        let (a, b) = (f64::from(CURVE.0), f64::from(CURVE.1));
        let near = |d: f64| 1.0 / (1.0 + a * d.powf(2.0 * b));
        for d in [0.3f64, 1.0, 2.5] {
            // d/dx of log p and log(1 - p) along the line, by central differences.
            let slope = |f: &dyn Fn(f64) -> f64| (f(d + 1e-5) - f(d - 1e-5)) / 2e-5;
            let pull = slope(&|d| near(d).ln());
            let push = slope(&|d| (1.0 - near(d)).ln());
            assert!((f64::from(attraction((d * d) as f32)) * d - pull).abs() < 1e-3);
            // The 0.001 that keeps repulsion finite is felt below a distance of about 0.1.
            assert!((f64::from(repulsion((d * d) as f32)) * d - push).abs() < 2e-2 * push.abs());
        }
    }
}
