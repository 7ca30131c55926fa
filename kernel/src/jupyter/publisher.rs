//! The IOPub queue: status, inputs, outputs and errors for all clients, in order.

use jupyter_protocol::messaging::{JupyterMessage, JupyterMessageContent, Media, MediaType, Status};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::mpsc::UnboundedSender;

use super::request::child;

/// Sends to all clients.
#[derive(Clone)]
pub struct Publisher {
    queue: UnboundedSender<JupyterMessage>,
}

impl Publisher {
    /// Messages go into `queue`, which a task empties into the socket.
    pub fn new(queue: UnboundedSender<JupyterMessage>) -> Self {
        Self { queue }
    }

    /// Says something that belongs to the request `parent`.
    pub fn publish(&self, parent: &JupyterMessage, content: impl Into<JupyterMessageContent>) {
        self.send(child(parent, content));
    }

    /// Says that the kernel is there.
    pub fn starting(&self) {
        self.send(JupyterMessage::new(Status::starting(), None));
    }

    fn send(&self, message: JupyterMessage) {
        // Subscribers choose by the first frame.
        let topic = format!("kernel.scdd.{}", message.header.msg_type);
        let _ = self.queue.send(message.with_zmq_identities(vec![topic.into()]));
    }
}

/// One value per MIME type, as messages have it.
pub fn media(data: BTreeMap<String, Value>) -> Media {
    Media::new(data.into_iter().map(MediaType::Other).collect())
}
