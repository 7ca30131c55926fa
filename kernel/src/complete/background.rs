//! Makes the table in the background, by a process of lowest priority that ends with the kernel.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::make;

/// The running process.
#[derive(Debug)]
pub struct Indexer(Child);

impl Indexer {
    /// Starts `scdd-kernel index` if there is no table, or the library (its shared object is `facade`) was built after the
    /// table was made. Crates that are described already aren't described again, so a process that is ended early loses at
    /// most one crate's work.
    pub fn start(facade: &Path) -> Option<Indexer> {
        let built = std::fs::metadata(facade).and_then(|found| found.modified()).ok()?;
        let made = make::made(&make::folder().ok()?);
        if made.is_some_and(|made| made >= built) {
            return None;
        }
        // Cells go first: with `nice` it takes the processor time that they leave.
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(std::env::current_exe().ok()?).arg("index");
        // A group of its own, so that rustdoc ends with it.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .ok()
            .map(Indexer)
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        // SAFETY: a signal to the group of our own child, which nobody has waited for: its number isn't used again yet.
        unsafe { libc::kill(-(self.0.id() as i32), libc::SIGKILL) };
        let _ = self.0.wait();
    }
}
