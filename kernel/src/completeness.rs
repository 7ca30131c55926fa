//! Decides whether a cell is whole from its brackets, strings and comments alone.

use crate::engine::Completeness;

/// Whether Enter should run it.
pub fn of(code: &str) -> Completeness {
    let text: Vec<char> = code.chars().collect();
    let mut open = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        at += match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => match comment(rest) {
                Some(length) => length,
                None => return Completeness::Incomplete(String::new()),
            },
            ['r', '"' | '#', ..] if !text[..at].last().is_some_and(|c| c.is_alphanumeric() || *c == '_') => {
                match raw(rest) {
                    Raw::Whole(length) => length,
                    Raw::Open => return Completeness::Incomplete(String::new()),
                    Raw::No => 1,
                }
            }
            ['"', ..] => match string(rest) {
                Some(length) => length,
                None => return Completeness::Incomplete(String::new()),
            },
            ['\'', '\\', ..] => rest.iter().skip(3).position(|c| *c == '\'').map_or(1, |found| found + 4),
            ['\'', _, '\'', ..] => 3,
            [c @ ('(' | '[' | '{'), ..] => {
                open.push(*c);
                1
            }
            [c @ (')' | ']' | '}'), ..] => {
                let pair = matches!((open.pop(), c), (Some('('), ')') | (Some('['), ']') | (Some('{'), '}'));
                if !pair {
                    return Completeness::Invalid;
                }
                1
            }
            _ => 1,
        };
    }
    if open.is_empty() { Completeness::Complete } else { Completeness::Incomplete("    ".repeat(open.len())) }
}

fn comment(text: &[char]) -> Option<usize> {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn string(text: &[char]) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

enum Raw {
    Whole(usize),
    Open,
    No,
}

fn raw(text: &[char]) -> Raw {
    let marks = text[1..].iter().take_while(|c| **c == '#').count();
    if text.get(1 + marks) != Some(&'"') {
        return Raw::No;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
    let from = 2 + marks;
    match text[from..].windows(end.len()).position(|window| window == end) {
        Some(found) => Raw::Whole(from + found + end.len()),
        None => Raw::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        for whole in
            ["1 + 1", "let s = \"{\";", "// {", "/* { /* [ */ */ 1", "r#\"{\"#", "'{'", "'\\''", "fn f<'a>() {}"]
        {
            assert_eq!(of(whole), Completeness::Complete, "{whole}");
        }
        for open in ["fn f() {", "let a = (1,", "\"abc", "/* abc", "r#\"abc\"", "vec![1, 2"] {
            assert!(matches!(of(open), Completeness::Incomplete(_)), "{open}");
        }
        assert_eq!(of("fn f() {"), Completeness::Incomplete("    ".into()));
        assert_eq!(of("1)"), Completeness::Invalid);
        assert_eq!(of("(1]"), Completeness::Invalid);
    }
}
