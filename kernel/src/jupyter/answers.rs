//! Replies to requests that run no cell: kernel info, completion, inspection, completeness.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use jupyter_protocol::messaging::{
    CodeMirrorMode, CommClose, CommInfoReply, CommOpen, CompleteReply, CompleteRequest, HelpLink, InspectReply,
    InspectRequest, IsCompleteReply, IsCompleteRequest, KernelInfoReply, LanguageInfo, ReplyStatus,
};
use serde_json::{Map, Value, json};

use super::publisher::{Publisher, media};
use super::request::Request;
use crate::engine::{Completeness, Engine};

/// Who we are.
pub fn kernel_info() -> KernelInfoReply {
    let link = |text: &str, url: &str| HelpLink { text: text.into(), url: url.into() };
    KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: "5.3".into(),
        implementation: "scdd".into(),
        implementation_version: env!("CARGO_PKG_VERSION").into(),
        language_info: LanguageInfo {
            name: "rust".into(),
            version: env!("CARGO_PKG_RUST_VERSION").into(),
            mimetype: Some("text/rust".into()),
            file_extension: Some(".rs".into()),
            pygments_lexer: Some("rust".into()),
            codemirror_mode: Some(CodeMirrorMode::Simple("rust".into())),
            nbconvert_exporter: None,
        },
        banner: concat!("scdd ", env!("CARGO_PKG_VERSION"), ": Rust cells with the library prepared. :help for more.")
            .into(),
        help_links: vec![
            link("Rust's standard library", "https://doc.rust-lang.org/std/"),
            link("Burn", "https://burn.dev/docs/burn/"),
            link("polars", "https://docs.pola.rs/api/rust/dev/polars/"),
        ],
        debugger: false,
        error: None,
    }
}

/// Whether Enter runs the cell.
pub fn is_complete(request: &Request, engine: &dyn Engine) -> Result<IsCompleteReply> {
    let asked: IsCompleteRequest = request.content()?;
    Ok(match engine.completeness(&asked.code) {
        Completeness::Complete => IsCompleteReply::complete(),
        Completeness::Incomplete(indent) => IsCompleteReply::incomplete(indent),
        Completeness::Invalid => IsCompleteReply::invalid(),
    })
}

/// What could stand at the cursor.
pub fn complete(request: &Request, engine: &mut dyn Engine) -> Result<CompleteReply> {
    let asked: CompleteRequest = request.content()?;
    let found = engine.complete(&asked.code, asked.cursor_pos)?;
    let kind = |candidate: &crate::engine::Candidate| {
        json!({
            "text": candidate.text, "type": candidate.kind, "signature": candidate.signature,
            "start": found.start, "end": found.end,
        })
    };
    let kinds: Vec<Value> = found.matches.iter().map(kind).collect();
    Ok(CompleteReply {
        matches: found.matches.into_iter().map(|candidate| candidate.text).collect(),
        cursor_start: found.start,
        cursor_end: found.end,
        // The name under which JupyterLab looks for them.
        metadata: Map::from_iter([("_jupyter_types_experimental".to_owned(), kinds.into())]),
        status: ReplyStatus::Ok,
        error: None,
    })
}

/// What stands at the cursor.
pub fn inspect(request: &Request, engine: &mut dyn Engine) -> Result<InspectReply> {
    let asked: InspectRequest = request.content()?;
    let found = engine.inspect(&asked.code, asked.cursor_pos)?;
    Ok(InspectReply {
        found: found.is_some(),
        data: media(found.unwrap_or_default()),
        metadata: Map::new(),
        status: ReplyStatus::Ok,
        error: None,
    })
}

/// There are no widgets.
pub fn comm_info() -> CommInfoReply {
    CommInfoReply { status: ReplyStatus::Ok, comms: HashMap::new(), error: None }
}

/// A widget that wants to be opened is closed again, as the protocol asks of kernels that don't know it.
pub fn comm_open(request: &Request, publisher: &Publisher) -> Result<()> {
    let asked: CommOpen = request.content()?;
    publisher.publish(&request.parent, CommClose { comm_id: asked.comm_id, data: Map::new() });
    Ok(())
}

/// Documentation of `?name`, a cell of its own.
pub fn page(name: &str, engine: &mut dyn Engine) -> Result<BTreeMap<String, Value>> {
    let found = engine.inspect(name, name.chars().count())?;
    Ok(found.unwrap_or_else(|| {
        BTreeMap::from([("text/plain".to_owned(), format!("found no documentation of {name:?}").into())])
    }))
}
