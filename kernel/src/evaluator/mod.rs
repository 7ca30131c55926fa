//! The kernel's own evaluator: a cell becomes a small crate, rustc is called once, a child process loads and runs it.
//!
//! | step | where |
//! |---|---|
//! | parsing the cell | [`parse`], [`unkeepable`] |
//! | adding its items to those of earlier cells | [`items`], [`item`], [`statics`] |
//! | code generation | [`codegen`] |
//! | rustc and the linker | [`compile`] |
//! | translating diagnostics; types of variables | [`diagnostics`], [`hints`], [`types`] |
//! | a full disk, another toolchain | [`environment`] |
//! | running it, and its outcome | [`run`], [`child`], [`output`], [`interrupt`], [`outcome`]; in the child `kernel/cell` |
//! | requests and replies between kernel and child | `protocol` (shared with `kernel/cell`) |
//! | `:commands` | [`commands`], [`deps`] |
//! | paths, building the library | [`paths`], [`prepare`] |

pub mod bench;
pub mod child;
mod codegen;
mod commands;
mod compile;
mod completeness;
mod deps;
mod diagnostics;
mod environment;
mod hints;
mod interrupt;
mod item;
mod items;
mod outcome;
mod output;
mod parse;
pub mod paths;
pub mod prepare;
#[path = "../../cell/src/protocol.rs"]
mod protocol;
mod run;
mod statics;
mod types;
mod unkeepable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::complete::{self, Known};
use crate::engine::{Completeness, Completions, Engine, Interrupter, Outcome, Output, Variable};
use child::{Child, Launch};
use compile::{Build, Extern};
use interrupt::Interrupt;
use items::Items;
use paths::{Built, Compiler, SessionFolder};

/// A kept variable, as the kernel sees it.
#[derive(Clone, Debug)]
struct Kept {
    /// Its type as a cell writes it.
    of: String,
    shape: String,
}

/// How long the parts of a cell took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Taking it apart and writing the crate.
    pub split: Duration,
    /// rustc, all calls.
    pub rustc: Duration,
    /// The linker.
    pub link: Duration,
    /// Loading it in the child.
    pub load: Duration,
    /// Its own work.
    pub run: Duration,
    /// From the request to the outcome.
    pub total: Duration,
    /// How often rustc was called.
    pub compilations: usize,
}

/// Runs cells.
pub struct Evaluator {
    built: Built,
    program: PathBuf,
    build: Build,
    items: Items,
    variables: BTreeMap<String, Kept>,
    /// Types of the running cell's variables by id.
    pending: BTreeMap<usize, String>,
    /// Why names aren't there any more.
    lost: BTreeMap<String, String>,
    cell: usize,
    epoch: usize,
    deps: deps::Deps,
    show_times: bool,
    times: Times,
    stop: Arc<Interrupt>,
    /// Before the child and the session: it uses both.
    child: Option<Child>,
    start: Option<Launch>,
    session: SessionFolder,
}

impl Evaluator {
    /// The evaluator of the kernel that this program is.
    ///
    /// # Errors
    /// When there is no compiler, or the target folder can't be written.
    pub fn open() -> Result<Evaluator> {
        Evaluator::beside(&std::env::current_exe().context("asking for this program's path")?)
    }

    /// An evaluator whose children are started from `program`, which calls [`child::main`] when it is a child; the library's
    /// shared object lies beside it.
    ///
    /// # Errors
    /// When there is no compiler, or the target folder can't be written.
    pub fn beside(program: &Path) -> Result<Evaluator> {
        let built = Built::beside(program)?;
        let compiler = Compiler::find()?;
        let session = SessionFolder::open(&built)?;
        let build = Build {
            compiler,
            triple: built.triple.clone(),
            search: vec![session.deps()],
            externs: Vec::new(),
            optimise: "0".to_owned(),
        };
        let mut evaluator = Evaluator {
            built,
            program: program.to_owned(),
            build,
            items: Items::default(),
            variables: BTreeMap::new(),
            pending: BTreeMap::new(),
            lost: BTreeMap::new(),
            cell: 0,
            epoch: 0,
            deps: deps::Deps::default(),
            show_times: false,
            times: Times::default(),
            stop: Arc::default(),
            child: None,
            start: None,
            session,
        };
        // What takes minutes waits for the first cell, which can say so.
        if prepare::unfit(&evaluator.built, &evaluator.build.compiler).is_none() {
            evaluator.ready()?;
        }
        Ok(evaluator)
    }

    /// Links the library, compiles what cells are linked to, starts a child.
    fn ready(&mut self) -> Result<()> {
        self.session.link(&self.built)?;
        let deps = self.session.deps();
        let library = prepare::cell_library(&self.built, &self.build.compiler, &deps)?;
        let facade = deps.join(paths::library_name("scdd_facade"));
        let named = |name: &str, path: &Path| Extern { name: name.to_owned(), path: path.to_owned() };
        self.build.externs = vec![named("scdd", &facade), named("scdd_facade", &facade), named("scdd_cell", &library)];
        let folders = vec![deps, child::std_folder(&self.build.compiler.sysroot, &self.built.triple)];
        let start = Launch { program: self.program.clone(), library, folders };
        self.child = Some(Child::start(&start, &self.stop)?);
        self.start = Some(start);
        Ok(())
    }

    /// Makes sure that there is a child; builds the library first where that is needed, and says so.
    fn make_ready(&mut self, out: &mut dyn FnMut(Output)) -> Result<()> {
        if !self.session.folder.exists() {
            anyhow::bail!(
                "the session's folder {} is gone, with what cells are compiled against. Run `cargo xtask setup`, then \
                 restart the kernel.",
                self.session.folder.display()
            );
        }
        if self.child.is_some() {
            return Ok(());
        }
        if let Some(start) = &self.start {
            self.child = Some(Child::start(start, &self.stop)?);
            return self.load_deps(out);
        }
        if let Some(why) = prepare::unfit(&self.built, &self.build.compiler) {
            out(Output::Stderr(format!("Building the library, which takes 5 to 15 minutes: {why}.\n")));
            prepare::build_library(&self.built, &mut |text| out(Output::Stderr(text.to_owned())))?;
        }
        self.ready()
    }

    /// How long the last cell took.
    pub fn times(&self) -> Times {
        self.times
    }

    /// The session's folder.
    pub fn folder(&self) -> &Path {
        &self.session.folder
    }

    /// Bytes of memory that the child has.
    pub fn child_memory(&self) -> Option<u64> {
        self.child.as_ref()?.memory()
    }

    /// Names of the user's items: "struct Foo", "fn f".
    pub fn items(&self) -> Vec<String> {
        self.items.titles().map(str::to_owned).collect()
    }

    /// What suggestions are made of: variables with the whole paths of their types, and the text of each item.
    fn suggested(&self) -> (Vec<Variable>, Vec<String>) {
        let whole = |(name, kept): (&String, &Kept)| Variable {
            name: name.clone(),
            type_name: kept.of.clone(),
            shape: kept.shape.clone(),
        };
        let variables = self.variables.iter().map(whole).collect();
        (variables, self.item_sources())
    }

    /// The source of every item that cells have defined, for completion.
    pub fn item_sources(&self) -> Vec<String> {
        self.items.in_order().map(|entry| entry.chunk.text.clone()).collect()
    }

    /// Crates that paths in cells may begin with.
    fn crates(&self) -> Vec<String> {
        let std = ["std", "core", "alloc", "crate", "self"].map(str::to_owned);
        std.into_iter().chain(self.build.externs.iter().map(|found| found.name.clone())).collect()
    }
}

impl Engine for Evaluator {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        self.run_cell(code, out)
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        self.stop.clone()
    }

    fn completeness(&self, code: &str) -> Completeness {
        completeness::completeness(code)
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Result<Completions> {
        let (variables, items) = self.suggested();
        Ok(complete::complete(Known { table: complete::table(), variables: &variables, items: &items }, code, cursor))
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Result<Option<BTreeMap<String, Value>>> {
        let (variables, items) = self.suggested();
        Ok(complete::inspect(Known { table: complete::table(), variables: &variables, items: &items }, code, cursor))
    }

    fn variables(&self) -> Vec<Variable> {
        self.variables
            .iter()
            .map(|(name, kept)| Variable {
                name: name.clone(),
                type_name: diagnostics::short(&kept.of),
                shape: kept.shape.clone(),
            })
            .collect()
    }

    fn parts(&self) -> BTreeMap<&'static str, f64> {
        let Times { split, rustc, link, load, run, .. } = self.times;
        let parts = [("split", split), ("rustc", rustc), ("link", link), ("load", load), ("run", run)];
        let mut parts: BTreeMap<_, _> = parts.map(|(name, time)| (name, time.as_secs_f64())).into();
        parts.insert("compilations", self.times.compilations as f64);
        parts
    }
}
