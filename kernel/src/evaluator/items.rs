//! The items of all cells so far: adds those of a new cell, removes what they redefine, and finds what depends on a changed type.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::item::{SessionItem, session_item};
use super::parse::{Kind, Piece};

/// All items.
#[derive(Clone, Debug, Default)]
pub struct Items {
    entries: Vec<SessionItem>,
    made: usize,
}

/// What a cell's items did to the earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Names of types and traits that are others now, with all types that are made of them.
    pub types: BTreeSet<String>,
}

impl Items {
    /// In the order in which a crate needs them: macros first.
    pub fn in_order(&self) -> impl Iterator<Item = &SessionItem> {
        self.entries.iter().filter(|entry| entry.is_macro).chain(self.entries.iter().filter(|entry| !entry.is_macro))
    }

    /// Whether there is an item of this name that a path may begin with.
    pub fn has_type(&self, name: &str) -> bool {
        let key = format!("type {name}");
        self.entries
            .iter()
            .any(|entry| entry.keys.contains(&key) || entry.leaves.iter().any(|(bound, _)| bound == name))
    }

    /// Whether there is a macro of this name that makes items.
    pub fn makes_items(&self, name: &str) -> bool {
        let key = format!("macro {name}");
        self.entries.iter().any(|entry| entry.makes_items && entry.keys.contains(&key))
    }

    /// Titles, for completion and `:items`.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.title.as_str())
    }

    /// The statics of all items are in some loaded cell now.
    pub fn settle(&mut self) {
        for entry in &mut self.entries {
            entry.live = true;
        }
    }

    /// All statics begin anew: the process that had them is gone.
    pub fn renew_statics(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.live = false);
    }

    /// Takes out the items of other cells than `cell` that contain a place, and says which.
    pub fn remove(&mut self, titles: &BTreeSet<String>, cell: usize) -> Vec<String> {
        let mut removed = Vec::new();
        self.entries.retain(|entry| {
            let remove = entry.chunk.cell != cell && titles.contains(&entry.title);
            if remove {
                removed.push(entry.title.clone());
            }
            !remove
        });
        removed
    }

    /// Adds the items of a cell, in place of those of the same names.
    pub fn add(&mut self, pieces: &[Piece], code: &Arc<str>, cell: usize) -> Change {
        let mut changed = BTreeSet::new();
        let new: Vec<SessionItem> = pieces
            .iter()
            .filter_map(|piece| match &piece.kind {
                Kind::Item(item) => {
                    self.made += 1;
                    Some(session_item(item, piece, code, cell, self.made))
                }
                _ => None,
            })
            .collect();
        for entry in new {
            // The same again: nothing changes, and its statics stay what they are.
            if self.entries.iter().any(|old| old.tokens == entry.tokens && old.chunk.cell != cell) {
                continue;
            }
            let mut replaced = Vec::new();
            self.entries.retain_mut(|old| {
                if old.chunk.cell == cell || old.keys.is_disjoint(&entry.keys) {
                    return true;
                }
                let keep = old.give_way(&entry);
                if !keep {
                    replaced.extend(old.keys.iter().filter_map(|key| key.strip_prefix("type ")).map(str::to_owned));
                }
                keep
            });
            changed.extend(replaced);
            self.entries.push(entry);
        }
        Change { types: self.dependents(changed) }
    }

    /// The named types and all that are made of them. Their statics must be made anew.
    fn dependents(&mut self, mut names: BTreeSet<String>) -> BTreeSet<String> {
        loop {
            let before = names.len();
            for entry in &self.entries {
                let types: Vec<_> = entry.keys.iter().filter_map(|key| key.strip_prefix("type ")).collect();
                if !types.is_empty() && !entry.names.is_disjoint(&names) {
                    names.extend(types.into_iter().map(str::to_owned));
                }
            }
            if names.len() == before {
                break;
            }
        }
        for entry in self.entries.iter_mut().filter(|entry| !entry.names.is_disjoint(&names)) {
            self.made += 1;
            entry.renew(self.made);
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::parse::parse;

    fn add(items: &mut Items, code: &str, cell: usize) -> Change {
        let parsed = parse(code, &|_| false).unwrap_or_else(|error| panic!("{}", error.message));
        items.add(&parsed.pieces, &code.into(), cell)
    }

    fn texts(items: &Items) -> Vec<&str> {
        items.in_order().map(SessionItem::text).collect()
    }

    #[test]
    fn a_name_defined_anew_replaces_the_earlier_one() {
        let mut items = Items::default();
        add(&mut items, "fn f() -> i32 { 1 }\nfn g() {}", 1);
        add(&mut items, "fn f() -> i32 { 2 }", 2);
        assert_eq!(texts(&items), ["fn g() {}", "fn f() -> i32 { 2 }"]);
        add(&mut items, "use a::{b, c};\nuse d::*;", 3);
        add(&mut items, "use e::c;\nuse d::*;", 4);
        assert_eq!(texts(&items)[2..], ["use a::b; ", "use d::*;", "use e::c;"]);
    }

    #[test]
    fn a_changed_type_names_all_that_are_made_of_it() {
        let mut items = Items::default();
        add(&mut items, "struct A(u8); struct B { a: A } enum C { One(Vec<B>) } struct D;", 1);
        let change = add(&mut items, "struct A(u16);", 2);
        assert_eq!(change.types.iter().map(String::as_str).collect::<Vec<_>>(), ["A", "B", "C"]);
        assert!(add(&mut items, "struct  A(u16);", 3).types.is_empty(), "the same again");
        assert!(add(&mut items, "impl A { fn f(&self) {} }", 4).types.is_empty());
    }

    #[test]
    fn impls_give_way_method_by_method() {
        let mut items = Items::default();
        add(
            &mut items,
            "impl A { fn f(&self) -> u8 { 1 } fn g(&self) {} }\nimpl Clone for A { fn clone(&self) -> A { A } }",
            1,
        );
        add(&mut items, "impl A { fn f(&self) -> u8 { 2 } }", 2);
        let all = texts(&items).join("\n");
        assert!(!all.contains("{ 1 }") && all.contains("fn g(&self)") && all.contains("{ 2 }"), "{all}");
        add(&mut items, "impl Clone for A { fn clone(&self) -> A { A(2) } }", 3);
        assert_eq!(texts(&items).iter().filter(|text| text.contains("Clone")).count(), 1);
    }

    #[test]
    fn macros_come_first_and_statics_link_once_they_are_live() {
        let mut items = Items::default();
        add(&mut items, "static N: u8 = 1;\nmacro_rules! m { () => {} }", 1);
        assert!(texts(&items)[0].starts_with("macro_rules!") && texts(&items)[1].starts_with("#[unsafe(export_name"));
        items.settle();
        assert!(texts(&items)[1].starts_with("unsafe extern"));
        items.renew_statics();
        assert!(texts(&items)[1].starts_with("#[unsafe(export_name"));
    }
}
