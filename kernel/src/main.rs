//! `scdd-kernel`: the Jupyter kernel of this clone.
//!
//! evcxr evaluates the cells. What is ours is the folder that it builds them in ([`session`]): the library lies there
//! already compiled, so that the first cell says `use scdd::prelude::*;` without any `:dep` line.
#![warn(missing_docs)]

mod analysed;
mod links;
mod manifest;
mod session;

use anyhow::Result;

/// evcxr starts this binary again as the process that runs the cells, and as a wrapper around rustc.
const CHILD_MARKS: [&str; 2] = ["EVCXR_IS_RUNTIME", "EVCXR_RUSTC_WRAPPER"];

fn main() -> Result<()> {
    if analysed::called_as_cargo() {
        return analysed::main();
    }
    let is_child = CHILD_MARKS.iter().any(|mark| std::env::var_os(mark).is_some());
    let is_kernel = std::env::args().nth(1).as_deref() == Some("--control_file");
    if is_child || !is_kernel {
        return evcxr_jupyter::main();
    }
    let session = session::Session::open()?;
    for (name, value) in session.environment()? {
        // Safety: no thread has been started yet.
        unsafe { std::env::set_var(name, value) };
    }
    let ended = evcxr_jupyter::main();
    drop(session);
    ended
}
