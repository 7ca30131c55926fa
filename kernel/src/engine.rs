//! The interface between Jupyter's protocol and what runs cells: the kernel's own evaluator, or evcxr.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

/// What a cell shows while it runs, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Text for standard output, carriage returns included.
    Stdout(String),
    /// Text for standard error.
    Stderr(String),
    /// A figure, a table, a text: one value per MIME type. With an `id` a later `update` of it replaces it.
    Display {
        /// MIME type to content; JSON where the type is a JSON type, else text.
        data: BTreeMap<String, Value>,
        /// Names the display for updates.
        id: Option<String>,
        /// Replaces what was shown under `id`.
        update: bool,
    },
    /// Removes what the cell has shown so far; `wait` for the next output first.
    Clear {
        /// Until the next output is there.
        wait: bool,
    },
}

/// How a cell ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It ran; the value of its last expression, if that shows itself.
    Done {
        /// MIME type to content.
        result: Option<BTreeMap<String, Value>>,
    },
    /// It did not compile, panicked or returned an error.
    Failed {
        /// A short name: "compile error", "panic", "error", "interrupted", "lost child".
        name: String,
        /// One line.
        value: String,
        /// For people, in ANSI colours.
        traceback: Vec<String>,
    },
}

/// Whether Enter should run a cell or begin a new line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Can be run.
    Complete,
    /// Something is missing; what to indent the next line with.
    Incomplete(String),
    /// Can't become right by adding to it.
    Invalid,
}

/// What could stand at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// What to put in place of `start..end`.
    pub matches: Vec<Candidate>,
    /// Offset in characters where the replaced text begins.
    pub start: usize,
    /// Offset in characters where it ends.
    pub end: usize,
}

/// One completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The text.
    pub text: String,
    /// "function", "method", "field", "struct", "variable", "keyword", "module" and so on.
    pub kind: String,
    /// Its signature or type.
    pub signature: String,
}

/// A variable that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type as a cell would write it.
    pub type_name: String,
    /// Shape or size in words, where it is known.
    pub shape: String,
}

/// Ends or asks to end what runs; callable from any thread while `Engine::execute` runs.
pub trait Interrupter: Send + Sync {
    /// The first call asks the running code to stop at its next step; a second one ends the child.
    fn interrupt(&self);
}

/// Runs cells one after the other and keeps their variables.
pub trait Engine: Send {
    /// Runs a cell; `out` is called as outputs come.
    ///
    /// # Errors
    /// When the engine itself can't go on (its folder is gone, no compiler); what is wrong with the cell is an `Outcome`.
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome>;
    /// A handle for the stop button.
    fn interrupter(&self) -> Arc<dyn Interrupter>;
    /// Whether the code is a whole cell.
    fn completeness(&self, code: &str) -> Completeness;
    /// What could stand at `cursor`, an offset in characters.
    fn complete(&mut self, code: &str, cursor: usize) -> Result<Completions>;
    /// Documentation of what stands at `cursor`, MIME type to text; none where nothing is known.
    fn inspect(&mut self, code: &str, cursor: usize) -> Result<Option<BTreeMap<String, Value>>>;
    /// What is kept.
    fn variables(&self) -> Vec<Variable>;
    /// What the last cell's time went into, in seconds, where the engine knows: a cell's own work is "run". Beside them
    /// "compilations", how often the compiler was called.
    fn parts(&self) -> BTreeMap<&'static str, f64> {
        BTreeMap::new()
    }
}
