//! The protocol against an engine that compiles nothing: a client of another crate talks to a kernel in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use jupyter_protocol::messaging::{ExecutionState, JupyterMessage, JupyterMessageContent as Content, Stdio, *};
use jupyter_protocol::{ConnectionInfo, Transport};
use jupyter_zmq_client::{
    ClientIoPubConnection, ClientShellConnection, create_client_control_connection, create_client_iopub_connection,
    create_client_shell_connection_with_identity, peek_ports_with_listeners, peer_identity_for_session,
};
use serde_json::{Value, json};

use crate::engine::{
    Candidate, Completeness, Completions, Engine, Interrupter, Outcome, Output, Variable as EngineVariable,
};

/// Does what the cell says in words.
struct Echo {
    presses: Arc<Presses>,
}

#[derive(Default)]
struct Presses(AtomicUsize);

impl Interrupter for Presses {
    fn interrupt(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn plain(text: &str) -> BTreeMap<String, Value> {
    BTreeMap::from([("text/plain".to_owned(), text.into())])
}

impl Engine for Echo {
    fn execute(&mut self, code: &str, out: &mut dyn FnMut(Output)) -> Result<Outcome> {
        self.presses.0.store(0, Ordering::SeqCst);
        let (verb, rest) = code.split_once(' ').unwrap_or((code, ""));
        match verb {
            "print" => out(Output::Stdout(rest.to_owned())),
            "warn" => out(Output::Stderr(rest.to_owned())),
            "lines" => {
                for line in 0..rest.parse::<usize>()? {
                    out(Output::Stdout(format!("{line}\n")));
                }
            }
            "slowly" => {
                for word in rest.split(' ') {
                    out(Output::Stdout(word.to_owned()));
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            "flood" => {
                let block = "x".repeat(1 << 20);
                for _ in 0..rest.parse::<usize>()? {
                    out(Output::Stdout(block.clone()));
                }
            }
            "bar" => {
                let id = Some("bar".to_owned());
                out(Output::Display { data: plain("half"), id: id.clone(), update: false });
                out(Output::Display { data: plain("whole"), id, update: true });
                out(Output::Clear { wait: true });
            }
            "work" => {
                let began = Instant::now();
                while self.presses.0.load(Ordering::SeqCst) == 0 && began.elapsed() < Duration::from_secs(20) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                out(Output::Stdout(format!("stopped after {} presses", self.presses.0.load(Ordering::SeqCst))));
            }
            "fail" => {
                let traceback = vec!["\u{1b}[31mred\u{1b}[0m".to_owned()];
                return Ok(Outcome::Failed { name: "compile error".into(), value: rest.to_owned(), traceback });
            }
            "broken" => anyhow::bail!("the folder is gone"),
            "panic" => panic!("in the engine"),
            _ => return Ok(Outcome::Done { result: Some(plain(code)) }),
        }
        Ok(Outcome::Done { result: None })
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        self.presses.clone()
    }

    fn completeness(&self, code: &str) -> Completeness {
        if code.ends_with('{') { Completeness::Incomplete("    ".into()) } else { Completeness::Complete }
    }

    fn complete(&mut self, _: &str, cursor: usize) -> Result<Completions> {
        let found = Candidate { text: "println!".into(), kind: "macro".into(), signature: "println!(...)".into() };
        Ok(Completions { matches: vec![found], start: cursor - 2, end: cursor })
    }

    fn inspect(&mut self, code: &str, _: usize) -> Result<Option<BTreeMap<String, Value>>> {
        Ok((code == "known").then(|| plain("documented")))
    }

    fn variables(&self) -> Vec<EngineVariable> {
        Vec::new()
    }
}

/// A kernel in a thread, and a client.
struct Client {
    info: ConnectionInfo,
    shell: ClientShellConnection,
    iopub: ClientIoPubConnection,
    kernel: std::thread::JoinHandle<Result<()>>,
    _folder: tempfile::TempDir,
}

const SESSION: &str = "a-client";

async fn free_ports() -> ConnectionInfo {
    let (ports, _held) = peek_ports_with_listeners("127.0.0.1".parse().unwrap(), 5).await.unwrap();
    ConnectionInfo {
        ip: "127.0.0.1".into(),
        transport: Transport::TCP,
        shell_port: ports[0],
        iopub_port: ports[1],
        stdin_port: ports[2],
        control_port: ports[3],
        hb_port: ports[4],
        key: "a secret".into(),
        signature_scheme: "hmac-sha256".into(),
        kernel_name: None,
    }
}

async fn shell(info: &ConnectionInfo) -> ClientShellConnection {
    let identity = peer_identity_for_session(SESSION).unwrap();
    create_client_shell_connection_with_identity(info, SESSION, identity).await.unwrap()
}

impl Client {
    async fn start() -> Client {
        let info = free_ports().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("connection.json");
        std::fs::write(&file, serde_json::to_string(&info).unwrap()).unwrap();
        let kernel = std::thread::spawn(move || {
            super::run(&file, Box::new(|| Ok(Box::new(Echo { presses: Arc::default() }) as Box<dyn Engine>)))
        });
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", info.hb_port)).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "the kernel didn't bind its ports");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let shell = shell(&info).await;
        let iopub = create_client_iopub_connection(&info, "", SESSION).await.unwrap();
        let mut client = Client { info, shell, iopub, kernel, _folder: folder };
        // As Jupyter's clients do: ask until the answer's status is heard, so that the subscription is there.
        loop {
            client.shell.send(KernelInfoRequest {}.into()).await.unwrap();
            client.shell.read().await.unwrap();
            if tokio::time::timeout(Duration::from_millis(300), client.iopub.read()).await.is_ok() {
                break;
            }
        }
        while tokio::time::timeout(Duration::from_millis(200), client.iopub.read()).await.is_ok() {}
        client
    }

    /// Asks, and gives the reply with all that was published for it.
    async fn ask(&mut self, request: impl Into<JupyterMessage>) -> (JupyterMessage, Vec<Content>) {
        let request = request.into();
        let id = request.header.msg_id.clone();
        self.shell.send(request).await.unwrap();
        (self.reply(&id).await, self.published(&id).await)
    }

    async fn reply(&mut self, id: &str) -> JupyterMessage {
        let reply = soon(self.shell.read()).await.unwrap();
        assert_eq!(reply.parent_header.as_ref().map(|parent| parent.msg_id.as_str()), Some(id));
        reply
    }

    async fn published(&mut self, id: &str) -> Vec<Content> {
        let mut found = Vec::new();
        loop {
            let message = soon(self.iopub.read()).await.unwrap();
            let parent = message.parent_header.as_ref().map(|parent| parent.msg_id.as_str());
            assert_eq!(parent, Some(id), "{}", message.message_type());
            match message.content {
                Content::Status(Status { execution_state: ExecutionState::Idle }) => return found,
                content => found.push(content),
            }
        }
    }

    async fn run(&mut self, code: &str) -> (ExecuteReply, Vec<Content>) {
        let (reply, published) = self.ask(ExecuteRequest::new(code.into())).await;
        (executed(reply), published)
    }

    async fn end(mut self) {
        let mut control = create_client_control_connection(&self.info, SESSION).await.unwrap();
        control.send(ShutdownRequest { restart: false }.into()).await.unwrap();
        assert!(matches!(soon(control.read()).await.unwrap().content, Content::ShutdownReply(_)));
        while !matches!(soon(self.iopub.read()).await.unwrap().content, Content::ShutdownReply(_)) {}
        tokio::task::spawn_blocking(|| self.kernel.join()).await.unwrap().unwrap().unwrap();
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing came for 10 s")
}

fn executed(message: JupyterMessage) -> ExecuteReply {
    match message.content {
        Content::ExecuteReply(reply) => reply,
        other => panic!("{}", other.message_type()),
    }
}

fn kinds(published: &[Content]) -> Vec<&str> {
    published.iter().map(Content::message_type).collect()
}

fn streamed(published: &[Content]) -> String {
    let text = |content: &Content| match content {
        Content::StreamContent(stream) => stream.text.clone(),
        _ => String::new(),
    };
    published.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_is_busy_shows_what_it_shows_replies_and_is_idle() {
    let mut client = Client::start().await;
    let (reply, published) = client.run("1 + 1").await;
    assert_eq!((reply.status, reply.execution_count.value()), (ReplyStatus::Ok, 1));
    assert_eq!(kinds(&published), ["status", "execute_input", "execute_result"]);
    let (reply, published) = client.run("print a\rb").await;
    assert_eq!(reply.execution_count.value(), 2);
    assert_eq!(kinds(&published), ["status", "execute_input", "stream"]);
    assert_eq!(streamed(&published), "a\rb");
    let (_, published) = client.run("warn careful").await;
    assert!(
        matches!(&published[2], Content::StreamContent(StreamContent { name: Stdio::Stderr, text }) if text == "careful")
    );
    let (_, published) = client.run("bar").await;
    assert_eq!(kinds(&published)[2..], ["display_data", "update_display_data", "clear_output"]);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_ends_what_is_queued_behind_it_unless_told_otherwise() {
    let mut client = Client::start().await;
    let codes = ["slowly a b", "fail why", "2", "3"];
    let requests: Vec<JupyterMessage> = codes.iter().map(|code| ExecuteRequest::new((*code).into()).into()).collect();
    let ids: Vec<String> = requests.iter().map(|request| request.header.msg_id.clone()).collect();
    for request in requests {
        client.shell.send(request).await.unwrap();
    }
    let mut statuses = Vec::new();
    for id in &ids {
        let reply = executed(client.reply(id).await);
        if let Some(error) = &reply.error {
            assert_eq!((error.ename.as_str(), error.evalue.as_str()), ("compile error", "why"));
            assert!(error.traceback[0].contains("\u{1b}[31m"));
        }
        statuses.push(reply.status);
        let published = client.published(id).await;
        assert_eq!(kinds(&published).contains(&"error"), id == &ids[1]);
    }
    assert_eq!(statuses, [ReplyStatus::Ok, ReplyStatus::Error, ReplyStatus::Aborted, ReplyStatus::Aborted]);
    // What comes after runs again, and counts on.
    let (reply, _) = client.run("4").await;
    assert_eq!((reply.status, reply.execution_count.value()), (ReplyStatus::Ok, 3));

    let mut lenient = ExecuteRequest::new("fail why".into());
    lenient.stop_on_error = false;
    let (lenient, next) = (JupyterMessage::from(lenient), JupyterMessage::from(ExecuteRequest::new("5".into())));
    let ids = [lenient.header.msg_id.clone(), next.header.msg_id.clone()];
    client.shell.send(lenient).await.unwrap();
    client.shell.send(next).await.unwrap();
    assert_eq!(executed(client.reply(&ids[0]).await).status, ReplyStatus::Error);
    assert_eq!(executed(client.reply(&ids[1]).await).status, ReplyStatus::Ok);
    client.published(&ids[0]).await;
    client.published(&ids[1]).await;
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stop_button_reaches_a_cell_that_runs_and_nothing_else() {
    let mut client = Client::start().await;
    let mut control = create_client_control_connection(&client.info, SESSION).await.unwrap();
    // With nothing running it does nothing.
    control.send(InterruptRequest {}.into()).await.unwrap();
    assert!(matches!(soon(control.read()).await.unwrap().content, Content::InterruptReply(_)));
    while !matches!(
        soon(client.iopub.read()).await.unwrap().content,
        Content::Status(Status { execution_state: ExecutionState::Idle })
    ) {}
    let work: JupyterMessage = ExecuteRequest::new("work".into()).into();
    let behind: JupyterMessage = ExecuteRequest::new("1".into()).into();
    let behind_id = behind.header.msg_id.clone();
    let id = work.header.msg_id.clone();
    client.shell.send(work).await.unwrap();
    client.shell.send(behind).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    control.send(InterruptRequest {}.into()).await.unwrap();
    let reply = executed(client.reply(&id).await);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(reply.status, ReplyStatus::Ok);
    // "Run all" was meant as a whole.
    assert_eq!(executed(client.reply(&behind_id).await).status, ReplyStatus::Aborted);
    let mut text = String::new();
    let mut idle = 0;
    while idle < 3 {
        match soon(client.iopub.read()).await.unwrap().content {
            Content::StreamContent(stream) => text += &stream.text,
            Content::Status(Status { execution_state: ExecutionState::Idle }) => idle += 1,
            _ => {}
        }
    }
    assert_eq!(text, "stopped after 1 presses");
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_comes_as_it_is_printed_in_few_messages() {
    let mut client = Client::start().await;
    let (_, published) = client.run("lines 20000").await;
    let wanted: String = (0..20000).map(|line| format!("{line}\n")).collect();
    assert_eq!(streamed(&published), wanted);
    assert!(published.len() < 40, "{} messages", published.len());

    let request: JupyterMessage = ExecuteRequest::new("slowly one two three".into()).into();
    let id = request.header.msg_id.clone();
    client.shell.send(request).await.unwrap();
    let mut times = Vec::new();
    while times.len() < 3 {
        if let Content::StreamContent(_) = soon(client.iopub.read()).await.unwrap().content {
            times.push(Instant::now());
        }
    }
    assert!(times[1] - times[0] > Duration::from_millis(100), "the words came together");
    client.reply(&id).await;
    client.published(&id).await;
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_are_cut_with_a_note() {
    let mut client = Client::start().await;
    let (reply, published) = client.run("flood 100").await;
    assert_eq!(reply.status, ReplyStatus::Ok);
    let text = streamed(&published);
    assert!(text.len() < 9 << 20, "{} bytes", text.len());
    assert!(text.ends_with("[text cut here: a cell shows at most 8 MiB. Write it to a file.]\n"));
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrongly_signed_or_said_twice_is_not_run() {
    let mut client = Client::start().await;
    let stranger = ConnectionInfo { key: "another".into(), ..client.info.clone() };
    let identity = peer_identity_for_session("a-stranger").unwrap();
    let mut forged = create_client_shell_connection_with_identity(&stranger, "x", identity).await.unwrap();
    forged.send(ExecuteRequest::new("print forged".into()).into()).await.unwrap();
    let request: JupyterMessage = ExecuteRequest::new("print once".into()).into();
    let again = request.clone();
    let (_, published) = client.ask(request).await;
    assert_eq!(streamed(&published), "once");
    client.shell.send(again).await.unwrap();
    let (reply, published) = client.run("print after").await;
    // Neither the forged nor the repeated cell was counted or shown.
    assert_eq!((reply.execution_count.value(), streamed(&published)), (2, "after".to_owned()));
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_cell_shows_nothing_and_is_not_counted() {
    let mut client = Client::start().await;
    for code in ["print x", "1 + 1", "fail y"] {
        let mut request = ExecuteRequest::new(code.into());
        request.silent = true;
        let (_, published) = client.ask(request).await;
        assert_eq!(kinds(&published), ["status"], "{code}");
    }
    assert_eq!(client.run("1").await.0.execution_count.value(), 1);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_fails_or_panics_does_not_end_the_kernel() {
    let mut client = Client::start().await;
    let (reply, published) = client.run("broken").await;
    assert_eq!(reply.status, ReplyStatus::Error);
    assert!(
        matches!(published.last(), Some(Content::ErrorOutput(error)) if error.evalue.contains("the folder is gone"))
    );
    let (reply, published) = client.run("panic").await;
    assert_eq!(reply.status, ReplyStatus::Error);
    assert!(matches!(published.last(), Some(Content::ErrorOutput(error)) if error.evalue.contains("in the engine")));
    assert_eq!(client.run("1").await.0.status, ReplyStatus::Ok);
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_run_no_cell_are_answered() {
    let mut client = Client::start().await;
    let (reply, _) = client.ask(IsCompleteRequest { code: "fn f() {".into() }).await;
    assert!(matches!(reply.content, Content::IsCompleteReply(reply) if reply.indent == "    "));
    let (reply, _) = client.ask(CompleteRequest { code: "pr".into(), cursor_pos: 2 }).await;
    let Content::CompleteReply(found) = reply.content else { panic!() };
    assert_eq!((found.matches, found.cursor_start, found.cursor_end), (vec!["println!".to_owned()], 0, 2));
    assert_eq!(found.metadata["_jupyter_types_experimental"][0]["type"], "macro");
    let inspected = |code: &str| InspectRequest { code: code.into(), cursor_pos: 0, detail_level: Some(0) };
    assert!(matches!(client.ask(inspected("known")).await.0.content, Content::InspectReply(reply) if reply.found));
    assert!(matches!(client.ask(inspected("other")).await.0.content, Content::InspectReply(reply) if !reply.found));
    let (reply, _) = client.run("?known").await;
    assert!(matches!(&reply.payload[..], [Payload::Page { data, .. }] if data.content.len() == 1));
    client.run("1 + 2").await;
    let (reply, _) = client.ask(HistoryRequest::Tail { n: 1, output: false, raw: true }).await;
    let Content::HistoryReply(history) = reply.content else { panic!() };
    assert!(matches!(&history.history[..], [HistoryEntry::Input(_, 2, code)] if code == "1 + 2"));
    // A request that nobody knows, and one whose content is wrong, have answers too.
    let unknown = UnknownMessage { msg_type: "dance_request".into(), content: json!({}) };
    assert_eq!(client.ask(unknown).await.0.header.msg_type, "dance_reply");
    let wrong = UnknownMessage { msg_type: "complete_request".into(), content: json!({"code": 1}) };
    let (reply, _) = client.ask(wrong).await;
    assert!(matches!(reply.content, Content::CompleteReply(reply) if reply.status == ReplyStatus::Error));
    client.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heart_beats_while_a_cell_runs() {
    let mut client = Client::start().await;
    let request: JupyterMessage = ExecuteRequest::new("slowly a b c d".into()).into();
    let id = request.header.msg_id.clone();
    client.shell.send(request).await.unwrap();
    let mut heart = jupyter_zmq_client::create_client_heartbeat_connection(&client.info).await.unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        soon(heart.single_heartbeat()).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_millis(500));
    client.reply(&id).await;
    client.published(&id).await;
    client.end().await;
}
