//! `:dep`: crates beside the library.

use crate::notebook::Notebook;

fn write(path: &std::path::Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_crate_of_ones_own_keeps_variables_and_its_statics_are_one() {
    let Some(mut notebook) = Notebook::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine");
    write(
        &mine.join("Cargo.toml"),
        "[package]\nname = \"mine\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    );
    write(
        &mine.join("src/lib.rs"),
        "use std::sync::atomic::*;\nstatic N: AtomicUsize = AtomicUsize::new(0);\npub fn tick() -> usize { N.fetch_add(1, Ordering::SeqCst) }\n\
         #[derive(Debug, Clone)] pub struct Own { pub n: usize }\n#[macro_export] macro_rules! own { ($n:expr) => { $crate::Own { n: $n } }; }",
    );
    notebook.once("let before = vec![1]; fn f() -> i32 { 1 }");
    let shown = notebook.try_run(&format!(":dep mine = {{ path = {:?} }}", mine.to_string_lossy()));
    assert!(shown.failed.is_none(), "{shown:?}");
    assert!(shown.stdout.contains("Building mine") && shown.stdout.contains("Ready in"), "{shown:?}");
    assert_eq!(notebook.once("before"), "[1]");
    notebook.once("mine::tick(); let own = mine::own!(3);");
    assert_eq!(notebook.once("(mine::tick(), own.n, f())"), "(1, 3, 1)");
    assert!(notebook.run(":vars").contains("own     Own"), "{}", notebook.run(":vars"));
    notebook.once("mod inner { pub fn through() -> usize { ::mine::tick() } }");
    assert_eq!(notebook.once("inner::through()"), "2");

    // What can't be had leaves all as it was.
    let (_, words) =
        notebook.fail(&format!(":dep gone = {{ path = {:?} }}", folder.path().join("gone").to_string_lossy()));
    assert!(words.contains("gone"), "{words}");
    assert_eq!(notebook.once("(before, mine::tick())"), "([1], 3)");

    // tokio as the library has it: nothing of the library is compiled again, and all is still there.
    let shown = notebook.try_run(":dep tokio = \"1\"");
    if shown
        .failed
        .as_ref()
        .is_some_and(|(_, words)| words.contains("failed to download") || words.contains("registry"))
    {
        println!("tokio is left out: no registry is reachable");
        return;
    }
    assert!(shown.failed.is_none(), "{shown:?}");
    notebook.once(
        "async fn slow(x: u32) -> u32 { tokio::time::sleep(std::time::Duration::from_millis(20)).await; x }\n\
         let handle = tokio::spawn(slow(4));",
    );
    assert_eq!(notebook.once("let (a, b) = (slow(1).await, slow(2).await); (a + b, handle.await?)"), "(3, 4)");
    assert_eq!(notebook.once("(own.n, mine::tick(), f())"), "(3, 4, 1)");
    let all = notebook.evaluator.folder().parent().unwrap().to_owned();
    drop(notebook);
    forget(&all, &mine);
}

/// Removes what was built for a crate that is nowhere any more.
fn forget(all: &std::path::Path, mine: &std::path::Path) {
    for entry in std::fs::read_dir(all).unwrap().flatten() {
        let manifest = std::fs::read_to_string(entry.path().join("deps/Cargo.toml")).unwrap_or_default();
        if manifest.contains(&*mine.to_string_lossy()) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}
