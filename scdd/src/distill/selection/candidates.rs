//! The choice among candidate runs, with other learning rates or fractions of marker genes, on validation cells.

use super::validation::ValidationScore;
use crate::Error;
use crate::distill::error::DistillError;
use crate::distill::history::{DistillHistory, RunTried};
use crate::error::LearnError;
use crate::progress::Interrupt;

/// In what the runs of one distillation differ.
#[derive(Clone, Copy, Debug)]
pub(in crate::distill) struct Candidate {
    pub(in crate::distill) learning_rate: f64,
    pub(in crate::distill) step_marker_fraction: f64,
}

/// The best run.
pub(in crate::distill) struct Best<Made> {
    pub(in crate::distill) candidate: Candidate,
    pub(in crate::distill) made: Made,
    pub(in crate::distill) history: DistillHistory,
}

/// Runs all candidates; gives the one with the best validation score, the first of equals, or the only one where there is no
/// choice. `among_rates`: a run that diverges is left out.
pub(in crate::distill) fn best_of<Made>(
    candidates: &[Candidate],
    among_rates: bool,
    interrupt: &Interrupt,
    mut run: impl FnMut(Candidate) -> crate::Result<(Made, DistillHistory)>,
) -> crate::Result<Best<Made>> {
    let (mut tried, mut seconds) = (Vec::new(), 0.0);
    let mut best: Option<(Option<ValidationScore>, Best<Made>)> = None;
    let (mut failed, mut stopped) = (None, false);
    for (number, &candidate) in candidates.iter().enumerate() {
        if number > 0 && interrupt.requested() && best.is_some() {
            break;
        }
        let Candidate { learning_rate, step_marker_fraction } = candidate;
        let tried_run = |score| RunTried { learning_rate, step_marker_fraction, score };
        match run(candidate) {
            Ok((made, history)) => {
                seconds += history.seconds;
                stopped |= history.interrupted;
                let score = history.validation.iter().find(|score| score.step == history.kept_step).copied();
                tried.push(tried_run(score));
                let better = best.as_ref().is_none_or(|(best, _)| match (&score, best) {
                    (Some(score), Some(best)) => score.is_better_than(best),
                    _ => false,
                });
                if better {
                    best = Some((score, Best { candidate, made, history }));
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
    best.history.interrupted = stopped || tried.len() < candidates.len();
    best.history.seconds = seconds;
    if candidates.len() > 1 || among_rates {
        best.history.runs = tried;
    }
    Ok(best)
}

/// Whether a lower learning rate may fix it.
pub(in crate::distill) fn diverged(problem: &Error) -> bool {
    matches!(
        problem,
        Error::Distill(DistillError::Diverged { .. } | DistillError::Gradient { .. })
            | Error::Learn(LearnError::NotFinite { .. } | LearnError::Diverged { .. })
    )
}
