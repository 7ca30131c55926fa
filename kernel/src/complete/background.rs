//! Makes the table in the background, by a process of lowest priority that ends with the kernel.

use std::process::{Child, Command, Stdio};

use super::make;

/// The running process.
#[derive(Debug)]
pub struct Indexer(Child);

impl Indexer {
    /// Starts `scdd-kernel index` where the library was built after the table was made, or there is none. Of crates that are
    /// described already nothing is done again, so a process that was ended early loses at most one crate's work.
    pub fn start() -> Option<Indexer> {
        let program = std::env::current_exe().ok()?;
        let made = make::made(&make::folder().ok()?);
        let facade = program.with_file_name(crate::evaluator::paths::library_name("scdd_facade"));
        let built = std::fs::metadata(facade).and_then(|found| found.modified()).ok()?;
        if made.is_some_and(|made| made >= built) {
            return None;
        }
        // Cells go first: with `nice` it takes the processor time that they leave.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(program).arg("index");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok().map(Indexer)
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
