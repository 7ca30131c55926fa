//! Long work shows that it moves: a bar in a terminal, a line every few seconds in a notebook, nothing when quiet.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

static QUIET: AtomicBool = AtomicBool::new(false);

/// Turns progress off (or on again) for this process. The environment variable `SCDD_QUIET` does the same.
pub fn quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Keeps progress quiet while it lives: for work that shows its own.
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

/// Lets another thread stop long work, which keeps what it has until then. A clone is the same switch.
///
/// ```
/// let stop = scdd::progress::Interrupt::default();
/// let other = stop.clone();
/// other.request();
/// assert!(stop.requested());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Asks the work to stop at its next step.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}

/// How often a notebook gets a line.
const EVERY: Duration = Duration::from_secs(5);

enum Show {
    Bar(ProgressBar),
    Lines { last: Instant },
    Nothing,
}

/// One piece of long work of a known number of steps.
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

    /// One more step is done; `state` says how it stands ("loss 0.31") and is only made when it is shown.
    pub(crate) fn step(&mut self, state: impl FnOnce() -> String) {
        self.done += 1;
        match &mut self.show {
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

    /// The work is done; gives the seconds that it took.
    pub(crate) fn finish(self, state: impl FnOnce() -> String) -> f64 {
        let seconds = self.started.elapsed().as_secs_f64();
        match self.show {
            Show::Bar(bar) => bar.finish_and_clear(),
            Show::Lines { .. } => println!("{}: done in {seconds:.1} s, {}", self.task, state()),
            Show::Nothing => {}
        }
        record(&self.task, self.done, seconds);
        seconds
    }
}

/// Appends what a piece of work cost to the file that `SCDD_BENCH_FILE` names, for the benches.
fn record(task: &str, steps: usize, seconds: f64) {
    let Some(path) = std::env::var_os("SCDD_BENCH_FILE") else { return };
    let line = serde_json::json!({ "task": task, "steps": steps, "seconds": seconds });
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Ok(mut file) = file {
        let _ = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
    }
}
