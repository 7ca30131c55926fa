//! Types of variables: converts what rustc prints into a path that a cell can write.
//!
//! rustc prints the path by which a type can be reached from the crate that it compiles, `scdd_facade::burn::Tensor<1>`;
//! closures, async blocks and functions it prints in ways that aren't Rust, and types that aren't exported by the path of
//! their definition.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{PathSegment, Type};

use super::unkeepable::Reason;

const PRIMITIVES: [&str; 18] = [
    "bool", "char", "str", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64", "Self",
];

/// The type as a cell may write it.
///
/// # Errors
/// Why no cell can.
pub fn nameable(printed: &str, externs: &[String], is_item: &dyn Fn(&str) -> bool) -> Result<String, Reason> {
    if printed.contains("{closure") {
        return Err(if printed.starts_with('{') { Reason::Closure } else { Reason::NoName });
    }
    if printed.contains("{async") {
        return Err(Reason::Async);
    }
    let mut parsed: Type = syn::parse_str(printed).map_err(|_| Reason::NoName)?;
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
    why: Option<Reason>,
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
            self.why = Some(Reason::Private);
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_type_impl_trait_mut(&mut self, _: &mut syn::TypeImplTrait) {
        self.why = Some(Reason::NoName);
    }

    fn visit_type_infer_mut(&mut self, _: &mut syn::TypeInfer) {
        self.why = Some(Reason::NoName);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(printed: &str) -> Result<String, Reason> {
        let externs = ["std", "scdd_facade", "alloc"].map(str::to_owned);
        nameable(printed, &externs, &|name| ["Point", "shapes"].contains(&name))
    }

    #[test]
    fn exported_types_and_ones_own_can_be_written() {
        for printed in [
            "std::vec::Vec<scdd_facade::burn::Tensor<2>>",
            "(Point, shapes::round::Circle, &str, [f32; 3])",
            "std::boxed::Box<dyn for<'a> std::ops::Fn(&'a str) -> i32 + std::marker::Send>",
            "fn(i32) -> i32",
        ] {
            assert_eq!(of(printed), Ok(printed.to_owned()));
        }
    }

    #[test]
    fn a_type_without_a_crate_is_looked_for_in_ndarray() {
        assert_eq!(
            of("Point<ArrayBase>").map(|found| found.replace(' ', "")),
            Ok("Point<scdd::ndarray::ArrayBase>".to_owned())
        );
    }

    #[test]
    fn what_no_cell_can_write_is_refused_with_the_reason() {
        assert_eq!(of("{closure@cell_1.rs:3:4: 3:7}"), Err(Reason::Closure));
        assert_eq!(of("std::iter::Map<std::vec::IntoIter<i32>, {closure@cell_1.rs:3:4: 3:7}>"), Err(Reason::NoName));
        assert_eq!(of("{async block@cell_1.rs:3:4: 3:7}"), Err(Reason::Async));
        assert_eq!(of("impl std::iter::Iterator<Item = i32>"), Err(Reason::NoName));
        assert_eq!(of("hidden_crate::inner::Thing"), Err(Reason::Private));
        assert_eq!(of("fn(i32) -> i32 {f}"), Err(Reason::NoName));
    }
}
