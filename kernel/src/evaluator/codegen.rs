//! Code generation: writes the crate of a cell, with a source map from each of its lines to where it came from.
//!
//! ```text
//! use scdd::prelude::*;                      items of all cells, each where it stood in its line
//! pub extern "C" fn scdd_cell_7() { ::scdd_cell::run(__cell()) }
//! async fn __cell() -> Flow {
//!     let flow = guard(pin!(level(async {
//!         let n = 2;                             the cell, statement by statement
//!         { let _ = &n as &_; }                  here rustc says the type of n (lint trivial_casts)
//!         place(0, "n", &raw const n);
//!         let mut x: Vec<f32> = take("x");       before a statement that names a kept variable
//!         taken(1, "x", &raw const x);
//!         let flow = guard(pin!(level(async {    what fails in here leaves x, unless it moves it
//!             inside(0, &raw const n); inside(1, &raw const x);
//!             let y = x.len();
//!             place(2, "y", &raw const y);
//!             level(async {                      before a statement that names y: it could move it
//!                 inside(2, &raw const y);
//!                 ...
//!                 finish().await
//!             }).await
//!         }))).await;
//!         failed(flow).await
//!     }))).await;
//!     failed(flow).await
//! }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::item::Chunk;
use super::items::Items;
use super::parse::{Cell, Kind};

/// What a line of the crate is.
#[derive(Clone, Debug, Default)]
pub enum Line {
    /// The kernel's.
    #[default]
    Made,
    /// Line `line` (from 1) of cell `cell`; `item` is the title of the item it belongs to.
    Cell {
        /// Number of the cell.
        cell: usize,
        /// Line in it, from 1.
        line: usize,
        /// The cell's text.
        code: Arc<str>,
        /// The item that it is part of.
        item: Option<String>,
    },
    /// Takes the kept variable of this name.
    Take(String),
    /// Says the type of the variable with this id.
    Type(usize),
    /// Keeps the variable with this id.
    Place(usize),
    /// Keeps the variable with this id, which was assigned to.
    Again(usize),
}

/// A variable of a cell.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, for those that the cell took out of the store.
    pub taken: Option<String>,
}

/// What is decided about a cell's variables before it is compiled.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// Ids of variables that end with the cell.
    pub local: BTreeSet<usize>,
    /// Ids of variables that were assigned to and may be moved at the end all the same.
    pub not_again: BTreeSet<usize>,
}

/// A crate.
#[derive(Debug, Default)]
pub struct GeneratedCrate {
    /// Its text.
    pub text: String,
    /// What its lines are.
    pub lines: Vec<Line>,
    /// Its variables by id.
    pub variables: Vec<Variable>,
}

const HEAD: &str = "#![allow(unused, non_local_definitions, clippy::all, unreachable_code, dead_code, non_snake_case, \
                    non_upper_case_globals, non_camel_case_types, improper_ctypes, static_mut_refs)]\n\
                    #![recursion_limit = \"1024\"]\n";

/// Opens a block that owns what it moves.
const LEVEL: &str = "::scdd_cell::level(async {\n";
/// The same, and a failure in it leaves what is outside as it is.
const GUARD: &str = "let __flow = ::scdd_cell::guard(::core::pin::pin!(::scdd_cell::level(async {\n";

/// The name of the function that runs a cell.
pub fn symbol(cell: usize) -> String {
    format!("scdd_cell_{cell}")
}

/// Writes a cell's crate. `kept` has the types of the variables of earlier cells; `first` is what its entry does first.
#[allow(clippy::too_many_arguments)]
pub fn write(
    cell: &Cell,
    code: &Arc<str>,
    number: usize,
    items: &Items,
    kept: &BTreeMap<String, String>,
    choices: &Choices,
    first: &str,
) -> GeneratedCrate {
    let mut source = GeneratedCrate::default();
    source.made(HEAD);
    for range in &cell.attributes {
        source.chunk(
            &Chunk { cell: number, code: code.clone(), start: range.start, text: code[range.clone()].to_owned() },
            None,
        );
    }
    for entry in items.in_order() {
        let chunk = Chunk { text: entry.text().to_owned(), ..entry.chunk.clone() };
        source.chunk(&chunk, Some(&entry.title));
    }
    let entry = symbol(number);
    source.made(&format!(
        "#[unsafe(no_mangle)] pub extern \"C\" fn {entry}() {{ {first} ::scdd_cell::run(__cell()) }}\nasync fn __cell() -> ::scdd_cell::Flow {{\n"
    ));
    source.made(GUARD);
    let mut waiting: BTreeMap<&String, &String> = kept.iter().collect();
    // Variables that what follows could move, without being noticed yet.
    let mut open: Vec<usize> = Vec::new();
    let mut levels = vec![GUARD];
    let (mut later, mut bare) = (Vec::new(), Vec::new());
    for piece in &cell.pieces {
        let bindings = match &piece.kind {
            Kind::Item(_) => continue,
            Kind::Statement(bindings) => bindings.as_slice(),
            Kind::Last => &[],
        };
        // A kept variable is taken where it is named first: what fails before leaves it in the store.
        let taken: Vec<(&String, &String)> = waiting.extract_if(.., |name, _| piece.names.contains(*name)).collect();
        for (name, of) in &taken {
            let id = source.variables.len();
            source.line(
                &format!("let mut {name}: {of} = unsafe {{ ::scdd_cell::take({name:?}) }};"),
                Line::Take((*name).clone()),
            );
            source.made(&format!("unsafe {{ ::scdd_cell::taken({id}, {name:?}, &raw const {name}) }};"));
            source.variables.push(Variable { name: (*name).clone(), taken: Some((*of).clone()) });
            open.push(id);
        }
        if open.iter().any(|id| piece.names.contains(&source.variables[*id].name)) {
            let level = if taken.is_empty() { LEVEL } else { GUARD };
            source.made(level);
            levels.push(level);
            source.inside(&mut open);
        }
        let chunk = Chunk {
            cell: number,
            code: code.clone(),
            start: piece.range.start,
            text: code[piece.range.clone()].to_owned(),
        };
        // `let x;` stands before its first assignment: a block between would take it along without a value.
        for (_, chunk) in bare.extract_if(.., |(name, _): &mut (String, Chunk)| piece.names.contains(name)) {
            source.chunk(&chunk, None);
        }
        if let [only] = bindings
            && only.later
        {
            later.push(source.variables.len());
            source.variables.push(Variable { name: only.name.clone(), taken: None });
            bare.push((only.name.clone(), chunk));
            continue;
        }
        let last = matches!(piece.kind, Kind::Last);
        if last {
            source.made("match &(\n");
        }
        source.chunk(&chunk, None);
        if last {
            source.made(
                ") { __value => match (&&::scdd_cell::show::Peel(__value)).peel() { \
                 Ok(__value) => { let __value = (&&::scdd_cell::show::Peel(__value)).bare(); let __called = __value.evcxr_display(); ::scdd_cell::show::show(__called, __value) } \
                 Err(__words) => ::scdd_cell::show::error(__words) } };\n",
            );
        }
        for binding in bindings {
            let (id, name) = (source.variables.len(), &binding.name);
            source.variables.push(Variable { name: name.clone(), taken: None });
            if binding.later {
                later.push(id);
                continue;
            }
            // What this name meant before can't be moved any more.
            open.retain(|id| source.variables[*id].name != *name);
            source.keep(id, name, choices.local.contains(&id) || binding.local.is_some());
            open.push(id);
        }
    }
    for id in later {
        let name = source.variables[id].name.clone();
        // A later `let` of this name hides it; without an assignment there is nothing to keep.
        let assigned = cell.assigned.contains(&name);
        if assigned && source.variables[id + 1..].iter().all(|other| other.name != name) {
            source.keep(id, &name, choices.local.contains(&id));
        }
    }
    for name in &cell.assigned {
        let Some(id) = source.variables.iter().rposition(|variable| variable.name == *name) else { continue };
        if !choices.not_again.contains(&id) {
            source.line(&format!("unsafe {{ ::scdd_cell::again({id}, &raw const {name}) }};"), Line::Again(id));
        }
    }
    source.made("::scdd_cell::finish().await\n");
    for level in levels.iter().rev() {
        source.made(if *level == GUARD { "}))).await;\n::scdd_cell::failed(__flow).await\n" } else { "}).await\n" });
    }
    source.made("}\n#[allow(unused_imports)] use ::scdd_cell::show::{BareBorrow as _, BareValue as _, Fallback as _, PeelNothing as _, PeelResult as _};\n");
    source
}

impl GeneratedCrate {
    fn made(&mut self, text: &str) {
        for line in text.lines() {
            self.line(line, Line::Made);
        }
    }

    fn line(&mut self, text: &str, line: Line) {
        self.text.push_str(text);
        self.text.push('\n');
        self.lines.push(line);
    }

    fn keep(&mut self, id: usize, name: &str, local: bool) {
        // A cast's type is checked last of all, when all types are known.
        self.line(&format!("{{ let _ = &{name} as &_; }}"), Line::Type(id));
        if local {
            self.line(&format!("unsafe {{ ::scdd_cell::place_local({id}, &raw const {name}) }};"), Line::Made);
        } else {
            self.line(&format!("unsafe {{ ::scdd_cell::place({id}, {name:?}, &raw const {name}) }};"), Line::Place(id));
        }
    }

    fn inside(&mut self, open: &mut Vec<usize>) {
        let mut text = String::new();
        for id in open.drain(..) {
            let _ = write!(text, "::scdd_cell::inside({id}, &raw const {}); ", self.variables[id].name);
        }
        self.line(&text, Line::Made);
    }

    /// A text from a cell, where it stood in its line, so that columns are the same.
    fn chunk(&mut self, chunk: &Chunk, item: Option<&str>) {
        let before = &chunk.code[..chunk.start];
        let first = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
        let indent =
            before[before.len() - column..].chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect::<String>();
        for (index, line) in chunk.text.split('\n').enumerate() {
            let line = if index == 0 { format!("{indent}{line}") } else { line.to_owned() };
            let origin = Line::Cell {
                cell: chunk.cell,
                line: first + index,
                code: chunk.code.clone(),
                item: item.map(str::to_owned),
            };
            self.line(&line, origin);
        }
    }
}
