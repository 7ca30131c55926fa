//! Items that the user wrote, as the table has those of crates.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Fields, File, ImplItem, ReturnType, Signature, TraitItem};

use super::expression::in_name;
use super::table::{Item, Member};

/// Items by their names, from their sources and from whole items of the cell; what can't be read is left out.
pub fn items(sources: &[String], cell: &str) -> HashMap<String, Item> {
    let mut found = HashMap::new();
    for source in sources.iter().map(String::as_str).chain(whole(cell)) {
        if let Ok(File { items, .. }) = syn::parse_file(source) {
            items.iter().for_each(|item| add(item, &mut found));
        }
    }
    found
}

/// Items at the beginning of lines that end with a closing bracket at the beginning of one: those of the cell that is
/// being written, whose rest can't be read yet.
fn whole(cell: &str) -> Vec<&str> {
    const WORDS: [&str; 8] = ["struct ", "enum ", "impl ", "impl<", "trait ", "fn ", "pub ", "async fn "];
    let mut found = Vec::new();
    let mut begin = None;
    let mut at = 0;
    for line in cell.split_inclusive('\n') {
        if begin.is_none() && WORDS.iter().any(|word| line.starts_with(word)) {
            begin = Some(at);
        }
        at += line.len();
        let ends = line.starts_with('}')
            || line.trim_end().ends_with(['}', ';']) && line.starts_with(|c| !char::is_whitespace(c));
        if let Some(from) = begin.filter(|_| ends) {
            found.push(&cell[from..at]);
            begin = None;
        }
    }
    found
}

fn add(item: &syn::Item, found: &mut HashMap<String, Item>) {
    match item {
        syn::Item::Struct(item) => {
            let entry = found.entry(item.ident.to_string()).or_default();
            entry.kind = "struct".to_owned();
            entry.signature = format!("struct {}{}", item.ident, text(&item.generics));
            entry.docs = docs(&item.attrs);
            entry.params = params(&item.generics);
            entry.members.extend(fields(&item.fields));
        }
        syn::Item::Enum(item) => {
            let name = item.ident.to_string();
            let entry = found.entry(name.clone()).or_default();
            entry.kind = "enum".to_owned();
            entry.signature = format!("enum {name}{}", text(&item.generics));
            entry.docs = docs(&item.attrs);
            entry.params = params(&item.generics);
            entry.members.extend(item.variants.iter().map(|variant| Member {
                name: variant.ident.to_string(),
                kind: "variant".to_owned(),
                signature: format!("{name}::{}", text(variant)),
                returns: name.clone(),
                docs: docs(&variant.attrs),
                of_self: false,
            }));
        }
        syn::Item::Fn(item) => {
            let (signature, returns) = (text(&item.sig), returns(&item.sig));
            let made = Item { kind: "function".into(), signature, returns, docs: docs(&item.attrs), ..Item::default() };
            found.insert(item.sig.ident.to_string(), made);
        }
        syn::Item::Trait(item) => {
            let entry = found.entry(item.ident.to_string()).or_default();
            entry.kind = "trait".to_owned();
            entry.signature = format!("trait {}{}", item.ident, text(&item.generics));
            entry.docs = docs(&item.attrs);
            entry.members.extend(item.items.iter().filter_map(|item| match item {
                TraitItem::Fn(item) => Some(method(&item.sig, &item.attrs)),
                _ => None,
            }));
        }
        syn::Item::Impl(item) => {
            let (name, _) = super::type_text::parts(&text(&item.self_ty));
            let entry = found.entry(name).or_default();
            if entry.kind.is_empty() {
                entry.kind = "struct".to_owned();
            }
            entry.members.extend(item.items.iter().filter_map(|item| match item {
                ImplItem::Fn(item) => Some(method(&item.sig, &item.attrs)),
                _ => None,
            }));
        }
        _ => {}
    }
}

fn fields(fields: &Fields) -> Vec<Member> {
    let one = |(place, field): (usize, &syn::Field)| {
        let name = field.ident.as_ref().map_or_else(|| place.to_string(), ToString::to_string);
        let returns = text(&field.ty);
        let signature = format!("{name}: {returns}");
        Member { name, kind: "field".into(), signature, returns, docs: docs(&field.attrs), of_self: true }
    };
    fields.iter().enumerate().map(one).collect()
}

fn method(sig: &Signature, attributes: &[syn::Attribute]) -> Member {
    let of_self = sig.receiver().is_some();
    Member {
        name: sig.ident.to_string(),
        kind: if of_self { "method" } else { "function" }.to_owned(),
        signature: text(sig),
        returns: returns(sig),
        docs: docs(attributes),
        of_self,
    }
}

fn returns(sig: &Signature) -> String {
    match &sig.output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, of) => text(of),
    }
}

fn params(generics: &syn::Generics) -> Vec<String> {
    generics.type_params().map(|param| param.ident.to_string()).collect()
}

fn docs(attributes: &[syn::Attribute]) -> String {
    let line = |attribute: &syn::Attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value else { return None };
        pair.path.is_ident("doc").then(|| line.value().trim().to_owned())
    };
    attributes.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// Source without the spaces that tokens bring.
fn text(tokens: &impl ToTokens) -> String {
    let spaced: Vec<char> = tokens.to_token_stream().to_string().chars().collect();
    let mut made = String::new();
    for (at, c) in spaced.iter().enumerate() {
        let (before, after) = (at.checked_sub(1).map(|at| spaced[at]), spaced.get(at + 1));
        let parts = |c: Option<char>| c.is_some_and(in_name);
        let wanted = parts(before) && parts(after.copied())
            || before.is_some_and(|c| ",:=>".contains(c)) && before != after.copied() && !made.ends_with("::")
            || after.is_some_and(|c| "=-".contains(*c));
        if *c != ' ' || wanted {
            made.push(*c);
        }
    }
    made
}
