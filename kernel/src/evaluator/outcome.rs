//! Turns the end of a cell, a dead child or rustc's report into an outcome.

use std::collections::BTreeMap;

use serde_json::Value;

use super::codegen::{GeneratedCrate, Line};
use super::diagnostics::Report;
use super::protocol::CellEnd;
use crate::engine::Outcome;

/// The outcome of cell `number`, which has ended and shows `shown`.
pub(super) fn of_cell(end: CellEnd, shown: Vec<(String, String)>, source: &GeneratedCrate, number: usize) -> Outcome {
    match end {
        CellEnd::Done {} => {
            let result: BTreeMap<String, Value> =
                shown.into_iter().map(|(mime, content)| (mime, Value::from(content))).collect();
            Outcome::Done { result: (!result.is_empty()).then_some(result) }
        }
        CellEnd::Failed { message } => ended("error", &message, format!("\x1b[1;31merror\x1b[0m: {message}")),
        CellEnd::Panicked { message, location } => {
            ended("panic", &message, panic_text(&message, &location, source, number))
        }
        CellEnd::NotLoaded { reason } => ended(
            "link error",
            &reason,
            format!("\x1b[1;31merror\x1b[0m: the cell compiles but can't be loaded: {reason}"),
        ),
        CellEnd::Unknown {} => {
            let value = "the cell returned without saying how it ended";
            ended("error", value, format!("\x1b[1;31merror\x1b[0m: {value}"))
        }
    }
}

/// The outcome of a cell whose child has died, with the names of the variables that went with it.
pub(super) fn of_dead_child(why: &str, interrupted: bool, names: &[String]) -> Outcome {
    let went = match names {
        [] => "No variable was lost.".to_owned(),
        names => format!("These variables went with it: {}.", names.join(", ")),
    };
    let (name, value) = match interrupted {
        true => ("interrupted", "the cell was stopped at once".to_owned()),
        false => ("lost child", format!("the process that runs cells ended: {why}")),
    };
    let text = format!(
        "\x1b[1;31m{name}\x1b[0m: {value}. {went} What cells defined (functions, types, imports) is still there."
    );
    ended(name, &format!("{value}. {went}"), text)
}

/// A failure in one line and at length.
pub(super) fn ended(name: &str, value: &str, text: String) -> Outcome {
    let value = value.lines().next().unwrap_or_default().to_owned();
    Outcome::Failed { name: name.to_owned(), value, traceback: vec![text] }
}

/// What rustc said, as an outcome.
pub(super) fn failed(report: &Report) -> Outcome {
    let value = report
        .problems
        .first()
        .map_or("rustc failed without a word", |problem| problem.message.lines().next().unwrap_or_default());
    Outcome::Failed {
        name: "compile error".to_owned(),
        value: value.to_owned(),
        traceback: report.problems.iter().map(|problem| problem.rendered.clone()).collect(),
    }
}

/// A panic in words, with the line of the cell if it happened there.
fn panic_text(text: &str, at: &str, source: &GeneratedCrate, cell: usize) -> String {
    let mut parts = at.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let here = file.ends_with(&format!("cell_{cell}.rs"));
    let line = line.and_then(|line| line.parse::<usize>().ok()).filter(|_| here);
    let head = format!("\x1b[1;31mpanic\x1b[0m: {text}\n");
    match line.and_then(|line| source.lines.get(line.checked_sub(1)?)) {
        Some(Line::Cell { cell: from, line, code, .. }) => {
            let shown = code.split('\n').nth(line - 1).unwrap_or_default();
            let column = column.unwrap_or("1");
            let whose = if *from == cell { String::new() } else { format!(" of an earlier cell ({from})") };
            format!(
                "{head}\x1b[1;34m   -->\x1b[0m line {line}, column {column}{whose}\n\x1b[1;34m{line:>4} |\x1b[0m {shown}"
            )
        }
        _ if at.is_empty() => head,
        _ if file.rsplit('/').next().is_some_and(|name| name.starts_with("cell_")) => {
            let from: String =
                file.rsplit('/').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
            format!("{head}\x1b[1;34m   -->\x1b[0m in what an earlier cell ({from}) made")
        }
        _ => format!("{head}\x1b[1;34m   -->\x1b[0m {at}"),
    }
}
