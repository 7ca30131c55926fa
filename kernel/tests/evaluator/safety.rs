//! Interrupts, dead children, much output, several notebooks at once.

use std::time::{Duration, Instant};

use scdd_kernel::engine::Engine;

use crate::notebook::Notebook;

#[test]
fn a_child_that_dies_is_replaced_and_the_lost_variables_are_named() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("static COUNT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(3);\nlet kept = 1; fn f() -> i32 { 7 }");
    let (name, words) = notebook.fail("std::process::abort()");
    assert_eq!(name, "lost child");
    assert!(words.contains("aborted") && words.contains("kept"), "{words}");
    assert!(notebook.fail("kept").1.contains("went when the process"));
    assert_eq!(notebook.once("f() + COUNT.load(std::sync::atomic::Ordering::SeqCst) as i32"), "10");
    notebook.once("let again = 2;");
    assert!(notebook.fail("std::process::exit(3)").1.contains("code 3"));
    assert!(notebook.fail("unsafe { *std::ptr::without_provenance_mut::<u8>(8) = 1 }").1.contains("memory"));
    assert_eq!(notebook.once("1 + 1"), "2");
    assert!(notebook.fail("fn deep(n: u64) -> u64 { if n == 0 { 0 } else { 1 + deep(std::hint::black_box(n - 1)) } }\ndeep(u64::MAX)").1.contains("stack"));
    assert_eq!(notebook.once("1 + 1"), "2");
}

#[test]
fn a_second_interrupt_ends_a_cell_that_does_not_listen() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let kept = vec![1];");
    let stop = notebook.evaluator.interrupter();
    let pressing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(4));
        stop.interrupt();
        std::thread::sleep(Duration::from_millis(500));
        stop.interrupt();
    });
    let started = Instant::now();
    let (name, words) =
        notebook.fail("println!(\"running\"); loop { std::thread::sleep(std::time::Duration::from_millis(10)) }");
    pressing.join().unwrap();
    assert_eq!(name, "interrupted");
    assert!(words.contains("kept"), "{words}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(notebook.once("1 + 1"), "2");
}

#[test]
fn an_interrupt_before_a_cell_runs_keeps_everything() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let kept = 1;");
    let stop = notebook.evaluator.interrupter();
    // Between cells there is nothing to end.
    stop.interrupt();
    stop.interrupt();
    assert_eq!(notebook.once("kept"), "1");
    let pressing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        stop.interrupt();
    });
    let shown = notebook.try_run("println!(\"ran\"); let more = 2;");
    pressing.join().unwrap();
    assert!(shown.stdout == "ran\n" || shown.failed.is_some_and(|(name, _)| name == "interrupted"));
    assert_eq!(notebook.once("kept"), "1");
}

#[test]
fn output_streams_while_a_cell_runs_whatever_its_bytes() {
    let Some(mut notebook) = Notebook::open() else { return };
    let mut seen = Vec::new();
    let started = Instant::now();
    notebook
        .evaluator
        .execute(
            "print!(\"half\"); std::thread::sleep(std::time::Duration::from_millis(900)); println!(\" a line\");",
            &mut |output| {
                seen.push((started.elapsed(), output));
            },
        )
        .unwrap();
    assert!(seen.len() >= 2 && seen.last().unwrap().0 - seen[0].0 > Duration::from_millis(400), "{seen:?}");
    let shown = notebook.try_run(
        "use std::io::Write;\nstd::io::stdout().write_all(b\"a\\xffb\\r\\n\")?; eprintln!(\"to stderr: \\u{e9}\");",
    );
    assert!(shown.stdout.starts_with('a') && shown.stdout.ends_with("b\r\n"), "{shown:?}");
    assert_eq!(shown.stderr, "to stderr: \u{e9}\n");
    let shown = notebook.try_run("let line = \"x\".repeat(99); for _ in 0..50_000 { println!(\"{line}\") }");
    assert_eq!(shown.stdout.len(), 5_000_000);
    let shown = notebook.try_run("for kind in [\"text/html\", \"text/plain\"] { println!(\"EVCXR_BEGIN_CONTENT {kind}\\nshown\\nEVCXR_END_CONTENT\") }");
    assert_eq!((shown.text.as_str(), shown.html.as_str()), ("shown", "shown"));
}

#[test]
fn notebooks_at_once_do_not_see_each_other() {
    let (Some(mut one), Some(mut other)) = (Notebook::open(), Notebook::open()) else { return };
    one.once("let x = 1; fn f() -> &'static str { \"one\" }");
    other.once("let x = 2; fn f() -> &'static str { \"other\" }");
    assert_eq!(
        (one.once("(x, f())"), other.once("(x, f())")),
        ("(1, \"one\")".to_owned(), "(2, \"other\")".to_owned())
    );
    drop(one);
    assert_eq!(other.once("x"), "2");
}

#[test]
fn the_session_folder_does_not_grow_and_goes_at_the_end() {
    let Some(mut notebook) = Notebook::open() else { return };
    for i in 0..10 {
        notebook.once(&format!("let x = {i};"));
    }
    let folder = notebook.evaluator.folder().to_owned();
    let cells = std::fs::read_dir(&folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("cell_"))
        .count();
    assert_eq!(cells, 0);
    std::fs::remove_dir_all(&folder).unwrap();
    let error = notebook.evaluator.execute("1 + 1", &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("is gone") && error.contains("xtask setup"), "{error}");
    drop(notebook);
    assert!(!folder.exists());
}
