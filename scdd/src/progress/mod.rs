//! Progress of long work and stopping it: a bar in a terminal and in our notebook kernel, a line every few seconds in stock
//! evcxr, nothing when quiet.

mod report;
mod stop;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use report::{Report, Status};
pub use stop::{Interrupt, Stopped, clear_stop, request_stop, scdd_clear_stop, scdd_request_stop, stop_requested};

static QUIET: AtomicBool = AtomicBool::new(false);

/// Turns progress off (or on again) for this process. The environment variable `SCDD_QUIET` does the same.
pub fn quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Clears the output of the notebook's cell: text, figures, bars (which come back with their next step). With `wait` the old
/// output stays until there is a new one, so that a figure that is redrawn doesn't flicker.
///
/// Works in our notebook kernel; elsewhere nothing happens.
///
/// ```
/// for step in 0..3 {
///     scdd::progress::clear_output(true);
///     println!("step {step}");
/// }
/// ```
pub fn clear_output(wait: bool) {
    report::clear(wait);
}

/// Guard that turns progress off until it is dropped, for work that shows its own.
pub(crate) struct Quiet {
    before: bool,
}

impl Quiet {
    pub(crate) fn hold() -> Self {
        Self { before: QUIET.swap(true, Ordering::Relaxed) }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.store(self.before, Ordering::Relaxed);
    }
}

/// Time between two lines in stock evcxr.
const EVERY: Duration = Duration::from_secs(5);

enum Show {
    Bar(ProgressBar),
    Kernel(Report),
    Lines { last: Instant },
    Nothing,
}

/// Progress of one task of a known number of steps.
pub(crate) struct Progress {
    task: String,
    steps: usize,
    done: usize,
    started: Instant,
    show: Show,
}

impl Progress {
    pub(crate) fn new(task: impl Into<String>, steps: usize) -> Self {
        let (task, now) = (task.into(), Instant::now());
        let show = if QUIET.load(Ordering::Relaxed) || std::env::var_os("SCDD_QUIET").is_some() {
            Show::Nothing
        } else if report::is_read() {
            Show::Kernel(Report::new(&Status { task: &task, done: 0, steps, started: now }))
        } else if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
            Show::Lines { last: now }
        } else if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {eta} left {msg}");
            let bar = ProgressBar::new(steps as u64).with_prefix(task.clone());
            Show::Bar(style.map(|style| bar.clone().with_style(style)).unwrap_or(bar))
        } else {
            Show::Nothing
        };
        Self { task, steps, done: 0, started: now, show }
    }

    /// An error when all work was asked to stop, for tasks that have no partial result.
    pub(crate) fn check_stop(&self) -> Result<(), Stopped> {
        if stop_requested() {
            return Err(Stopped { task: self.task.clone(), done: self.done, steps: self.steps });
        }
        Ok(())
    }

    /// As [`step`](Self::step), with a loss for the kernel's curve.
    pub(crate) fn step_with_loss(&mut self, loss: f64, state: impl FnOnce() -> String) {
        if let Show::Kernel(report) = &mut self.show {
            report.point(self.done + 1, loss);
        }
        self.step(state);
    }

    /// Counts a step; `state` describes it ("loss 0.31") and is only called when it is shown.
    pub(crate) fn step(&mut self, state: impl FnOnce() -> String) {
        self.done += 1;
        let status = Status { task: &self.task, done: self.done, steps: self.steps, started: self.started };
        match &mut self.show {
            Show::Kernel(report) => report.step(&status, state),
            Show::Bar(bar) => {
                bar.inc(1);
                if self.done.is_multiple_of(10) || self.done == self.steps {
                    bar.set_message(state());
                }
            }
            Show::Lines { last } if last.elapsed() >= EVERY => {
                *last = Instant::now();
                let seconds = self.started.elapsed().as_secs_f64();
                let left = seconds / self.done as f64 * (self.steps - self.done) as f64;
                println!("{}: {} of {}, {left:.0} s left, {}", self.task, self.done, self.steps, state());
            }
            _ => {}
        }
    }

    /// Ends the task; gives the seconds that it took.
    pub(crate) fn finish(self, state: impl FnOnce() -> String) -> f64 {
        let seconds = self.started.elapsed().as_secs_f64();
        let status = Status { task: &self.task, done: self.done, steps: self.steps, started: self.started };
        match self.show {
            Show::Bar(bar) => bar.finish_and_clear(),
            Show::Kernel(report) => report.end(&status, &state(), stop_requested()),
            Show::Lines { .. } => println!("{}: done in {seconds:.1} s, {}", self.task, state()),
            Show::Nothing => {}
        }
        record(&self.task, self.done, seconds);
        seconds
    }
}

/// Appends the task's steps and seconds to the file that `SCDD_BENCH_FILE` names, for benches.
fn record(task: &str, steps: usize, seconds: f64) {
    let Some(path) = std::env::var_os("SCDD_BENCH_FILE") else { return };
    let line = serde_json::json!({ "task": task, "steps": steps, "seconds": seconds });
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Ok(mut file) = file {
        let _ = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
    }
}
