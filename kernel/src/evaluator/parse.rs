//! Parser of cells: separates commands, crate attributes, items and statements, and finds the names that each binds and uses.

use std::collections::BTreeSet;
use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Item, MacroDelimiter, Stmt};

use super::unkeepable;

/// A `:command` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Without the colon: "dep", "vars".
    pub name: String,
    /// The rest of the line.
    pub argument: String,
}

impl Command {
    /// Whether it asks for a crate.
    pub fn is_dep(&self) -> bool {
        ["dep", "d"].contains(&self.name.as_str())
    }
}

/// A variable that a `let` binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Why it can't outlive the cell, where its expression says so.
    pub local: Option<unkeepable::Reason>,
    /// Bound without a value: `let x;`.
    pub later: bool,
}

/// What a piece of a cell is.
pub enum Kind {
    /// A function, a type, an impl, a `use`.
    Item(Box<Item>),
    /// A statement, or an expression whose value nobody sees.
    Statement(Vec<Binding>),
    /// The last expression.
    Last,
}

/// A piece of a cell.
pub struct Piece {
    /// Where it stands in the cell's text, in bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
    /// The names in it, those in the braces of format strings included.
    pub names: BTreeSet<String>,
}

/// A cell.
#[derive(Default)]
pub struct Cell {
    /// `#![...]` lines.
    pub attributes: Vec<Range<usize>>,
    /// The rest in order.
    pub pieces: Vec<Piece>,
    /// Names that are assigned to (`name = ...`).
    pub assigned: BTreeSet<String>,
}

/// Why a cell couldn't be taken apart.
#[derive(Debug)]
pub struct SyntaxError {
    /// In words.
    pub message: String,
    /// Where, in bytes.
    pub range: Range<usize>,
}

/// Cuts the command lines out of a cell; spaces stand in their place, so that all else stays where it is.
pub fn commands(code: &str) -> (Vec<Command>, String) {
    let (mut found, mut rest) = (Vec::new(), String::with_capacity(code.len()));
    for line in code.split_inclusive('\n') {
        let trimmed = line.trim();
        let is_command =
            trimmed.strip_prefix(':').is_some_and(|after| after.starts_with(|c: char| c.is_alphabetic() || c == '?'));
        // Only before the first line of Rust: a line of a literal may begin with a colon.
        if is_command && rest.trim().is_empty() {
            let (name, argument) = trimmed[1..].split_once(char::is_whitespace).unwrap_or((&trimmed[1..], ""));
            found.push(Command { name: name.to_owned(), argument: argument.trim().to_owned() });
            rest.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            rest.push_str(line);
        }
    }
    (found, rest)
}

/// Takes a cell apart. Spans in it are good until the next call on this thread. `makes_items` tells of macros of earlier
/// cells whether what they make are items, which later cells must see.
///
/// # Errors
/// Where the text isn't Rust.
pub fn parse(code: &str, makes_items: &dyn Fn(&str) -> bool) -> Result<Cell, SyntaxError> {
    // The parser keeps every text that it has seen, for spans; a session may have thousands.
    proc_macro2::extra::invalidate_current_thread_spans();
    let (_, text) = commands(code);
    let parsed =
        (|input: ParseStream| Ok((Attribute::parse_inner(input)?, Block::parse_within(input)?))).parse_str(&text);
    let (attributes, statements) = parsed.map_err(|error| {
        let range = error.span().byte_range();
        SyntaxError { message: error.to_string(), range: range.start.min(text.len())..range.end.min(text.len()) }
    })?;
    let mut returns = Returns(None);
    statements.iter().for_each(|statement| returns.visit_stmt(statement));
    if let Some(range) = returns.0 {
        let message = "a cell has no `return`: write `if ... else`, or put it into a function".to_owned();
        return Err(SyntaxError { message, range });
    }
    let attributes = attributes.iter().map(|attribute| attribute.span().byte_range()).collect();
    let mut cell = Cell { attributes, ..Cell::default() };
    let count = statements.len();
    let own: BTreeSet<String> = statements.iter().filter_map(item_macro).collect();
    for (index, statement) in statements.into_iter().enumerate() {
        let names = names(statement.to_token_stream());
        let range = statement.span().byte_range();
        if range.is_empty() {
            continue;
        }
        let mut assigned = Assigned(&mut cell.assigned);
        assigned.visit_stmt(&statement);
        let kind = kind(statement, index + 1 == count, &|name| own.contains(name) || makes_items(name));
        cell.pieces.push(Piece { range, kind, names });
    }
    Ok(cell)
}

fn kind(statement: Stmt, last: bool, makes_items: &dyn Fn(&str) -> bool) -> Kind {
    match statement {
        Stmt::Item(item) => Kind::Item(Box::new(item)),
        Stmt::Local(found) => {
            let why = found.init.as_ref().and_then(|init| unkeepable::reason(&found.pat, &init.expr));
            let mut bound = Bound::default();
            bound.visit_pat(&found.pat);
            let later = found.init.is_none();
            let bind = |name| Binding { name, local: why, later };
            Kind::Statement(bound.names.into_iter().map(bind).collect())
        }
        Stmt::Macro(found)
            if found.mac.path.segments.last().is_some_and(|last| makes_items_named(last, makes_items)) =>
        {
            let item = syn::ItemMacro { attrs: found.attrs, ident: None, mac: found.mac, semi_token: found.semi_token };
            Kind::Item(Box::new(Item::Macro(item)))
        }
        Stmt::Macro(found) => {
            let braces = matches!(found.mac.delimiter, MacroDelimiter::Brace(_));
            if last && found.semi_token.is_none() && !braces { Kind::Last } else { Kind::Statement(Vec::new()) }
        }
        Stmt::Expr(expression, None) if last && !has_no_value(&expression) => Kind::Last,
        Stmt::Expr(..) => Kind::Statement(Vec::new()),
    }
}

/// Macros that make items: what they make must be seen by later cells.
fn makes_items_named(last: &syn::PathSegment, makes_items: &dyn Fn(&str) -> bool) -> bool {
    let name = last.ident.to_string();
    ["thread_local", "lazy_static", "bitflags"].contains(&name.as_str()) || makes_items(&name)
}

/// The name of a macro by example that makes items.
fn item_macro(statement: &Stmt) -> Option<String> {
    match statement {
        Stmt::Item(Item::Macro(found)) if begins_with_item(found.mac.tokens.clone()) => {
            Some(found.ident.as_ref()?.to_string())
        }
        _ => None,
    }
}

/// Whether the first rule of a macro by example makes an item.
pub fn begins_with_item(rules: TokenStream) -> bool {
    const BEGIN: [&str; 10] = ["struct", "enum", "impl", "fn", "pub", "trait", "mod", "const", "static", "type"];
    let mut rules =
        rules.into_iter().skip_while(|token| !matches!(token, TokenTree::Punct(found) if found.as_char() == '>'));
    let Some(TokenTree::Group(body)) = rules.nth(1) else { return false };
    let mut tokens = body.stream().into_iter();
    loop {
        match tokens.next() {
            Some(TokenTree::Ident(first)) => return BEGIN.contains(&first.to_string().as_str()),
            Some(TokenTree::Punct(first)) if first.as_char() == '#' => return true,
            // `$( ... )*`: what is repeated.
            Some(TokenTree::Punct(first)) if first.as_char() == '$' => match tokens.next() {
                Some(TokenTree::Group(repeated)) => tokens = repeated.stream().into_iter(),
                _ => return false,
            },
            _ => return false,
        }
    }
}

fn has_no_value(expression: &Expr) -> bool {
    matches!(expression, Expr::ForLoop(_) | Expr::While(_) | Expr::Assign(_))
}

/// All names in tokens, and those that format strings name in braces.
pub fn names(tokens: TokenStream) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(tokens, &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                let name = name.to_string();
                found.insert(name.strip_prefix("r#").map(str::to_owned).unwrap_or(name));
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                for part in text.split('{').skip(1) {
                    let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if !name.is_empty() {
                        found.insert(name);
                    }
                    // A width or precision that a variable gives: `{x:>width$.digits$}`.
                    let spec = part.split('}').next().unwrap_or_default();
                    found.extend(
                        spec.split('$')
                            .filter_map(|head| head.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next())
                            .filter(|name| !name.is_empty())
                            .map(str::to_owned),
                    );
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

#[derive(Default)]
struct Bound {
    names: Vec<String>,
}

impl<'ast> Visit<'ast> for Bound {
    fn visit_pat_ident(&mut self, found: &'ast syn::PatIdent) {
        let name = found.ident.to_string();
        // `None` and constants look like bindings.
        let path_like = found.by_ref.is_none() && found.mutability.is_none() && found.subpat.is_none();
        let is_path = path_like && name.starts_with(char::is_uppercase);
        if !is_path && !self.names.contains(&name) {
            self.names.push(name);
        }
        visit::visit_pat_ident(self, found);
    }
    fn visit_expr(&mut self, _: &'ast Expr) {}
}

/// A `return` at the top of a cell.
struct Returns(Option<Range<usize>>);

impl<'ast> Visit<'ast> for Returns {
    fn visit_expr_return(&mut self, found: &'ast syn::ExprReturn) {
        self.0.get_or_insert(found.return_token.span().byte_range());
    }
    fn visit_item(&mut self, _: &'ast Item) {}
    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
}

struct Assigned<'a>(&'a mut BTreeSet<String>);

impl<'ast> Visit<'ast> for Assigned<'_> {
    fn visit_expr_assign(&mut self, found: &'ast syn::ExprAssign) {
        // `(a, b) = f()` assigns to both.
        self.0.extend(match &*found.left {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string).into_iter().collect(),
            Expr::Tuple(_) | Expr::Array(_) => names(found.left.to_token_stream()),
            _ => BTreeSet::new(),
        });
        visit::visit_expr_assign(self, found);
    }
    fn visit_item(&mut self, _: &'ast Item) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bindings(code: &str) -> Vec<String> {
        let cell = parse(code, &|_| false).unwrap_or_else(|error| panic!("{}", error.message));
        let of = |piece: &Piece| match &piece.kind {
            Kind::Statement(bindings) => bindings.iter().map(|binding| binding.name.clone()).collect(),
            _ => Vec::new(),
        };
        cell.pieces.iter().flat_map(of).collect()
    }

    #[test]
    fn a_cell_is_taken_apart_with_the_places_of_its_pieces() {
        let code = "use std::fs;\nlet x = 1;\nfn f() {}\nx + 1";
        let cell = parse(code, &|_| false).unwrap_or_else(|error| panic!("{}", error.message));
        let texts: Vec<&str> = cell.pieces.iter().map(|piece| &code[piece.range.clone()]).collect();
        assert_eq!(texts, ["use std::fs;", "let x = 1;", "fn f() {}", "x + 1"]);
        assert!(matches!(cell.pieces[3].kind, Kind::Last));
        assert!(matches!(cell.pieces[2].kind, Kind::Item(_)));
    }

    #[test]
    fn commands_leave_all_else_where_it_is() {
        let code = "  :dep rand = \"0.10\"\n:vars \u{e9}\nlet x = 1;\n:not_a_command";
        let (found, rest) = commands(code);
        assert_eq!(found[0], Command { name: "dep".into(), argument: "rand = \"0.10\"".into() });
        assert_eq!(found[1].name, "vars");
        assert_eq!(rest.find("let"), code.find("let"));
        assert_eq!(rest.lines().nth(3), Some(":not_a_command"));
    }

    #[test]
    fn all_patterns_bind_and_constants_do_not() {
        assert_eq!(bindings("let (a, mut b) = f(); let [c, .., d] = g;"), ["a", "b", "c", "d"]);
        assert_eq!(bindings("let Point { x, y: Some(inner), .. } = p else { panic!() };"), ["x", "inner"]);
        assert_eq!(
            bindings("let None = option else { panic!() }; let _ = 1; let e @ 1..=9 = n else { panic!() };"),
            ["e"]
        );
    }

    #[test]
    fn macros_that_make_items_are_told_from_others() {
        let code = "macro_rules! point { ($n:ident) => { struct $n; } }\nmacro_rules! all { ($($t:ty)*) => { $(impl T for $t {})* } }\nmacro_rules! sum { ($a:expr) => { $a + 1 } }\npoint! { A }\nall!(u8);\nsum!(1)";
        let cell = parse(code, &|_| false).unwrap_or_else(|error| panic!("{}", error.message));
        let items: Vec<bool> = cell.pieces.iter().map(|piece| matches!(piece.kind, Kind::Item(_))).collect();
        assert_eq!(items, [true, true, true, true, true, false]);
        assert!(matches!(
            parse("point!(B);", &|name| name == "point").unwrap_or_else(|error| panic!("{}", error.message)).pieces[0]
                .kind,
            Kind::Item(_)
        ));
    }

    #[test]
    fn names_in_format_strings_count() {
        let cell = parse("println!(\"{x:>width$.digits$} {{no}} {y:?}\", z);", &|_| false)
            .unwrap_or_else(|error| panic!("{}", error.message));
        for name in ["x", "y", "z", "width", "digits"] {
            assert!(cell.pieces[0].names.contains(name), "{name}");
        }
    }

    #[test]
    fn what_is_assigned_to_is_found_in_loops_and_tuples() {
        let cell = parse("let mut a = 1; for _ in 0..2 { a = 2; } (b, c) = f(); d += 1; e.x = 2;", &|_| false)
            .unwrap_or_else(|error| panic!("{}", error.message));
        assert_eq!(cell.assigned.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
