//! Whether a text is a whole cell, and the names that are known without an analyser.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use serde_json::Value;

use super::split;
use crate::engine::{Candidate, Completeness, Completions, Variable};

/// Whether Enter should run the text.
pub fn completeness(code: &str) -> Completeness {
    let (_, text) = split::commands(code);
    let depth = depth(&text);
    if depth > 0 {
        return Completeness::Incomplete("    ".repeat(depth as usize));
    }
    if depth < 0 {
        return Completeness::Invalid;
    }
    match split::split(code, &|_| false) {
        Ok(_) => Completeness::Complete,
        Err(error) if text.parse::<TokenStream>().is_err() || error.message.contains("unexpected end of input") => {
            Completeness::Incomplete(String::new())
        }
        Err(error) if error.message.contains("expected `;`") && error.range.start >= text.trim_end().len() => {
            Completeness::Incomplete(String::new())
        }
        Err(_) => Completeness::Invalid,
    }
}

/// How many brackets are open at the end, texts and comments left out.
fn depth(text: &str) -> i32 {
    let mut depth = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = match first {
            '(' | '[' | '{' => {
                depth += 1;
                1
            }
            ')' | ']' | '}' => {
                depth -= 1;
                if depth < 0 {
                    return depth;
                }
                1
            }
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => {
                let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
                let end = format!("\"{}", "#".repeat(hashes));
                rest[hashes + 2..].find(&end).map_or(rest.len(), |at| hashes + 2 + at + end.len())
            }
            '"' => quoted(rest),
            '\'' if rest[1..].starts_with('\\') => rest[2..].find('\'').map_or(rest.len(), |at| at + 3),
            '\'' => match rest[1..].char_indices().nth(1) {
                Some((at, '\'')) => at + 2,
                _ => 1,
            },
            _ => first.len_utf8(),
        };
        rest = &rest[skip.min(rest.len())..];
    }
    depth
}

/// The length of a text in quotes at the beginning.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The word that ends at a cursor, with its beginning in characters.
fn word(code: &str, cursor: usize) -> (String, usize) {
    let before: Vec<char> = code.chars().take(cursor).collect();
    let begin = before.iter().rposition(|c| !(c.is_alphanumeric() || *c == '_')).map_or(0, |at| at + 1);
    (before[begin..].iter().collect(), begin)
}

const KEYWORDS: [&str; 24] = [
    "async", "await", "break", "const", "continue", "else", "enum", "false", "fn", "for", "if", "impl", "let", "loop",
    "match", "move", "mut", "pub", "return", "struct", "trait", "true", "use", "while",
];

/// Variables, items and keywords that begin with what stands before the cursor.
pub fn names(code: &str, cursor: usize, variables: &[Variable], items: &[String]) -> Completions {
    let (begun, start) = word(code, cursor);
    let after_dot = code.chars().nth(start.wrapping_sub(1)) == Some('.');
    let mut matches = Vec::new();
    let mut add = |text: &str, kind: &str, signature: String| {
        if text.starts_with(&begun) && !after_dot {
            matches.push(Candidate { text: text.to_owned(), kind: kind.to_owned(), signature });
        }
    };
    for variable in variables {
        add(&variable.name, "variable", variable.type_name.clone());
    }
    for item in items {
        let (kind, name) = item.split_once(' ').unwrap_or(("item", item));
        let kind = if kind == "fn" { "function" } else { kind };
        if name.chars().all(|c| c.is_alphanumeric() || c == '_') && kind != "impl" {
            add(name, kind, item.clone());
        }
    }
    if !begun.is_empty() {
        KEYWORDS.iter().for_each(|keyword| add(keyword, "keyword", String::new()));
    }
    Completions { matches, start, end: start + begun.chars().count() }
}

/// The type of the variable at the cursor.
pub fn inspect(code: &str, cursor: usize, variables: &[Variable]) -> Option<BTreeMap<String, Value>> {
    let rest: usize = code.chars().skip(cursor).take_while(|c| c.is_alphanumeric() || *c == '_').count();
    let (name, _) = word(code, cursor + rest);
    let variable = variables.iter().find(|variable| variable.name == name)?;
    let text = format!("{name}: {}  {}", variable.type_name, variable.shape);
    Some(BTreeMap::from([("text/plain".to_owned(), Value::from(text.trim_end()))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_runs_whole_cells_and_goes_on_in_others() {
        for whole in [
            "1 + 1",
            "let x = 1;",
            "fn f() {\n}",
            ":vars",
            "",
            "// (",
            "let s = \"(\";",
            "let c = '('; let l: &'static str = \"\";",
            "r#\"{\"#.len()",
        ] {
            assert_eq!(completeness(whole), Completeness::Complete, "{whole}");
        }
        assert_eq!(completeness("fn f() {"), Completeness::Incomplete("    ".into()));
        assert_eq!(completeness("f(vec![1,"), Completeness::Incomplete("        ".into()));
        assert_eq!(completeness("let x ="), Completeness::Incomplete(String::new()));
        assert_eq!(completeness("let s = \"begun"), Completeness::Incomplete(String::new()));
        assert_eq!(completeness("let x = 1)"), Completeness::Invalid);
        assert_eq!(completeness("let let = 1;"), Completeness::Invalid);
    }

    #[test]
    fn names_that_begin_alike_are_offered_with_their_types() {
        let variables = [Variable { name: "cells".into(), type_name: "Cells".into(), shape: "3 cells".into() }];
        let found = names("let x = ce", 10, &variables, &["fn centre".into(), "struct Other".into()]);
        assert_eq!((found.start, found.end), (8, 10));
        assert_eq!(found.matches.iter().map(|found| found.text.as_str()).collect::<Vec<_>>(), ["cells", "centre"]);
        assert!(names("x.ce", 4, &variables, &[]).matches.is_empty());
        let shown = inspect("cells.len()", 2, &variables).unwrap();
        assert_eq!(shown["text/plain"], "cells: Cells  3 cells");
    }
}
