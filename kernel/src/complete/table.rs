//! Names, signatures and doc comments of crates: one file for each crate, read when the first suggestion is asked for.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A method, field, variant or associated function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// "method", "function", "field", "variant", "constant".
    pub kind: String,
    /// As it is written, without its body.
    pub signature: String,
    /// The type that it has or gives.
    pub returns: String,
    /// Its doc comment.
    pub docs: String,
    /// Whether it stands behind a dot.
    pub of_self: bool,
}

/// A type, trait, function, macro or constant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// "struct", "enum", "trait", "type", "function", "macro", "constant", "primitive".
    pub kind: String,
    /// As it is written, without its body.
    pub signature: String,
    /// What a function gives, what an alias stands for.
    pub returns: String,
    /// Its doc comment.
    pub docs: String,
    /// Names of its type parameters.
    pub params: Vec<String>,
    /// What stands behind a dot or two colons.
    pub members: Vec<Member>,
    /// Paths of traits that it implements.
    pub traits: Vec<String>,
    /// What a reference to it turns into.
    pub deref: String,
}

/// A name in a module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Under which it stands there; empty for all names of another module.
    pub name: String,
    /// Where it is defined.
    pub target: String,
}

/// What one crate adds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Piece {
    /// Names by the path of their module.
    pub modules: HashMap<String, Vec<Entry>>,
    /// Items by the path of their definition.
    pub items: HashMap<String, Item>,
    /// Traits of this crate that types of others implement: type, trait.
    pub implemented: Vec<(String, String)>,
}

/// All crates.
#[derive(Debug, Default)]
pub struct Table {
    /// Names by the path of their module.
    pub(super) modules: HashMap<String, Vec<Entry>>,
    /// Items by the path of their definition.
    pub(super) items: HashMap<String, Item>,
    /// Paths of items by their last name, the likeliest first.
    by_name: HashMap<String, Vec<String>>,
}

impl Table {
    /// Reads the files of a folder that `scdd-kernel index` wrote; none are there before it ran.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn load(folder: &Path) -> Result<Table> {
        let mut table = Table::default();
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(table) };
        for path in
            entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json"))
        {
            let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            table.add(serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?);
        }
        table.sort();
        Ok(table)
    }

    /// Adds a crate; [`sort`](Self::sort) comes after the last one.
    pub fn add(&mut self, piece: Piece) {
        self.modules.extend(piece.modules);
        for (path, mut item) in piece.items {
            // A crate that was read before may have said what this one's types implement.
            if let Some(known) = self.items.get_mut(&path) {
                item.traits.append(&mut known.traits);
            }
            self.items.insert(path, item);
        }
        for (of, implemented) in piece.implemented {
            self.items.entry(of).or_default().traits.push(implemented);
        }
    }

    /// Makes names findable.
    pub fn sort(&mut self) {
        // Made for a trait's sake, of a crate that isn't here.
        self.items.retain(|_, item| !item.kind.is_empty());
        self.join_primitives();
        for path in self.items.keys() {
            let name = path.rsplit("::").next().unwrap_or(path);
            self.by_name.entry(name.to_owned()).or_default().push(path.clone());
        }
        for paths in self.by_name.values_mut() {
            paths.sort_by_key(|path| (self.items[path].kind == "type", rank(path), path.len(), path.clone()));
        }
    }

    /// What several crates say of `str`, slices and numbers becomes one description.
    fn join_primitives(&mut self) {
        let is =
            |path: &String, begin: &str| path.strip_prefix(begin).and_then(|rest| rest.strip_prefix("::")).is_some();
        let of = |begin: &str| {
            let found = self.items.iter().filter(|(path, item)| item.kind == "primitive" && is(path, begin));
            found.map(|(path, _)| path.clone()).collect::<Vec<_>>()
        };
        for path in of("alloc").into_iter().chain(of("std")) {
            let Some((_, name)) = path.split_once("::") else { continue };
            let first = format!("core::{name}");
            if !self.items.contains_key(&first) {
                continue;
            }
            let more = self.items.remove(&path).unwrap_or_default();
            if let Some(first) = self.items.get_mut(&first) {
                let known: HashSet<String> = first.members.iter().map(|member| member.name.clone()).collect();
                first.members.extend(more.members.into_iter().filter(|member| !known.contains(&member.name)));
            }
        }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Items of this name, the likeliest first.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (&str, &Item)> {
        self.by_name.get(name).into_iter().flatten().filter_map(|path| Some((path.as_str(), self.items.get(path)?)))
    }

    /// Names in a module, those of modules that it takes over included.
    pub(super) fn entries(&self, module: &str) -> Vec<&Entry> {
        let (mut found, mut open, mut seen) = (Vec::new(), vec![module], Vec::new());
        while let Some(module) = open.pop() {
            if seen.contains(&module) {
                continue;
            }
            seen.push(module);
            for entry in self.modules.get(module).into_iter().flatten() {
                if entry.name.is_empty() { open.push(&entry.target) } else { found.push(entry) }
            }
        }
        found
    }
}

/// Whose types a cell most likely means.
fn rank(path: &str) -> usize {
    const LIKELY: [&str; 7] = ["scdd", "alloc", "core", "std", "burn", "polars", "plotly"];
    LIKELY.iter().position(|begin| path.starts_with(begin)).unwrap_or(LIKELY.len())
}
