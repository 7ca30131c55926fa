//! The five sockets of a kernel, and the tasks that read and write them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Result;
use jupyter_protocol::ConnectionInfo;
use jupyter_protocol::messaging::JupyterMessage;
use jupyter_zmq_client::{
    Connection, KernelHeartbeatConnection, KernelStdinConnection, RouterRecvConnection,
    create_kernel_control_connection, create_kernel_heartbeat_connection, create_kernel_iopub_connection,
    create_kernel_shell_connection, create_kernel_stdin_connection,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeromq::{SocketRecv, SocketSend};

use super::control::{self, Shared};
use super::publisher::Publisher;
use super::request::{Event, Reader, pause};

/// The bound sockets.
pub struct Sockets {
    /// To all clients.
    pub publisher: Publisher,
    /// What came on the shell socket.
    pub queue: (Sender<Event>, Receiver<Event>),
    /// What is still to be read.
    pub sources: Sources,
}

/// The sockets that are read.
pub struct Sources {
    shell: Reader<zeromq::RouterRecvHalf>,
    control: Reader<zeromq::RouterRecvHalf>,
    stdin: KernelStdinConnection,
    heartbeat: KernelHeartbeatConnection,
    to_worker: Sender<Event>,
}

/// Binds all five and starts what writes.
pub async fn bind(info: &ConnectionInfo) -> Result<Sockets> {
    let session = format!("scdd-{}", std::process::id());
    let (shell, shell_replies) = router(create_kernel_shell_connection(info, &session).await?);
    let (control, control_replies) = router(create_kernel_control_connection(info, &session).await?);
    let iopub = create_kernel_iopub_connection(info, &session).await?;
    let stdin = create_kernel_stdin_connection(info, &session).await?;
    let heartbeat = create_kernel_heartbeat_connection(info).await?;

    let (published, queue) = unbounded_channel();
    tokio::spawn(write(iopub, queue));
    let (to_worker, from_shell) = channel();
    let sources = Sources {
        shell: Reader::new(shell, shell_replies),
        control: Reader::new(control, control_replies),
        stdin,
        heartbeat,
        to_worker: to_worker.clone(),
    };
    Ok(Sockets { publisher: Publisher::new(published), queue: (to_worker, from_shell), sources })
}

/// A socket that answers: its reading half, and the queue of what it sends.
fn router(connection: Connection<zeromq::RouterSocket>) -> (RouterRecvConnection, UnboundedSender<JupyterMessage>) {
    let (send, receive) = connection.split();
    let (replies, queue) = unbounded_channel();
    tokio::spawn(write(send, queue));
    (receive, replies)
}

async fn write<S: SocketSend>(mut connection: Connection<S>, mut queue: UnboundedReceiver<JupyterMessage>) {
    while let Some(message) = queue.recv().await {
        if let Err(error) = connection.send(message).await {
            eprintln!("a message didn't reach its client: {error}");
        }
    }
}

/// Starts what reads.
pub fn read(sources: Sources, shared: &Arc<Shared>, publisher: &Publisher) {
    let Sources { mut shell, control, mut stdin, mut heartbeat, to_worker } = sources;
    tokio::spawn(async move {
        loop {
            match shell.next().await {
                Ok(request) => {
                    if to_worker.send(Event::Request(Box::new(request))).is_err() {
                        return;
                    }
                }
                Err(error) => pause("shell", &error).await,
            }
        }
    });
    tokio::spawn(control::serve(control, shared.clone(), publisher.clone()));
    tokio::spawn(async move {
        loop {
            // Nobody asked: answers to questions that a cell never put.
            if let Err(error) = stdin.socket.recv().await {
                pause("stdin", &error.into()).await;
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let echoed = match heartbeat.socket.recv().await {
                Ok(beat) => heartbeat.socket.send(beat).await,
                Err(error) => Err(error),
            };
            if let Err(error) = echoed {
                pause("heartbeat", &error.into()).await;
            }
        }
    });
}
