//! A request from a client, after its signature was checked and a repeated one was dropped.

use std::collections::{HashSet, VecDeque};

use anyhow::{Context, Result, bail};
use jupyter_protocol::messaging::{
    Header, JupyterMessage, JupyterMessageContent, ReplyError, ReplyStatus, UnknownMessage,
};
use jupyter_zmq_client::{Connection, RawMessage};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

/// How many messages back a repeated one is known.
const REMEMBERED: usize = 65_536;

/// A request and the way back to who asked.
#[derive(Clone)]
pub struct Request {
    /// The message without its content, which is what answers name as their parent.
    pub parent: JupyterMessage,
    /// What is asked.
    pub content: Value,
    /// Where answers go.
    replies: UnboundedSender<JupyterMessage>,
}

impl Request {
    /// "execute_request" and so on.
    pub fn kind(&self) -> &str {
        &self.parent.header.msg_type
    }

    /// The content as the protocol's type.
    pub fn content<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.content.clone()).with_context(|| format!("reading the content of {}", self.kind()))
    }

    /// Answers; an answer to a client that is gone is lost.
    pub fn reply(&self, content: impl Into<JupyterMessageContent>) {
        self.reply_with(content, json!({}));
    }

    /// Answers with metadata.
    pub fn reply_with(&self, content: impl Into<JupyterMessageContent>, metadata: Value) {
        let _ = self.replies.send(child(&self.parent, content).with_metadata(metadata));
    }

    /// Answers with an error.
    pub fn refuse(&self, error: &anyhow::Error) {
        let kind = self.kind().replace("_request", "_reply");
        let what = ReplyError { ename: "request".into(), evalue: format!("{error:#}"), traceback: Vec::new() };
        let mut content = json!(what);
        content["status"] = json!(ReplyStatus::Error);
        self.reply(UnknownMessage { msg_type: kind, content });
    }
}

/// A message that answers `parent`, in the name that it was asked under.
pub fn child(parent: &JupyterMessage, content: impl Into<JupyterMessageContent>) -> JupyterMessage {
    let mut message = JupyterMessage::new(content, Some(parent));
    message.header.username.clone_from(&parent.header.username);
    message
}

/// Reads requests from a socket.
pub struct Reader<S> {
    connection: Connection<S>,
    replies: UnboundedSender<JupyterMessage>,
    seen: HashSet<String>,
    order: VecDeque<String>,
}

impl<S: zeromq::SocketRecv> Reader<S> {
    /// Requests from `connection`, whose answers go to `replies`.
    pub fn new(connection: Connection<S>, replies: UnboundedSender<JupyterMessage>) -> Self {
        Self { connection, replies, seen: HashSet::new(), order: VecDeque::new() }
    }

    /// The next request. What is not signed with the connection's key, or was there before, is an error and is not served.
    pub async fn next(&mut self) -> Result<Request> {
        let parts = self.connection.socket.recv().await?;
        let raw =
            RawMessage::from_multipart(parts, &self.connection.mac).context("a message that isn't from our client")?;
        let header: Header = serde_json::from_slice(&raw.jparts[0])?;
        if !self.is_new(&header.msg_id) {
            bail!("the message {} came twice", header.msg_id);
        }
        let content = serde_json::from_slice(&raw.jparts[3])?;
        let empty = UnknownMessage { msg_type: header.msg_type.clone(), content: json!({}) };
        let mut parent = JupyterMessage::new(empty, None).with_zmq_identities(raw.zmq_identities);
        parent.header = header;
        Ok(Request { parent, content, replies: self.replies.clone() })
    }

    fn is_new(&mut self, id: &str) -> bool {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        self.seen.insert(id.to_owned())
    }
}
