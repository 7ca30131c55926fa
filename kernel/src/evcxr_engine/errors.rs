//! What evcxr says of a cell that doesn't compile, with the lines of the cell.

use evcxr::{CompilationError, Error};

use crate::engine::Outcome;

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const PLAIN: &str = "\x1b[0m";

/// The outcome of a cell that evcxr refused.
pub fn outcome(error: &Error, code: &str) -> Outcome {
    let Error::CompilationErrors(errors) = error else {
        let value = error.to_string();
        let traceback = value.lines().map(str::to_owned).collect();
        return Outcome::Failed { name: "error".into(), value, traceback };
    };
    let value = errors.first().map_or_else(String::new, CompilationError::message);
    let lines: Vec<&str> = code.lines().collect();
    Outcome::Failed {
        name: "compile error".into(),
        value,
        traceback: errors.iter().flat_map(|error| told(error, &lines)).collect(),
    }
}

fn told(error: &CompilationError, code: &[&str]) -> Vec<String> {
    let number = error.code().map_or_else(String::new, |code| format!("[{code}]"));
    let mut told = vec![format!("{RED}error{number}{PLAIN}: {}", error.message())];
    for message in error.spanned_messages() {
        let Some(span) = message.span else { continue };
        let line = code.get(span.start_line - 1).copied().unwrap_or_default();
        let width = span.start_line.to_string().len();
        let long = if span.end_line == span.start_line { span.end_column.saturating_sub(span.start_column) } else { 1 };
        let (space, marks) = (" ".repeat(span.start_column.saturating_sub(1)), "^".repeat(long.max(1)));
        told.push(format!("{BLUE}{} |{PLAIN} {line}", span.start_line));
        told.push(format!("{BLUE}{} |{PLAIN} {space}{RED}{marks} {}{PLAIN}", " ".repeat(width), message.label));
    }
    told.extend(error.help().into_iter().map(|help| format!("{BLUE}help{PLAIN}: {help}")));
    told.extend(error.evcxr_extra_hint().map(str::to_owned));
    told
}
