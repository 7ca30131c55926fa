//! Whether a text is a whole cell.

use proc_macro2::TokenStream;

use super::split;
use crate::engine::Completeness;

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
}
