//! How latents are drawn from the trained network: in one step, along a chain from pure noise, or not at all.
//!
//! All samplers ask the network for z0. Ho et al. 2020 (DDPM) and Song et al. 2021 (DDIM) write theirs for a network that
//! predicts the noise; eps = (z_t - sqrt(alpha_bar_t) z0) / sqrt(1 - alpha_bar_t) leads from one to the other.

use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::ScdgError;
use super::generator::{Generator, Noise};
use crate::error::SettingError;
use crate::tensors;

/// How cells are generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sampler {
    /// One forward and one reverse step, as the paper trains and distils: the latent of a random training cell of the
    /// class is noised to `step` and denoised in one call. The default, with a tenth of the schedule's steps (100 of 1,000,
    /// as distilling has it) and fresh noise (ours).
    SingleStep {
        /// Step t of the noise schedule, 0 to T. The larger, the less is left of the cell that it started from.
        step: usize,
        /// Which noise. Every latent is noised once, so that fixed and fresh are the same here; without noise each
        /// training cell gives one result.
        noise: Noise,
    },
    /// The whole chain from pure noise at T to 0, with noise in every step (Ho et al. 2020, equations 6 and 7).
    Ddpm,
    /// A chain from pure noise in fewer steps, without further noise (Song et al. 2021, equation 12 with sigma = 0).
    Ddim {
        /// Steps of the chain, 1 to T, evenly apart; 50 is usual (Song et al.).
        steps: usize,
    },
    /// Latents of random training cells of the class, through the decoder alone: what the decoder itself can do.
    Decoder,
}

/// Step that latents are noised to before one call of the network, for a schedule of `last` steps: a tenth, where a linear
/// schedule of 1,000 has alpha_bar 0.90 (ours).
pub(crate) fn usual_step(last: usize) -> usize {
    last / 10
}

/// The steps of the schedule that a chain of so many calls visits, falling from `first` to 0.
pub(super) fn times(first: usize, calls: usize) -> Vec<usize> {
    let calls = calls.max(1);
    (0..=calls).rev().map(|call| (call * first).div_ceil(calls)).collect()
}

impl Sampler {
    /// The default for a schedule of `last` steps.
    pub(super) fn usual(last: usize) -> Self {
        Self::SingleStep { step: usual_step(last), noise: Noise::Fresh }
    }

    /// Whether it starts from latents of training cells.
    pub(super) fn starts_from_cells(self) -> bool {
        matches!(self, Self::SingleStep { .. } | Self::Decoder)
    }

    /// Calls of the network for each cell, `last` being T.
    pub(super) fn calls(self, last: usize) -> usize {
        match self {
            Self::SingleStep { .. } => 1,
            Self::Ddpm => last,
            Self::Ddim { steps } => steps,
            Self::Decoder => 0,
        }
    }

    pub(super) fn check(self, last: usize) -> Result<(), ScdgError> {
        let fail =
            |setting, found: usize, expected| Err(ScdgError::Setting(SettingError::new(setting, found, expected)));
        match self {
            Self::SingleStep { step, .. } if step > last => {
                fail("Sampler::SingleStep's step", step, format!("0 to {last}"))
            }
            Self::Ddim { steps } if steps == 0 || steps > last => {
                fail("Sampler::Ddim's steps", steps, format!("1 to {last}"))
            }
            _ => Ok(()),
        }
    }

    /// Clean latents `[rows, latent]` of about unit norm, for conditions' embeddings `[rows, embedding]`. `start` are
    /// training cells' latents at scale sqrt(latent); chains take only its size from it. `stepped` hears of every call.
    pub(super) fn latents(
        self,
        generator: &Generator,
        start: Tensor<2>,
        tau: &Tensor<2>,
        rng: &mut ChaCha8Rng,
        mut stepped: impl FnMut(),
    ) -> Tensor<2> {
        let ([rows, latent], device) = (start.dims(), start.device());
        let last = generator.alpha_bars().len() - 1;
        let noise = |rng: &mut ChaCha8Rng| tensors::normal(rows, latent, rng, &device);
        let clean = match self {
            Self::Decoder => start,
            Self::SingleStep { step, noise: kind } => {
                let noise = if kind == Noise::None { start.zeros_like() } else { noise(rng) };
                stepped();
                generator.predict(generator.noised(start, noise, step), tau.clone(), step)
            }
            Self::Ddim { .. } | Self::Ddpm => {
                let times = self.times(last);
                let mut latents = noise(rng);
                for pair in times.windows(2) {
                    let (now, next) = (generator.alpha_bars()[pair[0]], generator.alpha_bars()[pair[1]]);
                    let weights = if self == Self::Ddpm { Weights::ddpm(now, next) } else { Weights::ddim(now, next) };
                    let clean = generator.predict(latents.clone(), tau.clone(), pair[0]);
                    latents = clean * weights.clean + latents * weights.noised;
                    if weights.deviation > 0.0 {
                        latents = latents + noise(rng) * weights.deviation;
                    }
                    stepped();
                }
                latents
            }
        };
        clean / (latent as f64).sqrt()
    }

    /// The steps of the schedule that a chain visits, falling from T to 0.
    fn times(self, last: usize) -> Vec<usize> {
        times(last, self.calls(last))
    }
}

/// z_s = clean * z0 + noised * z_t + deviation * N(0, I), from step t to an earlier step s.
#[derive(Debug)]
struct Weights {
    clean: f64,
    noised: f64,
    deviation: f64,
}

impl Weights {
    /// From alpha_bar_t and alpha_bar_s with s = t - 1: mean and variance beta tilde of q(z_s | z_t, z0), equations 6 and 7
    /// of Ho et al.
    fn ddpm(now: f64, next: f64) -> Self {
        let alpha = now / next;
        let beta = 1.0 - alpha;
        Self {
            clean: next.sqrt() * beta / (1.0 - now),
            noised: alpha.sqrt() * (1.0 - next) / (1.0 - now),
            deviation: ((1.0 - next) / (1.0 - now) * beta).sqrt(),
        }
    }

    /// From alpha_bar_t and alpha_bar_s: sqrt(alpha_bar_s) z0 + sqrt(1 - alpha_bar_s) eps with eps written out, equation 12
    /// of Song et al. with sigma = 0.
    fn ddim(now: f64, next: f64) -> Self {
        let noised = ((1.0 - next) / (1.0 - now)).sqrt();
        Self { clean: next.sqrt() - now.sqrt() * noised, noised, deviation: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Schedule;
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} and {expected}");
    }

    #[test]
    fn a_step_of_ddpm_is_the_posterior_of_ho_et_al() {
        // alpha_bar 0.81 -> 0.9: alpha 0.9, beta 0.1.
        let weights = Weights::ddpm(0.81, 0.9);
        close(weights.clean, 0.9_f64.sqrt() * 0.1 / 0.19);
        close(weights.noised, 0.9_f64.sqrt() * 0.1 / 0.19);
        close(weights.deviation.powi(2), 0.1 * 0.1 / 0.19);
        let last = Weights::ddpm(0.9, 1.0);
        assert_eq!((last.clean, last.noised, last.deviation), (1.0, 0.0, 0.0));
    }

    #[test]
    fn a_step_of_ddim_keeps_the_noise_that_is_left() {
        // z_t of a known z0 and eps; the step must give z_s of the same z0 and eps.
        let (now, next, clean, noise) = (0.3_f64, 0.7_f64, 1.5, -0.4);
        let noised = now.sqrt() * clean + (1.0 - now).sqrt() * noise;
        let weights = Weights::ddim(now, next);
        close(weights.clean * clean + weights.noised * noised, next.sqrt() * clean + (1.0 - next).sqrt() * noise);
        let last = Weights::ddim(0.3, 1.0);
        assert_eq!((last.clean, last.noised), (1.0, 0.0));
    }

    #[test]
    fn every_step_of_both_chains_gives_the_schedules_mean_and_variance() {
        for schedule in [Schedule::linear(40), Schedule::cosine(40)] {
            let bars = schedule.alpha_bars();
            for (sampler, make) in [
                (Sampler::Ddpm, Weights::ddpm as fn(f64, f64) -> Weights),
                (Sampler::Ddim { steps: 40 }, Weights::ddim),
                (Sampler::Ddim { steps: 7 }, Weights::ddim),
            ] {
                for pair in sampler.times(40).windows(2) {
                    let (now, next) = (bars[pair[0]], bars[pair[1]]);
                    let weights = make(now, next);
                    close(weights.clean + weights.noised * now.sqrt(), next.sqrt());
                    close(weights.noised.powi(2) * (1.0 - now) + weights.deviation.powi(2), 1.0 - next);
                }
            }
        }
    }

    #[test]
    fn a_chain_goes_from_the_last_step_to_none_in_as_many_steps_as_asked() {
        assert_eq!(Sampler::Ddim { steps: 4 }.times(10), [10, 8, 5, 3, 0]);
        assert_eq!(Sampler::Ddpm.times(3), [3, 2, 1, 0]);
        for steps in 1..=10 {
            let times = Sampler::Ddim { steps }.times(10);
            assert!(times.len() == steps + 1 && times.windows(2).all(|pair| pair[1] < pair[0]), "{times:?}");
        }
    }

    #[test]
    fn steps_outside_the_schedule_are_refused_with_its_length() {
        for sampler in [
            Sampler::SingleStep { step: 41, noise: Noise::Fresh },
            Sampler::Ddim { steps: 0 },
            Sampler::Ddim { steps: 41 },
        ] {
            let message = sampler.check(40).unwrap_err().to_string();
            assert!(message.contains("to 40"), "{message}");
        }
        assert!(Sampler::Ddim { steps: 40 }.check(40).is_ok() && Sampler::Ddpm.check(40).is_ok());
    }
}
