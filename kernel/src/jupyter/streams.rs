//! Output of a cell on its way to the clients: gathers text into few messages, and cuts what is too much for a page.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jupyter_protocol::messaging::{
    ClearOutput, DisplayData, JupyterMessage, Stdio, StreamContent, Transient, UpdateDisplayData,
};

use super::publisher::{Publisher, media};
use crate::engine::Output;

/// Text goes out at once after a pause, else this often: 20 messages a second.
pub const EVERY: Duration = Duration::from_millis(50);
/// Text that one cell may show; a page with more can't be scrolled, and a notebook not be saved.
const TEXT: usize = 8 << 20;
/// Figures and tables that one cell may show.
const DISPLAYS: usize = 128 << 20;

/// The outputs of one cell.
#[derive(Clone)]
pub struct Streams {
    state: Arc<Mutex<State>>,
}

struct State {
    publisher: Publisher,
    parent: JupyterMessage,
    silent: bool,
    /// In the order in which it came, neighbours of one kind joined.
    pending: Vec<(Kind, String)>,
    last: Option<Instant>,
    text: usize,
    displays: usize,
    cut: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Out,
    Err,
}

impl Streams {
    /// Outputs of the cell that `parent` asked for; a silent one shows nothing.
    pub fn new(publisher: Publisher, parent: JupyterMessage, silent: bool) -> Self {
        let state =
            State { publisher, parent, silent, pending: Vec::new(), last: None, text: 0, displays: 0, cut: false };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes an output.
    pub fn take(&self, output: Output) {
        let mut state = self.lock();
        if !state.silent {
            state.take(output);
        }
    }

    /// Sends what is waiting, when it has waited long enough.
    pub fn tick(&self) {
        let mut state = self.lock();
        if state.last.is_none_or(|last| last.elapsed() >= EVERY) {
            state.flush();
        }
    }

    /// Sends what is waiting.
    pub fn flush(&self) {
        self.lock().flush();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, output: Output) {
        match output {
            Output::Stdout(text) => self.add(Kind::Out, text),
            Output::Stderr(text) => self.add(Kind::Err, text),
            Output::Display { data, id, update } => {
                self.flush();
                if !update {
                    self.displays += data.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>();
                }
                if self.displays > DISPLAYS {
                    return self.cut("figures and tables", DISPLAYS, "Show fewer of them, or write them to files.");
                }
                let media = media(data);
                match id {
                    Some(id) if update => self.publisher.publish(&self.parent, UpdateDisplayData::new(media, &id)),
                    display_id => {
                        let transient = Some(Transient { display_id });
                        let display = DisplayData { data: media, metadata: Default::default(), transient };
                        self.publisher.publish(&self.parent, display);
                    }
                }
            }
            Output::Clear { wait } => {
                self.flush();
                // The page is empty again, and so is the account of what it has.
                (self.text, self.displays, self.cut) = (0, 0, false);
                self.publisher.publish(&self.parent, ClearOutput { wait });
            }
        }
    }

    fn add(&mut self, kind: Kind, mut text: String) {
        if self.text > TEXT {
            return;
        }
        self.text += text.len();
        let too_much = self.text > TEXT;
        if too_much {
            let keep = TEXT.saturating_sub(self.text - text.len());
            text.truncate(text.floor_char_boundary(keep));
        }
        self.join(kind, &text);
        if too_much {
            self.cut("text", TEXT, "Write it to a file.");
        } else if self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.flush();
        }
    }

    fn join(&mut self, kind: Kind, text: &str) {
        match self.pending.last_mut() {
            Some((last, pending)) if *last == kind => pending.push_str(text),
            _ => self.pending.push((kind, text.to_owned())),
        }
    }

    fn cut(&mut self, what: &str, limit: usize, mend: &str) {
        if !std::mem::replace(&mut self.cut, true) {
            let limit = limit >> 20;
            self.join(Kind::Err, &format!("\n[{what} cut here: a cell shows at most {limit} MiB. {mend}]\n"));
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.last = Some(Instant::now());
        for (kind, text) in self.pending.drain(..) {
            let name = if kind == Kind::Out { Stdio::Stdout } else { Stdio::Stderr };
            self.publisher.publish(&self.parent, StreamContent { name, text });
        }
    }
}

/// Roughly how long it is as JSON.
fn size(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum::<usize>() + items.len(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + size(value) + 4).sum(),
        _ => 8,
    }
}
