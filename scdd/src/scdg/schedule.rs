//! Noise schedules: equations 1 and 2 of Yu et al. 2025, and the weights of the loss over time.

use serde::{Deserialize, Serialize};

/// alpha_bar of step t, the product of (1 - beta) up to t, says how much of a latent is left after t steps.
///
/// ```
/// use scdd::scdg::Schedule;
/// let schedule = Schedule::default(); // linear
/// assert_eq!(schedule.alpha_bar(0), 1.0); // no noise
/// assert!(schedule.alpha_bar(1000) < 1e-4); // nothing but noise (equation 2)
/// assert!(Schedule::cosine(1000).alpha_bar(500) > 0.4); // half of the way, half of the signal
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Number of steps T; 1,000 (scDiffusion).
    pub steps: usize,
    /// How noise grows; linear.
    #[serde(flatten)]
    pub curve: Curve,
}

/// How the noise of a [`Schedule`] grows with its steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Curve {
    /// beta increases linearly (Ho et al. 2020).
    Linear {
        /// beta of the first step; 1e-4 (scDiffusion).
        beta_min: f64,
        /// beta of the last step; 0.02 (scDiffusion).
        beta_max: f64,
    },
    /// alpha_bar falls as a squared cosine (Nichol and Dhariwal 2021, equation 17).
    Cosine {
        /// Their s, which keeps the first steps from being too small; 0.008 (Nichol and Dhariwal).
        offset: f64,
        /// No beta is larger; 0.999 (Nichol and Dhariwal).
        beta_max: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::linear(1_000)
    }
}

impl Schedule {
    /// beta from 1e-4 to 0.02 in so many steps.
    pub fn linear(steps: usize) -> Self {
        Self { steps, curve: Curve::Linear { beta_min: 1e-4, beta_max: 0.02 } }
    }

    /// The cosine schedule with s = 0.008 in so many steps.
    pub fn cosine(steps: usize) -> Self {
        Self { steps, curve: Curve::Cosine { offset: 0.008, beta_max: 0.999 } }
    }

    /// alpha_bar after `step` steps: 1 at step 0, near 0 at the last.
    pub fn alpha_bar(&self, step: usize) -> f64 {
        self.alpha_bars()[step.min(self.steps)]
    }

    /// alpha_bar of every step from 0 to T.
    pub fn alpha_bars(&self) -> Vec<f64> {
        let mut bars = vec![1.0];
        for t in 0..self.steps {
            bars.push(bars[t] * (1.0 - self.beta(t)));
        }
        bars
    }

    /// beta of the step from t to t + 1.
    fn beta(&self, t: usize) -> f64 {
        match self.curve {
            Curve::Linear { beta_min, beta_max } => {
                let last = (self.steps.max(2) - 1) as f64;
                beta_min + (beta_max - beta_min) * t as f64 / last
            }
            Curve::Cosine { offset, beta_max } => {
                let f = |t: usize| {
                    let angle = (t as f64 / self.steps as f64 + offset) / (1.0 + offset) * std::f64::consts::FRAC_PI_2;
                    angle.cos().powi(2)
                };
                (1.0 - f(t + 1) / f(t)).min(beta_max)
            }
        }
    }

    /// What is wrong with it, if anything: what was expected.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let holds = match self.curve {
            Curve::Linear { beta_min, beta_max } => 0.0 < beta_min && beta_min <= beta_max && beta_max < 1.0,
            Curve::Cosine { offset, beta_max } => (0.0..1.0).contains(&offset) && 0.0 < beta_max && beta_max < 1.0,
        };
        let expected = match self.curve {
            Curve::Linear { .. } => "at least 1 step and 0 < beta_min <= beta_max < 1",
            Curve::Cosine { .. } => "at least 1 step, 0 <= offset < 1 and 0 < beta_max < 1",
        };
        (self.steps == 0 || !holds).then_some(expected)
    }
}

/// How much the error at a step of the schedule counts in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum LossWeights {
    /// All steps alike, as in equation 3 of Yu et al. 2025.
    #[default]
    Uniform,
    /// min(SNR, gamma), with SNR = alpha_bar / (1 - alpha_bar): steps of much noise count less (Hang et al. 2023,
    /// "Min-SNR", for a network that predicts z0).
    MinSnr {
        /// No step counts more; 5 (Hang et al.).
        gamma: f64,
    },
}

impl LossWeights {
    /// The weight of a step with this alpha_bar, below 1.
    ///
    /// ```
    /// use scdd::scdg::LossWeights;
    /// let weights = LossWeights::MinSnr { gamma: 5.0 };
    /// assert_eq!((weights.at(0.5), weights.at(0.99)), (1.0, 5.0));
    /// ```
    pub fn at(&self, alpha_bar: f64) -> f64 {
        match self {
            Self::Uniform => 1.0,
            Self::MinSnr { gamma } => (alpha_bar / (1.0 - alpha_bar)).min(*gamma),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_bar_falls_from_one_to_nearly_zero() {
        for schedule in [Schedule::default(), Schedule::cosine(1_000)] {
            let bars = schedule.alpha_bars();
            assert_eq!(bars.len(), 1_001);
            assert!(bars.windows(2).all(|pair| pair[1] < pair[0]));
            assert!(bars[1_000] > 0.0 && bars[1_000] < 1e-4);
        }
        let bars = Schedule::default().alpha_bars();
        // Unit latents of 128 dimensions deviate by 0.088: unscaled, noise exceeds the signal from step 24 on.
        let share = |t: usize| (bars[t] / 128.0).sqrt() / (1.0 - bars[t]).sqrt();
        assert!(share(23) > 1.0 && share(25) < 1.0);
    }

    #[test]
    fn a_linear_schedule_is_the_product_of_one_minus_beta() {
        let schedule = Schedule { steps: 3, curve: Curve::Linear { beta_min: 0.1, beta_max: 0.3 } };
        let expected = [1.0, 0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.7];
        assert_eq!(schedule.alpha_bars().len(), expected.len());
        for (found, expected) in schedule.alpha_bars().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
        }
    }

    #[test]
    fn a_cosine_schedule_follows_nichol_and_dhariwal_and_clips_the_last_beta() {
        let schedule = Schedule::cosine(4);
        let bars = schedule.alpha_bars();
        // cos^2((t/4 + 0.008) / 1.008 * pi/2) / cos^2(0.008 / 1.008 * pi/2), by hand
        for (t, expected) in [(1, 0.847_012), (2, 0.493_844), (3, 0.144_272)] {
            assert!((bars[t] - expected).abs() < 5e-6, "{t}: {} and {expected}", bars[t]);
        }
        // cos^2(pi/2) is nothing; beta stops at 0.999.
        assert!((bars[4] / bars[3] - 0.001).abs() < 1e-9);
    }

    #[test]
    fn weights_are_the_signal_to_noise_ratio_up_to_gamma() {
        let weights = LossWeights::MinSnr { gamma: 5.0 };
        assert!((weights.at(0.2) - 0.25).abs() < 1e-12 && (weights.at(0.75) - 3.0).abs() < 1e-12);
        assert_eq!((weights.at(0.9), weights.at(0.999), LossWeights::Uniform.at(0.999)), (5.0, 5.0, 1.0));
    }

    #[test]
    fn schedules_of_older_recipes_are_read_and_both_kinds_come_back_as_they_were() {
        let old = r#"{"steps":1000,"beta_min":0.0001,"beta_max":0.02}"#;
        assert_eq!(serde_json::from_str::<Schedule>(old).unwrap(), Schedule::default());
        for schedule in [Schedule::linear(50), Schedule::cosine(70)] {
            let text = serde_json::to_string(&schedule).unwrap();
            assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule, "{text}");
        }
    }
}
