//! `?`, async, threads, shadowing, macros in cells, and whatever else a cell may be made of.

use crate::notebook::Notebook;

#[test]
fn a_question_mark_takes_any_error_with_one_compilation() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let n: i32 = \"12\".parse()?; let text = std::fs::read_to_string(\"/dev/null\")?;");
    assert_eq!(notebook.once("n"), "12");
    let (name, words) = notebook.fail("let later = n; let m: i32 = \"twelve\".parse()?; println!(\"not here\");");
    assert_eq!(name, "error");
    assert!(words.contains("invalid digit"), "{words}");
    assert_eq!(notebook.once("n + 1"), "13");
    notebook.once("#[derive(Debug)] enum Mine { Broken { at: usize } }\nfn broken() -> Result<u8, Mine> { Err(Mine::Broken { at: 3 }) }\nstruct Nothing;\nfn nothing() -> Result<u8, Nothing> { Err(Nothing) }");
    assert!(notebook.fail("broken()?").1.contains("Broken { at: 3 }"));
    assert!(notebook.fail("nothing()?;").1.contains("Nothing"));
    assert!(notebook.fail("let none: Option<u8> = None; none?;").1.contains("None"));
    assert!(notebook.fail("Err::<(), _>(String::from(\"text\"))?;").1.contains("text"));
    assert!(
        notebook
            .fail("let boxed: Result<(), Box<dyn std::error::Error>> = Err(\"boxed\".into()); boxed?;")
            .1
            .contains("boxed")
    );
    assert!(notebook.fail("for i in 0..3 { if i == 2 { Err(format!(\"at {i}\"))? } }").1.contains("at 2"));
    assert!(notebook.fail("scdd::read_h5ad(\"/no/such/file.h5ad\")?").1.contains("/no/such/file.h5ad"));
    assert_eq!(notebook.once("fn inner() -> Option<u8> { Some(Some(1)? + 1) }\ninner()"), "Some(2)");
}

#[test]
fn async_code_is_awaited_at_the_top() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once(
        "async fn double(x: u32) -> u32 { x * 2 }\nasync fn fails() -> Result<u32, String> { Err(\"later\".into()) }",
    );
    notebook.once("let four = double(2).await; let list = vec![four];");
    assert_eq!(notebook.once("let sum = double(list[0]).await + async { 1 }.await; sum"), "9");
    assert!(notebook.fail("fails().await?").1.contains("later"));
    // Ready later, from another thread.
    notebook.once(
        "use std::{future::poll_fn, task::Poll, sync::{Arc, atomic::{AtomicBool, Ordering}}};\nasync fn slow() -> &'static str {\n    let (done, mut started) = (Arc::new(AtomicBool::new(false)), false);\n    poll_fn(move |cx| {\n        if done.load(Ordering::SeqCst) { return Poll::Ready(\"slow\") }\n        if !started { started = true; let (done, waker) = (done.clone(), cx.waker().clone()); std::thread::spawn(move || { std::thread::sleep(std::time::Duration::from_millis(20)); done.store(true, Ordering::SeqCst); waker.wake() }); }\n        Poll::Pending\n    }).await\n}",
    );
    assert_eq!(notebook.once("slow().await"), "\"slow\"");
    assert_eq!(notebook.once("let moved = list; let n = async move { moved.len() }.await; n"), "1");
}

#[test]
fn threads_work_and_may_outlive_a_cell() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once(
        "let (send, receive) = std::sync::mpsc::channel::<u32>(); let data = std::sync::Arc::new(vec![1_u32, 2, 3]);",
    );
    notebook.once("let worker = { let data = data.clone(); std::thread::spawn(move || { std::thread::sleep(std::time::Duration::from_millis(150)); println!(\"from the thread\"); send.send(data.iter().sum::<u32>()).unwrap(); 7 }) };");
    let printed = notebook.once("let got = receive.recv()?; let end = worker.join().unwrap(); (got, end)");
    assert_eq!(printed, "from the thread\n(6, 7)");
    assert_eq!(
        notebook.once("let mut total = 0; std::thread::scope(|scope| { scope.spawn(|| total += data.len()); }); total"),
        "3"
    );
    // A panic in a thread is that thread's.
    let shown = notebook.try_run("std::thread::spawn(|| panic!(\"in a thread\")).join().is_err()");
    assert_eq!(shown.text, "true");
    assert!(shown.stderr.contains("in a thread"), "{shown:?}");
}

#[test]
fn a_panic_loses_nothing_and_names_its_line() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let list = vec![1, 2, 3]; let text = String::from(\"kept\"); let mut open = vec![0];");
    let (name, words) = notebook.fail("let a = 1;\nopen.push(a);\nlist[5]");
    assert_eq!(name, "panic");
    assert!(words.contains("index out of bounds") && words.contains("line 3"), "{words}");
    assert_eq!(notebook.once("(list, &text, open)"), "([1, 2, 3], \"kept\", [0, 1])");
    notebook.once("fn checked(x: i32) -> i32 {\n    assert!(x > 0, \"x is {x}\");\n    x\n}");
    let (_, words) = notebook.fail("checked(-1)");
    assert!(words.contains("x is -1") && words.contains("line 2") && words.contains("earlier cell"), "{words}");
    let (_, words) = notebook.fail("let none: Option<u8> = None; none.expect(\"a value\");");
    assert!(words.contains("a value"), "{words}");
    assert!(notebook.fail("let big = i32::MAX; let n = std::hint::black_box(1); big + n").1.contains("overflow"));
    assert_eq!(notebook.once("text"), "\"kept\"");
}

#[test]
fn shadowing_loops_blocks_and_labels_are_plain_rust() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let x = 1;");
    notebook.once("let x = x + 1; let x = format!(\"{x}!\");");
    assert_eq!(notebook.once("x"), "\"2!\"");
    assert_eq!(notebook.once("let x = x.len(); x"), "2");
    assert_eq!(
        notebook.once(
            "for i in 0..3 { print!(\"{i} \") }\nprintln!();\nlet y = 'outer: loop { loop { break 'outer 5 } }; y"
        ),
        "0 1 2 \n5"
    );
    assert_eq!(
        notebook.once("let mut n = 0; while n < 3 { n += 1 } let square = { let s = n * n; s + 1 }; square"),
        "10"
    );
    assert_eq!(
        notebook
            .once("let mut list = vec![3, 1, 2]; { let view = &mut list; view.sort(); } let first = &list[0]; *first"),
        "1"
    );
    assert_eq!(
        notebook.once("let width = 6; let digits = 2; println!(\"{:>width$.digits$}|{0}\", 1.23456)"),
        "  1.23|1.23456\n"
    );
    assert_eq!(
        notebook.once("let label: &str; if width > 3 { label = \"wide\" } else { label = \"narrow\" } label"),
        "\"wide\""
    );
    assert_eq!(notebook.once("label.len()"), "4");
    assert_eq!(notebook.once("let late: u8; let w = width + 1; late = w as u8; late + label.len() as u8"), "11");
    assert_eq!(notebook.once("late"), "7");
    assert_eq!(notebook.once("let r#type = 3; r#type"), "3");
    assert_eq!(notebook.run("// only a comment"), "");
    assert_eq!(notebook.once("let text = \":not a command\n:vars\"; text.len()"), "20");
    assert_eq!(
        notebook
            .once("let unfinished = Vec::new(); let mut unfinished = unfinished; unfinished.push(2_u16); unfinished"),
        "[2]"
    );
    assert_eq!(notebook.once("if let Some(z) = Some(4) && z > 3 { println!(\"chain {z}\") }"), "chain 4\n");
    assert_eq!(notebook.once("let large = [0_u8; 3_000_000]; large.len()"), "3000000");
    assert_eq!(notebook.once("large[7]"), "0");
    assert_eq!(notebook.once("std::env::args().count() > 0"), "true");
    assert_eq!(notebook.once("#![allow(unused)]\nlet quiet = 1; quiet"), "1");
}

#[test]
fn a_long_cell_with_many_variables_needs_one_compilation() {
    let Some(mut notebook) = Notebook::open() else { return };
    let mut cell = String::from("let v0 = vec![0_usize];\n");
    for i in 1..60 {
        cell += &format!("let v{i} = {{ let mut next = v{}.clone(); next.push({i}); next }};\n", i - 1);
    }
    cell += "v59.len()";
    assert_eq!(notebook.once(&cell), "60");
    assert_eq!(notebook.once("v30.len()"), "31");
}
