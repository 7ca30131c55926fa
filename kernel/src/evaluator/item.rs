//! One item of a cell: its text for later crates, the names that it defines, and what stays of it when a name is redefined.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{ImplItem, Item, UseTree, Visibility};

use super::parse::{Piece, begins_with_item};
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
pub struct SessionItem {
    /// Its text, as later cells compile it.
    pub chunk: Chunk,
    /// Its texts, if it has statics.
    pub(super) statics: Option<Texts>,
    /// Its statics are in a cell that was loaded.
    pub(super) live: bool,
    pub(super) number: usize,
    /// What it defines: "type Foo", "value f", "macro m", "impl ...", "method Foo::f".
    pub keys: BTreeSet<String>,
    /// All names in it.
    pub names: BTreeSet<String>,
    /// How it is shown in messages: "struct Foo".
    pub title: String,
    /// Tokens without spaces and comments, to see whether it has changed.
    pub(super) tokens: String,
    /// Methods of an inherent impl, with their places in the text.
    pub(super) methods: Vec<(String, Range<usize>)>,
    /// Leaves of a `use`, with the names that they bind.
    pub(super) leaves: Vec<(String, String)>,
    pub(super) is_macro: bool,
    pub(super) makes_items: bool,
}

impl SessionItem {
    /// The text for the next crate.
    pub fn text(&self) -> &str {
        match &self.statics {
            Some(texts) if self.live => &texts.linking,
            Some(texts) => &texts.defining,
            None => &self.chunk.text,
        }
    }

    /// Statics of types that have changed begin anew, under other symbols.
    pub(super) fn renew(&mut self, number: usize) {
        self.live = false;
        let Some(texts) = &mut self.statics else { return };
        for text in [&mut texts.defining, &mut texts.linking] {
            let old = symbol(self.number);
            *text = text.replace(&old, &symbol(number));
        }
        self.number = number;
    }

    /// Makes room for `new`; whether anything is left.
    pub(super) fn give_way(&mut self, new: &SessionItem) -> bool {
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

/// The entry of an item of cell `cell`; `number` makes its symbols its own.
pub(super) fn session_item(item: &Item, piece: &Piece, code: &Arc<str>, cell: usize, number: usize) -> SessionItem {
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
    SessionItem {
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
