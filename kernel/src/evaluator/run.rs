//! Runs one cell: parses it, compiles it until it fits, runs it in the child, and returns its outcome.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};

use super::codegen::{self, Choices, GeneratedCrate, Line};
use super::diagnostics::{self, Report};
use super::environment::EnvironmentError;
use super::items::Items;
use super::outcome::{ended, failed};
use super::parse::{self, Cell, Kind};
use super::protocol::{Reply, Request};
use super::unkeepable::Reason;
use super::{Evaluator, Times, types};
use crate::engine::{Outcome, Output};

/// How often a cell is compiled at most: with every repetition something is left out that stood in the way.
const ATTEMPTS: usize = 5;

/// A cell that compiled.
pub(super) struct Ready {
    pub(super) source: GeneratedCrate,
    items: Items,
    report: Report,
    library: std::path::PathBuf,
    local: BTreeMap<usize, Reason>,
    dropped: Vec<String>,
}

impl Evaluator {
    pub(super) fn run_cell(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        let started = Instant::now();
        self.stop.reset();
        self.times = Times::default();
        self.cell += 1;
        let code: Arc<str> = code.into();
        let (commands, rest) = parse::commands(&code);
        let mut result = None;
        // One build for all of a cell's `:dep` lines.
        let (deps, commands): (Vec<_>, Vec<_>) = commands.into_iter().partition(|command| command.is_dep());
        if !deps.is_empty()
            && let failed @ Outcome::Failed { .. } = self.dep_lines(&deps, out)
        {
            return Ok(failed);
        }
        for command in commands {
            match self.command(&command)? {
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
        self.make_ready(out)?;
        self.times.split = started.elapsed();
        let ready = match self.compiled(cell, code, out) {
            Ok(Ok(ready)) => ready,
            Ok(Err(report)) => return Ok(failed(&report)),
            Err(error) => return self.obstacle(error),
        };
        for message in &ready.dropped {
            out(Output::Stderr(format!("{message}\n")));
        }
        if self.stop.pressed() > 0 {
            let _ = fs::remove_file(&ready.library);
            return Ok(ended(
                "interrupted",
                "stopped before it ran",
                "\x1b[1;31minterrupted\x1b[0m: stopped before it ran".to_owned(),
            ));
        }
        let unnameable = self.take_over(&ready, cell, out);
        let library = ready.library.to_string_lossy().into_owned();
        let request = Request::Run { library, symbol: codegen::symbol(self.cell), unnameable };
        let reply = match &mut self.child {
            Some(child) => child.ask(&request, out),
            None => bail!("the child that runs cells is gone; restart the kernel"),
        };
        let _ = fs::remove_file(&ready.library);
        match reply {
            Ok(Reply::Ran { cell }) => self.outcome(cell, &ready, out),
            Ok(other) => bail!("found the reply {other:?} to a cell, expected how it ended"),
            Err(dead) => Ok(self.lost_child(&dead)),
        }
    }

    /// What keeps any cell from being compiled, in words; an error when it can't be mended.
    fn obstacle(&self, error: anyhow::Error) -> Result<Outcome> {
        let Some(found) = EnvironmentError::behind(&error, &self.session.folder) else { return Err(error) };
        let text = format!("\x1b[1;31merror\x1b[0m: {found}");
        Ok(ended("error", &found.to_string(), text))
    }

    /// Compiles a cell, again without what can't be as it is written: borrows that can't be kept, items that no longer fit.
    fn compiled(&mut self, cell: &Cell, code: &Arc<str>, out: &mut dyn FnMut(Output)) -> Result<Result<Ready, Report>> {
        let mut items = self.items.clone();
        let change = items.add(&cell.pieces, code, self.cell);
        let mut dropped = Vec::new();
        let epoch = self.epoch + usize::from(!change.types.is_empty());
        // Variables of types that are others now.
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        let mut outdated = Vec::new();
        for (name, variable) in &self.variables {
            let names = parse::names(variable.of.parse().unwrap_or_default());
            match names.iter().find(|name| change.types.contains(*name)) {
                Some(of) => outdated.push((name.clone(), of.clone())),
                None => drop(kept.insert(name.clone(), variable.of.clone())),
            }
        }
        let mut choices = Choices::default();
        // What was wrong before earlier items were left out: the better words if that is of no use.
        let mut first: Option<Report> = None;
        let mut local = BTreeMap::new();
        for attempt in 1.. {
            let source = codegen::write(cell, code, self.cell, &items, &kept, &choices, self.deps.entry());
            let compiled = self.build.compile(&source.text, &self.session.folder, self.cell, epoch)?;
            self.times.rustc += compiled.rustc;
            self.times.link += compiled.link;
            self.times.compilations = attempt;
            let is_variable = |name: &str| {
                self.variables.contains_key(name) || source.variables.iter().any(|variable| variable.name == name)
            };
            let lost = |name: &str| match is_variable(name) && !self.lost.contains_key(name) {
                true => Some(format!(
                    "a function doesn't see variables: give it `{name}` as an argument, or make it a closure."
                )),
                false => self.lost.get(name).cloned(),
            };
            let report = diagnostics::read(&compiled.said, &source, self.cell, &lost);
            if let Some(library) = compiled.library {
                // Only now: a cell that doesn't compile leaves types as they were.
                self.epoch = epoch;
                for (name, of) in &outdated {
                    dropped.push(format!("`{name}` is gone: it was of the earlier `{of}`."));
                    self.forget(
                        name,
                        &format!("`{name}` was of an earlier `{of}` and went when that was defined anew."),
                    )?;
                }
                return Ok(Ok(Ready { source, items, report, library, local, dropped }));
            }
            let mut mended = false;
            for id in &report.not_static {
                mended |= choices.local.insert(*id);
                local.insert(*id, Reason::Borrow);
            }
            for id in &report.not_again {
                mended |= choices.not_again.insert(*id);
            }
            for name in &report.not_taken {
                if kept.remove(name).is_some() {
                    mended = true;
                    let message = Reason::Private.message(name, &diagnostics::short(&self.variables[name].of));
                    out(Output::Stderr(format!("{message}\n")));
                    self.forget(name, &format!("`{name}` can't be kept: no cell can write its type."))?;
                }
            }
            if !mended {
                let removed = items.remove(&report.broken, self.cell);
                mended = !removed.is_empty() && attempt < ATTEMPTS;
                for title in removed {
                    dropped.push(format!("`{title}` of an earlier cell doesn't fit any more and is left out."));
                }
            }
            if !mended || attempt >= ATTEMPTS {
                return Ok(Err(first.unwrap_or(report)));
            }
            if !report.broken.is_empty() {
                first.get_or_insert(report);
            }
        }
        Err(anyhow!("the cell was compiled too often"))
    }

    /// Makes the cell's items and types the session's; gives the ids of variables that no cell could name.
    fn take_over(&mut self, ready: &Ready, cell: &Cell, out: &mut dyn FnMut(Output)) -> Vec<usize> {
        self.items = ready.items.clone();
        self.items.settle();
        let crates = self.crates();
        let mut unnameable = Vec::new();
        let shown: BTreeMap<&str, Reason> = cell
            .pieces
            .iter()
            .filter_map(|piece| match &piece.kind {
                Kind::Statement(bindings) => Some(bindings),
                _ => None,
            })
            .flatten()
            .filter_map(|binding| Some((binding.name.as_str(), binding.local?)))
            .collect();
        let mut last: BTreeMap<&str, usize> = BTreeMap::new();
        for (id, variable) in ready.source.variables.iter().enumerate() {
            last.insert(&variable.name, id);
        }
        for (id, printed) in &ready.report.types {
            let name = ready.source.variables[*id].name.clone();
            let why = match types::nameable(printed, &crates, &|name| self.items.has_type(name)) {
                Err(why) => Some(why),
                Ok(of) => {
                    self.pending.insert(*id, of);
                    None
                }
            };
            let why = ready.local.get(id).or(shown.get(name.as_str())).copied().or(why);
            if let Some(why) = why {
                unnameable.push(*id);
                self.pending.remove(id);
                if last.get(name.as_str()) == Some(id) && !name.starts_with('_') {
                    let of = if printed.starts_with('{') { String::new() } else { diagnostics::short(printed) };
                    let of = if of.len() > 80 { String::new() } else { of };
                    out(Output::Stderr(format!("{}\n", why.message(&name, &of))));
                    self.lost.insert(name.clone(), why.message(&name, &of));
                }
            }
        }
        unnameable
    }

    /// Drops a variable, in the child too.
    pub(super) fn forget(&mut self, name: &str, why: &str) -> Result<()> {
        self.variables.remove(name);
        self.lost.insert(name.to_owned(), why.to_owned());
        if let Some(child) = &mut self.child {
            // One that is dead has no variables; the next cell says so.
            let _ = child.tell(&Request::Forget { names: vec![name.to_owned()] });
        }
        Ok(())
    }

    /// rustc words syntax errors better than the parser here.
    fn syntax_error(
        &mut self,
        code: &Arc<str>,
        error: &parse::SyntaxError,
        out: &mut dyn FnMut(Output),
    ) -> Result<Outcome> {
        self.make_ready(out)?;
        let (_, text) = parse::commands(code);
        let mut source =
            GeneratedCrate { text: "fn main() {\n".to_owned(), lines: vec![Line::Made], ..GeneratedCrate::default() };
        for (index, line) in text.split('\n').enumerate() {
            source.text.push_str(line);
            source.text.push('\n');
            source.lines.push(Line::Cell { cell: self.cell, line: index + 1, code: code.clone(), item: None });
        }
        source.text.push_str("}\n");
        let compiled = self.build.compile(&source.text, &self.session.folder, self.cell, self.epoch);
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(error) => return self.obstacle(error),
        };
        self.times.rustc = compiled.rustc;
        let report = diagnostics::read(&compiled.said, &source, self.cell, &|_| None);
        if report.problems.iter().any(|problem| problem.code.is_empty()) {
            return Ok(failed(&report));
        }
        Ok(ended("compile error", &error.message, diagnostics::syntax(code, error.range.clone(), &error.message)))
    }
}
