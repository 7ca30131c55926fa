//! Progress for the notebook kernel: lines of JSON behind a marker, which it draws as a bar with the losses.
//!
//! docs/notebook-protocol.md describes them.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

/// Set for the child by a kernel that reads these lines, to the version that it knows.
const PROTOCOL: &str = "SCDD_KERNEL_PROTOCOL";
const MARKER: &str = "SCDD_PROGRESS";
/// A bar moves eight times a second.
const EVERY: Duration = Duration::from_millis(125);
/// Losses in one line, at most; more are averaged.
const POINTS: usize = 8;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Whether the process runs under a kernel that draws bars.
pub(super) fn is_read() -> bool {
    std::env::var(PROTOCOL).is_ok_and(|version| version.parse::<u32>().is_ok_and(|version| version >= 1))
}

/// Removes what the cell has shown.
pub(super) fn clear(wait: bool) {
    if is_read() {
        line("SCDD_CLEAR", &json!({ "wait": wait }));
    }
}

/// Writes a line in one call, so that lines of other threads can't come between. Nobody reads: no reason to fail.
fn line(marker: &str, content: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{marker} {content}\n").as_bytes());
    let _ = out.flush();
}

/// The lines of one piece of work.
pub(super) struct Report {
    id: u64,
    last: Instant,
    /// Steps and losses since the last line.
    points: Vec<(usize, f64)>,
}

/// How the work stands.
pub(super) struct Standing<'a> {
    pub task: &'a str,
    pub done: usize,
    pub steps: usize,
    pub started: Instant,
}

impl Report {
    /// Begins with an empty bar.
    pub(super) fn new(standing: &Standing<'_>) -> Self {
        let mut report =
            Self { id: NUMBERS.fetch_add(1, Ordering::Relaxed), last: standing.started, points: Vec::new() };
        report.write(standing, "", None);
        report
    }

    /// Keeps a loss for the curve.
    pub(super) fn point(&mut self, step: usize, loss: f64) {
        if loss.is_finite() {
            self.points.push((step, loss));
        }
    }

    /// Writes a line when the last one is long enough ago.
    pub(super) fn step(&mut self, standing: &Standing<'_>, state: impl FnOnce() -> String) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            self.write(standing, &state(), None);
        }
    }

    /// Writes the last line.
    pub(super) fn end(mut self, standing: &Standing<'_>, state: &str, stopped: bool) {
        self.write(standing, state, Some(if stopped { "stopped" } else { "done" }));
    }

    fn write(&mut self, standing: &Standing<'_>, state: &str, end: Option<&str>) {
        let mut line = json!({
            "id": self.id,
            "task": standing.task,
            "done": standing.done,
            "steps": standing.steps,
            "seconds": (standing.started.elapsed().as_secs_f64() * 1e3).round() / 1e3,
            "state": state,
        });
        if !self.points.is_empty() {
            line["points"] = json!(thinned(&self.points));
            self.points.clear();
        }
        if let Some(end) = end {
            line["end"] = end.into();
        }
        self::line(MARKER, &line);
    }
}

/// At most [`POINTS`] of them: means of neighbours, at the last step of each group.
fn thinned(points: &[(usize, f64)]) -> Vec<(usize, f64)> {
    let group = points.len().div_ceil(POINTS);
    let mean = |group: &[(usize, f64)]| {
        let sum: f64 = group.iter().map(|point| point.1).sum();
        let step = group.last().map_or(0, |point| point.0);
        // Six digits are more than a curve shows.
        (step, format!("{:.5e}", sum / group.len() as f64).parse().unwrap_or(0.0))
    };
    points.chunks(group.max(1)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_losses_become_a_few_means() {
        let points: Vec<_> = (1..=100).map(|step| (step, step as f64)).collect();
        let few = thinned(&points);
        assert_eq!((few.len(), few[0], few[7]), (8, (13, 7.0), (100, 96.0)));
        assert_eq!(thinned(&points[..3]), points[..3]);
        assert!(thinned(&[]).is_empty());
    }
}
