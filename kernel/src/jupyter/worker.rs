//! The thread that owns the engine: it takes requests off the shell socket's queue, one after the other.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow};
use jupyter_protocol::messaging::Status;

use super::cell::{Cells, aborted, kernel_error};
use super::control::{Shared, shut_down};
use super::history::History;
use super::publisher::Publisher;
use super::request::{Event, Request};
use super::{MakeEngine, answers};
use crate::engine::{Completeness, Completions, Engine, Interrupter, Outcome, Output, Variable};

/// Starts the thread; it ends at [`Event::End`].
pub fn start(
    make_engine: MakeEngine,
    publisher: Publisher,
    shared: Arc<Shared>,
    (sender, queue): (Sender<Event>, Receiver<Event>),
) -> JoinHandle<()> {
    let _ = shared.queue.set(Mutex::new(sender));
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        publisher.starting();
        let mut engine = make_engine().unwrap_or_else(|error| {
            eprintln!("the engine couldn't be started: {error:#}");
            Box::new(Broken { why: format!("{error:#}") })
        });
        engine.serving();
        let _ = shared.interrupter.set(engine.interrupter());
        let cells = Cells { publisher, count: 0, history: History::default(), runtime };
        Worker { engine, cells, shared, queue, waiting: VecDeque::new() }.work();
    })
}

struct Worker {
    engine: Box<dyn Engine>,
    cells: Cells,
    shared: Arc<Shared>,
    queue: Receiver<Event>,
    /// Taken off the queue already; cells among them are not to run.
    waiting: VecDeque<Event>,
}

impl Worker {
    fn work(mut self) {
        loop {
            let (event, runs) = match self.waiting.pop_front() {
                Some(event) => (Ok(event), false),
                None => (self.queue.recv(), true),
            };
            let Ok(Event::Request(request)) = event else { return };
            self.cells.publisher.publish(&request.parent, Status::busy());
            if let Err(error) = self.serve(&request, runs) {
                request.refuse(&error);
            }
            self.cells.publisher.publish(&request.parent, Status::idle());
        }
    }

    fn serve(&mut self, request: &Request, runs: bool) -> Result<()> {
        let engine = &mut *self.engine;
        match request.kind() {
            "execute_request" if !runs => request.reply(aborted(self.cells.count)),
            "execute_request" => {
                let ended = self.cells.execute(request, engine, &self.shared)?;
                if ended.stops_queue {
                    self.waiting.extend(self.queue.try_iter());
                }
                ended.reply(request);
            }
            "kernel_info_request" => request.reply(answers::kernel_info()),
            "is_complete_request" => request.reply(answers::is_complete(request, engine)?),
            "complete_request" => request.reply(answers::complete(request, engine)?),
            "inspect_request" => request.reply(answers::inspect(request, engine)?),
            "history_request" => request.reply(self.cells.history.answer(&request.content)?),
            "comm_info_request" => request.reply(answers::comm_info()),
            "comm_open" => answers::comm_open(request, &self.cells.publisher)?,
            // Of widgets that we have closed.
            "comm_msg" | "comm_close" => {}
            // Clients of before control sockets.
            "shutdown_request" => shut_down(request, &self.cells.publisher, &self.shared),
            "interrupt_request" => request.reply(jupyter_protocol::messaging::InterruptReply::new()),
            other => return Err(anyhow!("found {other}, which this kernel doesn't know")),
        }
        Ok(())
    }
}

/// In place of an engine that couldn't be started: every cell says why.
struct Broken {
    why: String,
}

impl Interrupter for Broken {
    fn interrupt(&self) {}
}

impl Engine for Broken {
    fn execute(&mut self, _: &str, _: &mut dyn FnMut(Output)) -> Result<Outcome> {
        Ok(kernel_error(&anyhow!("{}\nRestart the kernel once that is mended", self.why)))
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        Arc::new(Broken { why: String::new() })
    }

    fn completeness(&self, _: &str) -> Completeness {
        Completeness::Complete
    }

    fn complete(&mut self, _: &str, cursor: usize) -> Result<Completions> {
        Ok(Completions { matches: Vec::new(), start: cursor, end: cursor })
    }

    fn inspect(&mut self, _: &str, _: usize) -> Result<Option<std::collections::BTreeMap<String, serde_json::Value>>> {
        Ok(None)
    }

    fn variables(&self) -> Vec<Variable> {
        Vec::new()
    }
}
