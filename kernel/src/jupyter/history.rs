//! The cells of this session, for `jupyter console` and the like.

use anyhow::{Result, bail};
use jupyter_protocol::messaging::{HistoryEntry, HistoryReply};
use serde_json::Value;

/// Sessions are not kept; this one has a number for the protocol's sake.
const SESSION: usize = 1;
/// Cells that are remembered.
const KEPT: usize = 10_000;

/// Inputs and what they showed, oldest first.
#[derive(Default)]
pub struct History {
    cells: Vec<(usize, String, String)>,
}

impl History {
    /// Adds a cell under its number.
    pub fn add(&mut self, count: usize, input: String, output: String) {
        if self.cells.len() >= KEPT {
            self.cells.drain(..KEPT / 10);
        }
        self.cells.push((count, input, output));
    }

    /// What `history_request` asks for. Clients leave out what has a default, so it is read leniently.
    pub fn answer(&self, asked: &Value) -> Result<HistoryReply> {
        let number = |key: &str| asked[key].as_i64();
        let with_output = asked["output"].as_bool().unwrap_or(false);
        let mut found: Vec<&(usize, String, String)> = match asked["hist_access_type"].as_str() {
            Some("tail") | None => self.cells.iter().collect(),
            Some("range") => {
                let first = number("start").unwrap_or(0);
                let stop = number("stop").unwrap_or(i64::MAX);
                let here = matches!(number("session"), None | Some(0)) || number("session") == Some(SESSION as i64);
                let inside = |count: usize| (first..stop).contains(&(count as i64));
                self.cells.iter().filter(|(count, ..)| here && inside(*count)).collect()
            }
            Some("search") => {
                let pattern = asked["pattern"].as_str().unwrap_or("*");
                let mut found: Vec<_> = self.cells.iter().filter(|(_, input, _)| matches(pattern, input)).collect();
                if asked["unique"].as_bool().unwrap_or(false) {
                    let mut seen = std::collections::HashSet::new();
                    found = found.into_iter().rev().filter(|(_, input, _)| seen.insert(input)).collect();
                    found.reverse();
                }
                found
            }
            Some(other) => bail!("found the access type {other:?}, expected tail, range or search"),
        };
        if let Some(last) = number("n").and_then(|n| usize::try_from(n).ok()) {
            found.drain(..found.len().saturating_sub(last));
        }
        let entry = |(count, input, output): &(usize, String, String)| {
            if with_output {
                HistoryEntry::InputOutput(SESSION, *count, (input.clone(), output.clone()))
            } else {
                HistoryEntry::Input(SESSION, *count, input.clone())
            }
        };
        Ok(HistoryReply::new(found.into_iter().map(entry).collect()))
    }
}

/// Shell patterns with `*` and `?` over the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, t) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn inputs(asked: &Value) -> Vec<String> {
        let mut history = History::default();
        for (number, input) in ["let a = 1;", "a + 1", "let b = 2;", "a + 1"].iter().enumerate() {
            history.add(number + 1, (*input).into(), "2".into());
        }
        let input = |entry: HistoryEntry| match entry {
            HistoryEntry::Input(_, _, input) | HistoryEntry::InputOutput(_, _, (input, _)) => input,
        };
        history.answer(asked).unwrap().history.into_iter().map(input).collect()
    }

    #[test]
    fn history_is_found_by_tail_range_and_pattern() {
        assert_eq!(inputs(&json!({"hist_access_type": "tail", "n": 2})), ["let b = 2;", "a + 1"]);
        assert_eq!(inputs(&json!({"hist_access_type": "range", "session": 0, "start": 1, "stop": 2})), ["let a = 1;"]);
        assert_eq!(inputs(&json!({"hist_access_type": "search", "pattern": "let *"})), ["let a = 1;", "let b = 2;"]);
        assert_eq!(inputs(&json!({"hist_access_type": "search", "pattern": "a ? 1", "unique": true})), ["a + 1"]);
        assert!(History::default().answer(&json!({"hist_access_type": "dream"})).is_err());
    }

    #[test]
    fn patterns_cover_the_whole_text() {
        assert!(matches("*b*", "abc") && matches("a*c", "abc") && matches("", "") && matches("*", ""));
        assert!(!matches("b", "abc") && !matches("a*d", "abc") && !matches("?", ""));
    }
}
