//! Stopping long work: by an [`Interrupt`] that was given to it, or by the process-wide flag that the notebook kernel sets when
//! its user presses stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Asks all long work of this process to stop at its next step. Training, distilling and UMAP return what they have; other
/// work ends with [`Stopped`]. The request stays until [`clear_stop`]; the notebook kernel clears it before each cell.
///
/// ```
/// scdd::progress::request_stop();
/// assert!(scdd::progress::stop_requested());
/// scdd::progress::clear_stop();
/// # assert!(!scdd::progress::stop_requested());
/// ```
pub fn request_stop() {
    STOP.store(true, Ordering::SeqCst);
}

/// Withdraws the request, for work that begins from now on.
pub fn clear_stop() {
    STOP.store(false, Ordering::SeqCst);
}

/// Whether all work was asked to stop. A loop of your own in a notebook cell listens to the stop button with
/// `if scdd::progress::stop_requested() { break }`.
pub fn stop_requested() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// [`request_stop`] for a notebook kernel, which finds it by this name in the shared object. Public so that the linker keeps
/// it; Rust calls [`request_stop`].
#[doc(hidden)]
#[unsafe(no_mangle)]
pub extern "C" fn scdd_request_stop() {
    request_stop();
}

/// [`clear_stop`] for a notebook kernel, as [`scdd_request_stop`].
#[doc(hidden)]
#[unsafe(no_mangle)]
pub extern "C" fn scdd_clear_stop() {
    clear_stop();
}

/// Lets another thread stop long work, which returns what it has until then. A clone is the same switch.
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

    /// Whether it was asked to, or all work of the process was ([`request_stop`]).
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed) || stop_requested()
    }
}

/// Work that was asked to stop and has no partial result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} was stopped as asked, after {done} of {steps}; there is no result yet: run it again")]
pub struct Stopped {
    /// What was stopped.
    pub task: String,
    /// Steps that were done.
    pub done: usize,
    /// Steps that were planned.
    pub steps: usize,
}
