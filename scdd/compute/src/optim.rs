//! Optimisers of weights in slices: AdamW and SGD with momentum, each element on its own, in O(weights) a step.
//!
//! Loops are compiled for AVX-512F, for AVX2 with FMA, and for any processor. Nothing is fused and no sum is reordered, so that
//! every instruction set gives the same bits, and so does any division of the weights into parts.

use rayon::prelude::*;

use crate::Isa;

/// Weights that a thread updates at a time.
const PART: usize = 16_384;

/// AdamW (Loshchilov and Hutter 2019), Adam with decoupled weight decay; without decay it is Adam (Kingma and Ba 2015).
///
/// With gradient g in step t: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, and
/// w = (1 - rate decay) w - rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).
///
/// ```
/// use scdd_compute::optim::AdamW;
/// let adam = AdamW { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0 };
/// let (mut weights, mut first, mut second) = ([1.0], [0.0], [0.0]);
/// adam.step(1, 0.01).update(&mut weights, &[5.0], &mut first, &mut second);
/// assert!((weights[0] - 0.99f32).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment m and of the second moment v.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Weight decay, in units of the rate.
    pub weight_decay: f32,
}

/// The numbers of one step of [`AdamW`], for all weights or for some after others.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    betas: [f32; 2],
    epsilon: f32,
    /// 1 - rate * weight decay.
    kept: f32,
    rate: f32,
    /// 1 / (1 - beta^t).
    corrections: [f32; 2],
}

impl AdamW {
    /// Step number `number`, from 1, at a learning rate.
    pub fn step(&self, number: usize, rate: f64) -> AdamWStep {
        let exponent = number.min(i32::MAX as usize) as i32;
        AdamWStep {
            betas: self.betas,
            epsilon: self.epsilon,
            kept: (1.0 - rate * f64::from(self.weight_decay)) as f32,
            rate: rate as f32,
            corrections: self.betas.map(|beta| 1.0 / (1.0 - beta.powi(exponent))),
        }
    }
}

impl AdamWStep {
    /// Updates weights and their moments; all four slices are of one length.
    pub fn update(&self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        crate::dispatch!(
            Isa::detect(),
            (step: AdamWStep = *self, weights: &mut [f32] = weights, gradient: &[f32] = gradient,
             first: &mut [f32] = first, second: &mut [f32] = second),
            adamw,
            adamw,
            adamw
        );
    }

    /// [`update`](Self::update) on all threads.
    pub fn update_parallel(&self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        let moments = first.par_chunks_mut(PART).zip(second.par_chunks_mut(PART));
        let parts = weights.par_chunks_mut(PART).zip(gradient.par_chunks(PART)).zip(moments);
        parts.for_each(|((weights, gradient), (first, second))| self.update(weights, gradient, first, second));
    }
}

#[inline(always)]
fn adamw(step: AdamWStep, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
    let AdamWStep { betas, epsilon, kept, rate, corrections } = step;
    for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(first.iter_mut().zip(second)) {
        *first = *first * betas[0] + gradient * (1.0 - betas[0]);
        *second = *second * betas[1] + gradient * gradient * (1.0 - betas[1]);
        let direction = *first * corrections[0] / ((*second * corrections[1]).sqrt() + epsilon);
        *weight = *weight * kept - direction * rate;
    }
}

/// Stochastic gradient descent with momentum and coupled weight decay, as `torch.optim.SGD` without dampening:
/// v = momentum v + (g + decay w), w = w - rate v.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Fraction of the velocity that a step keeps.
    pub momentum: f32,
    /// Weight decay, added to the gradient.
    pub weight_decay: f32,
}

impl Sgd {
    /// Updates weights and their velocities at a learning rate; all three slices are of one length.
    pub fn update(&self, rate: f32, weights: &mut [f32], gradient: &[f32], velocities: &mut [f32]) {
        crate::dispatch!(
            Isa::detect(),
            (sgd: Sgd = *self, rate: f32 = rate, weights: &mut [f32] = weights, gradient: &[f32] = gradient,
             velocities: &mut [f32] = velocities),
            sgd_step,
            sgd_step,
            sgd_step
        );
    }
}

#[inline(always)]
fn sgd_step(sgd: Sgd, rate: f32, weights: &mut [f32], gradient: &[f32], velocities: &mut [f32]) {
    for ((weight, gradient), velocity) in weights.iter_mut().zip(gradient).zip(velocities) {
        *velocity = sgd.momentum * *velocity + (gradient + sgd.weight_decay * *weight);
        *weight -= rate * *velocity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{draw, rng};

    const ADAMW: AdamW = AdamW { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.1 };

    #[test]
    fn adamw_takes_the_steps_of_its_formula_in_f64() {
        let mut rng = rng(1);
        let mut weights = draw(50, &mut rng);
        let mut plain: Vec<[f64; 3]> = weights.iter().map(|&weight| [f64::from(weight), 0.0, 0.0]).collect();
        let (mut first, mut second) = (vec![0.0; 50], vec![0.0; 50]);
        for number in 1..=10 {
            let gradient = draw(50, &mut rng);
            ADAMW.step(number, 0.01).update(&mut weights, &gradient, &mut first, &mut second);
            for ([w, m, v], &g) in plain.iter_mut().zip(&gradient) {
                let g = f64::from(g);
                (*m, *v) = (0.9 * *m + 0.1 * g, 0.999 * *v + 0.001 * g * g);
                let corrected = |moment: f64, beta: f64| moment / (1.0 - beta.powi(number as i32));
                *w = (1.0 - 0.01 * 0.1) * *w - 0.01 * corrected(*m, 0.9) / (corrected(*v, 0.999).sqrt() + 1e-8);
            }
        }
        for (found, [expected, ..]) in weights.iter().zip(plain) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} and {expected}");
        }
    }

    #[test]
    fn the_first_step_is_as_long_as_the_rate_and_a_zero_gradient_moves_nothing_without_decay() {
        let adam = AdamW { weight_decay: 0.0, ..ADAMW };
        let (mut weights, mut first, mut second) = ([1.0; 4], [0.0; 4], [0.0; 4]);
        adam.step(1, 0.01).update(&mut weights, &[2.0, -3.0, 0.0, 1e-3], &mut first, &mut second);
        for (found, expected) in weights.iter().zip([0.99, 1.01, 1.0, 0.99]) {
            assert!((found - expected).abs() < 1e-5, "{weights:?}");
        }
        assert_eq!(weights[2], 1.0);
    }

    #[test]
    fn parts_on_several_threads_have_the_bits_of_one_update() {
        let mut rng = rng(2);
        let (weights, gradient) = (draw(2 * PART + 7, &mut rng), draw(2 * PART + 7, &mut rng));
        let run = |parallel: bool| {
            let (mut weights, mut first, mut second) = (weights.clone(), gradient.clone(), weights.clone());
            second.iter_mut().for_each(|value| *value = value.abs());
            let step = ADAMW.step(3, 0.02);
            match parallel {
                true => step.update_parallel(&mut weights, &gradient, &mut first, &mut second),
                false => step.update(&mut weights, &gradient, &mut first, &mut second),
            }
            (weights, first, second)
        };
        assert_eq!(run(true), run(false));
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut rng = rng(3);
        let (start, gradient) = (draw(37, &mut rng), draw(37, &mut rng));
        let run = |isa: Isa| {
            let (mut weights, mut first, mut second) = (start.clone(), vec![0.5; 37], vec![0.25; 37]);
            crate::dispatch!(
                isa,
                (step: AdamWStep = ADAMW.step(2, 0.1), weights: &mut [f32] = &mut weights, gradient: &[f32] = &gradient,
                 first: &mut [f32] = &mut first, second: &mut [f32] = &mut second),
                adamw, adamw, adamw
            );
            let sgd = Sgd { momentum: 0.9, weight_decay: 0.01 };
            crate::dispatch!(
                isa,
                (sgd: Sgd = sgd, rate: f32 = 0.1, weights: &mut [f32] = &mut weights, gradient: &[f32] = &gradient,
                 velocities: &mut [f32] = &mut first),
                sgd_step, sgd_step, sgd_step
            );
            (weights, first, second)
        };
        for isa in Isa::available() {
            assert_eq!(run(isa), run(Isa::PORTABLE), "{isa:?}");
        }
    }

    #[test]
    fn sgd_adds_decay_to_the_gradient_and_keeps_its_velocity() {
        let sgd = Sgd { momentum: 0.5, weight_decay: 0.25 };
        let (mut weights, mut velocities) = ([4.0], [0.0]);
        sgd.update(0.5, &mut weights, &[1.0], &mut velocities);
        assert_eq!((weights, velocities), ([3.0], [2.0])); // v = 1 + 0.25 * 4
        sgd.update(0.5, &mut weights, &[0.25], &mut velocities);
        assert_eq!((weights, velocities), ([2.0], [2.0])); // v = 0.5 * 2 + 0.25 + 0.25 * 3
    }
}
