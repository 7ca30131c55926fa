//! What trainings in epochs share: settings and their bounds, a rate that falls along a cosine, and the epoch that is kept.

use crate::error::SettingError;
use crate::foundation::FoundationError;

/// Refuses settings outside their range.
pub(crate) fn check(
    epochs: usize,
    patience: Option<usize>,
    batch: usize,
    learning_rate: f64,
) -> Result<(), FoundationError> {
    let fail =
        |setting, found: String, expected| Err(FoundationError::Setting(SettingError::new(setting, found, expected)));
    if epochs == 0 {
        return fail("epochs", "0".to_owned(), "at least 1");
    }
    if patience == Some(0) {
        return fail("patience", "0".to_owned(), "at least 1 epoch, or None");
    }
    if batch < 2 {
        return fail("batch", batch.to_string(), "at least 2 cells, which batch normalisation needs");
    }
    if !(learning_rate.is_finite() && learning_rate > 0.0) {
        return fail("learning_rate", learning_rate.to_string(), "a finite number above 0");
    }
    Ok(())
}

/// Refuses a dropout that leaves nothing.
pub(crate) fn check_dropout(setting: &'static str, rate: f64) -> Result<(), FoundationError> {
    if !(0.0..1.0).contains(&rate) {
        let (found, expected) = (rate.to_string(), "a share from 0 to below 1");
        return Err(FoundationError::Setting(SettingError::new(setting, found, expected)));
    }
    Ok(())
}

/// The rate of a step of so many, from the first rate to zero by half a cosine.
pub(crate) fn annealed(first: f64, step: usize, steps: usize) -> f64 {
    0.5 * first * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
}

/// Whether the validation loss has not fallen for as many epochs as the patience is.
pub(crate) fn out_of_patience(patience: Option<usize>, validation: &[f64], kept_epoch: usize) -> bool {
    let since_best = validation.len().saturating_sub(kept_epoch + 1);
    patience.is_some_and(|patience| !validation.is_empty() && since_best >= patience)
}

/// What was kept, for people.
pub(crate) fn described(name: &str, loss: Option<f64>, kept_epoch: usize) -> String {
    loss.map_or_else(|| "no epoch done".to_owned(), |loss| format!("{name} {loss:.3} in epoch {}", kept_epoch + 1))
}

/// The loss of the epoch that was kept, on validation cells where there are any; None before the first epoch is done.
pub(crate) fn kept(training: &[f64], validation: &[f64], kept_epoch: usize) -> Option<f64> {
    let losses = if validation.is_empty() { training } else { validation };
    losses.get(kept_epoch).copied()
}
