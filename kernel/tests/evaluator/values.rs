//! Variables between cells, and how values show themselves.

use crate::notebook::Notebook;

#[test]
fn variables_of_all_kinds_are_there_in_the_next_cell() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once(
        "let n = 5; let x = 2.5_f32; let text = \"abc\"; let owned = String::from(\"xyz\"); let list = vec![1u8, 2];",
    );
    assert_eq!(notebook.once("println!(\"{n} {x} {text} {owned} {list:?}\")"), "5 2.5 abc xyz [1, 2]\n");
    notebook.once("let (a, mut b) = (1_u64, vec![Some('c')]); let [first, .., last] = [1, 2, 3];");
    assert_eq!(notebook.once("b.push(None); (a, b, first, last)"), "(1, [Some('c'), None], 1, 3)");
    notebook
        .once("use std::collections::HashMap;\nlet mut map: HashMap<String, Vec<(f64, [i32; 2])>> = HashMap::new();");
    notebook.once("map.insert(\"k\".to_owned(), vec![(1.0, [1, 2])]);");
    assert_eq!(notebook.once("map[\"k\"][0].1[1]"), "2");
    notebook.once("let add: Box<dyn Fn(i32) -> i32 + Send> = Box::new(move |y| y + n);");
    assert_eq!(notebook.once("add(2)"), "7");
    notebook.once("let f: fn(f64) -> f64 = f64::sqrt; let range = 0..4; let unit = ();");
    assert_eq!(notebook.once("(f(16.0), range.len())"), "(4.0, 4)");
    notebook.once("let Some(inner) = Some(3) else { panic!() }; let cow = std::borrow::Cow::Borrowed(\"cow\");");
    assert_eq!(notebook.once("format!(\"{inner}{cow}\")"), "\"3cow\"");
    notebook.once("let shared = std::rc::Rc::new(std::cell::RefCell::new(1)); let other = shared.clone();");
    notebook.once("*other.borrow_mut() += 1;");
    assert_eq!(notebook.once("shared.borrow().clone()"), "2");
}

#[test]
fn a_moved_variable_is_gone_with_one_compilation_and_plain_words() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let v = vec![1, 2]; let kept = vec![3]; let n = 7;");
    assert_eq!(notebook.once("let w = v; let sum: i32 = kept.iter().sum::<i32>() + n; sum"), "10");
    let (name, words) = notebook.fail("v.len()");
    assert_eq!(name, "compile error");
    assert!(words.contains("`v` was moved in an earlier cell"), "{words}");
    // Made and moved in one cell.
    notebook.once("let a = vec![1]; let b = a.into_iter().map(|x| x + 1).collect::<Vec<_>>(); let c = b.len();");
    assert!(notebook.fail("a").1.contains("moved"));
    assert_eq!(notebook.once("(b.len(), c, kept.len())"), "(1, 1, 1)");
    // Moved in a loop and there again.
    notebook.once("let mut model = vec![0]; for step in 0..3 { let mut next = model; next.push(step); model = next; }");
    assert_eq!(notebook.once("model"), "[0, 0, 1, 2]");
    assert_eq!(
        notebook.once("for step in 3..5 { let mut next = model; next.push(step); model = next; } model.len()"),
        "6"
    );
    // Moved on one path only: gone, as for rustc.
    notebook.once("if n > 100 { drop(model) }");
    assert!(notebook.fail("model").1.contains("moved"));
    // A part of it: what is left can't be kept. Out of a box.
    notebook.once("struct Two { a: String, b: String }\nlet two = Two { a: \"a\".into(), b: \"b\".into() }; let boxed = Box::new(vec![5]);");
    assert_eq!(notebook.once("let part = two.a; let inner = *boxed; (part, two.b.len(), inner)"), "(\"a\", 1, [5])");
    assert!(notebook.fail("two").1.contains("moved"));
    assert!(notebook.fail("boxed").1.contains("moved"));
    // Looked at and lent, not moved.
    notebook.once(
        "struct Three { n: u8, s: String }\nlet mut three = Three { n: 1, s: String::new() }; let pair = (vec![1], 2_usize);",
    );
    notebook.once("let n = three.n; three.s.push('x'); match &pair { (list, n) => println!(\"{}\", list.len() + n) } let (_, two) = pair;");
    assert_eq!(notebook.once("(three.s.len(), pair.0.len())"), "(1, 1)");
    // Into a thread.
    assert_eq!(notebook.once("std::thread::spawn(move || kept.len()).join().unwrap()"), "1");
    assert!(notebook.fail("kept").1.contains("moved"));
}

#[test]
fn a_failed_cell_leaves_all_but_what_it_moves() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let used = vec![1]; let kept = vec![2]; let mut changed = vec![3];");
    let shown = notebook.try_run("changed.push(4); let new = vec![5]; let n: i32 = \"x\".parse()?; drop(used);");
    assert_eq!(shown.failed.unwrap().0, "error");
    // What comes after the failure took nothing.
    assert_eq!(notebook.once("(&kept, &changed, &used)"), "([2], [3, 4], [1])");
    assert!(notebook.fail("new").1.contains("cannot find value"));
    let shown = notebook.try_run("let other = used; let n: i32 = \"x\".parse()?; kept.len();");
    assert!(shown.stderr.contains("`used` went with this cell"), "{}", shown.stderr);
    assert_eq!(notebook.once("(kept, changed)"), "([2], [3, 4])");
    assert_eq!(notebook.fail("unsafe extern \"C\" { fn is_nowhere(); }\nunsafe { is_nowhere() }").0, "link error");
    // A type of more letters than rustc likes to print.
    let long = "(std::collections::HashMap<String, Vec<f64>>, std::collections::BTreeMap<u64, Option<String>>)";
    notebook.once(&format!("let long: Vec<({long}, {long}, {long}, {long})> = Vec::new();"));
    assert_eq!(notebook.once("long.len()"), "0");
}

#[test]
fn destructors_run_once_whatever_a_cell_does() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook
        .run("struct Loud(&'static str);\nimpl Drop for Loud { fn drop(&mut self) { println!(\"drop {}\", self.0) } }");
    assert_eq!(notebook.once("let a = Loud(\"a\"); let b = Loud(\"b\"); let _ = Loud(\"unbound\");"), "drop unbound\n");
    assert_eq!(notebook.once("let a = Loud(\"new a\");"), "drop a\n");
    assert_eq!(
        notebook.once("let x = Loud(\"first\"); let x = Loud(\"second\"); println!(\"end\");"),
        "end\ndrop first\n"
    );
    assert_eq!(notebook.once("drop(x); println!(\"after\")"), "drop second\nafter\n");
    assert_eq!(notebook.once("let moved = b; println!(\"{}\", moved.0)"), "b\n");
    assert_eq!(notebook.once("let guard = || Loud(\"made\"); let made = guard();"), "");
    let shown = notebook.try_run("let inner = Loud(\"inner\"); Err::<(), _>(\"no\")?;");
    assert_eq!(shown.stdout, "drop inner\n");
    let shown = notebook.try_run("let one = Loud(\"one\"); a.0.len(); let two = Loud(\"two\"); panic!(\"now\")");
    assert_eq!(shown.stdout, "drop two\ndrop one\n");
    assert_eq!(notebook.once("a = Loud(\"assigned\"); a.0"), "drop new a\n\"assigned\"");
}

#[test]
fn the_last_expression_shows_itself() {
    let Some(mut notebook) = Notebook::open() else { return };
    assert_eq!(notebook.once("1 + 1"), "2");
    assert_eq!(notebook.once("\"text\""), "\"text\"");
    assert_eq!(notebook.once("let x = 3;"), "");
    assert_eq!(notebook.once("()"), "");
    assert_eq!(notebook.once("\"12\".parse::<i32>()"), "12");
    assert_eq!(notebook.once("\"one\".parse::<i32>()"), "Err: invalid digit found in string");
    assert_eq!(notebook.once("(Some(2), None::<u8>)"), "(Some(2), None)");
    assert_eq!(notebook.once("Some(vec![1])"), "Some([1])");
    assert_eq!(notebook.once("if x > 2 { \"large\" } else { \"small\" }"), "\"large\"");
    assert_eq!(notebook.once("match x { 3 => 'c', _ => 'd' }"), "'c'");
    notebook.once("struct Silent; struct Own;\nimpl Own { fn evcxr_display(&self) { println!(\"EVCXR_BEGIN_CONTENT text/html\\n<b>own</b>\\nEVCXR_END_CONTENT\") } }");
    assert_eq!(notebook.once("Silent"), "");
    assert_eq!(notebook.try_run("Own").html, "<b>own</b>");
    assert_eq!(notebook.try_run("let own = Own; &own").html, "<b>own</b>");
    assert_eq!(notebook.try_run("Ok::<&Own, String>(&own)").html, "<b>own</b>");
    assert_eq!(notebook.once("&vec![1]"), "[1]");
    assert_eq!(notebook.try_run("Some(Own).ok_or(\"none\")").html, "<b>own</b>");
    assert_eq!(notebook.once("let list = vec![1, 2]; list"), "[1, 2]");
    assert_eq!(notebook.once("list"), "[1, 2]", "shown, not moved");
}

#[test]
fn frames_and_tensors_show_as_tables_and_cross_cells() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook
        .once("use scdd::prelude::*;\nuse scdd::polars::prelude::*;\nuse scdd::burn::tensor::{Device, Tensor, Int};");
    notebook.once("let frame = df![\"gene\" => [\"INS\", \"GCG\"], \"cells\" => [3i64, 1]]?;");
    let shown = notebook.try_run("frame");
    assert!(shown.html.contains("<td>INS</td>") && shown.text.contains("GCG"), "{shown:?}");
    assert_eq!(
        notebook
            .once("frame.sort([\"cells\"], Default::default())?.column(\"gene\")?.str()?.get(0).unwrap().to_owned()"),
        "\"GCG\""
    );
    notebook.once("let column = frame.column(\"cells\")?.clone();");
    assert_eq!(notebook.once("frame.filter(&column.i64()?.gt(2))?.height() + column.len()"), "3");
    notebook.once("let device = Device::flex().autodiff();");
    notebook.once("let weights = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device).require_grad();");
    notebook.once("let loss = (weights.clone() * weights.clone()).sum();\nlet gradients = loss.backward();");
    let shown = notebook.try_run("weights.grad(&gradients).unwrap()");
    assert!(
        shown.text.contains("[2, 2]") && shown.text.contains("[2, 4, 6, 8]") && shown.html.contains("F32"),
        "{shown:?}"
    );
    assert!(notebook.once("Tensor::<1, Int>::from_ints([1, 2], &device)").contains("[1, 2]"));
    let vars = notebook.run(":vars");
    assert!(vars.contains("Tensor<2>") && vars.contains("[2, 2] F32") && vars.contains("2 rows x 2 columns"), "{vars}");
    notebook.once("let layer = scdd::burn::nn::LinearConfig::new(2, 3).init(&device);\nlet table = scdd::ndarray::Array2::<f32>::zeros((2, 3));");
    assert_eq!(notebook.once("(layer.forward(weights.clone()).dims(), table.shape().to_vec())"), "([2, 3], [2, 3])");
}

#[test]
fn the_library_works_across_cells() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("use scdd::prelude::*;");
    notebook.once("let cells = simulate().cells(200).genes(80).classes(3).run()?;");
    notebook.once("let cells = cells.preprocess().min_genes(1).run()?;");
    notebook.once("let study = cells.study(\"cell_type\").foundation_epochs(1).seed(7).run()?;");
    assert!(notebook.run(":vars").contains("200 cells"), "{}", notebook.run(":vars"));
    let shown = notebook.try_run("cells");
    assert!(shown.mimes.contains(&"text/html".to_owned()), "{shown:?}");
    let figure = notebook.try_run("let mut plot = scdd::plotly::Plot::new();\nplot.add_trace(scdd::plotly::Scatter::new(vec![0.0, 1.0], vec![1.0, 0.0]));\nplot");
    assert!(figure.mimes.contains(&"application/vnd.plotly.v1+json".to_owned()), "{figure:?}");
}

#[test]
fn what_cannot_be_kept_is_said_with_the_mend_and_the_cell_runs() {
    let Some(mut notebook) = Notebook::open() else { return };
    let shown = notebook.try_run("let double = |x: i32| 2 * x; double(4)");
    assert_eq!(shown.text, "8");
    assert!(shown.stderr.contains("`double`") && shown.stderr.contains("Box<dyn Fn"), "{}", shown.stderr);
    assert_eq!(notebook.evaluator.times().compilations, 1);
    assert!(notebook.fail("double(1)").1.contains("Box<dyn Fn"));
    notebook.once("let owner = vec![1, 2, 3];");
    let shown = notebook.try_run("let part = &owner[1..]; part.len()");
    assert_eq!(shown.text, "2");
    assert!(shown.stderr.contains("it borrows") && shown.stderr.contains("clone"), "{}", shown.stderr);
    assert_eq!(notebook.evaluator.times().compilations, 1);
    // What only the compiler sees costs a second compilation.
    let shown = notebook.try_run("let most = owner.iter().max().unwrap(); *most");
    assert_eq!(shown.text, "3");
    assert!(shown.stderr.contains("it borrows"), "{}", shown.stderr);
    let shown = notebook.try_run("let mapped = owner.iter().map(|x| x * 2); mapped.sum::<i32>()");
    assert_eq!(shown.text, "12");
    let shown = notebook
        .try_run("fn hidden() -> impl Iterator<Item = i32> { 0..3 }\nlet opaque = hidden(); opaque.sum::<i32>()");
    assert_eq!(shown.text, "3");
    let shown = notebook.try_run("let opaque = hidden();");
    assert!(shown.stderr.contains("`opaque`") && shown.stderr.contains("no name"), "{}", shown.stderr);
    assert_eq!(notebook.once("owner.len()"), "3");
}
