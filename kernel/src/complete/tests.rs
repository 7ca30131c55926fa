use super::expression::{Chain, Context, Start, Step, before, context};
use super::table::{Entry, Item, Member, Piece};
use super::*;

fn member(name: &str, kind: &str, returns: &str) -> Member {
    Member {
        name: name.into(),
        kind: kind.into(),
        signature: format!("fn {name}() -> {returns}"),
        returns: returns.into(),
        docs: format!("What {name} does."),
        of_self: kind != "function" && kind != "variant",
    }
}

fn item(kind: &str, returns: &str, members: Vec<Member>) -> Item {
    Item { kind: kind.into(), returns: returns.into(), members, docs: format!("A {kind}."), ..Item::default() }
}

/// A small library.
fn table() -> Table {
    let mut piece = Piece::default();
    let mut add = |path: &str, item: Item| piece.items.insert(path.into(), item);
    add("scdd::cells::simulate", item("function", "Simulation", vec![]));
    add(
        "scdd::cells::Simulation",
        item("struct", "", vec![member("cells", "method", "Self"), member("run", "method", "Result<Cells<Counts>>")]),
    );
    add("scdd::error::Result", Item { params: vec!["T".into()], ..item("type", "Result<T, Error>", vec![]) });
    add(
        "scdd::cells::Cells",
        Item {
            params: vec!["S".into()],
            ..item("struct", "", vec![member("genes", "method", "usize"), member("obs", "method", "&DataFrame")])
        },
    );
    add(
        "core::result::Result",
        Item {
            params: vec!["T".into(), "E".into()],
            ..item("enum", "", vec![member("unwrap", "method", "T"), member("Ok", "variant", "Result")])
        },
    );
    add(
        "core::option::Option",
        Item {
            params: vec!["T".into()],
            ..item("enum", "", vec![member("unwrap", "method", "T"), member("map", "method", "Option<U>")])
        },
    );
    add(
        "core::slice",
        Item {
            params: vec!["T".into()],
            ..item("primitive", "", vec![member("first", "method", "Option<&T>"), member("len", "method", "usize")])
        },
    );
    add(
        "alloc::vec::Vec",
        Item {
            params: vec!["T".into()],
            ..item("struct", "", vec![member("push", "method", ""), member("new", "function", "Self")])
        },
    );
    add(
        "polars_core::frame::DataFrame",
        item("struct", "", vec![member("height", "method", "usize"), member("empty", "function", "Self")]),
    );
    let entry = |name: &str, target: &str| Entry { name: name.into(), target: target.into() };
    let simulate = entry("simulate", "scdd::cells::simulate");
    piece
        .modules
        .insert("scdd".into(), vec![entry("prelude", "scdd::prelude"), entry("polars", "polars"), simulate.clone()]);
    piece.modules.insert("scdd::prelude".into(), vec![simulate, entry("Cells", "scdd::cells::Cells")]);
    piece.modules.insert("polars".into(), vec![entry("prelude", "polars::prelude")]);
    piece.modules.insert("polars::prelude".into(), vec![entry("", "polars_core::prelude")]);
    piece.modules.insert("polars_core::prelude".into(), vec![entry("DataFrame", "polars_core::frame::DataFrame")]);
    let mut table = Table::default();
    table.add(piece);
    table.sort();
    table
}

fn variable(name: &str, type_name: &str) -> Variable {
    Variable { name: name.into(), type_name: type_name.into(), shape: "3 x 4".into() }
}

/// What is suggested at `|`.
fn at(marked: &str) -> Vec<String> {
    let table = table();
    let variables =
        [variable("cells", "scdd::Cells<Counts>"), variable("numbers", "Vec<f32>"), variable("mine", "Mine")];
    let items = [
        "/// Ours.\nstruct Mine { width: f64, frame: DataFrame }".to_owned(),
        "impl Mine { fn wide(&self) -> Option<DataFrame> { None } fn new() -> Self { todo!() } }".to_owned(),
    ];
    let known = Known { table: &table, variables: &variables, items: &items };
    let cursor = marked.chars().position(|c| c == '|').unwrap();
    let code = marked.replace('|', "");
    let found = complete(known, &code, cursor);
    found.matches.into_iter().map(|candidate| candidate.text).collect()
}

#[test]
fn expressions_are_read_backwards() {
    let chain = |text: &str| before(&text.chars().collect::<Vec<_>>());
    let call = |name: &str| Start::Call(vec![name.to_owned()]);
    let method = |name: &str| Step::Method(name.to_owned());
    assert_eq!(
        chain("let a = simulate().cells(f(\")\"), 3)\n    .run()?"),
        Some(Chain { start: call("simulate"), steps: vec![method("cells"), method("run"), Step::Try] })
    );
    assert_eq!(
        chain("a.b[0].0"),
        Some(Chain {
            start: Start::Name("a".into()),
            steps: vec![Step::Field("b".into()), Step::Index, Step::Field("0".into())],
        })
    );
    let path = Start::Call(vec!["burn".into(), "Tensor".into(), "ones".into()]);
    assert_eq!(chain("burn::Tensor::<2>::ones([2, 2])"), Some(Chain { start: path, steps: vec![] }));
    assert_eq!(
        chain("(a.b()).c::<Vec<f32>>()"),
        Some(Chain { start: Start::Name("a".into()), steps: vec![method("b"), method("c")] })
    );
    assert_eq!(chain("vec![1, 2]"), Some(Chain { start: Start::Macro("vec".into()), steps: vec![] }));
    assert_eq!(chain("1 +"), None);
}

#[test]
fn ranges_and_numbers_are_no_members() {
    let of = |text: &str| context(&text.chars().collect::<Vec<_>>());
    assert_eq!(of("a."), Context::Member(1));
    assert_eq!(of("a.0."), Context::Member(3));
    assert_eq!(of("0.."), Context::Name);
    assert_eq!(of("1."), Context::Name);
    assert_eq!(of("a::b::"), Context::Path(vec!["a".into(), "b".into()]));
}

#[test]
fn methods_follow_from_the_type_of_a_variable() {
    assert_eq!(at("cells.|"), ["genes", "obs"]);
    assert_eq!(at("cells.ge|"), ["genes"]);
    assert_eq!(at("cells.obs().he|"), ["height"]);
    assert_eq!(at("numbers.|"), ["push", "first", "len"]);
    assert_eq!(at("numbers.first().|"), ["unwrap", "map"]);
    assert_eq!(at("unknown.|"), [""; 0]);
}

#[test]
fn methods_follow_from_calls_of_this_cell() {
    assert_eq!(at("simulate().cells(3).r|"), ["run"]);
    assert_eq!(at("let made = simulate().run()?;\nmade.g|"), ["genes"]);
    assert_eq!(at("let made = simulate().run()?;\nlet made = made.obs();\nmade.h|"), ["height"]);
    assert_eq!(at("let f: DataFrame = g(a == b)?; f.h|"), ["height"]);
    assert_eq!(at("fn f(frame: &DataFrame, n: usize) { frame.h|"), ["height"]);
    assert_eq!(at("scdd::simulate().run().unwrap().g|"), ["genes"]);
}

#[test]
fn the_users_own_items_have_members_too() {
    assert_eq!(at("mine.|"), ["width", "frame", "wide"]);
    assert_eq!(at("mine.wide().unwrap().h|"), ["height"]);
    assert_eq!(at("mine.frame.h|"), ["height"]);
    assert_eq!(at("Mine::|"), ["new", "wide"]);
    assert_eq!(at("struct Here { first: f32 }\nlet here = Here { first: 1.0 };\nhere.|"), ["first"]);
}

#[test]
fn paths_lead_through_modules_that_take_over_others() {
    assert_eq!(at("use scdd::polars::prelude::Da|"), ["DataFrame"]);
    assert_eq!(at("scdd::|"), ["polars", "prelude", "simulate"]);
    assert_eq!(at("DataFrame::|"), ["empty", "height"]);
    assert_eq!(at("Vec::<f32>::n|"), ["new"]);
}

#[test]
fn names_are_variables_items_keywords_and_the_prelude() {
    assert_eq!(at("let simple = 1; sim|"), ["simple", "simulate"]);
    assert_eq!(at("nu|"), ["numbers"]);
    assert_eq!(at("Mi|"), ["Mine"]);
    assert_eq!(at("stru|"), ["struct"]);
    assert_eq!(at("printl|"), ["println!"]);
}

#[test]
fn places_are_counted_in_characters() {
    let table = table();
    let known = Known { table: &table, variables: &[variable("größe", "Vec<f32>")], items: &[] };
    let found = complete(known, "let ä = größe.le + 1", 16);
    assert_eq!((found.start, found.end, found.matches.len()), (14, 16, 1));
}

#[test]
fn documentation_is_that_of_what_stands_at_the_cursor() {
    let table = table();
    let variables = [variable("cells", "scdd::Cells<Counts>")];
    let known = Known { table: &table, variables: &variables, items: &[] };
    let text = |code: &str, cursor: usize| {
        inspect(known, code, cursor).map(|found| found["text/plain"].as_str().unwrap().to_owned())
    };
    assert_eq!(text("cells.genes()", 8).unwrap(), "fn genes() -> usize\n\nWhat genes does.");
    assert_eq!(text("cells.genes(", 12).unwrap(), "fn genes() -> usize\n\nWhat genes does.");
    assert_eq!(text("cells", 2).unwrap(), "cells: scdd::Cells<Counts>  3 x 4\n\nA struct.");
    assert!(text("scdd::simulate", 14).unwrap().contains("A function."));
    assert_eq!(text("nobody.knows", 12), None);
    assert_eq!(text("   ", 1), None);
}

#[test]
fn the_described_library_is_read_and_asked_within_half_a_second() {
    let program = std::env::current_exe().unwrap();
    let folder = program.ancestors().nth(2).unwrap().join("scdd-names");
    if make::made(&folder).is_none() {
        println!("skipped: {} isn't built (`scdd-kernel index`)", folder.display());
        return;
    }
    let began = std::time::Instant::now();
    let table = Table::load(&folder).unwrap();
    let loaded = began.elapsed();
    let variables = [
        variable("study", "scdd::Study"),
        variable("frame", "scdd::polars::prelude::DataFrame"),
        variable("tensor", "scdd::burn::tensor::Tensor<2>"),
        variable("numbers", "Vec<f32>"),
        variable("counts", "std::collections::HashMap<String, Vec<usize>>"),
        variable("sorted", "BTreeMap<u8, String>"),
        variable("queue", "VecDeque<f64>"),
        variable("maybe", "Option<String>"),
        variable("tried", "Result<u8, std::io::Error>"),
    ];
    let known = Known { table: &table, variables: &variables, items: &[] };
    let texts = |code: &str| -> Vec<String> {
        let found = complete(known, code, code.chars().count());
        found.matches.into_iter().map(|candidate| candidate.text).collect()
    };
    let has = |code: &str, wanted: &str| {
        let began = std::time::Instant::now();
        let found = texts(code);
        assert!(found.iter().any(|text| text == wanted), "{code}: no {wanted} among {found:?}");
        assert!(began.elapsed().as_secs_f64() < 0.5, "{code} took {:?}", began.elapsed());
    };
    has("study.tr", "train_scdg");
    has("let scdg = study.train_scdg().steps(5).run()?;\nscdg.dis", "distill");
    has("let cells = simulate().cells(300).run()?.preprocess().min_genes(10).run()?;\ncells.stu", "study");
    has("let cells = scdd::read_h5ad(\"a.h5ad\")?; cells.pre", "preprocess");
    has("sim", "simulate");
    has("GradientM", "GradientMatching");
    has("GradientMatching::", "default");
    has("use scdd::polars::prelude::DataF", "DataFrame");
    has("use scdd::burn::tensor::Dev", "Device");
    has("frame.hei", "height");
    has("frame.lazy().gro", "group_by");
    has("tensor.mat", "matmul");
    has("tensor.clone().matmul(tensor.clone()).su", "sum");
    has("numbers.iter().ma", "map");
    has("numbers.first().unw", "unwrap_or");
    has("\"text\".trim().le", "len");
    has("counts.ent", "entry");
    has("counts.get(\"a\").unw", "unwrap_or");
    has("counts.get(\"a\")?.pu", "push");
    has("counts.values().fil", "filter");
    has("counts.entry(\"a\".into()).or_d", "or_default");
    has("sorted.ran", "range");
    has("queue.push_f", "push_front");
    has("maybe.as_r", "as_ref");
    has("maybe?.to_up", "to_uppercase");
    has("tried.map_", "map_err");
    has("numbers.so", "sort_by");
    has("numbers.to_v", "to_vec");
    has("let x: f32 = 1.0; x.sq", "sqrt");
    has("numbers.iter().filter(|x| **x > 0.0).cop", "copied");
    has("numbers.iter().map(|x| x + 1.0).enumerate().fo", "fold");
    has("let set: HashSet<u8> = HashSet::new(); set.contai", "contains");
    has("HashMap::with_c", "with_capacity");
    has("use std::collections::Hash", "HashSet");
    has("std::fs::read_to", "read_to_string");
    has("let started = std::time::Instant::now(); started.ela", "elapsed");
    has("study.evaluate().run()?.ta", "table");
    has("DataFrame::em", "empty");
    let described = inspect(known, "study.train_scdg()", 12).unwrap();
    assert!(described["text/plain"].as_str().unwrap().contains("Opens the training of SCDG"));
    println!("{} items read in {loaded:?}", table.len());
}

#[test]
fn what_several_crates_say_of_a_primitive_is_one_description() {
    let mut table = Table::default();
    for (path, method) in [("core::slice", "first"), ("alloc::slice", "sort"), ("std::slice", "first")] {
        let mut piece = Piece::default();
        let described = Item { params: vec!["T".into()], ..item("primitive", "", vec![member(method, "method", "T")]) };
        piece.items.insert(path.into(), described);
        table.add(piece);
    }
    table.sort();
    let variables = [variable("few", "&[u8]")];
    let found = complete(Known { table: &table, variables: &variables, items: &[] }, "few.", 4);
    assert_eq!(found.matches.iter().map(|found| found.text.as_str()).collect::<Vec<_>>(), ["first", "sort"]);
}

#[test]
fn crates_may_be_read_in_any_order() {
    let of_type = || {
        let frame = item("struct", "", vec![member("height", "method", "usize")]);
        Piece { items: [("core_of::Frame".to_owned(), frame)].into(), ..Piece::default() }
    };
    let of_trait = || Piece {
        items: [("lazy_of::IntoLazy".to_owned(), item("trait", "", vec![member("lazy", "method", "Lazy")]))].into(),
        implemented: vec![("core_of::Frame".to_owned(), "lazy_of::IntoLazy".to_owned())],
        ..Piece::default()
    };
    for pieces in [[of_type(), of_trait()], [of_trait(), of_type()]] {
        let mut table = Table::default();
        pieces.into_iter().for_each(|piece| table.add(piece));
        table.sort();
        let variables = [variable("frame", "Frame")];
        let found = complete(Known { table: &table, variables: &variables, items: &[] }, "frame.la", 8);
        assert_eq!(found.matches.len(), 1);
    }
}
