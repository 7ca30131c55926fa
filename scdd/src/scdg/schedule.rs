//! Noise schedule: equations 1 and 2 of Yu et al. 2025.

use serde::{Deserialize, Serialize};

/// beta rises linearly over the steps; alpha_bar of step t is the product of (1 - beta) up to t.
///
/// ```
/// let schedule = scdd::scdg::Schedule::default();
/// assert_eq!(schedule.alpha_bar(0), 1.0); // no noise
/// assert!(schedule.alpha_bar(1000) < 1e-4); // nothing but noise (equation 2)
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Number of steps T; 1,000 (scDiffusion).
    pub steps: usize,
    /// beta of the first step; 1e-4 (scDiffusion).
    pub beta_min: f64,
    /// beta of the last step; 0.02 (scDiffusion).
    pub beta_max: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { steps: 1_000, beta_min: 1e-4, beta_max: 0.02 }
    }
}

impl Schedule {
    /// alpha_bar after `step` steps: 1 at step 0, near 0 at the last.
    pub fn alpha_bar(&self, step: usize) -> f64 {
        self.alpha_bars()[step.min(self.steps)]
    }

    /// alpha_bar of every step from 0 to T.
    pub fn alpha_bars(&self) -> Vec<f64> {
        let last = (self.steps.max(2) - 1) as f64;
        let mut bars = vec![1.0];
        for t in 0..self.steps {
            let beta = self.beta_min + (self.beta_max - self.beta_min) * t as f64 / last;
            bars.push(bars[t] * (1.0 - beta));
        }
        bars
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn alpha_bar_falls_from_one_to_nearly_zero() {
        let bars = Schedule::default().alpha_bars();
        assert_eq!(bars.len(), 1_001);
        assert!(bars.windows(2).all(|pair| pair[1] < pair[0]));
        assert!(bars[1_000] > 0.0 && bars[1_000] < 1e-4);
        // Unit latents of 128 dimensions deviate by 0.088: unscaled, noise exceeds the signal from step 24 on.
        let share = |t: usize| (bars[t] / 128.0).sqrt() / (1.0 - bars[t]).sqrt();
        assert!(share(23) > 1.0 && share(25) < 1.0);
    }
}
