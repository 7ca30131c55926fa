//! From an expression to its type, call by call.

use std::collections::HashMap;

use super::Known;
use super::expression::{self, Chain, Start, Step, in_name};
use super::table::{Item, Member};
use super::type_text::{parts, until};
use super::user;
use crate::engine::Candidate;

/// Variables that are made of others, this many deep.
const DEPTH: usize = 12;
/// What every cell begins with.
const PRELUDE: &str = "scdd::prelude";

/// What is known where the cursor stands.
pub struct Scope<'a> {
    known: Known<'a>,
    text: &'a [char],
    users: HashMap<String, Item>,
}

impl<'a> Scope<'a> {
    /// `text` is the cell up to the cursor.
    pub fn new(known: Known<'a>, text: &'a [char]) -> Self {
        // Whole items of this very cell count as well.
        let cell: String = text.iter().collect();
        Self { known, text, users: user::items(known.items, &cell) }
    }

    /// The user's items.
    pub fn users(&self) -> impl Iterator<Item = (&String, &Item)> {
        self.users.iter()
    }

    /// The type of the expression that the text ends with, as a cell would write it.
    pub fn type_before(&self, text: &[char]) -> Option<String> {
        self.type_of(&expression::before(text)?, 0)
    }

    /// What stands behind a dot or two colons after a value of this type, with the types that it gives.
    pub fn members(&self, of: &str) -> Vec<(Member, String)> {
        // Each with the type that `Self` stands for: a trait's methods speak of what implements it.
        let (mut found, mut open, mut seen) = (Vec::new(), vec![(of.to_owned(), of.to_owned())], Vec::new());
        while !open.is_empty() && seen.len() < 24 {
            let (of, own) = open.remove(0);
            let (name, arguments) = parts(&of);
            if seen.contains(&name) {
                continue;
            }
            let also = match name.as_str() {
                "Box" | "Arc" | "Rc" => arguments.first().cloned(),
                "Vec" => Some(format!("[{}]", arguments.first().map_or("_", String::as_str))),
                "String" => Some("str".to_owned()),
                _ => None,
            };
            seen.push(name.clone());
            if let Some(item) = self.item(&name) {
                let filled = |member: &Member| {
                    let returns = substitute(&member.returns, &item.params, &arguments, &own);
                    (member.clone(), returns)
                };
                found.extend(item.members.iter().map(filled));
                let name = |path: &String| (path.rsplit("::").next().unwrap_or(path).to_owned(), own.clone());
                open.extend(item.traits.iter().map(name));
                if !item.deref.is_empty() && also.is_none() {
                    let target = substitute(&item.deref, &item.params, &arguments, &own);
                    open.push((target.clone(), target));
                }
            }
            open.extend(also.map(|of| (of.clone(), of)));
        }
        found
    }

    /// Names behind `path::`.
    pub fn names_in(&self, path: &[String]) -> Vec<Candidate> {
        if let Some(module) = self.module(path) {
            let named = |entry: &super::table::Entry| {
                let item = self.known.table.items.get(&entry.target);
                Candidate {
                    text: entry.name.clone(),
                    kind: item.map_or("module", |item| item.kind.as_str()).to_owned(),
                    signature: item.map_or_else(String::new, |item| item.signature.clone()),
                }
            };
            let mut found: Vec<Candidate> = self.known.table.entries(&module).into_iter().map(named).collect();
            found.sort_by(|a, b| a.text.cmp(&b.text));
            return found;
        }
        let Some(of) = path.last() else { return Vec::new() };
        let named = |(member, _): (Member, String)| Candidate {
            text: member.name,
            kind: member.kind,
            signature: member.signature,
        };
        let mut found: Vec<Candidate> =
            self.members(of).into_iter().filter(|(member, _)| member.kind != "field").map(named).collect();
        // What makes a value comes before what a value has.
        found.sort_by_key(|candidate| candidate.kind == "method");
        found
    }

    /// Signature and documentation of `path::name`.
    pub fn described_in(&self, path: &[String], name: &str) -> Option<(String, String)> {
        if let Some(module) = self.module(path) {
            let entries = self.known.table.entries(&module);
            let entry = entries.into_iter().find(|entry| entry.name == name)?;
            return self.known.table.items.get(&entry.target).map(described);
        }
        let found = self.members(path.last()?).into_iter().find(|(member, _)| member.name == name)?;
        Some((found.0.signature, found.0.docs))
    }

    /// Signature and documentation of a name that stands alone.
    pub fn described(&self, name: &str) -> Option<(String, String)> {
        let of = self.local(name, 0).or_else(|| {
            let variable = self.known.variables.iter().find(|variable| variable.name == name)?;
            Some(format!("{}  {}", variable.type_name, variable.shape).trim_end().to_owned())
        });
        if let Some(of) = of {
            let docs = self.item(&parts(&of).0).map(|item| item.docs.clone()).unwrap_or_default();
            return Some((format!("{name}: {of}"), docs));
        }
        if let Some(item) = self.users.get(name) {
            return Some(described(item));
        }
        let in_prelude = self.known.table.entries(PRELUDE).into_iter().find(|entry| entry.name == name);
        let item = in_prelude.and_then(|entry| self.known.table.items.get(&entry.target));
        item.or_else(|| self.known.table.named(name).map(|(_, item)| item).next()).map(described)
    }

    /// Names that the library's prelude brings, and crates that paths begin with.
    pub fn in_scope(&self) -> Vec<Candidate> {
        let table = self.known.table;
        let named = |entry: &super::table::Entry| {
            let item = table.items.get(&entry.target)?;
            Some(Candidate { text: entry.name.clone(), kind: item.kind.clone(), signature: item.signature.clone() })
        };
        let mut found: Vec<Candidate> = table.entries(PRELUDE).into_iter().filter_map(named).collect();
        found.extend(["scdd", "std"].map(|name| Candidate {
            text: name.to_owned(),
            kind: "module".to_owned(),
            signature: String::new(),
        }));
        found
    }

    /// Names that this cell binds before the cursor.
    pub fn locals(&self) -> Vec<String> {
        let words = words(self.text);
        let mut found = Vec::new();
        for (place, (word, at)) in words.iter().enumerate() {
            let next = words.get(place + 1).map(|(word, _)| word.as_str());
            let name = match (word.as_str(), next) {
                ("let" | "for", Some("mut")) => words.get(place + 2).map(|(word, _)| word.as_str()),
                ("let" | "for", _) => next,
                _ if self.text[at + word.chars().count()..].starts_with(&[':']) => Some(word.as_str()),
                _ => None,
            };
            found.extend(name.filter(|name| !name.starts_with(char::is_numeric)).map(str::to_owned));
        }
        found
    }

    /// A module by the path that a cell writes.
    fn module(&self, path: &[String]) -> Option<String> {
        let table = self.known.table;
        let (first, rest) = path.split_first()?;
        let begins = match first.as_str() {
            "std" => ["std", "core", "alloc"].map(str::to_owned).into(),
            first if table.modules.contains_key(first) => vec![first.to_owned()],
            first => {
                // A name that a `use` brought: the likeliest module of this name.
                let brought = table.entries("scdd").into_iter().find(|entry| entry.name == first)?;
                vec![brought.target.clone()]
            }
        };
        begins.into_iter().find_map(|mut module| {
            for name in rest {
                module = table.entries(&module).into_iter().find(|entry| entry.name == *name)?.target.clone();
            }
            table.modules.contains_key(&module).then_some(module)
        })
    }

    fn item(&self, name: &str) -> Option<&Item> {
        let is_type = |item: &&Item| !["function", "macro", "constant"].contains(&item.kind.as_str());
        let users = self.users.get(name).filter(is_type);
        users.or_else(|| self.known.table.named(name).map(|(_, item)| item).find(is_type))
    }

    fn type_of(&self, chain: &Chain, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return None;
        }
        let mut of = match &chain.start {
            Start::Name(name) => self.local(name, depth + 1).or_else(|| {
                let variable = self.known.variables.iter().find(|variable| variable.name == *name)?;
                Some(variable.type_name.clone())
            })?,
            Start::Path(path) | Start::Call(path) => self.called(path)?,
            Start::Macro(name) => match name.as_str() {
                "vec" => "Vec<_>".to_owned(),
                "format" => "String".to_owned(),
                "df" => "Result<DataFrame, PolarsError>".to_owned(),
                _ => return None,
            },
            Start::Struct(name) => name.clone(),
            Start::Text => "str".to_owned(),
        };
        for step in &chain.steps {
            of = self.step(&self.plain(of, 0), step)?;
        }
        Some(self.plain(of, 0))
    }

    fn step(&self, of: &str, step: &Step) -> Option<String> {
        match step {
            Step::Try => match parts(of) {
                (name, arguments) if name.ends_with("Result") || name == "Option" => arguments.into_iter().next(),
                _ => None,
            },
            Step::Index => match parts(of) {
                (name, arguments) if name == "Vec" || name == "slice" => arguments.into_iter().next(),
                _ => None,
            },
            Step::Field(name) => self.given(of, name, |member| member.kind == "field"),
            Step::Method(name) => self.given(of, name, |member| member.kind == "method"),
        }
    }

    fn given(&self, of: &str, name: &str, fits: impl Fn(&Member) -> bool) -> Option<String> {
        self.members(of).into_iter().find(|(member, _)| member.name == name && fits(member)).map(|(_, returns)| returns)
    }

    /// What a function gives, or a constructor makes.
    fn called(&self, path: &[String]) -> Option<String> {
        let (name, before) = path.split_last()?;
        if let Some(of) = before.last() {
            let in_module = self.module(before).and_then(|module| {
                let entry = self.known.table.entries(&module).into_iter().find(|entry| entry.name == *name)?;
                self.known.table.items.get(&entry.target)
            });
            if let Some(item) = in_module {
                return Some(if item.kind == "function" { item.returns.clone() } else { name.clone() });
            }
            return self.members(of).into_iter().find(|(member, _)| member.name == *name).map(|(_, returns)| returns);
        }
        match name.as_str() {
            "Some" => return Some("Option<_>".to_owned()),
            "Ok" | "Err" => return Some("Result<_, _>".to_owned()),
            _ => {}
        }
        let in_prelude = self.known.table.entries(PRELUDE).into_iter().find(|entry| entry.name == *name);
        let of_table = || in_prelude.and_then(|entry| self.known.table.items.get(&entry.target));
        let item = self.users.get(name).or_else(of_table)?;
        Some(if item.kind == "function" { item.returns.clone() } else { name.clone() })
    }

    /// A type without the names that stand for others.
    fn plain(&self, of: String, depth: usize) -> String {
        let (name, arguments) = parts(&of);
        match self.item(&name) {
            Some(item) if item.kind == "type" && depth < 4 => {
                self.plain(substitute(&item.returns, &item.params, &arguments, ""), depth + 1)
            }
            _ => of,
        }
    }

    /// The type of a name that this cell binds: what is written after its colon, or what it is made of.
    fn local(&self, name: &str, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return None;
        }
        let words = words(self.text);
        for (place, (word, at)) in words.iter().enumerate().rev() {
            if word != name {
                continue;
            }
            let after = at + name.chars().count();
            let rest: String = self.text[after..].iter().collect();
            let rest = rest.trim_start();
            let bound = words[..place].last().is_some_and(|(before, _)| before == "let" || before == "mut");
            if let Some(written) = rest.strip_prefix(':').filter(|rest| !rest.starts_with(':')) {
                let written = until(written, &['=', ';', ')', '|', ',', '{']);
                return (!written.is_empty()).then(|| written.to_owned());
            }
            if let Some(made) = rest.strip_prefix('=').filter(|rest| bound && !rest.starts_with('=')) {
                let made: Vec<char> = until(made, &[';']).chars().collect();
                // A name of its own stands for what it was before.
                let earlier = Scope { known: self.known, text: &self.text[..*at], users: self.users.clone() };
                return earlier.type_of(&expression::before(&made)?, depth + 1);
            }
        }
        None
    }
}

fn described(item: &Item) -> (String, String) {
    (item.signature.clone(), item.docs.clone())
}

/// Words with their places.
fn words(text: &[char]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|c| in_name(**c)).count();
        if length > 0 {
            found.push((text[at..at + length].iter().collect(), at));
        }
        at += length.max(1);
    }
    found
}

/// Puts what is known in the place of parameters and of `Self`.
fn substitute(text: &str, params: &[String], arguments: &[String], own: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut made = String::new();
    let mut at = 0;
    while at < characters.len() {
        let length = characters[at..].iter().take_while(|c| in_name(**c)).count();
        if length == 0 {
            made.push(characters[at]);
            at += 1;
            continue;
        }
        let word: String = characters[at..at + length].iter().collect();
        let argument = params.iter().position(|param| *param == word).and_then(|place| arguments.get(place));
        match argument {
            Some(argument) => made += argument,
            None if word == "Self" && !own.is_empty() => made += own,
            None => made += &word,
        }
        at += length;
    }
    made
}
