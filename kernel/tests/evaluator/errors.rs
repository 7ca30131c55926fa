//! What is said about cells that don't compile.

use crate::notebook::Notebook;

#[test]
fn errors_name_the_line_of_the_cell_and_give_hints() {
    let Some(mut notebook) = Notebook::open() else { return };
    let mut says = |code: &str, wanted: &[&str]| {
        let (name, words) = notebook.fail(code);
        assert_eq!(name, "compile error");
        for part in wanted {
            assert!(words.contains(part), "expected {part:?} for\n{code}\nin\n{words}");
        }
    };
    says(
        "let a = 1;\nlet b: i32 = \"text\";",
        &["mismatched types", "line 2, column 14", "^^^^^^", "expected due to this"],
    );
    says("let v = vec![1];\nlet w = v;\nprintln!(\"{v:?}\");", &["E0382", "line 3", "value moved here", "`v.clone()`"]);
    says(
        "let map: HashMap<u8, u8> = HashMap::new();",
        &["cannot find type `HashMap`", "use std::collections::HashMap"],
    );
    says("let n = \"5\".parse::<i32>() + 1;", &["cannot add", "line 1"]);
    says("fn f(x: f32) -> f32 { x }\nlet y: f64 = 1.0;\nf(y)", &["mismatched types", "line 3", "x as f32"]);
    says("let x = 1\nlet y = 2;", &["expected `;`", "line 1"]);
    says("let t = std::fs::read_to_string(\"a\").len();", &["E0599", "`?`"]);
    says(
        "fn f() -> Result<i32, std::fmt::Error> { Ok(\"5\".parse::<i32>()?) }",
        &["convert", "Box<dyn std::error::Error>"],
    );
    says("let n = nonsense;", &["cannot find value `nonsense`", "line 1, column 9"]);
    says("let list = vec![1];\nlist.push(2);", &["E0596", "let mut list"]);
    says("let x = \"5\".parse()?;", &["rustc can't tell the type"]);
    says("fn f() -> i32 {\n    \"a\"\n}", &["mismatched types", "line 2"]);
    says("let list = vec![1, 2]; let i = 1_i32;\nlet j: usize = i;", &["`as usize`"]);
    says("return;", &["a cell has no `return`"]);
    says("(1 + ", &["line 1"]);
}

#[test]
fn an_error_changes_nothing() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("fn f() -> i32 { 1 }\nlet list = vec![1];");
    notebook.fail("fn f() -> i32 { \"a\" }");
    notebook.fail("let moved = list; let wrong: u8 = \"a\";");
    assert_eq!(notebook.once("f() + list[0]"), "2");
    notebook.fail("struct Half { x: Missing }");
    assert!(notebook.fail("Half").1.contains("Half"));
    assert_eq!(notebook.once("list.len()"), "1");
    // Types are the same ones after a new definition that doesn't compile.
    notebook.once("struct Whole(u8); let any: Box<dyn std::any::Any> = Box::new(Whole(4));");
    notebook.fail("struct Whole { x: Missing }");
    assert_eq!(notebook.once("any.downcast_ref::<Whole>().map(|whole| whole.0)"), "Some(4)");
}

#[test]
fn commands_do_what_they_say_and_unknown_ones_list_all() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let list = vec![1.5]; let text = String::from(\"abc\");");
    let vars = notebook.run(":vars");
    assert!(vars.contains("list  Vec<f64>  1 items") && vars.contains("text  String"), "{vars}");
    notebook.once(
        "use scdd::ndarray::Array2;\nlet n = 3_u8; let table: Array2<f32> = Array2::zeros((2, 5)); let maybe = Some(vec![1, 2]);\n\
         let layer = scdd::burn::nn::LinearConfig::new(3, 2).init(&scdd::burn::tensor::Device::flex());\n\
         let frame = scdd::polars::df![\"a\" => [1, 2]]?; let boxed: Box<[u8; 4]> = Box::new([0; 4]);",
    );
    let html = notebook.try_run(":vars").html;
    for (name, shape) in [
        ("n", "3"),
        ("table", "[2, 5]"),
        ("maybe", "2 items"),
        ("layer", "8 parameters"),
        ("frame", "2 rows x 1 columns"),
        ("boxed", "4 items"),
    ] {
        let row = html.split("<tr>").find(|row| row.contains(&format!(">{name}</td>"))).unwrap_or_default();
        assert!(row.contains(&format!(">{shape}</td>")), "{name}: {row}");
    }
    assert_eq!(notebook.run(":type list"), "list: Vec<f64>");
    assert_eq!(notebook.run(":t text"), "text: String");
    assert!(notebook.run(":help").contains(":dep"));
    let (_, words) = notebook.fail(":nonsense");
    assert!(words.contains(":nonsense") && words.contains(":vars"), "{words}");
    assert!(notebook.run(":explain E0382").contains("moved"));
    assert!(notebook.run(":sccache 1").contains("no need"));
    notebook.run(":dep scdd = { package = \"scdd-facade\", path = \"/path/to/scdd/kernel/facade\" }");
    notebook.run(":timing");
    assert!(notebook.run("1 + 1").contains("rustc"));
    notebook.run(":timing");
    assert_eq!(notebook.run(":vars\nlist.len()"), "1");
    notebook.run(":opt 2");
    assert_eq!(notebook.run("(0..10).sum::<i32>()"), "45");
    notebook.run(":clear");
    assert!(notebook.run(":vars").contains("No variables"));
    assert_eq!(notebook.run("let list = 3; list"), "3");
    assert!(notebook.fail(":dep = nonsense").1.contains("expected a line as in Cargo.toml"));
}
