//! Runs `:command` lines, such as `:vars` and `:type`.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::parse::Command;
use super::{Evaluator, deps, diagnostics};
use crate::engine::{Engine, Outcome, Output};

const HELP: &str = "\
:dep NAME = \"VERSION\"   add a crate, as in Cargo.toml ({ path = ... } and { git = ... } too)
:vars                   variables with their types and shapes
:type NAME, :t NAME     the type of a variable
:items                  functions, types and imports that cells have defined
:timing                 print what every cell's time went into; again to stop
:explain E0382          what an error means, at length
:opt N                  optimise later cells, 0 to 3 (0: they compile fastest)
:clear                  forget all variables and items
:help                   this list
";

/// Settings of evcxr that notebooks may have, and that mean nothing here.
const EVCXR: [&str; 13] = [
    "linker",
    "sccache",
    "cache",
    "preserve_vars_on_panic",
    "allow_static_linking",
    "offline",
    "toolchain",
    "time_passes",
    "efmt",
    "types",
    "internal_debug",
    "build_env",
    "codegen_backend",
];

impl Evaluator {
    /// Does what a line asks for.
    ///
    /// # Errors
    /// When the engine can't go on; what is wrong with the line is an outcome.
    pub(super) fn command(&mut self, command: &Command) -> Result<Outcome> {
        let argument = command.argument.trim_end_matches(';').trim();
        Ok(match command.name.as_str() {
            "vars" | "v" => self.list_variables(),
            "type" | "t" => {
                match self.variables.get(argument) {
                    Some(kept) => text(format!("{argument}: {}", diagnostics::short(&kept.of))),
                    None => failed(&self.lost.get(argument).cloned().unwrap_or_else(|| {
                        format!("found no variable `{argument}`; `:vars` lists those that are there")
                    })),
                }
            }
            "items" => text(self.items().join("\n")),
            "timing" => {
                self.show_times = !self.show_times;
                text(format!("Timing is {}.", if self.show_times { "on" } else { "off" }))
            }
            "opt" => match argument {
                "0" | "1" | "2" | "3" => {
                    self.build.optimise = argument.to_owned();
                    text(format!("Later cells are optimised at level {argument}."))
                }
                _ => failed(&format!("found `:opt {argument}`, expected a level from 0 to 3")),
            },
            "explain" if argument.is_empty() => failed("expected an error's code: `:explain E0382`"),
            "explain" => {
                let answer = self.build.compiler.explain(argument)?;
                if answer.is_empty() { failed(&format!("rustc knows no error `{argument}`")) } else { text(answer) }
            }
            setting if EVCXR.contains(&setting) => {
                text(format!("`:{setting}` is a setting of evcxr, which this kernel has no need of."))
            }
            "clear" => {
                self.clear();
                text("All variables and items are gone.".to_owned())
            }
            "help" | "?" => text(HELP.to_owned()),
            other => failed(&format!("found no command `:{other}`. There are:\n{HELP}")),
        })
    }

    /// Adds the crates that lines ask for.
    pub(super) fn dep_lines(&mut self, lines: &[Command], out: &mut dyn FnMut(Output)) -> Outcome {
        let parsed: Result<Vec<(String, String)>> =
            lines.iter().map(|line| deps::parse(line.argument.trim_end_matches(';').trim())).collect();
        // Notebooks for a stock evcxr ask for the library, which is there.
        let parsed = parsed.map(|all| all.into_iter().filter(|(name, _)| name != "scdd").collect());
        match parsed.and_then(|new| self.add_deps(new, out)) {
            Ok(()) => Outcome::Done { result: None },
            Err(error) => failed(&format!("{error:#}")),
        }
    }

    /// Forgets all that cells made, with a new child.
    fn clear(&mut self) {
        self.child = None;
        self.variables.clear();
        self.lost.clear();
        self.items = super::Items::default();
        self.epoch += 1;
    }

    fn list_variables(&self) -> Outcome {
        let variables = self.variables();
        if variables.is_empty() {
            return text("No variables.".to_owned());
        }
        let width = |f: &dyn Fn(&crate::engine::Variable) -> usize| variables.iter().map(f).max().unwrap_or(0);
        let (names, types) = (width(&|v| v.name.chars().count()), width(&|v| v.type_name.chars().count().min(60)));
        let lines: Vec<String> = variables
            .iter()
            .map(|v| format!("{:names$}  {:types$}  {}", v.name, v.type_name, v.shape).trim_end().to_owned())
            .collect();
        let cell = |text: &str| format!("<td style=\"text-align:left\">{}</td>", escape(text));
        let rows: String = variables
            .iter()
            .map(|v| format!("<tr>{}{}{}</tr>", cell(&v.name), cell(&v.type_name), cell(&v.shape)))
            .collect();
        // Numbers stand to the right on a page, words to the left.
        let head = cell("variable") + &cell("type") + &cell("shape or value");
        let head = head.replace("td", "th");
        let html = format!("<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>");
        let plain = lines.join("\n");
        let result = BTreeMap::from([
            ("text/plain".to_owned(), Value::from(plain)),
            ("text/html".to_owned(), Value::from(html)),
        ]);
        Outcome::Done { result: Some(result) }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn text(text: String) -> Outcome {
    Outcome::Done { result: Some(BTreeMap::from([("text/plain".to_owned(), Value::from(text.trim_end()))])) }
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed {
        name: "error".to_owned(),
        value: message.lines().next().unwrap_or_default().to_owned(),
        traceback: vec![format!("\x1b[1;31merror\x1b[0m: {message}")],
    }
}
