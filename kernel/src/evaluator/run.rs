//! One cell, from its text to its outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::child::Dead;
use super::diagnostics::{self, Report};
use super::items::Items;
use super::local::Why;
use super::source::{self, Choices, Line, Source};
use super::split::{self, Cell, Kind};
use super::{Evaluator, Kept, Times, types};
use crate::engine::{Outcome, Output};

/// How often a cell is compiled at most: with every repetition something is left out that stood in the way.
const ATTEMPTS: usize = 5;

/// A cell that compiled.
struct Ready {
    source: Source,
    items: Items,
    report: Report,
    library: std::path::PathBuf,
    local: BTreeMap<usize, Why>,
    dropped: Vec<String>,
}

impl Evaluator {
    pub(super) fn run_cell(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        let started = Instant::now();
        self.stop.reset();
        self.times = Times::default();
        self.cell += 1;
        let code: Arc<str> = code.into();
        let (commands, rest) = split::commands(&code);
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
        let outcome = match split::split(&code, &|name| self.items.makes_items(name)) {
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
        let ready = match self.compiled(cell, code, out)? {
            Ok(ready) => ready,
            Err(report) => return Ok(failed(&report)),
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
        let path = ready.library.to_string_lossy().into_owned();
        let symbol = source::symbol(self.cell);
        let mut command = vec!["run", &path, &symbol];
        command.extend(unnameable.iter().map(String::as_str));
        let answer = match &mut self.child {
            Some(child) => child.ask(&command, out),
            None => bail!("the child that runs cells is gone; restart the kernel"),
        };
        let _ = fs::remove_file(&ready.library);
        match answer {
            Ok(answer) => self.outcome(&answer, &ready, out),
            Err(dead) => Ok(self.lost_child(&dead)),
        }
    }

    /// Compiles a cell, again without what can't be as it is written: borrows that can't be kept, items that no longer fit.
    fn compiled(&mut self, cell: &Cell, code: &Arc<str>, out: &mut dyn FnMut(Output)) -> Result<Result<Ready, Report>> {
        let mut items = self.items.clone();
        let change = items.add(&cell.pieces, code, self.cell);
        let mut dropped = Vec::new();
        if !change.types.is_empty() {
            self.epoch += 1;
        }
        // Variables of types that are others now.
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        let mut outdated = Vec::new();
        for (name, variable) in &self.variables {
            let names = split::names(variable.of.parse().unwrap_or_default());
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
            let source = source::write(cell, code, self.cell, &items, &kept, &choices, self.deps.entry());
            let compiled = self.build.compile(&source.text, &self.session.folder, self.cell, self.epoch)?;
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
                local.insert(*id, Why::Borrow);
            }
            for id in &report.not_again {
                mended |= choices.not_again.insert(*id);
            }
            for name in &report.not_taken {
                if kept.remove(name).is_some() {
                    mended = true;
                    let message = Why::Private.message(name, &diagnostics::short(&self.variables[name].of));
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
    fn take_over(&mut self, ready: &Ready, cell: &Cell, out: &mut dyn FnMut(Output)) -> Vec<String> {
        self.items = ready.items.clone();
        self.items.settle();
        let crates = self.crates();
        let mut unnameable = Vec::new();
        let shown: BTreeMap<&str, Why> = cell
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
                unnameable.push(id.to_string());
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
            let _ = child.tell(&["forget", name]);
        }
        Ok(())
    }

    fn outcome(&mut self, answer: &[String], ready: &Ready, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        let pairs: Vec<(&str, &str)> =
            answer.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        let get = |key: &str| pairs.iter().find(|(found, _)| *found == key).map_or("", |(_, value)| *value);
        let time = |key: &str| Duration::from_micros(get(key).parse().unwrap_or(0));
        (self.times.load, self.times.run) = (time("load"), time("run"));
        let done = get("state") == "done";
        let ids: BTreeMap<&str, usize> =
            ready.source.variables.iter().enumerate().map(|(id, variable)| (variable.name.as_str(), id)).collect();
        let mut names = BTreeSet::new();
        let (mut mime, mut result, mut name) = ("", BTreeMap::new(), "");
        for (key, value) in &pairs {
            match *key {
                "mime" => mime = value,
                "content" => drop(result.insert(mime.to_owned(), Value::from(*value))),
                "gone" => {
                    let why = format!(
                        "`{value}` was moved in an earlier cell and is gone. Make it again, and `.clone()` it where it is used up."
                    );
                    let was_there = self.variables.contains_key(*value);
                    self.forget(value, &why)?;
                    if !done && was_there {
                        out(Output::Stderr(format!("`{value}` went with this cell, which moves it.\n")));
                    }
                }
                "kept" => name = value,
                "shape" => {
                    let id = ids.get(name).copied();
                    let variable = id.and_then(|id| ready.source.variables.get(id));
                    let of = match id.and_then(|id| self.pending.get(&id)) {
                        Some(of) if done => Some(of.clone()),
                        _ => variable
                            .and_then(|variable| variable.taken.clone())
                            .or_else(|| self.variables.get(name).map(|kept| kept.of.clone())),
                    };
                    if let Some(of) = of {
                        self.lost.remove(name);
                        self.variables.insert(name.to_owned(), Kept { of, shape: (*value).to_owned() });
                        names.insert(name.to_owned());
                    }
                }
                _ => {}
            }
        }
        if done {
            // A name that was bound anew but isn't kept hides the earlier one.
            for variable in &ready.source.variables {
                if !names.contains(&variable.name) && self.variables.contains_key(&variable.name) {
                    let known = self.lost.get(&variable.name).cloned();
                    self.forget(&variable.name, &known.unwrap_or_else(|| format!("`{}` isn't kept.", variable.name)))?;
                }
            }
        }
        self.pending.clear();
        let text = get("text");
        Ok(match get("state") {
            "done" => Outcome::Done { result: (!result.is_empty()).then_some(result) },
            "failed" => ended("error", text, format!("\x1b[1;31merror\x1b[0m: {text}")),
            "panicked" => ended("panic", text, panic_text(text, get("at"), &ready.source, self.cell)),
            "not loaded" => ended(
                "link error",
                text,
                format!("\x1b[1;31merror\x1b[0m: the cell compiles but can't be loaded: {text}"),
            ),
            other => bail!("the child answered {other:?}"),
        })
    }

    /// The child is dead: which variables went with it, and a new one.
    pub(super) fn lost_child(&mut self, dead: &Dead) -> Outcome {
        let names: Vec<String> = self.variables.keys().cloned().collect();
        let interrupted = self.stop.pressed() > 1;
        self.child = None;
        self.variables.clear();
        self.pending.clear();
        // A new child has no statics either: they begin anew.
        self.items.renew_statics();
        let went = match names.as_slice() {
            [] => "No variable was lost.".to_owned(),
            names => format!("These variables went with it: {}.", names.join(", ")),
        };
        for name in names {
            self.lost.insert(name.clone(), format!("`{name}` went when the process that held it ended."));
        }
        let (name, value) = match interrupted {
            true => ("interrupted", "the cell was stopped at once".to_owned()),
            false => ("lost child", format!("the process that runs cells ended: {}", dead.0)),
        };
        let text = format!(
            "\x1b[1;31m{name}\x1b[0m: {value}. {went} What cells defined (functions, types, imports) is still there."
        );
        ended(name, &format!("{value}. {went}"), text)
    }

    /// rustc words syntax errors better than the parser here.
    fn syntax_error(
        &mut self,
        code: &Arc<str>,
        error: &split::SyntaxError,
        out: &mut dyn FnMut(Output),
    ) -> Result<Outcome> {
        self.make_ready(out)?;
        let (_, text) = split::commands(code);
        let mut source = Source { text: "fn main() {\n".to_owned(), lines: vec![Line::Made], ..Source::default() };
        for (index, line) in text.split('\n').enumerate() {
            source.text.push_str(line);
            source.text.push('\n');
            source.lines.push(Line::Cell { cell: self.cell, line: index + 1, code: code.clone(), item: None });
        }
        source.text.push_str("}\n");
        let compiled = self.build.compile(&source.text, &self.session.folder, self.cell, self.epoch)?;
        self.times.rustc = compiled.rustc;
        let report = diagnostics::read(&compiled.said, &source, self.cell, &|_| None);
        if report.problems.iter().any(|problem| problem.code.is_empty()) {
            return Ok(failed(&report));
        }
        Ok(ended("compile error", &error.message, diagnostics::syntax(code, error.range.clone(), &error.message)))
    }
}

fn ended(name: &str, value: &str, text: String) -> Outcome {
    let value = value.lines().next().unwrap_or_default().to_owned();
    Outcome::Failed { name: name.to_owned(), value, traceback: vec![text] }
}

fn failed(report: &Report) -> Outcome {
    let value = report
        .problems
        .first()
        .map_or("rustc failed without a word", |problem| problem.message.lines().next().unwrap_or_default());
    Outcome::Failed {
        name: "compile error".to_owned(),
        value: value.to_owned(),
        traceback: report.problems.iter().map(|problem| problem.rendered.clone()).collect(),
    }
}

/// A panic in words, with the line of the cell if it happened there.
fn panic_text(text: &str, at: &str, source: &Source, cell: usize) -> String {
    let mut parts = at.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let here = file.ends_with(&format!("cell_{cell}.rs"));
    let line = line.and_then(|line| line.parse::<usize>().ok()).filter(|_| here);
    let head = format!("\x1b[1;31mpanic\x1b[0m: {text}\n");
    match line.and_then(|line| source.lines.get(line.checked_sub(1)?)) {
        Some(Line::Cell { cell: from, line, code, .. }) => {
            let shown = code.split('\n').nth(line - 1).unwrap_or_default();
            let column = column.unwrap_or("1");
            let whose = if *from == cell { String::new() } else { format!(" of an earlier cell ({from})") };
            format!(
                "{head}\x1b[1;34m   -->\x1b[0m line {line}, column {column}{whose}\n\x1b[1;34m{line:>4} |\x1b[0m {shown}"
            )
        }
        _ if at.is_empty() => head,
        _ if file.rsplit('/').next().is_some_and(|name| name.starts_with("cell_")) => {
            let from: String =
                file.rsplit('/').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
            format!("{head}\x1b[1;34m   -->\x1b[0m in what an earlier cell ({from}) made")
        }
        _ => format!("{head}\x1b[1;34m   -->\x1b[0m {at}"),
    }
}

impl Times {
    /// One line.
    pub fn in_words(&self) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        format!(
            "{:.0} ms: split {:.0}, rustc {:.0}, link {:.0}, load {:.0}, run {:.0}\n",
            ms(self.total),
            ms(self.split),
            ms(self.rustc),
            ms(self.link),
            ms(self.load),
            ms(self.run)
        )
    }
}
