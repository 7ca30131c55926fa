//! The kept variables as the kernel sees them: their types and shapes, and why a name isn't there any more.
//!
//! The values are in the child.

use std::collections::{BTreeMap, BTreeSet};

use super::codegen;
use super::diagnostics;
use crate::engine::Variable;

/// A kept variable.
#[derive(Clone, Debug)]
struct Kept {
    /// Its type as a cell writes it.
    type_name: String,
    shape: String,
}

/// The variables of a session.
#[derive(Debug, Default)]
pub(super) struct Variables {
    kept: BTreeMap<String, Kept>,
    /// Types of the running cell's variables, by their ids in its crate.
    pending: BTreeMap<usize, String>,
    /// Why names aren't there any more.
    gone: BTreeMap<String, String>,
}

impl Variables {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.kept.contains_key(name)
    }

    /// The type of a variable as a cell writes it.
    pub(super) fn type_of(&self, name: &str) -> Option<&str> {
        self.kept.get(name).map(|kept| kept.type_name.as_str())
    }

    /// Names with types.
    pub(super) fn types(&self) -> impl Iterator<Item = (&String, &String)> {
        self.kept.iter().map(|(name, kept)| (name, &kept.type_name))
    }

    /// All variables; `short` types have the last names of their paths only.
    pub(super) fn list(&self, short: bool) -> Vec<Variable> {
        let type_name = |of: &str| if short { diagnostics::short(of) } else { of.to_owned() };
        let variable = |(name, kept): (&String, &Kept)| Variable {
            name: name.clone(),
            type_name: type_name(&kept.type_name),
            shape: kept.shape.clone(),
        };
        self.kept.iter().map(variable).collect()
    }

    /// Why a name isn't there, where that is known.
    pub(super) fn why_gone(&self, name: &str) -> Option<&String> {
        self.gone.get(name)
    }

    /// Says why a name isn't there, or soon won't be.
    pub(super) fn explain(&mut self, name: &str, why: String) {
        self.gone.insert(name.to_owned(), why);
    }

    /// Removes one.
    pub(super) fn forget(&mut self, name: &str, why: String) {
        self.kept.remove(name);
        self.explain(name, why);
    }

    /// Removes all, as the process that held them has ended; gives their names.
    pub(super) fn lose_all(&mut self, why: &dyn Fn(&str) -> String) -> Vec<String> {
        self.pending.clear();
        let names: Vec<String> = std::mem::take(&mut self.kept).into_keys().collect();
        for name in &names {
            self.explain(name, why(name));
        }
        names
    }

    /// The type of a variable in the cell that runs next.
    pub(super) fn expect(&mut self, id: usize, type_name: String) {
        self.pending.insert(id, type_name);
    }

    /// A cell has ended with these names and shapes; `of_cell` are the variables of its crate. The types of what it made
    /// are known if it is `done`; of a failed cell only earlier variables are kept. Gives the names that are kept now.
    pub(super) fn keep(
        &mut self,
        ended: Vec<(String, String)>,
        of_cell: &[codegen::Variable],
        done: bool,
    ) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let pending = std::mem::take(&mut self.pending);
        for (name, shape) in ended {
            let id = of_cell.iter().rposition(|variable| variable.name == name);
            let type_name = match id.and_then(|id| pending.get(&id)) {
                Some(type_name) if done => Some(type_name.clone()),
                _ => id
                    .and_then(|id| of_cell[id].taken.clone())
                    .or_else(|| self.kept.get(&name).map(|kept| kept.type_name.clone())),
            };
            if let Some(type_name) = type_name {
                self.gone.remove(&name);
                self.kept.insert(name.clone(), Kept { type_name, shape });
                names.insert(name);
            }
        }
        names
    }
}
