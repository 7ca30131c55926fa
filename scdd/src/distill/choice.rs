//! The choice among learning rates, on validation cells.

use ndarray::Array2;

use super::checkpoint::Checkpoints;
use super::config::{DistillHistory, RateTried};
use super::error::DistillError;
use super::validation::ValidationScore;
use crate::Error;
use crate::evaluate::EvaluateError;
use crate::progress::Interrupt;

/// A run, and its learning rate.
pub(super) struct Best {
    pub(super) rate: f64,
    pub(super) made: Array2<f32>,
    pub(super) history: DistillHistory,
}

/// What a run makes, what happened in it, and its checkpoints.
pub(super) type Ran = (Array2<f32>, DistillHistory, Option<Checkpoints>);

/// The learning rate with the best validation score, the first of equals, and its run; the only rate where there is no
/// choice. Checkpoints are cleared when all runs are through.
pub(super) fn best_of(
    rates: &[f64],
    choice: bool,
    interrupt: &Interrupt,
    run: impl Fn(f64) -> crate::Result<Ran>,
) -> crate::Result<Best> {
    let (mut tried, mut seconds, mut written) = (Vec::new(), 0.0, Vec::new());
    let mut best: Option<(Option<ValidationScore>, Best)> = None;
    let (mut failed, mut stopped) = (None, false);
    for (number, &rate) in rates.iter().enumerate() {
        if number > 0 && interrupt.requested() && best.is_some() {
            break;
        }
        match run(rate) {
            Ok((made, history, checkpoints)) => {
                seconds += history.seconds;
                stopped |= history.interrupted;
                written.extend(checkpoints);
                let score = history.validation.iter().find(|score| score.step == history.kept_step).copied();
                tried.push(RateTried { learning_rate: rate, score });
                let better = best.as_ref().is_none_or(|(best, _)| match (&score, best) {
                    (Some(score), Some(best)) => score.is_better_than(best),
                    _ => false,
                });
                if better {
                    best = Some((score, Best { rate, made, history }));
                }
            }
            Err(problem) if choice && diverged(&problem) => {
                tried.push(RateTried { learning_rate: rate, score: None });
                failed = Some(problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    let Some((_, mut best)) = best else {
        return Err(failed.unwrap_or_else(|| DistillError::NoValidation.into()));
    };
    best.history.interrupted = stopped || tried.len() < rates.len();
    if !best.history.interrupted {
        for checkpoints in &written {
            checkpoints.done().map_err(DistillError::from)?;
        }
    }
    if choice {
        best.history.rates = tried;
        best.history.seconds = seconds;
    }
    Ok(best)
}

/// Whether a lower learning rate may mend it.
pub(super) fn diverged(problem: &Error) -> bool {
    matches!(
        problem,
        Error::Distill(DistillError::Diverged { .. } | DistillError::Gradient { .. })
            | Error::Evaluate(EvaluateError::NotFinite { .. } | EvaluateError::Diverged { .. })
    )
}
