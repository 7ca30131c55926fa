//! evcxr behind [`Engine`]: the kernel's first form, kept as a second one to compare with.
//!
//! What is ours is the folder that evcxr builds cells in ([`session`]): the library lies there already compiled, so that
//! the first cell says `use scdd::prelude::*;` without any `:dep` line. evcxr's limits stay: figures and tables of a cell
//! arrive at its end, one of each kind, and carriage returns don't arrive.

mod analysed;
mod child;
mod errors;
mod manifest;
mod session;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use evcxr::{CommandContext, EvalContextOutputs, EvalOutputs};
use serde_json::Value;

use crate::engine::{Candidate, Completeness, Completions, Engine, Interrupter, Outcome, Output, Variable};
use crate::outputs::{self, Outputs};

pub use session::Session;

/// How long the lines of a cell are waited for.
const LINE: Duration = Duration::from_millis(10);

/// Serves as Cargo's wrapper, rustc's wrapper or the process that runs cells, if that is what this process was started
/// for; returns otherwise.
pub fn serve_if_helper() -> Result<()> {
    if analysed::called_as_cargo() {
        analysed::main()?;
        std::process::exit(0);
    }
    if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
        child::listen_for_stop();
    }
    evcxr::runtime_hook();
    Ok(())
}

/// Makes the session's folder and says in the environment where it is.
///
/// # Safety
/// No thread may have been started yet.
pub unsafe fn prepare() -> Result<Session> {
    let session = Session::open()?;
    for (name, value) in session.environment()? {
        // SAFETY: by the caller.
        unsafe { std::env::set_var(name, value) };
    }
    // SAFETY: by the caller.
    unsafe { std::env::set_var(outputs::PROTOCOL, outputs::VERSION) };
    Ok(session)
}

/// evcxr in its folder. The fields are dropped in their order: the child ends before its folder goes.
pub struct EvcxrEngine {
    context: CommandContext,
    lines: EvalContextOutputs,
    stop: Arc<Stop>,
    _session: Session,
}

impl EvcxrEngine {
    /// Starts evcxr and its child in the folder that [`prepare`] made.
    pub fn new(session: Session) -> Result<Self> {
        let (mut context, lines) = CommandContext::new().map_err(|error| anyhow!("starting evcxr: {error}"))?;
        context.execute(":load_config").map_err(|error| anyhow!("loading the library: {error}"))?;
        let stop = Arc::new(Stop { child: context.process_handle(), presses: AtomicUsize::new(0) });
        Ok(Self { context, lines, stop, _session: session })
    }
}

impl Drop for EvcxrEngine {
    fn drop(&mut self) {
        // evcxr waits for its child, which takes its time over a big library's destructors.
        self.stop.signal(libc::SIGKILL);
    }
}

/// The stop button.
struct Stop {
    child: Arc<Mutex<std::process::Child>>,
    presses: AtomicUsize,
}

impl Stop {
    fn signal(&self, signal: libc::c_int) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(id) = libc::pid_t::try_from(child.id()) {
            // SAFETY: a signal to our own child; while we hold its handle, nobody has waited for it.
            unsafe { libc::kill(id, signal) };
        }
    }
}

impl Interrupter for Stop {
    fn interrupt(&self) {
        match self.presses.fetch_add(1, Ordering::SeqCst) {
            0 => self.signal(child::STOP),
            _ => self.signal(libc::SIGKILL),
        }
    }
}

impl Engine for EvcxrEngine {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        let before: Vec<String> = self.context.variables_and_types().map(|(name, _)| name.to_owned()).collect();
        self.stop.presses.store(0, Ordering::SeqCst);
        self.stop.signal(child::CLEAR);
        let (context, lines) = (&mut self.context, &self.lines);
        let mut outputs = Outputs::default();
        let ran = std::thread::scope(|scope| {
            let running = scope.spawn(|| context.execute(code));
            loop {
                let finished = running.is_finished();
                let mut quiet = true;
                match lines.stdout.recv_timeout(LINE) {
                    Ok(line) => {
                        quiet = false;
                        outputs.push(format!("{line}\n").as_bytes(), out);
                    }
                    Err(_) => outputs.idle(out),
                }
                while let Ok(line) = lines.stderr.try_recv() {
                    quiet = false;
                    out(Output::Stderr(line + "\n"));
                }
                if finished && quiet {
                    break running.join();
                }
            }
        });
        outputs.finish(out);
        let Ok(ran) = ran else { return Err(anyhow!("evcxr panicked")) };
        Ok(match ran {
            Ok(found) => {
                if let Some(time) = found.timing {
                    let text = format!("took {} ms", time.as_millis());
                    let data = BTreeMap::from([("text/plain".to_owned(), text.into())]);
                    out(Output::Display { data, id: None, update: false });
                }
                Outcome::Done { result: bundle(found) }
            }
            Err(evcxr::Error::SubprocessTerminated(why)) => lost(&before, &why, &self.stop),
            Err(error) => errors::outcome(&error, code),
        })
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        self.stop.clone()
    }

    fn completeness(&self, code: &str) -> Completeness {
        crate::completeness::of(code)
    }

    fn complete(&mut self, code: &str, cursor: usize) -> Result<Completions> {
        let found = self.context.completions(code, bytes(code, cursor)).map_err(|error| anyhow!("{error}"))?;
        Ok(Completions {
            start: characters(code, found.start_offset),
            end: characters(code, found.end_offset),
            matches: found
                .completions
                .into_iter()
                .map(|one| Candidate { text: one.code, kind: one.kind.to_owned(), signature: one.label })
                .collect(),
        })
    }

    fn inspect(&mut self, code: &str, cursor: usize) -> Result<Option<BTreeMap<String, Value>>> {
        Ok(match self.context.hover_at(code, bytes(code, cursor)) {
            Ok((plain, html)) if plain != "No documentation found" => {
                Some(BTreeMap::from([("text/plain".to_owned(), plain.into()), ("text/html".to_owned(), html.into())]))
            }
            _ => None,
        })
    }

    fn variables(&self) -> Vec<Variable> {
        let variable = |(name, type_name): (&str, &str)| Variable {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            shape: String::new(),
        };
        self.context.variables_and_types().map(variable).collect()
    }
}

/// What a cell showed, as one bundle.
fn bundle(found: EvalOutputs) -> Option<BTreeMap<String, Value>> {
    let entry = |(mime, content): (String, String)| {
        let value = outputs::value(&mime, content);
        (mime, value)
    };
    let data: BTreeMap<String, Value> = found.content_by_mime_type.into_iter().map(entry).collect();
    (!data.is_empty()).then_some(data)
}

/// The child is gone, and with it what it held.
fn lost(before: &[String], why: &str, stop: &Stop) -> Outcome {
    let interrupted = stop.presses.load(Ordering::SeqCst) > 1;
    let name = if interrupted { "interrupted" } else { "lost child" };
    let gone = match before {
        [] => "no variables were lost".to_owned(),
        some => format!("lost with it: {}", some.join(", ")),
    };
    let how =
        if interrupted { "the process that runs cells was ended" } else { "the process that runs cells has died" };
    let value = format!("{how}; a new one is there, {gone}");
    let mut traceback = vec![format!("\x1b[1;31m{name}\x1b[0m: {value}")];
    if !interrupted {
        traceback.extend(why.lines().map(str::to_owned));
    }
    Outcome::Failed { name: name.to_owned(), value, traceback }
}

fn bytes(code: &str, characters: usize) -> usize {
    code.char_indices().nth(characters).map_or(code.len(), |(at, _)| at)
}

fn characters(code: &str, bytes: usize) -> usize {
    code.char_indices().take_while(|(at, _)| *at < bytes).count()
}
