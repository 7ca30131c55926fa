//! The interrupt: the first press of the stop button asks the running code to stop, the second kills the child.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::protocol::{self, Request};
use crate::engine::Interrupter;

/// The stop button.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// Of the child, 0 when there is none.
    pub(super) process: AtomicI32,
    /// A second handle of the child's socket.
    pub(super) socket: Mutex<Option<File>>,
    /// How often it was pressed in this cell.
    pressed: AtomicUsize,
    /// A cell runs in the child; before that it is compiled, and there is nothing to end.
    pub(super) running: AtomicBool,
}

impl Interrupt {
    /// A cell begins.
    pub fn reset(&self) {
        self.pressed.store(0, Ordering::SeqCst);
    }

    /// How often it was pressed in this cell.
    pub fn pressed(&self) -> usize {
        self.pressed.load(Ordering::SeqCst)
    }
}

impl Interrupter for Interrupt {
    fn interrupt(&self) {
        let process = self.process.load(Ordering::SeqCst);
        let before = self.pressed.fetch_add(1, Ordering::SeqCst);
        if !self.running.load(Ordering::SeqCst) {
            return;
        }
        if before == 0 {
            if let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                // A child that is dead says so to the cell that waits for it.
                let _ = protocol::send(socket, &Request::Stop {});
            }
        } else if process > 0 {
            // The child has a group of its own, so that what it started ends too.
            // SAFETY: a call that takes numbers.
            unsafe { libc::kill(-process, libc::SIGKILL) };
        }
    }
}
