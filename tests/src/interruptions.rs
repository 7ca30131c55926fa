//! Interrupting and killing work that keeps checkpoints in a folder.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scdd::progress::Interrupt;

/// The names in a folder; none where there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Whether a name in the folder begins with this.
pub fn has(folder: &Path, beginning: &str) -> bool {
    names(folder).iter().any(|name| name.starts_with(beginning))
}

/// Runs work that stops on the interrupt, and requests it as soon as the folder [`has`] such a name.
pub fn interrupted<T>(folder: &Path, beginning: &str, work: impl FnOnce(&Interrupt) -> T) -> T {
    let stop = Interrupt::default();
    let (other, folder, beginning) = (stop.clone(), folder.to_owned(), beginning.to_owned());
    let watch = std::thread::spawn(move || {
        while !has(&folder, &beginning) {
            std::thread::yield_now();
        }
        other.request();
    });
    let made = work(&stop);
    watch.join().unwrap();
    made
}

/// Runs a test of the calling test program in a process of its own, in which the environment variable `child` names the folder,
/// and kills it as soon as the folder [`has`] such a name.
pub fn kill(test: &str, child: &str, folder: &Path, beginning: &str) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(child, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !has(folder, beginning) {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint after two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap(); // SIGKILL
    process.wait().unwrap();
    assert!(has(folder, beginning), "it was through before it was killed");
}
