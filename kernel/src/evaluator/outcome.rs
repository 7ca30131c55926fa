//! Turns a child's reply or rustc's report into the outcome of a cell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::child::Dead;
use super::codegen::{GeneratedCrate, Line};
use super::diagnostics::Report;
use super::protocol::{CellEnd, Ran};
use super::run::Ready;
use super::{Evaluator, Kept, Times};
use crate::engine::{Outcome, Output};

impl Evaluator {
    /// The outcome of a cell that has ended; the variables are the cell's from now on.
    pub(super) fn outcome(&mut self, cell: Ran, ready: &Ready, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        (self.times.load, self.times.run) = (cell.load, cell.run);
        let done = cell.end == CellEnd::Done {};
        for name in &cell.gone {
            let why = format!(
                "`{name}` was moved in an earlier cell and is gone. Make it again, and `.clone()` it where it is used up."
            );
            let was_there = self.variables.contains_key(name);
            self.forget(name, &why)?;
            if !done && was_there {
                out(Output::Stderr(format!("`{name}` went with this cell, which moves it.\n")));
            }
        }
        let ids: BTreeMap<&str, usize> =
            ready.source.variables.iter().enumerate().map(|(id, variable)| (variable.name.as_str(), id)).collect();
        let mut kept = BTreeSet::new();
        for (name, shape) in cell.kept {
            let id = ids.get(name.as_str()).copied();
            let variable = id.and_then(|id| ready.source.variables.get(id));
            let of = match id.and_then(|id| self.pending.get(&id)) {
                Some(of) if done => Some(of.clone()),
                _ => variable
                    .and_then(|variable| variable.taken.clone())
                    .or_else(|| self.variables.get(&name).map(|kept| kept.of.clone())),
            };
            if let Some(of) = of {
                self.lost.remove(&name);
                self.variables.insert(name.clone(), Kept { of, shape });
                kept.insert(name);
            }
        }
        if done {
            // A name that was bound anew but isn't kept hides the earlier one.
            for variable in &ready.source.variables {
                if !kept.contains(&variable.name) && self.variables.contains_key(&variable.name) {
                    let known = self.lost.get(&variable.name).cloned();
                    self.forget(&variable.name, &known.unwrap_or_else(|| format!("`{}` isn't kept.", variable.name)))?;
                }
            }
        }
        self.pending.clear();
        Ok(match cell.end {
            CellEnd::Done {} => {
                let result: BTreeMap<String, Value> =
                    cell.shown.into_iter().map(|(mime, content)| (mime, Value::from(content))).collect();
                Outcome::Done { result: (!result.is_empty()).then_some(result) }
            }
            CellEnd::Failed { message } => ended("error", &message, format!("\x1b[1;31merror\x1b[0m: {message}")),
            CellEnd::Panicked { message, location } => {
                ended("panic", &message, panic_text(&message, &location, &ready.source, self.cell))
            }
            CellEnd::NotLoaded { reason } => ended(
                "link error",
                &reason,
                format!("\x1b[1;31merror\x1b[0m: the cell compiles but can't be loaded: {reason}"),
            ),
            CellEnd::Unknown {} => bail!("the cell returned to the child without an end"),
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
}

/// A failure in one line and at length.
pub(super) fn ended(name: &str, value: &str, text: String) -> Outcome {
    let value = value.lines().next().unwrap_or_default().to_owned();
    Outcome::Failed { name: name.to_owned(), value, traceback: vec![text] }
}

/// What rustc said, as an outcome.
pub(super) fn failed(report: &Report) -> Outcome {
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
fn panic_text(text: &str, at: &str, source: &GeneratedCrate, cell: usize) -> String {
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
