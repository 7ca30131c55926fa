//! A notebook to send cells to.

use std::path::Path;

use scdd_kernel::engine::{Engine, Outcome, Output};
use scdd_kernel::evaluator::Evaluator;
use scdd_kernel::evaluator::paths::Built;

/// Cells one after the other.
pub struct Notebook {
    pub evaluator: Evaluator,
}

/// What a cell showed.
#[derive(Debug)]
pub struct Shown {
    pub stdout: String,
    pub stderr: String,
    /// Displays and the result, as text.
    pub text: String,
    pub html: String,
    pub mimes: Vec<String>,
    /// Name and traceback, without colours.
    pub failed: Option<(String, String)>,
}

impl Notebook {
    /// A notebook, or none where the library isn't built.
    pub fn open() -> Option<Notebook> {
        let program = Path::new(env!("CARGO_BIN_EXE_scdd-kernel-cells"));
        let built = Built::beside(program).unwrap();
        if !built.facade().exists() {
            println!("skipped: {} isn't built (cargo build -p scdd-facade)", built.facade().display());
            return None;
        }
        Some(Notebook { evaluator: Evaluator::beside(program).unwrap() })
    }

    /// Runs a cell, however it ends.
    pub fn try_run(&mut self, code: &str) -> Shown {
        let mut shown = Shown {
            stdout: String::new(),
            stderr: String::new(),
            text: String::new(),
            html: String::new(),
            mimes: Vec::new(),
            failed: None,
        };
        let mut bundles = Vec::new();
        let outcome = self
            .evaluator
            .execute(code, &mut |output| match output {
                Output::Stdout(text) => shown.stdout += &text,
                Output::Stderr(text) => shown.stderr += &text,
                Output::Display { data, .. } => bundles.push(data),
                Output::Clear { .. } => {}
            })
            .unwrap();
        match outcome {
            Outcome::Done { result } => bundles.extend(result),
            Outcome::Failed { name, traceback, .. } => shown.failed = Some((name, plain(&traceback.join("\n")))),
        }
        for bundle in bundles {
            for (mime, content) in bundle {
                match mime.as_str() {
                    "text/plain" => shown.text += content.as_str().unwrap_or_default(),
                    "text/html" => shown.html += content.as_str().unwrap_or_default(),
                    _ => {}
                }
                shown.mimes.push(mime);
            }
        }
        shown
    }

    /// Runs a cell that works; what it printed and, after it, showed as text.
    #[track_caller]
    pub fn run(&mut self, code: &str) -> String {
        let shown = self.try_run(code);
        assert!(shown.failed.is_none(), "the cell\n{code}\nfailed: {}", shown.failed.unwrap().1);
        shown.stdout + &shown.text
    }

    /// Runs a cell that works with one compilation.
    #[track_caller]
    pub fn once(&mut self, code: &str) -> String {
        let shown = self.run(code);
        assert_eq!(self.evaluator.times().compilations, 1, "compilations of\n{code}");
        shown
    }

    /// Runs a cell that fails; its name and traceback.
    #[track_caller]
    pub fn fail(&mut self, code: &str) -> (String, String) {
        let shown = self.try_run(code);
        shown.failed.unwrap_or_else(|| panic!("the cell\n{code}\nworked and showed {}{}", shown.stdout, shown.text))
    }
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut made = String::new();
    let mut parts = text.split("\x1b[");
    made += parts.next().unwrap_or_default();
    for part in parts {
        made += part.split_once('m').map_or(part, |(_, rest)| rest);
    }
    made
}
