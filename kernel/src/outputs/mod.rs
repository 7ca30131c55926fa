//! Bytes of the child's standard output, turned into what a cell shows. docs/notebook-protocol.md is the reader's side.
//!
//! - `EVCXR_BEGIN_CONTENT <mime>`, content, `EVCXR_END_CONTENT`: evcxr's blocks. Several in a row, each of another MIME
//!   type, are one display.
//! - `SCDD_PROGRESS {...}`: how far long work is, see [`progress`].
//! - `SCDD_CLEAR {"wait":true}`: what the cell has shown goes.
//! - Everything else is text, carriage returns included, and is passed on as it comes, also without a line's end.

pub mod progress;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::Output;
use progress::Bars;

/// The environment variable by which a child knows that its kernel reads [`PROGRESS`] lines.
pub const PROTOCOL: &str = "SCDD_KERNEL_PROTOCOL";
/// Its value.
pub const VERSION: &str = "1";
/// Begins a line of progress.
pub const PROGRESS: &str = "SCDD_PROGRESS ";
/// Begins a line that removes what the cell has shown.
pub const CLEAR: &str = "SCDD_CLEAR ";

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const MARKERS: [&str; 3] = [BEGIN, PROGRESS, CLEAR];
const END: &[u8] = b"EVCXR_END_CONTENT";
/// Longer than any line that we know.
const LINE: usize = 1 << 20;

/// Takes bytes as they come, gives outputs.
#[derive(Default)]
pub struct Outputs {
    /// Not passed on yet.
    bytes: Vec<u8>,
    /// Of these, how many were looked through for a block's end.
    scanned: usize,
    /// The MIME type of the block that is open.
    block: Option<String>,
    /// Blocks that are complete and may have further ones coming.
    bundle: BTreeMap<String, Value>,
    bars: Bars,
}

impl Outputs {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Output)) {
        self.bytes.extend_from_slice(bytes);
        while self.advance(out) {}
    }

    /// Nothing came for a moment (some 20 ms): what waited for more is shown.
    pub fn idle(&mut self, out: &mut dyn FnMut(Output)) {
        if self.block.is_none() {
            self.show_bundle(out);
            if find_marker(&self.bytes).is_none() {
                let whole = self.bytes.len() - unfinished_character(&self.bytes);
                self.text(whole, out);
            }
        }
        self.bars.idle(out);
    }

    /// The cell is over.
    pub fn finish(&mut self, out: &mut dyn FnMut(Output)) {
        self.show_bundle(out);
        if let Some(mime) = self.block.take() {
            let length = self.bytes.len();
            out(Output::Stderr(format!("[a display of type {mime} was cut off after {length} bytes]\n")));
            self.bytes.clear();
        }
        self.text(self.bytes.len(), out);
        self.scanned = 0;
        self.bars.finish(out);
    }

    /// Deals with the next piece; false when more bytes are needed for it.
    fn advance(&mut self, out: &mut dyn FnMut(Output)) -> bool {
        match &self.block {
            Some(_) => self.end_block(out),
            None => match find_marker(&self.bytes) {
                Some(at) if at > 0 => {
                    self.text(at, out);
                    true
                }
                Some(_) => self.marked_line(out),
                None => {
                    let kept = held_back(&self.bytes).max(unfinished_character(&self.bytes));
                    self.text(self.bytes.len() - kept, out);
                    false
                }
            },
        }
    }

    /// A line that begins with a marker.
    fn marked_line(&mut self, out: &mut dyn FnMut(Output)) -> bool {
        let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
            if self.bytes.len() > LINE {
                self.text(self.bytes.len(), out);
            }
            return false;
        };
        let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        let line = line.trim_end_matches('\r');
        if let Some(mime) = line.strip_prefix(BEGIN) {
            self.block = Some(mime.split(' ').next().unwrap_or_default().to_owned());
            self.bytes.drain(..=end);
            self.scanned = 0;
        } else if let Some(report) = line.strip_prefix(PROGRESS).and_then(progress::parse) {
            self.bytes.drain(..=end);
            self.show_bundle(out);
            self.bars.take(report, out);
        } else if let Some(wait) = line.strip_prefix(CLEAR).and_then(wait) {
            self.bytes.drain(..=end);
            self.show_bundle(out);
            self.bars.cleared();
            out(Output::Clear { wait });
        } else {
            self.text(end + 1, out);
        }
        true
    }

    fn end_block(&mut self, out: &mut dyn FnMut(Output)) -> bool {
        // The end's marker may have come in two parts.
        let from = self.scanned.saturating_sub(END.len() + 1);
        let is_end = |at: usize| {
            let begins = at == 0 || self.bytes[at - 1] == b'\n';
            begins && self.bytes[at..].starts_with(END) && matches!(self.bytes.get(at + END.len()), Some(b'\n' | b'\r'))
        };
        let Some(at) = (from..self.bytes.len()).find(|at| is_end(*at)) else {
            self.scanned = self.bytes.len();
            return false;
        };
        let content = String::from_utf8_lossy(&self.bytes[..at.saturating_sub(1)]).into_owned();
        let line = self.bytes[at..].iter().position(|byte| *byte == b'\n');
        // A carriage return came without its line feed yet.
        let Some(line) = line else { return false };
        self.bytes.drain(..=at + line);
        let mime = self.block.take().unwrap_or_default();
        if self.bundle.contains_key(&mime) {
            self.show_bundle(out);
        }
        let value = value(&mime, content);
        self.bundle.insert(mime, value);
        true
    }

    fn show_bundle(&mut self, out: &mut dyn FnMut(Output)) {
        if !self.bundle.is_empty() {
            out(Output::Display { data: std::mem::take(&mut self.bundle), id: None, update: false });
        }
    }

    /// Passes on the first `length` bytes.
    fn text(&mut self, length: usize, out: &mut dyn FnMut(Output)) {
        if length > 0 {
            self.show_bundle(out);
            let text = String::from_utf8_lossy(&self.bytes[..length]).into_owned();
            self.bytes.drain(..length);
            out(Output::Stdout(text));
        }
    }
}

/// A block's content as messages have it: JSON where the type is JSON, else text.
pub fn value(mime: &str, content: String) -> Value {
    if mime.ends_with("json")
        && let Ok(value) = serde_json::from_str(&content)
    {
        return value;
    }
    Value::String(content)
}

/// What a line that clears asks for; none when it is something else that happens to begin like one.
fn wait(line: &str) -> Option<bool> {
    serde_json::from_str::<Value>(line).ok()?["wait"].as_bool()
}

/// Where the first marker begins.
fn find_marker(bytes: &[u8]) -> Option<usize> {
    // All begin with one of two letters, of which most text has few.
    let begins = |at: &usize| matches!(bytes[*at], b'E' | b'S');
    (0..bytes.len()).filter(begins).find(|at| MARKERS.iter().any(|marker| bytes[*at..].starts_with(marker.as_bytes())))
}

/// How many bytes at the end may be the beginning of a marker.
fn held_back(bytes: &[u8]) -> usize {
    let longest = |marker: &str| (1..marker.len()).rev().find(|length| bytes.ends_with(&marker.as_bytes()[..*length]));
    MARKERS.iter().filter_map(|marker| longest(marker)).max().unwrap_or(0)
}

/// How many bytes at the end are a character of which more is to come.
fn unfinished_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => return 0,
        };
        return if length > back { back } else { 0 };
    }
    0
}
