//! Variables that can't be kept after their cell, as far as their expression shows: closures, borrows, lazy iterators.
//!
//! What isn't seen here the compiler finds, at the price of a second compilation.

use syn::{Expr, Pat, Type};

/// Why a variable ends with its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A closure's type has no name.
    Closure,
    /// An async block's type has no name.
    Async,
    /// It borrows.
    Borrow,
    /// An iterator that borrows.
    Iterator,
    /// Its type has no name that a cell could write.
    NoName,
    /// Its type isn't exported by its crate.
    Private,
}

impl Reason {
    /// What to tell about the variable `name` of type `type_name`.
    pub fn message(self, name: &str, type_name: &str) -> String {
        let (reason, mend) = match self {
            Reason::Closure => (
                "a closure's type has no name",
                format!("write a `fn`, or `let {name}: Box<dyn Fn(A) -> B> = Box::new(...)`"),
            ),
            Reason::Async => {
                ("an async block's type has no name", "`.await` it here, or write an `async fn`".to_owned())
            }
            Reason::Borrow => (
                "it borrows, and a kept variable must own what it has",
                "clone it (`.clone()`, `.to_owned()`), or put its use into this cell".to_owned(),
            ),
            Reason::Iterator => (
                "an iterator borrows what it goes over",
                "`.collect::<Vec<_>>()` it, or put its use into this cell".to_owned(),
            ),
            Reason::NoName => (
                "its type has no name that another cell could write",
                "collect it, box it as `Box<dyn Trait>`, or put its use into this cell".to_owned(),
            ),
            Reason::Private => (
                "its crate doesn't export its type",
                "convert it to a type that is exported, or put its use into this cell".to_owned(),
            ),
        };
        let of = if type_name.is_empty() { String::new() } else { format!(" ({type_name})") };
        format!("`{name}`{of} ends with this cell: {reason}. Mend: {mend}.")
    }
}

/// Methods whose result borrows from what they are called on, whatever that is.
const BORROWS: [&str; 16] = [
    "as_str",
    "as_slice",
    "as_mut_slice",
    "as_bytes",
    "as_ref",
    "as_mut",
    "as_deref",
    "as_path",
    "lock",
    "borrow",
    "borrow_mut",
    "trim",
    "trim_start",
    "trim_end",
    "get_mut",
    "iter_mut",
];
/// Methods that begin an iterator which borrows.
const BEGINS: [&str; 6] = ["iter", "chars", "char_indices", "lines", "split_whitespace", "chunks_exact"];
/// Methods that make another iterator of one.
const GOES_ON: [&str; 18] = [
    "map",
    "filter",
    "filter_map",
    "flat_map",
    "enumerate",
    "rev",
    "skip",
    "take",
    "zip",
    "chain",
    "cloned",
    "copied",
    "peekable",
    "step_by",
    "inspect",
    "take_while",
    "skip_while",
    "flatten",
];

/// Why the variables of `let pattern = expression` can't be kept, if that can be seen.
pub fn reason(pattern: &Pat, expression: &Expr) -> Option<Reason> {
    if let Pat::Type(typed) = pattern {
        // A named type decides; only a plain borrow can't be seen in it.
        return match (&*typed.ty, expression) {
            (Type::Reference(reference), Expr::Reference(_)) if reference.lifetime.is_none() => of(expression),
            _ => None,
        };
    }
    of(expression)
}

fn of(expression: &Expr) -> Option<Reason> {
    match expression {
        Expr::Closure(_) => Some(Reason::Closure),
        Expr::Async(_) => Some(Reason::Async),
        Expr::Paren(inner) => of(&inner.expr),
        Expr::Try(inner) => of(&inner.expr),
        Expr::Reference(reference) => (!is_constant(&reference.expr)).then_some(Reason::Borrow),
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            let name = name.as_str();
            if ["unwrap", "expect"].contains(&name) {
                return of(&call.receiver).filter(|why| *why == Reason::Borrow);
            }
            if is_constant(&call.receiver) {
                None
            } else if BORROWS.contains(&name) {
                Some(Reason::Borrow)
            } else if BEGINS.contains(&name) {
                Some(Reason::Iterator)
            } else if GOES_ON.contains(&name) {
                of(&call.receiver).filter(|why| *why == Reason::Iterator)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Whether a borrow of the expression lives forever: literals and what is made of them only.
fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Lit(_) => true,
        Expr::Array(array) => array.elems.iter().all(is_constant),
        Expr::Tuple(tuple) => tuple.elems.iter().all(is_constant),
        Expr::Unary(unary) => is_constant(&unary.expr),
        Expr::Reference(reference) => reference.mutability.is_none() && is_constant(&reference.expr),
        Expr::Paren(inner) => is_constant(&inner.expr),
        Expr::Path(path) => {
            let last = path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            last.len() > 1 && last.chars().all(|c| c.is_uppercase() || c.is_ascii_digit() || c == '_')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_let(code: &str) -> Option<Reason> {
        let syn::Stmt::Local(found) = syn::parse_str(code).unwrap() else { panic!("no let") };
        reason(&found.pat, &found.init.unwrap().expr)
    }

    #[test]
    fn borrows_closures_and_iterators_are_seen() {
        assert_eq!(of_let("let f = |x| x + 1;"), Some(Reason::Closure));
        assert_eq!(of_let("let a = &list[1..];"), Some(Reason::Borrow));
        assert_eq!(of_let("let g = lock.lock().unwrap();"), Some(Reason::Borrow));
        assert_eq!(of_let("let g = lock.lock()?;"), Some(Reason::Borrow));
        assert_eq!(of_let("let i = list.iter().map(|x| x + 1);"), Some(Reason::Iterator));
        assert_eq!(of_let("let s: &str = &text;"), Some(Reason::Borrow));
    }

    #[test]
    fn what_owns_or_lives_forever_is_kept() {
        for code in [
            "let a = &[1, 2, 3];",
            "let s = \"text\";",
            "let n = list.iter().map(|x| x + 1).sum::<i32>();",
            "let v = list.iter().collect::<Vec<_>>();",
            "let t = option.take();",
            "let m = option.map(|x| x + 1);",
            "let f: Box<dyn Fn(i32) -> i32> = Box::new(|x| x);",
            "let l = &LIMITS;",
            "let parts = tensor.split(2, 0);",
        ] {
            assert_eq!(of_let(code), None, "{code}");
        }
    }
}
