//! The choice among runs, of other learning rates or shares of markers, on validation cells.

use super::validation::ValidationScore;
use crate::Error;
use crate::distill::config::{DistillHistory, RunTried};
use crate::distill::engine::Made;
use crate::distill::engine::checkpoint::Checkpoints;
use crate::distill::error::DistillError;
use crate::evaluate::EvaluateError;
use crate::progress::Interrupt;

/// What tells the runs of one distillation apart.
#[derive(Clone, Copy, Debug)]
pub(in crate::distill) struct Trial {
    pub(in crate::distill) rate: f64,
    pub(in crate::distill) step_marker_fraction: f64,
}

/// The best run.
pub(in crate::distill) struct Best {
    pub(in crate::distill) trial: Trial,
    pub(in crate::distill) made: Made,
    pub(in crate::distill) history: DistillHistory,
}

/// What a run makes, what happened in it, and its checkpoints.
pub(in crate::distill) type Ran = (Made, DistillHistory, Option<Checkpoints>);

/// The run with the best validation score, the first of equals; the only one where there is no choice. `among_rates`: one that
/// diverges is left out. Checkpoints are cleared when all runs are through.
pub(in crate::distill) fn best_of(
    trials: &[Trial],
    among_rates: bool,
    interrupt: &Interrupt,
    run: impl Fn(Trial) -> crate::Result<Ran>,
) -> crate::Result<Best> {
    let (mut tried, mut seconds, mut written) = (Vec::new(), 0.0, Vec::new());
    let mut best: Option<(Option<ValidationScore>, Best)> = None;
    let (mut failed, mut stopped) = (None, false);
    for (number, &trial) in trials.iter().enumerate() {
        if number > 0 && interrupt.requested() && best.is_some() {
            break;
        }
        let tried_run =
            |score| RunTried { learning_rate: trial.rate, step_marker_fraction: trial.step_marker_fraction, score };
        match run(trial) {
            Ok((made, history, checkpoints)) => {
                seconds += history.seconds;
                stopped |= history.interrupted;
                written.extend(checkpoints);
                let score = history.validation.iter().find(|score| score.step == history.kept_step).copied();
                tried.push(tried_run(score));
                let better = best.as_ref().is_none_or(|(best, _)| match (&score, best) {
                    (Some(score), Some(best)) => score.is_better_than(best),
                    _ => false,
                });
                if better {
                    best = Some((score, Best { trial, made, history }));
                }
            }
            Err(problem) if among_rates && diverged(&problem) => {
                tried.push(tried_run(None));
                failed = Some(problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    let Some((_, mut best)) = best else {
        return Err(failed.unwrap_or_else(|| DistillError::NoValidation.into()));
    };
    best.history.interrupted = stopped || tried.len() < trials.len();
    if !best.history.interrupted {
        for checkpoints in &written {
            checkpoints.done().map_err(DistillError::from)?;
        }
    }
    best.history.seconds = seconds;
    if trials.len() > 1 || among_rates {
        best.history.runs = tried;
    }
    Ok(best)
}

/// Whether a lower learning rate may mend it.
pub(in crate::distill) fn diverged(problem: &Error) -> bool {
    matches!(
        problem,
        Error::Distill(DistillError::Diverged { .. } | DistillError::Gradient { .. })
            | Error::Evaluate(EvaluateError::NotFinite { .. } | EvaluateError::Diverged { .. })
    )
}
