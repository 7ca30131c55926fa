//! What could stand at a cursor, and what stands there, without a compiler: names, methods and fields come from a table
//! ([`table`]) that `scdd-kernel index` makes of rustdoc's description of the library and the crates in its interface, and
//! from the user's own items ([`user`]).
//!
//! The type of `study.train_scdg().steps(5).` is found by following the calls from a variable whose type is known
//! ([`resolve`]); nothing is inferred beyond that, so a closure's argument may go without suggestions.

mod background;
mod expression;
pub mod make;
mod render;
mod resolve;
mod rustdoc;
pub mod table;
#[cfg(test)]
mod tests;
mod type_text;
mod user;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

pub use background::Indexer;

use crate::engine::{Candidate, Completions, Variable};
use resolve::Scope;
use table::{Member, Table};

/// What is known of a session.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Names of the library and its crates.
    pub table: &'a Table,
    /// Variables that are kept.
    pub variables: &'a [Variable],
    /// The source of each item that the user wrote (`struct Foo { .. }`, `impl Foo { .. }`, `fn f() { .. }`).
    pub items: &'a [String],
}

/// The table beside this program, read when it is first asked for (0.2 s) and again once it was made anew; until it is made
/// for the first time it has the crates that are described already.
pub fn table() -> Arc<Table> {
    static TABLE: Mutex<Option<(Option<SystemTime>, Arc<Table>)>> = Mutex::new(None);
    let folder = make::folder();
    let made = folder.as_ref().ok().and_then(|folder| make::made(folder));
    let mut known = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, table)) = &*known
        && *at == made
    {
        return table.clone();
    }
    let table = Arc::new(folder.and_then(|folder| Table::load(&folder)).unwrap_or_else(|error| {
        eprintln!("suggestions lack the library's names: {error:#}");
        Table::default()
    }));
    *known = Some((made, table.clone()));
    table
}

const KEYWORDS: [&str; 30] = [
    "as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "false", "fn", "for", "if", "impl",
    "in", "let", "loop", "match", "mod", "move", "mut", "pub", "return", "self", "static", "struct", "trait", "true",
    "use", "while",
];
/// Of std's prelude, and macros.
const STD: [(&str, &str); 24] = [
    ("Box", "struct"),
    ("Err", "variant"),
    ("HashMap", "struct"),
    ("None", "variant"),
    ("Ok", "variant"),
    ("Option", "enum"),
    ("Result", "enum"),
    ("Some", "variant"),
    ("String", "struct"),
    ("Vec", "struct"),
    ("assert!", "macro"),
    ("assert_eq!", "macro"),
    ("bool", "type"),
    ("dbg!", "macro"),
    ("eprintln!", "macro"),
    ("f32", "type"),
    ("f64", "type"),
    ("format!", "macro"),
    ("panic!", "macro"),
    ("print!", "macro"),
    ("println!", "macro"),
    ("str", "type"),
    ("usize", "type"),
    ("vec!", "macro"),
];
/// Suggestions in one answer; nobody reads more.
const MOST: usize = 400;

/// What could stand at `cursor`, an offset in characters.
pub fn complete(known: Known<'_>, code: &str, cursor: usize) -> Completions {
    let text: Vec<char> = code.chars().take(cursor).collect();
    let start = text.len() - text.iter().rev().take_while(|c| expression::in_name(**c)).count();
    let begun: String = text[start..].iter().collect();
    let scope = Scope::new(known, &text[..start]);
    let mut found = match expression::context(&text[..start]) {
        expression::Context::Member(of) => {
            scope.type_before(&text[..of]).map(|of| members(&scope, &of)).unwrap_or_default()
        }
        expression::Context::Path(path) => scope.names_in(&path),
        expression::Context::Name => names(&scope, known, &begun),
    };
    found.retain(|candidate| candidate.text.starts_with(&begun));
    let mut seen = std::collections::HashSet::new();
    found.retain(|candidate| seen.insert(candidate.text.clone()));
    found.truncate(MOST);
    Completions { matches: found, start, end: text.len() }
}

/// Documentation of what stands at `cursor`: its signature and its doc comment.
pub fn inspect(known: Known<'_>, code: &str, cursor: usize) -> Option<BTreeMap<String, Value>> {
    let mut text: Vec<char> = code.chars().collect();
    let mut end = cursor.min(text.len());
    // Inside brackets of a call the call is meant.
    if end > 0 && !text.get(end).is_some_and(|c| expression::in_name(*c)) && text[end - 1] == '(' {
        end -= 1;
    }
    end += text[end..].iter().take_while(|c| expression::in_name(**c)).count();
    text.truncate(end);
    let start = end - text.iter().rev().take_while(|c| expression::in_name(**c)).count();
    let name: String = text[start..].iter().collect();
    if name.is_empty() {
        return None;
    }
    let scope = Scope::new(known, &text[..start]);
    let (signature, docs) = match expression::context(&text[..start]) {
        expression::Context::Member(of) => {
            let of = scope.type_before(&text[..of])?;
            let found = scope.members(&of).into_iter().find(|(member, _)| member.name == name)?;
            (found.0.signature.clone(), found.0.docs.clone())
        }
        expression::Context::Path(path) => scope.described_in(&path, &name)?,
        expression::Context::Name => scope.described(&name)?,
    };
    let plain = if docs.is_empty() { signature.clone() } else { format!("{signature}\n\n{docs}") };
    let markdown = format!("```rust\n{signature}\n```\n\n{docs}");
    Some(BTreeMap::from([("text/plain".to_owned(), plain.into()), ("text/markdown".to_owned(), markdown.into())]))
}

fn members(scope: &Scope<'_>, of: &str) -> Vec<Candidate> {
    scope.members(of).into_iter().filter(|(member, _)| member.of_self).map(|(member, _)| candidate(member)).collect()
}

fn candidate(member: Member) -> Candidate {
    Candidate { text: member.name, kind: member.kind, signature: member.signature }
}

/// Names that stand alone.
fn names(scope: &Scope<'_>, known: Known<'_>, begun: &str) -> Vec<Candidate> {
    let named = |text: &str, kind: &str, signature: &str| Candidate {
        text: text.to_owned(),
        kind: kind.to_owned(),
        signature: signature.to_owned(),
    };
    let mut found: Vec<Candidate> = scope.locals().iter().map(|name| named(name, "variable", "")).collect();
    found.extend(known.variables.iter().map(|variable| named(&variable.name, "variable", &variable.type_name)));
    found.extend(scope.users().map(|(name, item)| named(name, &item.kind, &item.signature)));
    found.extend(scope.in_scope());
    if !begun.is_empty() {
        found.extend(STD.iter().map(|(name, kind)| named(name, kind, "")));
        found.extend(KEYWORDS.iter().map(|keyword| named(keyword, "keyword", "")));
    }
    found
}
