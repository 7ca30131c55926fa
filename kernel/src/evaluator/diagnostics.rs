//! Translates rustc's JSON diagnostics about the generated crate into errors about the cell.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::codegen::{GeneratedCrate, Line};
use super::hints;

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[1;32m";
const BOLD: &str = "\x1b[1m";
const END: &str = "\x1b[0m";

/// A place in a cell.
#[derive(Clone, Debug)]
struct Place {
    cell: usize,
    line: usize,
    columns: (usize, usize),
    text: String,
    label: String,
    primary: bool,
}

/// One error.
#[derive(Clone, Debug)]
pub struct Problem {
    /// "E0382", where it has one.
    pub code: String,
    /// In one line.
    pub message: String,
    /// In colours, with the lines of the cell.
    pub rendered: String,
    /// It is about a place in a cell.
    pub placed: bool,
}

/// What the compiler said.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The errors in the cell.
    pub problems: Vec<Problem>,
    /// Types of variables by id, as rustc writes them.
    pub types: Vec<(usize, String)>,
    /// Variables by id that can't be kept.
    pub not_static: BTreeSet<usize>,
    /// Variables by id that were assigned to and moved afterwards.
    pub not_again: BTreeSet<usize>,
    /// Kept variables whose type can't be written in a cell.
    pub not_taken: BTreeSet<String>,
    /// Items of earlier cells that don't compile any more.
    pub broken: BTreeSet<String>,
}

/// Reads the lines of JSON that rustc writes.
pub fn read(json: &str, source: &GeneratedCrate, cell: usize, lost: &dyn Fn(&str) -> Option<String>) -> Report {
    let mut report = Report::default();
    let mut seen = BTreeSet::new();
    for line in json.lines() {
        let Ok(diagnostic) = serde_json::from_str::<Value>(line) else {
            // What isn't JSON comes from a rustc that died.
            if line.contains("internal compiler error") || line.contains("panicked at") {
                let rendered = format!("{RED}{line}{END}");
                report.problems.push(Problem { code: String::new(), message: line.to_owned(), rendered, placed: true });
            }
            continue;
        };
        let code = diagnostic["code"]["code"].as_str().unwrap_or_default();
        if code == "trivial_casts" {
            report.types.extend(type_of(&diagnostic, source));
        }
        let message = diagnostic["message"].as_str().unwrap_or_default();
        if diagnostic["level"] != "error" || message.starts_with("aborting due to") {
            continue;
        }
        blame(&diagnostic, source, cell, &mut report);
        let problem = problem(&diagnostic, code, &short(message), source, cell, lost);
        if seen.insert(problem.rendered.clone()) {
            report.problems.push(problem);
        }
    }
    // What is said of the kernel's lines follows from what is wrong in the cell's.
    if report.problems.iter().any(|problem| problem.placed) {
        report.problems.retain(|problem| problem.placed);
    }
    report
}

fn spans(diagnostic: &Value) -> impl Iterator<Item = &Value> {
    diagnostic["spans"].as_array().into_iter().flatten()
}

/// The line of the crate that a span is in; for code that a macro made, that of the call.
fn in_crate(span: &Value) -> Option<&Value> {
    let mut span = span;
    loop {
        if span["file_name"].as_str().is_some_and(is_crate) {
            return Some(span);
        }
        span = span.get("expansion").filter(|found| !found.is_null())?.get("span")?;
    }
}

/// Whether a file is the crate of a cell: `cell_12.rs`.
fn is_crate(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.strip_prefix("cell_")
        .and_then(|rest| rest.strip_suffix(".rs"))
        .is_some_and(|number| number.parse::<usize>().is_ok())
}

fn line<'a>(span: &Value, source: &'a GeneratedCrate) -> Option<&'a Line> {
    source.lines.get((in_crate(span)?["line_start"].as_u64()? as usize).checked_sub(1)?)
}

fn type_of(diagnostic: &Value, source: &GeneratedCrate) -> Option<(usize, String)> {
    let id = spans(diagnostic).find_map(|span| match line(span, source) {
        Some(Line::Type(id)) => Some(*id),
        _ => None,
    })?;
    let message = diagnostic["message"].as_str()?;
    let (_, after) = message.split_once("`&")?;
    let (name, _) = after.split_once("` as `")?;
    Some((id, name.to_owned()))
}

fn blame(diagnostic: &Value, source: &GeneratedCrate, cell: usize, report: &mut Report) {
    for span in spans(diagnostic) {
        match line(span, source) {
            Some(Line::Place(id)) => drop(report.not_static.insert(*id)),
            Some(Line::Again(id)) => drop(report.not_again.insert(*id)),
            Some(Line::Take(name)) if span["is_primary"] == true => drop(report.not_taken.insert(name.clone())),
            Some(Line::Cell { cell: from, item: Some(item), .. }) if *from != cell && span["is_primary"] == true => {
                report.broken.insert(item.clone());
            }
            _ => {}
        }
    }
}

fn place(span: &Value, source: &GeneratedCrate) -> Option<Place> {
    let Some(Line::Cell { cell, line, code, .. }) = line(span, source) else { return None };
    let span_in = in_crate(span)?;
    let column = |key: &str| span_in[key].as_u64().unwrap_or(1) as usize;
    let text = code.split('\n').nth(line - 1).unwrap_or_default().to_owned();
    let end =
        if span_in["line_start"] == span_in["line_end"] { column("column_end") } else { text.chars().count() + 1 };
    let label = short(span["label"].as_str().unwrap_or_default());
    let primary = span["is_primary"] == true;
    Some(Place { cell: *cell, line: *line, columns: (column("column_start"), end), text, label, primary })
}

fn problem(
    diagnostic: &Value,
    code: &str,
    message: &str,
    source: &GeneratedCrate,
    cell: usize,
    lost: &dyn Fn(&str) -> Option<String>,
) -> Problem {
    let mut places: Vec<Place> = spans(diagnostic).filter_map(|span| place(span, source)).collect();
    places.sort_by_key(|place| (!place.primary, place.cell, place.line));
    let head = if code.is_empty() { "error".to_owned() } else { format!("error[{code}]") };
    let mut text = format!("{RED}{head}{END}{BOLD}: {message}{END}\n");
    snippet(&mut text, &places, cell, RED, "-->");
    let mut said = message.to_owned();
    for place in &places {
        said.push('\n');
        said.push_str(&place.label);
    }
    for child in diagnostic["children"].as_array().into_iter().flatten() {
        let level = child["level"].as_str().unwrap_or("note");
        let words = short(child["message"].as_str().unwrap_or_default());
        if hints::is_noise(&words) {
            continue;
        }
        said.push('\n');
        said.push_str(&words);
        let _ = writeln!(text, "{BLUE}  = {END}{BOLD}{level}{END}: {}", words.replace('\n', "\n    "));
        for span in spans(child).filter(|span| span["suggested_replacement"].is_null()) {
            if let Some(mut at) = place(span, source).filter(|at| !at.label.is_empty()) {
                at.primary = false;
                snippet(&mut text, &[at], cell, BLUE, ":::");
            }
        }
        suggestion(&mut text, child, source);
    }
    let first = places.first().map(|place| place.text.clone()).unwrap_or_default();
    if let Some(hint) = hints::of(code, &said, &first, lost) {
        let _ = writeln!(text, "{GREEN}  hint{END}: {hint}");
    }
    Problem { code: code.to_owned(), message: message.to_owned(), rendered: text, placed: !places.is_empty() }
}

/// The line as rustc would write it.
fn suggestion(text: &mut String, child: &Value, source: &GeneratedCrate) {
    let mut parts: Vec<(Place, &str)> =
        spans(child).filter_map(|span| Some((place(span, source)?, span["suggested_replacement"].as_str()?))).collect();
    parts.sort_by_key(|(at, _)| (at.line, at.columns));
    let Some(line) = parts.first().map(|(at, _)| at.line) else { return };
    let whole = parts.iter().all(|(at, new)| at.line == line && !new.contains('\n'));
    if !whole || parts.iter().all(|(_, new)| new.is_empty()) {
        return;
    }
    let characters: Vec<char> = parts[0].0.text.chars().collect();
    let piece = |range: std::ops::Range<usize>| characters.get(range).into_iter().flatten().collect::<String>();
    let (mut made, mut from) = (String::new(), 0);
    for (at, new) in &parts {
        let (start, end) = (at.columns.0.saturating_sub(1), at.columns.1.saturating_sub(1));
        let _ = write!(made, "{}{GREEN}{}{END}", piece(from..start.max(from)), short(new));
        from = end.min(characters.len());
    }
    let _ = writeln!(text, "{BLUE}{line:>4} |{END} {made}{}", piece(from..characters.len()));
}

fn snippet(text: &mut String, places: &[Place], cell: usize, colour: &str, arrow: &str) {
    let Some(first) = places.first() else { return };
    let _ = writeln!(text, "{BLUE}   {arrow}{END} {}", where_is(first, cell));
    let mut lines: Vec<&Place> = places.iter().filter(|place| place.cell == first.cell).collect();
    lines.sort_by_key(|place| (place.line, place.columns.0));
    let mut last = 0;
    for place in lines {
        if place.line != last {
            if last != 0 && place.line > last + 1 {
                let _ = writeln!(text, "{BLUE} ...{END}");
            }
            let _ = writeln!(text, "{BLUE}{:>4} |{END} {}", place.line, place.text);
            last = place.line;
        }
        let (mark, colour) = if place.primary { ('^', colour) } else { ('-', BLUE) };
        let indent: String = place
            .text
            .chars()
            .take(place.columns.0.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let marks: String = std::iter::repeat_n(mark, place.columns.1.saturating_sub(place.columns.0).max(1)).collect();
        let _ = writeln!(text, "{BLUE}     |{END} {indent}{colour}{marks} {}{END}", place.label.replace('\n', " "));
    }
}

fn where_is(place: &Place, cell: usize) -> String {
    let at = format!("line {}, column {}", place.line, place.columns.0);
    if place.cell == cell { at } else { format!("{at} of an earlier cell ({})", place.cell) }
}

/// Paths of types cut to their last names, as rustc does it by itself where it isn't asked for whole paths.
pub fn short(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !(is_word(c) || c == ':')).unwrap_or(rest.len());
        let (run, after) = rest.split_at(length);
        let last = run.rsplit("::").next().unwrap_or(run);
        let cut = run.contains("::") && !run.ends_with(':') && last.starts_with(char::is_uppercase);
        // `Type::Variant` and `Type::method` are kept.
        let before = run.rsplit("::").nth(1).unwrap_or_default();
        let kept =
            if cut && before.starts_with(char::is_uppercase) { format!("{before}::{last}") } else { last.to_owned() };
        made.push_str(if cut { &kept } else { run });
        let separator = after.chars().next().map_or(0, char::len_utf8);
        made.push_str(&after[..separator]);
        rest = &after[separator..];
    }
    made
}

/// An error without rustc: what is wrong with a text, at a place in it.
pub fn syntax(code: &str, range: std::ops::Range<usize>, message: &str) -> String {
    let start = range.start.min(code.len());
    let before = &code[..start];
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[begin..].chars().count() + 1;
    let text = code.split('\n').nth(line - 1).unwrap_or_default().to_owned();
    let width =
        code.get(range.clone()).map_or(1, |found| found.lines().next().unwrap_or_default().chars().count()).max(1);
    let place = Place { cell: 0, line, columns: (column, column + width), text, label: String::new(), primary: true };
    let mut rendered = format!("{RED}error{END}{BOLD}: {message}{END}\n");
    snippet(&mut rendered, &[place], 0, RED, "-->");
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_to_the_names_of_types() {
        assert_eq!(short("expected `std::vec::Vec<std::string::String>`"), "expected `Vec<String>`");
        assert_eq!(short("scdd_facade::Cells<scdd_facade::Counts>"), "Cells<Counts>");
        assert_eq!(short("`std::fs::read` and std::option::Option::None"), "`std::fs::read` and Option::None");
        assert_eq!(short("a: b, c::d"), "a: b, c::d");
    }

    #[test]
    fn an_error_is_shown_at_its_place_in_the_cell() {
        let code = "let a = 1;\nlet b = a +;";
        let text = syntax(code, 22..23, "expected an expression");
        assert!(text.contains("line 2, column 12") && text.contains("let b = a +;"), "{text}");
    }
}
