//! What a child writes to its standard output, taken apart: text, and evcxr's blocks of content.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::Output;

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "\nEVCXR_END_CONTENT\n";

/// Reads bytes as they come.
#[derive(Debug, Default)]
pub struct Outputs {
    waiting: Vec<u8>,
    display: BTreeMap<String, Value>,
}

impl Outputs {
    /// Takes bytes and gives what is whole.
    pub fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Output)) {
        self.waiting.extend_from_slice(bytes);
        loop {
            let text = String::from_utf8_lossy(&self.waiting).into_owned();
            if let Some(begun) = text.strip_prefix(BEGIN) {
                let Some(end) = begun.find(END) else { return };
                let (mime, content) = begun[..end].split_once('\n').unwrap_or((&begun[..end], ""));
                let value = match mime.ends_with("json") {
                    true => serde_json::from_str(content).unwrap_or_else(|_| Value::from(content)),
                    false => Value::from(content),
                };
                if self.display.contains_key(mime) {
                    self.show(out);
                }
                self.display.insert(mime.to_owned(), value);
                self.waiting = begun.as_bytes()[end + END.len()..].to_vec();
                continue;
            }
            let end = match text.find(BEGIN) {
                Some(at) => at,
                None => text.len() - (1..BEGIN.len()).rev().find(|n| text.ends_with(&BEGIN[..*n])).unwrap_or(0),
            };
            if end > 0 {
                self.show(out);
                out(Output::Stdout(text[..end].to_owned()));
            }
            self.waiting = text.as_bytes()[end..].to_vec();
            if end == 0 || self.waiting.is_empty() {
                return;
            }
        }
    }

    /// Nothing came for a moment: what waited for more is shown.
    pub fn idle(&mut self, out: &mut dyn FnMut(Output)) {
        self.show(out);
    }

    /// Gives what is left.
    pub fn finish(&mut self, out: &mut dyn FnMut(Output)) {
        self.show(out);
        if !self.waiting.is_empty() {
            out(Output::Stdout(String::from_utf8_lossy(&std::mem::take(&mut self.waiting)).into_owned()));
        }
    }

    fn show(&mut self, out: &mut dyn FnMut(Output)) {
        if !self.display.is_empty() {
            out(Output::Display { data: std::mem::take(&mut self.display), id: None, update: false });
        }
    }
}
