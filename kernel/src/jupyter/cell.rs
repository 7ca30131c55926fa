//! One `execute_request`, from busy to its reply.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use anyhow::Result;
use jupyter_protocol::ExecutionCount;
use jupyter_protocol::messaging::{
    ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest, ExecuteResult, JupyterMessage, Payload, ReplyError,
    ReplyStatus, Transient,
};
use serde_json::{Value, json};

use super::answers;
use super::control::Shared;
use super::history::History;
use super::publisher::{Publisher, media};
use super::request::Request;
use super::streams::{EVERY, Streams};
use crate::engine::{Engine, Outcome};

/// What outlives a cell.
pub struct Cells {
    pub publisher: Publisher,
    pub count: usize,
    pub history: History,
    pub runtime: tokio::runtime::Handle,
}

/// How a cell was left.
pub struct Ended {
    reply: ExecuteReply,
    metadata: Value,
    /// The requests behind it are not to run.
    pub stops_queue: bool,
}

impl Ended {
    /// Answers; after the queue was looked at, since a client that has its answer may ask again.
    pub fn reply(self, request: &Request) {
        request.reply_with(self.reply, self.metadata);
    }
}

impl Cells {
    /// Runs the cell.
    pub fn execute(&mut self, request: &Request, engine: &mut dyn Engine, shared: &Shared) -> Result<Ended> {
        let asked: ExecuteRequest = request.content()?;
        let remembered = asked.store_history && !asked.silent;
        if remembered {
            self.count += 1;
        }
        let execution_count = ExecutionCount::new(self.count);
        if !asked.silent {
            let input = ExecuteInput { code: asked.code.clone(), execution_count };
            self.publisher.publish(&request.parent, input);
        }
        let mut reply = ExecuteReply { execution_count, user_expressions: Some(HashMap::new()), ..Default::default() };
        let mut shown = String::new();
        // A message knows the time as the protocol writes it.
        let started = JupyterMessage::new(ExecuteInput::default(), None).header.date;
        let clock = Instant::now();
        let mut interrupted = false;

        if let Some(name) = page_of(&asked.code) {
            let data = media(answers::page(name, engine)?);
            reply.payload.push(Payload::Page { data, start: 0 });
        } else {
            let outcome = self.run(request, &asked, engine, shared, &mut interrupted);
            match outcome {
                Outcome::Done { result } => {
                    if let (Some(data), false) = (result, asked.silent) {
                        shown = text_of(&data);
                        let result = ExecuteResult {
                            execution_count,
                            data: media(data),
                            metadata: Default::default(),
                            transient: Some(Transient::default()),
                        };
                        self.publisher.publish(&request.parent, result);
                    }
                }
                Outcome::Failed { name, value, traceback } => {
                    let error = ReplyError { ename: name, evalue: value, traceback };
                    if !asked.silent {
                        let ReplyError { ename, evalue, traceback } = error.clone();
                        self.publisher.publish(&request.parent, ErrorOutput { ename, evalue, traceback });
                    }
                    reply.status = ReplyStatus::Error;
                    reply.error = Some(Box::new(error));
                }
            }
        }
        if remembered {
            self.history.add(self.count, asked.code, shown);
        }
        let failed = reply.status == ReplyStatus::Error;
        let metadata = json!({ "started": started, "seconds": clock.elapsed().as_secs_f64(), "parts": engine.parts() });
        // Whoever presses stop during "run all" means all, also where the cell itself ended well.
        Ok(Ended { reply, metadata, stops_queue: interrupted || failed && asked.stop_on_error })
    }

    fn run(
        &self,
        request: &Request,
        asked: &ExecuteRequest,
        engine: &mut dyn Engine,
        shared: &Shared,
        interrupted: &mut bool,
    ) -> Outcome {
        let streams = Streams::new(self.publisher.clone(), request.parent.clone(), asked.silent);
        let ticking = self.runtime.spawn({
            let streams = streams.clone();
            async move {
                let mut often = tokio::time::interval(EVERY);
                loop {
                    often.tick().await;
                    streams.tick();
                }
            }
        });
        shared.begin();
        let ran = catch_unwind(AssertUnwindSafe(|| engine.execute(&asked.code, &mut |output| streams.take(output))));
        *interrupted = shared.over();
        ticking.abort();
        streams.flush();
        match ran {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => kernel_error(&error),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                kernel_error(&anyhow::anyhow!("the kernel itself panicked: {text}. Restart it if cells misbehave now"))
            }
        }
    }
}

/// The reply to a cell that was behind one that failed.
pub fn aborted(count: usize) -> ExecuteReply {
    ExecuteReply {
        status: ReplyStatus::Aborted,
        execution_count: ExecutionCount::new(count),
        user_expressions: Some(HashMap::new()),
        ..Default::default()
    }
}

/// What is wrong with the kernel, not with the cell.
pub fn kernel_error(error: &anyhow::Error) -> Outcome {
    let value = format!("{error:#}");
    let traceback = vec![format!("\x1b[1;31mkernel error\x1b[0m: {value}")];
    Outcome::Failed { name: "kernel error".into(), value, traceback }
}

/// `?name` asks what a name means, as in Python's notebooks; no Rust begins like that.
fn page_of(code: &str) -> Option<&str> {
    let name = code.trim().strip_prefix('?')?.trim_start_matches('?').trim();
    (!name.is_empty() && !name.contains('\n')).then_some(name)
}

fn text_of(data: &BTreeMap<String, Value>) -> String {
    data.get("text/plain").and_then(Value::as_str).unwrap_or_default().to_owned()
}
