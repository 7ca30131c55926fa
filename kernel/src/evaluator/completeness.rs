//! Decides whether a text is a whole cell: checks brackets and strings first, then parses it with syn.

use super::parse;
use crate::engine::Completeness;

/// Whether Enter should run the text.
pub fn completeness(code: &str) -> Completeness {
    let (_, text) = parse::commands(code);
    match crate::completeness::of(&text) {
        Completeness::Complete => {}
        other => return other,
    }
    match parse::parse(code, &|_| false) {
        Ok(_) => Completeness::Complete,
        Err(error) if error.message.contains("unexpected end of input") => Completeness::Incomplete(String::new()),
        Err(error) if error.message.contains("expected `;`") && error.range.start >= text.trim_end().len() => {
            Completeness::Incomplete(String::new())
        }
        Err(_) => Completeness::Invalid,
    }
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
