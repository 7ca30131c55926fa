//! The kernel's own evaluator: a cell becomes a small crate, rustc is called once, a child process loads and runs it.
//!
//! | step | where |
//! |---|---|
//! | parsing the cell | [`parse`], [`unkeepable`] |
//! | adding its items to those of earlier cells | [`items`], [`item`], [`statics`] |
//! | code generation | [`codegen`] |
//! | rustc and the linker | [`attempts`], [`compile`] |
//! | translating diagnostics; types of variables | [`diagnostics`], [`hints`], [`types`] |
//! | a full disk, another toolchain | [`environment`] |
//! | running it, and its outcome | [`session`], [`child`], [`output`], [`interrupt`], [`outcome`]; in the child `kernel/cell` |
//! | requests and replies between kernel and child | `protocol` (shared with `kernel/cell`) |
//! | the kept variables | [`variables`]; their values are in the child |
//! | `:commands` | [`commands`], [`deps`] |
//! | paths, building the library | [`paths`], [`prepare`] |

mod attempts;
pub mod bench;
pub mod child;
mod codegen;
mod commands;
mod compile;
mod completeness;
mod deps;
mod diagnostics;
mod environment;
mod hints;
mod interrupt;
mod item;
mod items;
mod outcome;
mod output;
mod parse;
pub mod paths;
pub mod prepare;
#[path = "../../cell/src/protocol.rs"]
mod protocol;
mod session;
mod statics;
mod times;
mod types;
mod unkeepable;
mod variables;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::complete::{self, Indexer, Known};
use crate::engine::{Completeness, Completions, Engine, Interrupter, Outcome, Output, Variable};
use child::Dead;
use codegen::GeneratedCrate;
use items::Items;
use outcome::{ended, failed};
use parse::Cell;
use protocol::{CellEnd, Ran, Reply, Request};
use session::Session;
pub use times::Times;
use variables::Variables;

/// Runs cells.
pub struct Evaluator {
    session: Session,
    variables: Variables,
    items: Items,
    /// The number of the last cell.
    cell: usize,
    /// Types of one epoch are the same types in all cells.
    epoch: usize,
    times: Times,
    show_times: bool,
    /// Makes the names for completion.
    indexer: Option<Indexer>,
}

impl Evaluator {
    /// The evaluator of the kernel that this program is.
    ///
    /// # Errors
    /// When there is no compiler, or the target folder can't be written.
    pub fn open() -> Result<Evaluator> {
        Evaluator::beside(&std::env::current_exe().context("asking for this program's path")?)
    }

    /// An evaluator whose children are started from `program`, which calls [`child::main`] when it is a child; the library's
    /// shared object lies beside it.
    ///
    /// # Errors
    /// When there is no compiler, or the target folder can't be written.
    pub fn beside(program: &Path) -> Result<Evaluator> {
        Ok(Evaluator {
            session: Session::open(program)?,
            variables: Variables::default(),
            items: Items::default(),
            cell: 0,
            epoch: 0,
            times: Times::default(),
            show_times: false,
            indexer: None,
        })
    }

    /// How long the last cell took.
    pub fn times(&self) -> Times {
        self.times
    }

    /// The session's folder.
    pub fn folder(&self) -> &Path {
        &self.session.folder.path
    }

    /// Bytes of memory that the child has.
    pub fn child_memory(&self) -> Option<u64> {
        self.session.child_memory()
    }

    /// Names of the user's items: "struct Foo", "fn f".
    pub fn items(&self) -> Vec<String> {
        self.items.titles().map(str::to_owned).collect()
    }

    /// What suggestions are made of: variables with the whole paths of their types, and the text of each item.
    fn suggested(&self) -> (Vec<Variable>, Vec<String>) {
        (self.variables.list(false), self.items.in_order().map(|item| item.chunk.text.clone()).collect())
    }

    /// Forgets all that cells made, with a new child.
    fn clear(&mut self) {
        self.session.end_child();
        self.variables = Variables::default();
        self.items = Items::default();
        self.epoch += 1;
    }

    /// Drops a variable, in the child too.
    fn forget(&mut self, name: &str, why: String) {
        self.variables.forget(name, why);
        self.session.forget(name);
    }

    fn run_cell(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        let started = Instant::now();
        self.session.interrupt.reset();
        self.times = Times::default();
        self.cell += 1;
        let code: Arc<str> = code.into();
        let (lines, rest) = parse::commands(&code);
        let mut result = None;
        // One build for all of a cell's `:dep` lines.
        let (deps, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|command| command.is_dep());
        if !deps.is_empty()
            && let failed @ Outcome::Failed { .. } = commands::dep_lines(self, &deps, out)
        {
            return Ok(failed);
        }
        for command in lines {
            match commands::run(self, &command)? {
                Outcome::Done { result: shown } => result = shown.or(result),
                failed => return Ok(failed),
            }
        }
        let outcome = match parse::parse(&code, &|name| self.items.makes_items(name)) {
            _ if rest.trim().is_empty() => Outcome::Done { result },
            Err(error) => self.syntax_error(&code, &error, out)?,
            Ok(cell) if cell.pieces.is_empty() && cell.attributes.is_empty() => Outcome::Done { result },
            Ok(cell) => self.rust(&cell, &code, started, out)?,
        };
        self.times.total = started.elapsed();
        if self.show_times {
            out(Output::Stdout(self.times.in_words()));
        }
        Ok(outcome)
    }

    fn rust(&mut self, cell: &Cell, code: &Arc<str>, started: Instant, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        self.session.make_ready(out)?;
        self.times.split = started.elapsed();
        let context = attempts::Context {
            session: &mut self.session,
            variables: &mut self.variables,
            items: &self.items,
            number: self.cell,
            epoch: self.epoch,
            times: &mut self.times,
        };
        let ready = match attempts::compile(cell, code, context, out) {
            Ok(Ok(ready)) => ready,
            Ok(Err(report)) => return Ok(failed(&report)),
            Err(error) => return self.environment_error(error),
        };
        self.epoch = ready.epoch;
        for message in &ready.dropped {
            out(Output::Stderr(format!("{message}\n")));
        }
        if self.session.interrupt.pressed() > 0 {
            let _ = fs::remove_file(&ready.library);
            return Ok(ended(
                "interrupted",
                "stopped before it ran",
                "\x1b[1;31minterrupted\x1b[0m: stopped before it ran".to_owned(),
            ));
        }
        self.items = ready.items.clone();
        self.items.settle();
        let unnameable = ready.type_variables(cell, &self.session.crates(), &mut self.variables, out);
        let library = ready.library.to_string_lossy().into_owned();
        let request = Request::Run { library, symbol: codegen::symbol(self.cell), unnameable };
        let reply = self.session.ask(&request, out);
        let _ = fs::remove_file(&ready.library);
        match reply? {
            Ok(Reply::Ran { cell }) => Ok(self.ended(cell, &ready.source, out)),
            Ok(other) => bail!("found the reply {other:?} to a cell, expected how it ended"),
            Err(dead) => Ok(self.lost_child(&dead)),
        }
    }

    /// A cell has ended: the variables are the cell's from now on.
    fn ended(&mut self, cell: Ran, source: &GeneratedCrate, out: &mut dyn FnMut(Output)) -> Outcome {
        (self.times.load, self.times.run) = (cell.load, cell.run);
        let done = cell.end == CellEnd::Done {};
        for name in &cell.gone {
            let was_there = self.variables.contains(name);
            self.forget(
                name,
                format!(
                    "`{name}` was moved in an earlier cell and is gone. Make it again, and `.clone()` it where it is used up."
                ),
            );
            if !done && was_there {
                out(Output::Stderr(format!("`{name}` went with this cell, which moves it.\n")));
            }
        }
        let kept = self.variables.keep(cell.kept, &source.variables, done);
        if done {
            // A name that was bound anew but isn't kept hides the earlier one.
            for codegen::Variable { name, .. } in &source.variables {
                if !kept.contains(name) && self.variables.contains(name) {
                    let why = self.variables.why_gone(name).cloned();
                    self.forget(name, why.unwrap_or_else(|| format!("`{name}` isn't kept.")));
                }
            }
        }
        outcome::of_cell(cell.end, cell.shown, source, self.cell)
    }

    /// The child is dead, and all variables with it; the next cell starts another.
    fn lost_child(&mut self, dead: &Dead) -> Outcome {
        let interrupted = self.session.interrupt.pressed() > 1;
        self.session.end_child();
        let names = self.variables.lose_all(&|name| format!("`{name}` went when the process that held it ended."));
        // A new child has no statics either: they begin anew.
        self.items.renew_statics();
        outcome::of_dead_child(&dead.0, interrupted, &names)
    }

    /// What keeps every cell from being compiled, as an outcome; any other error stays one.
    fn environment_error(&self, error: anyhow::Error) -> Result<Outcome> {
        let found = self.session.environment_error(error)?.to_string();
        Ok(ended("error", &found, format!("\x1b[1;31merror\x1b[0m: {found}")))
    }

    /// rustc words syntax errors better than the parser here.
    fn syntax_error(
        &mut self,
        code: &Arc<str>,
        error: &parse::SyntaxError,
        out: &mut dyn FnMut(Output),
    ) -> Result<Outcome> {
        self.session.make_ready(out)?;
        let (_, text) = parse::commands(code);
        let source = codegen::in_function(&text, code, self.cell);
        let compiled = self.session.compile(&source.text, self.cell, self.epoch);
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => return self.environment_error(error),
        };
        self.times.rustc = compiled.rustc;
        let report = diagnostics::read(&compiled.said, &source, self.cell, &|_| None);
        if report.problems.iter().any(|problem| problem.code.is_empty()) {
            return Ok(failed(&report));
        }
        Ok(ended("compile error", &error.message, diagnostics::syntax(code, error.range.clone(), &error.message)))
    }
}

impl Engine for Evaluator {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        self.run_cell(code, out)
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        self.session.interrupt.clone()
    }

    fn serving(&mut self) {
        self.indexer = Indexer::start(&self.session.facade());
    }

    fn completeness(&self, code: &str) -> Completeness {
        completeness::completeness(code)
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Result<Completions> {
        let (variables, items) = self.suggested();
        Ok(complete::complete(Known { table: &complete::table(), variables: &variables, items: &items }, code, cursor))
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Result<Option<BTreeMap<String, Value>>> {
        let (variables, items) = self.suggested();
        Ok(complete::inspect(Known { table: &complete::table(), variables: &variables, items: &items }, code, cursor))
    }

    fn variables(&self) -> Vec<Variable> {
        self.variables.list(true)
    }

    fn parts(&self) -> BTreeMap<&'static str, f64> {
        let Times { split, rustc, link, load, run, .. } = self.times;
        let parts = [("split", split), ("rustc", rustc), ("link", link), ("load", load), ("run", run)];
        let mut parts: BTreeMap<_, _> = parts.map(|(name, time)| (name, time.as_secs_f64())).into();
        parts.insert("compilations", self.times.compilations as f64);
        parts
    }
}
