//! Compiles a cell, and again without what stands in the way: borrows that can't be kept, items that no longer fit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::codegen::{self, Choices, GeneratedCrate};
use super::diagnostics::{self, Report};
use super::items::Items;
use super::parse::{self, Cell, Kind};
use super::session::Session;
use super::times::Times;
use super::types;
use super::unkeepable::Reason;
use super::variables::Variables;
use crate::engine::Output;

/// How often a cell is compiled at most: with every repetition something is left out that stood in the way.
const ATTEMPTS: usize = 5;

/// A cell that compiled.
pub(super) struct Ready {
    pub(super) source: GeneratedCrate,
    pub(super) items: Items,
    pub(super) epoch: usize,
    pub(super) report: Report,
    pub(super) library: PathBuf,
    /// Variables that end with the cell, by their ids, with the reason.
    pub(super) local: BTreeMap<usize, Reason>,
    /// What was left out so that it compiles.
    pub(super) dropped: Vec<String>,
}

impl Ready {
    /// Tells `variables` the types of the cell's own; gives the ids of those that can't be kept. `crates` are those that paths
    /// may begin with.
    pub(super) fn type_variables(
        &self,
        cell: &Cell,
        crates: &[String],
        variables: &mut Variables,
        out: &mut dyn FnMut(Output),
    ) -> Vec<usize> {
        let (mut unnameable, mut types) = (Vec::new(), BTreeMap::new());
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
        for (id, variable) in self.source.variables.iter().enumerate() {
            last.insert(&variable.name, id);
        }
        for (id, printed) in &self.report.types {
            let name = self.source.variables[*id].name.clone();
            let why = match types::nameable(printed, crates, &|name| self.items.has_type(name)) {
                Err(why) => Some(why),
                Ok(type_name) => {
                    types.insert(*id, type_name);
                    None
                }
            };
            let why = self.local.get(id).or(shown.get(name.as_str())).copied().or(why);
            if let Some(why) = why {
                unnameable.push(*id);
                types.remove(id);
                if last.get(name.as_str()) == Some(id) && !name.starts_with('_') {
                    let of = if printed.starts_with('{') { String::new() } else { diagnostics::short(printed) };
                    let of = if of.len() > 80 { String::new() } else { of };
                    out(Output::Stderr(format!("{}\n", why.message(&name, &of))));
                    variables.explain(&name, why.message(&name, &of));
                }
            }
        }
        types.into_iter().for_each(|(id, type_name)| variables.expect(id, type_name));
        unnameable
    }
}

/// What a cell is compiled in.
pub(super) struct Context<'a> {
    pub(super) session: &'a mut Session,
    pub(super) variables: &'a mut Variables,
    /// Those of earlier cells.
    pub(super) items: &'a Items,
    /// The number of the cell.
    pub(super) number: usize,
    /// Of the types that earlier cells have defined.
    pub(super) epoch: usize,
    pub(super) times: &'a mut Times,
}

impl Context<'_> {
    fn forget(&mut self, name: &str, why: String) {
        self.variables.forget(name, why);
        self.session.forget(name);
    }
}

/// Compiles a cell; what rustc said if it can't be.
pub(super) fn compile(
    cell: &Cell,
    code: &Arc<str>,
    mut context: Context<'_>,
    out: &mut dyn FnMut(Output),
) -> Result<Result<Ready, Report>> {
    let number = context.number;
    let mut items = context.items.clone();
    let change = items.add(&cell.pieces, code, number);
    let mut dropped = Vec::new();
    let epoch = context.epoch + usize::from(!change.types.is_empty());
    // Variables of types that are others now.
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut outdated = Vec::new();
    for (name, type_name) in context.variables.types() {
        let names = parse::names(type_name.parse().unwrap_or_default());
        match names.iter().find(|name| change.types.contains(*name)) {
            Some(of) => outdated.push((name.clone(), of.clone())),
            None => drop(kept.insert(name.clone(), type_name.clone())),
        }
    }
    let mut choices = Choices::default();
    // What was wrong before earlier items were left out: the better words if that is of no use.
    let mut first: Option<Report> = None;
    let mut local = BTreeMap::new();
    for attempt in 1.. {
        let source = codegen::write(cell, code, number, &items, &kept, &choices, context.session.deps.entry());
        let compiled = context.session.compile(&source.text, number, epoch)?;
        context.times.rustc += compiled.rustc;
        context.times.link += compiled.link;
        context.times.compilations = attempt;
        let is_variable = |name: &str| {
            context.variables.contains(name) || source.variables.iter().any(|variable| variable.name == name)
        };
        let lost = |name: &str| match is_variable(name) && context.variables.why_gone(name).is_none() {
            true => Some(format!(
                "a function doesn't see variables: give it `{name}` as an argument, or make it a closure."
            )),
            false => context.variables.why_gone(name).cloned(),
        };
        let report = diagnostics::read(&compiled.said, &source, number, &lost);
        if let Some(library) = compiled.library {
            // Only now: a cell that doesn't compile leaves types as they were.
            for (name, of) in &outdated {
                dropped.push(format!("`{name}` is gone: it was of the earlier `{of}`."));
                context.forget(name, format!("`{name}` was of an earlier `{of}` and went when that was defined anew."));
            }
            return Ok(Ok(Ready { source, items, epoch, report, library, local, dropped }));
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
            if let Some(of) = kept.remove(name) {
                mended = true;
                let message = Reason::Private.message(name, &diagnostics::short(&of));
                out(Output::Stderr(format!("{message}\n")));
                context.forget(name, format!("`{name}` can't be kept: no cell can write its type."));
            }
        }
        if !mended {
            let removed = items.remove(&report.broken, number);
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
