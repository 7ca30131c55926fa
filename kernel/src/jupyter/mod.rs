//! The protocol's side of the kernel: sockets, messages, queues. What a cell does is the business of an [`Engine`].
//!
//! ```text
//! shell socket ---> queue ---> worker thread, which owns the engine ---> replies, outputs
//! control socket -> stop button and shutdown, answered while a cell runs
//! heartbeat ------> sent back as it came
//! stdin ----------> read and dropped: no cell can ask for input
//! ```
//!
//! The protocol is version 5.3 of <https://jupyter-client.readthedocs.io/en/stable/messaging.html>.

mod answers;
mod cell;
mod connection;
mod control;
mod history;
mod publisher;
mod request;
mod sockets;
mod streams;
#[cfg(test)]
mod tests;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::engine::Engine;

/// Makes the engine, once the sockets are bound.
pub type MakeEngine = Box<dyn FnOnce() -> Result<Box<dyn Engine>> + Send>;

/// How long a shutdown waits for the engine to put its things away, and for the last messages to leave.
const PUT_AWAY: Duration = Duration::from_secs(5);
const LAST_MESSAGES: Duration = Duration::from_millis(150);

/// Serves until a client or a signal ends the kernel.
///
/// # Errors
/// When the connection file is wrong or its ports are taken.
pub fn run(connection_file: &Path, make_engine: MakeEngine) -> Result<()> {
    let info = connection::read(connection_file)?;
    // Two threads: a client's subscription to outputs must not wait behind its first request.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(&info, make_engine))
}

async fn serve(info: &jupyter_protocol::ConnectionInfo, make_engine: MakeEngine) -> Result<()> {
    let sockets = sockets::bind(info).await.context("binding the ports of the connection file")?;
    let shared = Arc::new(control::Shared::default());
    let worker = worker::start(make_engine, sockets.publisher.clone(), shared.clone(), sockets.queue);
    sockets::read(sockets.sources, &shared, &sockets.publisher);

    control::wait_for_end(&shared).await;
    shared.end();
    let joined = tokio::task::spawn_blocking(move || worker.join());
    if tokio::time::timeout(PUT_AWAY, joined).await.is_err() {
        eprintln!("the running cell didn't end within {} s; its process is left to itself", PUT_AWAY.as_secs());
    }
    tokio::time::sleep(LAST_MESSAGES).await;
    Ok(())
}
