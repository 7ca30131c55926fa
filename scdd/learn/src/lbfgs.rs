//! L-BFGS (Liu and Nocedal 1989) for smooth convex functions, with a backtracking line search (Armijo condition, quadratic
//! interpolation). It keeps ten pairs, as SciPy's does: an iteration costs O(20 d) beside the function.

use std::collections::VecDeque;

/// Pairs of steps and changes of the gradient that are kept (SciPy's default).
const PAIRS: usize = 10;
/// Fraction of the expected decrease that a step must reach (Nocedal and Wright 2006, section 3.1).
const ENOUGH: f64 = 1e-4;
/// Backtracking steps before the search ends: what is left to gain is below rounding.
const BACKTRACKS: usize = 40;

/// How a minimisation ended.
#[derive(Clone, Copy, Debug)]
pub struct Minimum {
    /// Iterations that were taken.
    pub iterations: usize,
    /// The largest absolute entry of the gradient.
    pub gradient: f64,
}

/// Moves `x` to the minimum of a function that returns its value at its first argument and writes its gradient into the
/// second. It ends when no entry of the gradient is above `tolerance`, after `iterations`, or when no step gains anything.
///
/// ```
/// use scdd_learn::lbfgs::minimize;
/// let mut x = [0.0, 0.0];
/// let found = minimize(&mut x, 100, 1e-9, |x, gradient| {
///     (gradient[0], gradient[1]) = (2.0 * (x[0] - 1.0), 20.0 * (x[1] + 3.0));
///     (x[0] - 1.0).powi(2) + 10.0 * (x[1] + 3.0).powi(2)
/// });
/// assert!(found.gradient <= 1e-9 && (x[0] - 1.0).abs() < 1e-8 && (x[1] + 3.0).abs() < 1e-8);
/// ```
pub fn minimize(
    x: &mut [f64],
    iterations: usize,
    tolerance: f64,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    let mut gradient = vec![0.0; x.len()];
    let mut value = function(x, &mut gradient);
    let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(PAIRS);
    let (mut next, mut next_gradient) = (x.to_vec(), gradient.clone());
    for iteration in 0..iterations {
        if largest(&gradient) <= tolerance {
            return Minimum { iterations: iteration, gradient: largest(&gradient) };
        }
        let direction = direction(&gradient, &pairs);
        let slope = dot(&direction, &gradient);
        // Without curvature the gradient's norm says nothing about the step's.
        let mut step = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut backtracks = 0;
        let next_value = loop {
            next.iter_mut().zip(&*x).zip(&direction).for_each(|((next, x), d)| *next = x + step * d);
            let found = function(&next, &mut next_gradient);
            if found <= value + ENOUGH * step * slope || backtracks == BACKTRACKS {
                break found;
            }
            let parabola = -slope * step / (2.0 * (found - value - slope * step));
            step *= if parabola.is_finite() { parabola.clamp(0.1, 0.5) } else { 0.1 };
            backtracks += 1;
        };
        if backtracks == BACKTRACKS {
            return Minimum { iterations: iteration, gradient: largest(&gradient) };
        }
        let pair = Pair::new(
            next.iter().zip(&*x).map(|(next, x)| next - x).collect(),
            next_gradient.iter().zip(&gradient).map(|(next, old)| next - old).collect(),
        );
        // A convex function has curvature above 0; rounding near the minimum may hide it.
        if pair.curvature > 1e-300 {
            if pairs.len() == PAIRS {
                pairs.pop_front();
            }
            pairs.push_back(pair);
        }
        x.copy_from_slice(&next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
    }
    Minimum { iterations, gradient: largest(&gradient) }
}

struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

impl Pair {
    fn new(step: Vec<f64>, change: Vec<f64>) -> Self {
        let curvature = dot(&step, &change);
        Self { step, change, curvature }
    }
}

/// The two-loop recursion: minus the approximate inverse Hessian times the gradient.
fn direction(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|value| -value).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let factor = dot(&pair.step, &direction) / pair.curvature;
        direction.iter_mut().zip(&pair.change).for_each(|(d, change)| *d -= factor * change);
        factors.push(factor);
    }
    if let Some(last) = pairs.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|value| *value *= scale);
    }
    for (pair, factor) in pairs.iter().zip(factors.into_iter().rev()) {
        let back = factor - dot(&pair.change, &direction) / pair.curvature;
        direction.iter_mut().zip(&pair.step).for_each(|(d, step)| *d += back * step);
    }
    direction
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

/// Eight sums side by side, which the compiler keeps in vector registers.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_an_ill_conditioned_bowl_is_found() {
        // sum_i s_i (x_i - i)^2 / 2 with s from 1 to 1e4
        let scale = |i: usize| 10f64.powf(4.0 * i as f64 / 29.0);
        let mut x = vec![0.0; 30];
        let found = minimize(&mut x, 1_000, 1e-8, |x, gradient| {
            gradient.iter_mut().enumerate().for_each(|(i, g)| *g = scale(i) * (x[i] - i as f64));
            x.iter().enumerate().map(|(i, x)| scale(i) * (x - i as f64).powi(2) / 2.0).sum()
        });
        assert!(found.gradient <= 1e-8 && found.iterations < 1_000, "{found:?}");
        assert!(x.iter().enumerate().all(|(i, x)| (x - i as f64).abs() < 1e-7), "{x:?}");
    }

    #[test]
    fn it_stops_where_it_starts_when_the_gradient_is_zero_and_after_the_iterations_it_is_given() {
        let mut x = vec![3.0];
        let bowl = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = (x[0] - 3.0).powi(3) * 4.0;
            (x[0] - 3.0).powi(4)
        };
        assert_eq!(minimize(&mut x, 10, 1e-9, bowl).iterations, 0);
        assert_eq!(x, [3.0]);
        let mut far = vec![50.0];
        assert_eq!(minimize(&mut far, 3, 1e-12, bowl).iterations, 3);
    }

    #[test]
    fn the_product_of_any_length_is_the_plain_sum() {
        for length in [0, 1, 7, 8, 9, 31] {
            let a: Vec<f64> = (0..length).map(|i| f64::from(i) + 0.5).collect();
            let plain: f64 = a.iter().map(|a| a * a).sum();
            assert_eq!(dot(&a, &a), plain);
        }
    }
}
