//! Output pump: reads the child's pipes and passes on displays from standard output and text from standard error.

use std::io::{ErrorKind, Read};
use std::process::Child as Process;

use crate::engine::Output;
use crate::outputs::Outputs;

/// Both pipes of a child while a cell runs.
#[derive(Default)]
pub(super) struct OutputPump {
    pub(super) outputs: Outputs,
    /// The beginning of a character whose end hasn't come yet.
    partial: Vec<u8>,
}

impl OutputPump {
    /// Passes on what is there; whether anything was.
    pub(super) fn pass(&mut self, process: &mut Process, out: &mut dyn FnMut(Output)) -> bool {
        let mut any = false;
        let mut buffer = [0; 1 << 16];
        if let Some(pipe) = &mut process.stdout {
            while let Some(read) = read(pipe, &mut buffer) {
                any = true;
                self.outputs.push(&buffer[..read], out);
            }
        }
        if let Some(pipe) = &mut process.stderr {
            while let Some(read) = read(pipe, &mut buffer) {
                self.partial.extend(&buffer[..read]);
                let whole = match std::str::from_utf8(&self.partial) {
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => self.partial.len(),
                };
                let rest = self.partial.split_off(whole);
                let text = String::from_utf8_lossy(&std::mem::replace(&mut self.partial, rest)).into_owned();
                if !text.is_empty() {
                    out(Output::Stderr(text));
                }
            }
        }
        any
    }

    /// The cell is over.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Output)) {
        self.outputs.finish(out);
        if !self.partial.is_empty() {
            out(Output::Stderr(String::from_utf8_lossy(&std::mem::take(&mut self.partial)).into_owned()));
        }
    }
}

/// How many bytes came, if any.
fn read(pipe: &mut impl Read, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match pipe.read(buffer) {
            Ok(0) => return None,
            Ok(read) => return Some(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
