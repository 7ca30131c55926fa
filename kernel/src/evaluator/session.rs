//! A session: the compiler of cells, what they are linked to, the `:dep` crates, and the child that runs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};

use super::child::{self, Child, Dead, Launch};
use super::compile::{Build, Compiled, Extern};
use super::deps::Deps;
use super::environment::EnvironmentError;
use super::interrupt::Interrupt;
use super::paths::{self, Built, Compiler, SessionFolder, library_name};
use super::prepare;
use super::protocol::{Reply, Request};
use super::variables::Variables;
use crate::engine::Output;

/// What a session compiles and runs cells with.
pub(super) struct Session {
    built: Built,
    program: PathBuf,
    pub(super) build: Build,
    pub(super) deps: Deps,
    pub(super) interrupt: Arc<Interrupt>,
    /// Before the folder: it uses what lies there, and fields are dropped in this order.
    child: Option<Child>,
    /// How to start a child, once the library is there.
    launch: Option<Launch>,
    pub(super) folder: SessionFolder,
}

impl Session {
    /// A session whose children are started from `program`; the library's shared object lies beside it.
    pub(super) fn open(program: &Path) -> Result<Session> {
        let built = Built::beside(program)?;
        let compiler = Compiler::find()?;
        let folder = SessionFolder::open(&built)?;
        let build = Build {
            compiler,
            triple: built.triple.clone(),
            search: vec![folder.deps()],
            externs: Vec::new(),
            optimise: "0".to_owned(),
        };
        let mut session = Session {
            built,
            program: program.to_owned(),
            build,
            deps: Deps::default(),
            interrupt: Arc::default(),
            child: None,
            launch: None,
            folder,
        };
        // What takes minutes waits for the first cell, which can say so.
        if prepare::unfit(&session.built, &session.build.compiler).is_none() {
            session.ready()?;
        }
        Ok(session)
    }

    /// Links the library, compiles what cells are linked to, starts a child.
    fn ready(&mut self) -> Result<()> {
        self.folder.link(&self.built)?;
        let deps = self.folder.deps();
        let library = prepare::cell_library(&self.built, &self.build.compiler, &deps)?;
        let facade = deps.join(paths::library_name("scdd_facade"));
        let named = |name: &str, path: &Path| Extern { name: name.to_owned(), path: path.to_owned() };
        self.build.externs = vec![named("scdd", &facade), named("scdd_facade", &facade), named("scdd_cell", &library)];
        let folders = vec![deps, child::std_folder(&self.build.compiler.sysroot, &self.built.triple)];
        let launch = Launch { program: self.program.clone(), library, folders };
        self.child = Some(Child::start(&launch, &self.interrupt)?);
        self.launch = Some(launch);
        Ok(())
    }

    /// Makes sure that there is a child; builds the library first where that is needed, and says so.
    pub(super) fn make_ready(&mut self, out: &mut dyn FnMut(Output)) -> Result<()> {
        if !self.folder.path.exists() {
            anyhow::bail!(
                "the session's folder {} is gone, with what cells are compiled against. Run `cargo xtask setup`, then \
                 restart the kernel.",
                self.folder.path.display()
            );
        }
        if self.child.is_some() {
            return Ok(());
        }
        if let Some(launch) = &self.launch {
            self.child = Some(Child::start(launch, &self.interrupt)?);
            return self.load_deps(out);
        }
        if let Some(why) = prepare::unfit(&self.built, &self.build.compiler) {
            out(Output::Stderr(format!("Building the library, which takes 5 to 15 minutes: {why}.\n")));
            prepare::build_library(&self.built, &mut |text| out(Output::Stderr(text.to_owned())))?;
        }
        self.ready()
    }

    /// Compiles the crate of cell `number`.
    pub(super) fn compile(&self, text: &str, number: usize, epoch: usize) -> Result<Compiled> {
        self.build.compile(text, &self.folder.path, number, epoch)
    }

    /// The environment error behind an error; the error itself when there is none.
    pub(super) fn environment_error(&self, error: anyhow::Error) -> Result<EnvironmentError> {
        EnvironmentError::behind(&error, &self.folder.path).ok_or(error)
    }

    /// Sends the child a request and waits for the reply.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        out: &mut dyn FnMut(Output),
    ) -> Result<std::result::Result<Reply, Dead>> {
        let child =
            self.child.as_mut().ok_or_else(|| anyhow!("the child that runs cells is gone; restart the kernel"))?;
        Ok(child.ask(request, out))
    }

    /// Drops a variable in the child.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(child) = &mut self.child {
            // One that is dead has no variables; the next cell says so.
            let _ = child.tell(&Request::Forget { names: vec![name.to_owned()] });
        }
    }

    /// Ends the child; the next cell starts another.
    pub(super) fn end_child(&mut self) {
        self.child = None;
    }

    /// Bytes of memory that the child has.
    pub(super) fn child_memory(&self) -> Option<u64> {
        self.child.as_ref()?.memory()
    }

    /// The library's shared object.
    pub(super) fn facade(&self) -> PathBuf {
        self.built.facade()
    }

    /// Crates that paths in cells may begin with.
    pub(super) fn crates(&self) -> Vec<String> {
        let std = ["std", "core", "alloc", "crate", "self"].map(str::to_owned);
        std.into_iter().chain(self.build.externs.iter().map(|found| found.name.clone())).collect()
    }

    /// Builds crates that `:dep` lines ask for and loads them. Where they change the library's build, the child is started
    /// again, without `variables`.
    pub(super) fn add_deps(
        &mut self,
        new: Vec<(String, String)>,
        variables: &mut Variables,
        out: &mut dyn FnMut(Output),
    ) -> Result<()> {
        self.make_ready(out)?;
        let Some(added) = self.deps.build(new, &self.built, &self.build.compiler, out)? else { return Ok(()) };
        let target = &added.target;
        // A crate with more features than before makes another library.
        let session = std::fs::metadata(self.folder.deps().join(library_name("scdd_facade")))?;
        let now = std::fs::metadata(target.facade())?;
        let same = (session.len(), session.modified()?) == (now.len(), now.modified()?);
        self.folder.link(target)?;
        if !same {
            let went =
                variables.lose_all(&|name| format!("`{name}` went when a `:dep` line changed the library's build."));
            self.child = None;
            let library = prepare::cell_library(target, &self.build.compiler, &self.folder.deps())?;
            if let Some(launch) = &mut self.launch {
                launch.library.clone_from(&library);
            }
            self.build
                .externs
                .iter_mut()
                .filter(|found| found.name == "scdd_cell")
                .for_each(|found| found.path.clone_from(&library));
            if !went.is_empty() {
                out(Output::Stderr(format!(
                    "The crate changes how the library is built, so the process that holds variables was started again. These went with it: {}.\n",
                    went.join(", ")
                )));
            }
        }
        self.build.search =
            vec![self.folder.deps(), target.folder().join("deps"), target.target.join(&target.profile).join("deps")];
        self.build.externs.retain(|found| ["scdd", "scdd_facade", "scdd_cell"].contains(&found.name.as_str()));
        self.build.externs.extend(added.externs);
        self.build.externs.push(Extern { name: "scdd_deps".to_owned(), path: added.library.clone() });
        self.deps.set(added.wanted, added.library);
        if same && self.child.is_some() {
            self.load_deps(out)?;
        } else {
            self.make_ready(out)?;
        }
        out(Output::Stdout(format!(
            "Ready in {:.1} s, {} crates compiled.\n",
            added.started.elapsed().as_secs_f64(),
            added.compiled
        )));
        Ok(())
    }

    /// Loads the crates' shared object into the child.
    fn load_deps(&mut self, out: &mut dyn FnMut(Output)) -> Result<()> {
        let (Some(library), Some(child)) = (self.deps.library(), &mut self.child) else { return Ok(()) };
        match child.ask(&Request::Load { library: library.to_string_lossy().into_owned() }, out) {
            Ok(Reply::NotLoaded { reason }) => bail!("the crates can't be loaded: {reason}"),
            Ok(_) => Ok(()),
            Err(dead) => bail!("the crates can't be loaded: {}", dead.0),
        }
    }
}
