//! Shares statics between the crates of a session.
//!
//! Every cell's crate has all items of the session again, so that a later cell may implement a trait for an earlier
//! type. A static must not be there twice: the first crate exports it under a symbol, all later ones name that symbol.

use std::ops::Range;

use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, StaticMutability, Token, Type, Visibility};

/// The two texts of an item with statics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// For the crate that has the statics.
    pub defining: String,
    /// For those that link to them.
    pub linking: String,
}

/// Both texts of an item, if there are statics anywhere in it; symbols begin with `prefix`.
pub fn texts(item: &Item, text: &str, start: usize, prefix: &str) -> Option<Texts> {
    let mut edits = Edits { start, text, prefix, found: Vec::new() };
    edits.visit_item(item);
    if edits.found.is_empty() {
        return None;
    }
    let apply = |second: bool| {
        let mut made = String::new();
        let mut from = 0;
        for (range, defining, linking) in &edits.found {
            made.push_str(&text[from..range.start]);
            made.push_str(if second { linking } else { defining });
            from = range.end;
        }
        made + &text[from..]
    };
    Some(Texts { defining: apply(false), linking: apply(true) })
}

struct Edits<'a> {
    start: usize,
    text: &'a str,
    prefix: &'a str,
    found: Vec<(Range<usize>, String, String)>,
}

impl Edits<'_> {
    fn range(&self, spanned: impl Spanned) -> Range<usize> {
        let range = spanned.span().byte_range();
        range.start - self.start..range.end - self.start
    }

    /// The text of a static's type, in which a borrow without a lifetime lives forever.
    fn type_text(&self, of: &Type) -> String {
        let range = self.range(of);
        let mut borrows = Borrows(Vec::new());
        borrows.visit_type(of);
        let mut made = self.text[range.clone()].to_owned();
        for at in borrows.0.into_iter().rev() {
            made.insert_str(at - self.start - range.start, "'static ");
        }
        made
    }

    fn symbol(&self, name: &Ident) -> String {
        format!("{}{}_{name}", self.prefix, self.found.len())
    }
}

/// Where lifetimes are left out, behind the `&`.
struct Borrows(Vec<usize>);

impl<'ast> Visit<'ast> for Borrows {
    fn visit_type_reference(&mut self, found: &'ast syn::TypeReference) {
        if found.lifetime.is_none() {
            self.0.push(found.and_token.span().byte_range().end);
        }
        visit::visit_type_reference(self, found);
    }
    // In these a borrow left out is any borrow.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}
}

impl<'ast> Visit<'ast> for Edits<'_> {
    fn visit_item_static(&mut self, found: &'ast syn::ItemStatic) {
        let (range, symbol) = (self.range(found), self.symbol(&found.ident));
        let own = &self.text[range.clone()];
        let defining = format!("#[unsafe(export_name = {symbol:?})] {own}");
        let (visibility, name) = (found.vis.to_token_stream(), &found.ident);
        let safety = match found.mutability {
            StaticMutability::Mut(_) => "static mut",
            _ => "safe static",
        };
        let of = self.type_text(&found.ty);
        let linking =
            format!("unsafe extern \"Rust\" {{ #[link_name = {symbol:?}] {visibility} {safety} {name}: {of}; }}");
        self.found.push((range, defining, linking));
    }

    fn visit_item_macro(&mut self, found: &'ast syn::ItemMacro) {
        self.visit_macro_at(&found.mac, self.range(found));
    }

    fn visit_stmt_macro(&mut self, found: &'ast syn::StmtMacro) {
        self.visit_macro_at(&found.mac, self.range(found));
    }

    fn visit_foreign_item_static(&mut self, found: &'ast syn::ForeignItemStatic) {
        visit::visit_foreign_item_static(self, found);
    }
}

impl Edits<'_> {
    /// `thread_local!`: later crates get at it through a function of the first.
    fn visit_macro_at(&mut self, found: &syn::Macro, range: Range<usize>) {
        if found.path.segments.last().is_none_or(|segment| segment.ident != "thread_local") {
            return;
        }
        let Ok(locals) = locals.parse2(found.tokens.clone()) else { return };
        let (mut defining, mut linking) = (self.text[range.clone()].to_owned(), String::new());
        for (visibility, name, of) in &locals {
            let symbol = self.symbol(name);
            let of = self.type_text(of);
            let visibility = visibility.to_token_stream();
            defining += &format!(
                " const _: () = {{ #[unsafe(export_name = {symbol:?})] fn key() -> &'static ::std::thread::LocalKey<{of}> {{ &{name} }} }};"
            );
            linking += &format!(
                "#[derive(Clone, Copy)] #[allow(non_camel_case_types)] {visibility} struct __Local_{name}; \
                 #[allow(non_upper_case_globals)] {visibility} const {name}: __Local_{name} = __Local_{name}; \
                 impl ::std::ops::Deref for __Local_{name} {{ type Target = ::std::thread::LocalKey<{of}>; \
                 fn deref(&self) -> &::std::thread::LocalKey<{of}> {{ unsafe extern \"Rust\" {{ #[link_name = {symbol:?}] \
                 safe fn key() -> &'static ::std::thread::LocalKey<{of}>; }} key() }} }} "
            );
        }
        self.found.push((range, defining, linking));
    }
}

fn locals(input: ParseStream) -> syn::Result<Vec<(Visibility, Ident, Type)>> {
    let mut found = Vec::new();
    while !input.is_empty() {
        Attribute::parse_outer(input)?;
        let visibility: Visibility = input.parse()?;
        input.parse::<Token![static]>()?;
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let of = input.parse()?;
        input.parse::<Token![=]>()?;
        input.parse::<syn::Expr>()?;
        input.parse::<Option<Token![;]>>()?;
        found.push((visibility, name, of));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> Option<Texts> {
        let item: Item = syn::parse_str(code).unwrap();
        texts(&item, code, 0, "s_")
    }

    #[test]
    fn a_static_is_defined_once_and_linked_to_afterwards() {
        let found = of("pub static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());").unwrap();
        assert_eq!(
            found.defining,
            "#[unsafe(export_name = \"s_0_NAMES\")] pub static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());"
        );
        assert_eq!(
            found.linking,
            "unsafe extern \"Rust\" { #[link_name = \"s_0_NAMES\"] pub safe static NAMES: Mutex<Vec<&'static str>>; }"
        );
    }

    #[test]
    fn statics_inside_functions_are_found_and_the_rest_stays() {
        let found = of("fn f() -> u8 { static mut N: u8 = 0; 1 }").unwrap();
        assert!(found.linking.starts_with("fn f() -> u8 { unsafe extern \"Rust\" {"), "{}", found.linking);
        assert!(found.linking.contains("static mut N: u8;") && found.linking.ends_with(" 1 }"), "{}", found.linking);
        assert_eq!(of("fn f() -> u8 { 1 }"), None);
    }
}
