//! Types of variables, from rustc's words to a path that a cell may write.
//!
//! rustc prints the path by which a type can be reached from the crate that it compiles, `scdd_facade::burn::Tensor<1>`;
//! closures, async blocks and functions it prints in ways that aren't Rust, and types that aren't exported by the path of
//! their definition.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{PathSegment, Type};

use super::local::Why;

const PRIMITIVES: [&str; 18] = [
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64", "Self",
];

/// The type as a cell may write it.
///
/// # Errors
/// Why no cell can.
pub fn nameable(printed: &str, externs: &[String], is_item: &dyn Fn(&str) -> bool) -> Result<String, Why> {
    if printed.contains("{closure") {
        return Err(if printed.starts_with('{') { Why::Closure } else { Why::NoName });
    }
    if printed.contains("{async") {
        return Err(Why::Async);
    }
    let mut parsed: Type = syn::parse_str(printed).map_err(|_| Why::NoName)?;
    let mut paths = Paths { externs, is_item, why: None, changed: false };
    paths.visit_type_mut(&mut parsed);
    match (paths.why, paths.changed) {
        (Some(why), _) => Err(why),
        (None, false) => Ok(printed.to_owned()),
        (None, true) => Ok(quote::ToTokens::to_token_stream(&parsed).to_string()),
    }
}

struct Paths<'a> {
    externs: &'a [String],
    is_item: &'a dyn Fn(&str) -> bool,
    why: Option<Why>,
    changed: bool,
}

impl VisitMut for Paths<'_> {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        let first = path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let known = self.externs.contains(&first) || (self.is_item)(&first);
        if path.segments.len() == 1 {
            if !known && !PRIMITIVES.contains(&first.as_str()) {
                // rustc leaves out the crate of ndarray's types.
                for name in ["ndarray", "scdd"] {
                    path.segments.insert(0, PathSegment::from(syn::Ident::new(name, Span::call_site())));
                }
                self.changed = true;
            }
        } else if !known {
            self.why = Some(Why::Private);
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_type_impl_trait_mut(&mut self, _: &mut syn::TypeImplTrait) {
        self.why = Some(Why::NoName);
    }

    fn visit_type_infer_mut(&mut self, _: &mut syn::TypeInfer) {
        self.why = Some(Why::NoName);
    }
}
