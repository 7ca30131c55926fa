//! Environment errors, which keep every cell from being compiled and which the user can fix: a full disk, a changed toolchain.

use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::paths::Compiler;

/// rustc's code for a library that another rustc has compiled.
const OTHER_RUSTC: &str = "E0514";
/// What a system says of a disk that takes no more: as text, and as a number.
const FULL: [&str; 4] = ["No space left on device", "os error 28", "Disk quota exceeded", "os error 122"];

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentError {
    /// The toolchain is another than at the start.
    OtherCompiler {
        /// As it named itself at the start.
        before: String,
        /// As it names itself.
        now: String,
    },
    /// The disk takes no more.
    FullDisk {
        /// Where.
        folder: PathBuf,
        /// What could not be done.
        what: String,
    },
}

impl EnvironmentError {
    /// The obstacle behind an error, if there is one.
    pub fn behind(error: &anyhow::Error, folder: &Path) -> Option<EnvironmentError> {
        let text = format!("{error:#}");
        error.downcast_ref::<EnvironmentError>().cloned().or_else(|| full(&text, folder))
    }

    /// The obstacle that rustc met, by its lines of JSON.
    pub(super) fn from_rustc(said: &str, compiler: &Compiler, folder: &Path) -> Option<EnvironmentError> {
        said.lines().find_map(|line| {
            let Ok(found) = serde_json::from_str::<Value>(line) else { return full(line, folder) };
            if found["code"]["code"] == OTHER_RUSTC {
                let now = Compiler::version_of(&compiler.program).unwrap_or_else(|error| format!("{error:#}"));
                return Some(EnvironmentError::OtherCompiler { before: compiler.version.clone(), now });
            }
            // What is about a place in the text may show words of the cell.
            let of_no_place = found["spans"].as_array().is_none_or(Vec::is_empty);
            full(found["message"].as_str().filter(|_| of_no_place)?, folder)
        })
    }
}

fn full(text: &str, folder: &Path) -> Option<EnvironmentError> {
    let is_full = FULL.iter().any(|words| text.contains(words));
    is_full.then(|| EnvironmentError::FullDisk { folder: folder.to_owned(), what: text.trim().to_owned() })
}

impl Display for EnvironmentError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            EnvironmentError::OtherCompiler { before, now } => write!(
                f,
                "the Rust toolchain was changed while this notebook ran: it was {before}, and is {now}. The library has to \
                 be built by the same one: restart the kernel, and its first cell does it. Variables are there until then."
            ),
            EnvironmentError::FullDisk { folder, what } => write!(
                f,
                "the disk of {} is full, so the cell can't be compiled. Make room and run it again; variables are all \
                 there. ({what})",
                folder.display()
            ),
        }
    }
}

impl std::error::Error for EnvironmentError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rustc_says_of_the_disk_itself_is_a_full_disk() {
        let compiler = Compiler { program: "rustc".into(), sysroot: "/".into(), version: "rustc 1.0.0".into() };
        let found = |said: &str| EnvironmentError::from_rustc(said, &compiler, Path::new("/tmp"));
        let line = |spans: &str| {
            format!(
                r#"{{"message":"could not write: No space left on device (os error 28)","code":null,"spans":{spans}}}"#
            )
        };
        assert!(matches!(found(&line("[]")), Some(EnvironmentError::FullDisk { .. })));
        assert!(matches!(found("LLVM ERROR: No space left on device"), Some(EnvironmentError::FullDisk { .. })));
        assert_eq!(found(&line(r#"[{"line_start":1}]"#)), None);
        assert_eq!(found(r#"{"message":"mismatched types","code":{"code":"E0308"},"spans":[]}"#), None);
    }
}
