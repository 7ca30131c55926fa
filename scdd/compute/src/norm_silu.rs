//! A denoiser block's elementwise part with hand-derived backward: out = SiLU(LayerNorm(y (1 + scale) + shift)).
//!
//! Sums are kept in sixteen lanes and no multiplication is fused with an addition, so that every processor gives the same bits;
//! AVX-512 or AVX2 is only faster. O(rows * width).

use crate::cpu::Isa;
use crate::dispatch;

/// Added to a variance; Burn's layer norm has the same.
const EPSILON: f32 = 1e-5;
const LANES: usize = 16;

/// The activations of some rows in a block; [`backward`](Self::backward) overwrites them with gradients.
#[derive(Clone, Debug, Default)]
pub struct NormSilu {
    /// y, the pre-activations of the block's linear layer `[rows, width]`; then the gradient by them.
    pub pre_activations: Vec<f32>,
    /// Scale and shift `[rows, 2 * width]`; then the gradient by them.
    pub modulation: Vec<f32>,
    /// y (1 + scale) + shift, normalised to mean zero and variance one `[rows, width]`.
    normalised: Vec<f32>,
    /// The derivative of SiLU `[rows, width]`.
    slopes: Vec<f32>,
    /// 1 / standard deviation of each row.
    scales: Vec<f32>,
    /// Gradients by the layer norm's gamma, summed over rows `[width]`.
    pub gamma: Vec<f32>,
    /// Gradients by the layer norm's beta, summed over rows `[width]`.
    pub beta: Vec<f32>,
}

impl NormSilu {
    /// Room for so many rows.
    pub fn zeros(rows: usize, width: usize) -> Self {
        let matrix = vec![0.0; rows * width];
        Self {
            pre_activations: matrix.clone(),
            modulation: vec![0.0; 2 * rows * width],
            normalised: matrix.clone(),
            slopes: matrix,
            scales: vec![0.0; rows],
            gamma: vec![0.0; width],
            beta: vec![0.0; width],
        }
    }

    /// From pre-activations and modulation to the block's outputs `[rows, width]`, with the layer norm's weights `[width]`.
    pub fn forward(&mut self, gamma: &[f32], beta: &[f32], outputs: &mut [f32]) {
        dispatch!(
            Isa::detect(),
            (own: &mut NormSilu = self, gamma: &[f32] = gamma, beta: &[f32] = beta, outputs: &mut [f32] = outputs),
            forward,
            forward,
            forward
        );
    }

    /// From gradients by the outputs `[rows, width]` to those by pre-activations, modulation, gamma and beta.
    pub fn backward(&mut self, gamma: &[f32], upstream: &[f32]) {
        dispatch!(
            Isa::detect(),
            (own: &mut NormSilu = self, gamma: &[f32] = gamma, upstream: &[f32] = upstream),
            backward,
            backward,
            backward
        );
    }
}

/// SiLU of values in place, and its derivative.
///
/// ```
/// let (mut values, mut slopes) = ([0.0], [0.0]);
/// scdd_compute::silu(&mut values, &mut slopes);
/// assert_eq!((values, slopes), ([0.0], [0.5]));
/// ```
pub fn silu(values: &mut [f32], slopes: &mut [f32]) {
    dispatch!(
        Isa::detect(),
        (values: &mut [f32] = values, slopes: &mut [f32] = slopes),
        silu_with_slopes,
        silu_with_slopes,
        silu_with_slopes
    );
}

#[inline(always)]
fn forward(own: &mut NormSilu, gamma: &[f32], beta: &[f32], outputs: &mut [f32]) {
    let width = gamma.len();
    let rows = own.pre_activations.chunks_exact(width).zip(own.modulation.chunks_exact(2 * width));
    let kept = own.normalised.chunks_exact_mut(width).zip(own.slopes.chunks_exact_mut(width)).zip(&mut own.scales);
    for (((sums, modulation), ((normal, slopes), deviation)), outputs) in
        rows.zip(kept).zip(outputs.chunks_exact_mut(width))
    {
        let (scales, shifts) = modulation.split_at(width);
        for (((normal, sum), scale), shift) in normal.iter_mut().zip(sums).zip(scales).zip(shifts) {
            *normal = sum * (scale + 1.0) + shift;
        }
        let mean = sum(normal) / width as f32;
        normal.iter_mut().for_each(|value| *value -= mean);
        *deviation = 1.0 / (dot(normal, normal) / width as f32 + EPSILON).sqrt();
        for (((output, normal), gamma), beta) in outputs.iter_mut().zip(&mut *normal).zip(gamma).zip(beta) {
            *normal *= *deviation;
            *output = *normal * gamma + beta;
        }
        silu_with_slopes(outputs, slopes);
    }
}

#[inline(always)]
fn backward(own: &mut NormSilu, gamma: &[f32], upstream: &[f32]) {
    let width = gamma.len();
    own.gamma.fill(0.0);
    own.beta.fill(0.0);
    let rows = own.pre_activations.chunks_exact_mut(width).zip(own.modulation.chunks_exact_mut(2 * width));
    let kept = own.normalised.chunks_exact(width).zip(own.slopes.chunks_exact_mut(width)).zip(&own.scales);
    for (((sums, modulation), ((normal, slopes), deviation)), upstream) in
        rows.zip(kept).zip(upstream.chunks_exact(width))
    {
        // The slopes become the gradient by SiLU's inputs, then by the normalised values.
        for (((gradient, upstream), beta), (of_gamma, normal)) in
            slopes.iter_mut().zip(upstream).zip(&mut own.beta).zip(own.gamma.iter_mut().zip(normal))
        {
            *gradient *= upstream;
            *beta += *gradient;
            *of_gamma += *gradient * normal;
        }
        slopes.iter_mut().zip(gamma).for_each(|(gradient, gamma)| *gradient *= gamma);
        let (mean, along) = (sum(slopes) / width as f32, dot(slopes, normal) / width as f32);
        let (scales, shifts) = modulation.split_at_mut(width);
        for ((((sum, scale), shift), gradient), normal) in
            sums.iter_mut().zip(scales).zip(shifts).zip(slopes).zip(normal)
        {
            let by_sum = *deviation * (*gradient - mean - normal * along);
            let by_scale = by_sum * *sum;
            *sum = by_sum * (*scale + 1.0);
            *scale = by_scale;
            *shift = by_sum;
        }
    }
}

#[inline(always)]
fn silu_with_slopes(values: &mut [f32], slopes: &mut [f32]) {
    for (value, slope) in values.iter_mut().zip(slopes) {
        let sigmoid = 1.0 / (1.0 + exp(-*value));
        *slope = sigmoid * (1.0 + *value * (1.0 - sigmoid));
        *value *= sigmoid;
    }
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let (lines, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for line in lines {
        lanes.iter_mut().zip(line).for_each(|(lane, value)| *lane += value);
    }
    lanes.iter().chain(rest).sum()
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// e^x for x from -87 to 88, within 2e-7: 2^n times a polynomial of the remainder (Cephes' expf), without a branch.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Added to a value, it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut polynomial = 1.987_569_1e-4;
    for next in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        polynomial = polynomial * rest + next;
    }
    let fraction = polynomial * rest * rest + rest + 1.0;
    fraction * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_a_few_last_bits_and_stays_finite_beyond() {
        for place in (-87_000..88_000).step_by(if cfg!(miri) { 997 } else { 1 }) {
            let x = place as f32 / 1_000.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "{x}: {found} and {expected}");
        }
        assert!(exp(f32::MAX).is_finite() && exp(f32::MIN) > 0.0 && exp(f32::NAN).is_nan());
    }

    #[test]
    fn silu_and_its_slope_are_those_of_the_formula() {
        let inputs: Vec<f32> = (-200..=200).map(|place| place as f32 / 10.0).collect();
        let (mut values, mut slopes) = (inputs.clone(), vec![0.0; inputs.len()]);
        silu(&mut values, &mut slopes);
        let formula = |x: f64| x / (1.0 + (-x).exp());
        for ((x, value), slope) in inputs.iter().map(|&x| f64::from(x)).zip(values).zip(slopes) {
            let difference = (formula(x + 1e-5) - formula(x - 1e-5)) / 2e-5;
            assert!(
                (f64::from(value) - formula(x)).abs() < 1e-5 && (f64::from(slope) - difference).abs() < 1e-5,
                "{x}"
            );
        }
    }
}
