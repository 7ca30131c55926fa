//! The control channel, which is served while a cell runs: interrupt, shutdown, and the end of the parent process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jupyter_protocol::messaging::{
    InterruptReply, ReplyStatus, ShutdownReply, ShutdownRequest, Status, UnknownMessage,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::answers;
use super::publisher::Publisher;
use super::request::{Reader, Request};
use super::sockets::{Event, pause};
use crate::engine::Interrupter;

/// How often we look whether whoever started us still lives.
const PARENT: Duration = Duration::from_secs(2);

/// What the control socket and the worker both know.
#[derive(Default)]
pub struct Shared {
    /// The engine's stop button, once there is an engine.
    pub interrupter: OnceLock<Arc<dyn Interrupter>>,
    /// Somebody asked for the kernel's end.
    pub ending: Notify,
    /// Wakes the worker.
    pub queue: OnceLock<Mutex<Sender<Event>>>,
    running: AtomicBool,
    interrupted: AtomicBool,
}

impl Shared {
    /// A cell begins.
    pub fn begin(&self) {
        self.interrupted.store(false, Ordering::SeqCst);
        self.running.store(true, Ordering::SeqCst);
    }

    /// It is over; whether it was asked to stop.
    pub fn over(&self) -> bool {
        self.running.store(false, Ordering::SeqCst);
        self.interrupted.load(Ordering::SeqCst)
    }

    /// The stop button. With nothing running there is nothing to stop, and the next cell is not meant.
    pub fn interrupt(&self) {
        if self.running.load(Ordering::SeqCst) {
            self.interrupted.store(true, Ordering::SeqCst);
            if let Some(interrupter) = self.interrupter.get() {
                interrupter.interrupt();
            }
        }
    }

    /// Ends the worker, and what it is running.
    pub fn end(&self) {
        if let Some(queue) = self.queue.get() {
            let _ = queue.lock().unwrap_or_else(PoisonError::into_inner).send(Event::End);
        }
        self.interrupt();
        self.interrupt();
    }
}

/// Answers on the control socket.
pub async fn serve(mut reader: Reader<zeromq::RouterRecvHalf>, shared: Arc<Shared>, publisher: Publisher) {
    loop {
        match reader.next().await {
            Ok(request) => {
                publisher.publish(&request.parent, Status::busy());
                answer(&request, &shared, &publisher);
                publisher.publish(&request.parent, Status::idle());
            }
            Err(error) => pause("control", &error).await,
        }
    }
}

fn answer(request: &Request, shared: &Shared, publisher: &Publisher) {
    match request.kind() {
        "interrupt_request" => {
            shared.interrupt();
            request.reply(InterruptReply::new());
        }
        "shutdown_request" => shut_down(request, publisher, shared),
        "kernel_info_request" => request.reply(answers::kernel_info()),
        // ipykernel's debugger; kernel_info says that we have none.
        "debug_request" => request.reply(UnknownMessage { msg_type: "debug_reply".into(), content: json!({}) }),
        other => {
            request.refuse(&anyhow::anyhow!("found {other} on the control socket, which this kernel doesn't know"))
        }
    }
}

/// Tells all clients, and lets the kernel end.
pub fn shut_down(request: &Request, publisher: &Publisher, shared: &Shared) {
    let restart = request.content::<ShutdownRequest>().is_ok_and(|asked| asked.restart);
    let reply = ShutdownReply { restart, status: ReplyStatus::Ok, error: None };
    publisher.publish(&request.parent, reply.clone());
    request.reply(reply);
    shared.ending.notify_one();
}

/// Returns when a client asked for the end, the system did (SIGTERM), or whoever started us is gone. Ctrl-C in a
/// terminal (SIGINT) is the stop button.
pub async fn wait_for_end(shared: &Shared) {
    let (Ok(mut stop), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return shared.ending.notified().await;
    };
    let parent = std::env::var_os("JPY_PARENT_PID").map(|_| std::os::unix::process::parent_id());
    let mut look = tokio::time::interval(PARENT);
    loop {
        tokio::select! {
            () = shared.ending.notified() => return,
            _ = terminate.recv() => return,
            _ = stop.recv() => shared.interrupt(),
            _ = look.tick() => {
                if parent.is_some_and(|parent| parent != std::os::unix::process::parent_id()) {
                    return;
                }
            }
        }
    }
}
