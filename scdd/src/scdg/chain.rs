//! A chain of denoising steps, differentiable in the code: LD3M (Moser et al., "Unlocking Dataset Distillation with
//! Diffusion Models", arXiv 2403.03881).
//!
//! The code z is noised to step t and denoised along DDIM's chain (Song et al. 2021, equation 12 with sigma = 0). In each
//! of N calls the predicted clean latent is mixed with the code, (1 - i / (N - 1)) z0 + i / (N - 1) z, i calls before the
//! last: a skip whose weight falls linearly from 1 to 0. Their text writes the skip into the state, their published code
//! into the predicted clean latent; this is the code. A chain of one call has no skip: their 0 / 0 is taken as 0 (our choice).

use burn::tensor::{Int, Tensor};

use super::generator::Generator;
use super::sampler::times;

/// Weight of the code in the predicted latent of a call, `left` calls before the last of `calls`.
fn skip(left: usize, calls: usize) -> f64 {
    left as f64 / calls.saturating_sub(1).max(1) as f64
}

impl Generator {
    /// Clean latents `[rows, latent]` of norm about one, after `calls` network calls from a step of the schedule to none. Codes
    /// and noise are `[rows, latent]` at scale sqrt(latent).
    pub(crate) fn chain(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        noise: Tensor<2>,
        step: usize,
        calls: usize,
        skips: bool,
    ) -> Tensor<2> {
        let (latent, bars) = (codes.dims()[1], self.alpha_bars());
        let tau = self.tau_of_classes(classes);
        let times = times(step.min(bars.len() - 1), calls);
        let mut state = self.noised(codes.clone(), noise, step);
        for (call, pair) in times.windows(2).enumerate() {
            let (now, next) = (bars[pair[0]], bars[pair[1]]);
            let clean = self.predict(state.clone(), tau.clone(), pair[0]);
            // sqrt(1 - alpha_bar_s) eps, with the noise eps that the network's own prediction leaves.
            let left = ((1.0 - next) / (1.0 - now).max(f64::MIN_POSITIVE)).sqrt();
            let noise = (state - clean.clone() * now.sqrt()) * left;
            let weight = if skips { skip(calls - 1 - call, calls) } else { 0.0 };
            let mixed = if weight > 0.0 { clean * (1.0 - weight) + codes.clone() * weight } else { clean };
            state = if next < 1.0 { mixed * next.sqrt() + noise } else { mixed };
        }
        state / (latent as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decays_linearly_from_the_first_call_to_the_last_one() {
        let weights = |calls: usize| (0..calls).rev().map(|left| skip(left, calls)).collect::<Vec<_>>();
        assert_eq!(weights(5), [1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!((weights(2), weights(1)), (vec![1.0, 0.0], vec![0.0]));
    }
}
