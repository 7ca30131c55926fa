//! The items of all cells so far: which there are, what a new one replaces, what depends on what.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{ImplItem, Item, UseTree, Visibility};

use super::split::{Kind, Piece, begins_with_item};
use super::statics::{self, Texts};

/// A text from a cell, and where it stood.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Number of the cell.
    pub cell: usize,
    /// The whole cell's text.
    pub code: Arc<str>,
    /// Where it begins, in bytes.
    pub start: usize,
    /// The text, of as many lines as in the cell.
    pub text: String,
}

/// An item.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its text, as later cells compile it.
    pub chunk: Chunk,
    /// Its texts, if it has statics.
    statics: Option<Texts>,
    /// Its statics are in a cell that was loaded.
    live: bool,
    number: usize,
    /// What it defines: "type Foo", "value f", "macro m", "impl ...", "method Foo::f".
    pub keys: BTreeSet<String>,
    /// All names in it.
    pub names: BTreeSet<String>,
    /// How it is shown in messages: "struct Foo".
    pub title: String,
    /// Tokens without spaces and comments, to see whether it has changed.
    tokens: String,
    /// Methods of an inherent impl, with their places in the text.
    methods: Vec<(String, Range<usize>)>,
    /// Leaves of a `use`, with the names that they bind.
    leaves: Vec<(String, String)>,
    is_macro: bool,
    makes_items: bool,
}

/// All items.
#[derive(Clone, Debug, Default)]
pub struct Items {
    entries: Vec<Entry>,
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
    pub fn in_order(&self) -> impl Iterator<Item = &Entry> {
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
        let new: Vec<Entry> = pieces
            .iter()
            .filter_map(|piece| match &piece.kind {
                Kind::Item(item) => {
                    self.made += 1;
                    Some(entry(item, piece, code, cell, self.made))
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

impl Entry {
    /// The text for the next crate.
    pub fn text(&self) -> &str {
        match &self.statics {
            Some(texts) if self.live => &texts.linking,
            Some(texts) => &texts.defining,
            None => &self.chunk.text,
        }
    }

    /// Statics of types that have changed begin anew, under other symbols.
    fn renew(&mut self, number: usize) {
        self.live = false;
        let Some(texts) = &mut self.statics else { return };
        for text in [&mut texts.defining, &mut texts.linking] {
            let old = symbol(self.number);
            *text = text.replace(&old, &symbol(number));
        }
        self.number = number;
    }

    /// Makes room for `new`; whether anything is left.
    fn give_way(&mut self, new: &Entry) -> bool {
        if !self.leaves.is_empty() {
            let bound = |key: &str| key.split_once(' ').map(|(_, name)| name.to_owned());
            let taken: BTreeSet<String> = new.keys.iter().filter_map(|key| bound(key)).collect();
            self.leaves.retain(|(name, _)| !taken.contains(name));
            self.chunk.text = self.leaves.iter().map(|(_, text)| format!("{text} ")).collect();
            self.keys.retain(|key| bound(key).is_none_or(|name| !taken.contains(&name)));
            self.tokens.push('~');
            return !self.leaves.is_empty();
        }
        if !self.methods.is_empty() && !new.methods.is_empty() {
            let taken: Vec<&String> = new.methods.iter().map(|(name, _)| name).collect();
            for (_, range) in self.methods.extract_if(.., |(name, _)| taken.contains(&&*name)) {
                let blank: String =
                    self.chunk.text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
                self.chunk.text.replace_range(range, &blank);
            }
            self.keys.retain(|key| !new.keys.contains(key));
            self.tokens.push('~');
            return !self.methods.is_empty();
        }
        false
    }
}

/// The beginning of the symbols of an item's statics.
fn symbol(number: usize) -> String {
    format!("scdd_static_{number}_")
}

fn entry(item: &Item, piece: &Piece, code: &Arc<str>, cell: usize, number: usize) -> Entry {
    let text = code[piece.range.clone()].to_owned();
    let start = piece.range.start;
    let texts = statics::texts(item, &text, start, &symbol(number));
    let (title, keys) = keys(item);
    let tokens = item.to_token_stream().to_string();
    let (mut methods, mut leaves) = (Vec::new(), Vec::new());
    match item {
        // With statics the text isn't the cell's, and methods aren't where they were.
        Item::Impl(found) if found.trait_.is_none() && texts.is_none() => {
            for method in &found.items {
                if let ImplItem::Fn(method_found) = method {
                    let range = method.span().byte_range();
                    methods.push((method_found.sig.ident.to_string(), range.start - start..range.end - start));
                }
            }
        }
        Item::Use(found) => {
            let public = if matches!(found.vis, Visibility::Inherited) { "" } else { "pub " };
            let root = if found.leading_colon.is_some() { "::" } else { "" };
            unfold(&found.tree, root, &mut |name, path| leaves.push((name, format!("{public}use {path};"))));
        }
        _ => {}
    }
    let mut names = piece.names.clone();
    names.remove("Self");
    Entry {
        chunk: Chunk { cell, code: code.clone(), start, text },
        statics: texts,
        live: false,
        number,
        keys,
        names,
        title,
        tokens,
        methods,
        leaves,
        is_macro: matches!(item, Item::Macro(found) if found.ident.is_some()),
        makes_items: matches!(item, Item::Macro(found) if found.ident.is_some() && begins_with_item(found.mac.tokens.clone())),
    }
}

/// Every name that a `use` binds, with the path behind it; a glob binds "*".
fn unfold(tree: &UseTree, before: &str, found: &mut dyn FnMut(String, String)) {
    match tree {
        UseTree::Path(path) => unfold(&path.tree, &format!("{before}{}::", path.ident), found),
        UseTree::Name(name) if name.ident == "self" => {
            let path = before.trim_end_matches("::");
            let bound = path.rsplit("::").next().unwrap_or(path);
            found(bound.to_owned(), format!("{before}{{self}}"));
        }
        UseTree::Name(name) => found(name.ident.to_string(), format!("{before}{}", name.ident)),
        UseTree::Rename(name) => {
            let whole = if name.ident == "self" {
                format!("{before}{{self as {}}}", name.rename)
            } else {
                format!("{before}{} as {}", name.ident, name.rename)
            };
            // `as _` binds nothing that could be bound again.
            let bound = if name.rename == "_" { format!("_ {whole}") } else { name.rename.to_string() };
            found(bound, whole);
        }
        UseTree::Glob(_) => found(format!("* {before}"), format!("{before}*")),
        UseTree::Group(group) => group.items.iter().for_each(|tree| unfold(tree, before, found)),
    }
}

/// What an item is called, and the keys of what it defines.
fn keys(item: &Item) -> (String, BTreeSet<String>) {
    let named = |kind: &str, spaces: &[&str], name: &syn::Ident| {
        (format!("{kind} {name}"), spaces.iter().map(|space| format!("{space} {name}")).collect())
    };
    let unnamed = || {
        let text = item.to_token_stream().to_string();
        (text.chars().take(60).collect(), BTreeSet::from([format!("item {text}")]))
    };
    match item {
        Item::Struct(found) if matches!(found.fields, syn::Fields::Named(_)) => {
            named("struct", &["type"], &found.ident)
        }
        Item::Struct(found) => named("struct", &["type", "value"], &found.ident),
        Item::Enum(found) => named("enum", &["type"], &found.ident),
        Item::Union(found) => named("union", &["type"], &found.ident),
        Item::Type(found) => named("type", &["type"], &found.ident),
        Item::Trait(found) => named("trait", &["type"], &found.ident),
        Item::Mod(found) => named("mod", &["type"], &found.ident),
        Item::ExternCrate(found) => named("extern crate", &["type"], &found.ident),
        Item::Fn(found) => named("fn", &["value"], &found.sig.ident),
        Item::Const(found) if found.ident != "_" => named("const", &["value"], &found.ident),
        Item::Static(found) => named("static", &["value"], &found.ident),
        Item::Macro(found) => match &found.ident {
            Some(name) => named("macro", &["macro"], name),
            None => unnamed(),
        },
        Item::Use(found) => {
            let mut keys = BTreeSet::new();
            unfold(&found.tree, "", &mut |name, _| {
                for space in ["type", "value", "macro"] {
                    keys.insert(format!("{space} {name}"));
                }
            });
            (found.to_token_stream().to_string(), keys)
        }
        Item::Impl(found) => {
            let of = found.self_ty.to_token_stream().to_string();
            let title = match &found.trait_ {
                Some((path, _)) => format!("impl {} for {of}", path.to_token_stream()),
                None => format!("impl {of}"),
            };
            let generics = found.generics.where_clause.to_token_stream().to_string();
            let keys = match &found.trait_ {
                Some(_) => BTreeSet::from([format!("{title} {generics}")]),
                None => found
                    .items
                    .iter()
                    .map(|item| match item {
                        ImplItem::Fn(method) => format!("method {of}::{}", method.sig.ident),
                        other => format!("method {of}::{}", other.to_token_stream()),
                    })
                    .collect(),
            };
            (title, keys)
        }
        _ => unnamed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::split::split;

    fn add(items: &mut Items, code: &str, cell: usize) -> Change {
        let parsed = split(code, &|_| false).unwrap_or_else(|error| panic!("{}", error.message));
        items.add(&parsed.pieces, &code.into(), cell)
    }

    fn texts(items: &Items) -> Vec<&str> {
        items.in_order().map(Entry::text).collect()
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
