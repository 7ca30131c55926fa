//! Reports progress to the notebook kernel as lines of JSON behind a marker, which the kernel draws as a bar with a loss curve.
//!
//! The protocol is in docs/notebook-protocol.md.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

/// The kernel that reads these lines sets it to its version of the protocol.
const PROTOCOL: &str = "SCDD_KERNEL_PROTOCOL";
const MARKER: &str = "SCDD_PROGRESS";
/// Time between two lines.
const EVERY: Duration = Duration::from_millis(125);
/// Most losses in one line; more are averaged.
const POINTS: usize = 8;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Whether the process runs under a kernel that draws bars.
pub(super) fn is_read() -> bool {
    std::env::var(PROTOCOL).is_ok_and(|version| version.parse::<u32>().is_ok_and(|version| version >= 1))
}

/// Clears the cell's output.
pub(super) fn clear(wait: bool) {
    if is_read() {
        line("SCDD_CLEAR", &json!({ "wait": wait }));
    }
}

/// Writes a line in one call, so that lines of other threads can't come between. Fails silently when nobody reads.
fn line(marker: &str, content: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{marker} {content}\n").as_bytes());
    let _ = out.flush();
}

/// The lines of one task.
pub(super) struct Report {
    id: u64,
    last: Instant,
    /// Steps and losses since the last line.
    points: Vec<(usize, f64)>,
}

/// Name, steps and start of a task.
pub(super) struct Status<'a> {
    pub task: &'a str,
    pub done: usize,
    pub steps: usize,
    pub started: Instant,
}

impl Report {
    /// Starts with an empty bar.
    pub(super) fn new(status: &Status<'_>) -> Self {
        let mut report = Self { id: NUMBERS.fetch_add(1, Ordering::Relaxed), last: status.started, points: Vec::new() };
        report.write(status, "", None);
        report
    }

    /// Keeps a loss for the curve.
    pub(super) fn point(&mut self, step: usize, loss: f64) {
        if loss.is_finite() {
            self.points.push((step, loss));
        }
    }

    /// Writes a line unless the last one is too recent.
    pub(super) fn step(&mut self, status: &Status<'_>, state: impl FnOnce() -> String) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            self.write(status, &state(), None);
        }
    }

    /// Writes the last line.
    pub(super) fn end(mut self, status: &Status<'_>, state: &str, stopped: bool) {
        self.write(status, state, Some(if stopped { "stopped" } else { "done" }));
    }

    fn write(&mut self, status: &Status<'_>, state: &str, end: Option<&str>) {
        let mut line = json!({
            "id": self.id,
            "task": status.task,
            "done": status.done,
            "steps": status.steps,
            "seconds": (status.started.elapsed().as_secs_f64() * 1e3).round() / 1e3,
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
