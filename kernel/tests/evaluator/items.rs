//! Functions, types, traits, macros, modules, statics over cells.

use crate::notebook::Notebook;

#[test]
fn types_traits_and_impls_of_different_cells_work_together() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook
        .once("#[derive(Debug, Clone, PartialEq)]\nstruct Point { x: f64, y: f64 }\nlet p = Point { x: 3.0, y: 4.0 };");
    notebook.once("impl Point { fn norm(&self) -> f64 { (self.x * self.x + self.y * self.y).sqrt() } }");
    assert_eq!(notebook.once("p.norm()"), "5.0");
    // A foreign trait for a type of an earlier cell, and a variable that was there before.
    notebook.once("impl std::fmt::Display for Point { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { write!(f, \"<{}, {}>\", self.x, self.y) } }");
    assert_eq!(notebook.once("println!(\"{p}\")"), "<3, 4>\n");
    notebook.once("trait Area { fn area(&self) -> f64; fn twice(&self) -> f64 { 2.0 * self.area() } }");
    notebook.once("struct Square(f64);\nimpl Area for Square { fn area(&self) -> f64 { self.0 * self.0 } }\nimpl Area for Point { fn area(&self) -> f64 { 0.0 } }");
    notebook.once("let shapes: Vec<Box<dyn Area>> = vec![Box::new(Square(2.0)), Box::new(p.clone())];");
    assert_eq!(notebook.once("shapes.iter().map(|shape| shape.twice()).sum::<f64>()"), "8.0");
    notebook.once("impl<T: Area> Area for Vec<T> { fn area(&self) -> f64 { self.iter().map(Area::area).sum() } }");
    assert_eq!(notebook.once("vec![Square(1.0), Square(2.0)].area()"), "5.0");
    notebook.once("enum Kind { One, Many(usize) }\nuse Kind::*;\nlet kind = Many(3);");
    assert_eq!(notebook.once("match kind { One => 1, Many(n) => n }"), "3");
    notebook.once("impl std::ops::Add for Point { type Output = Point; fn add(self, o: Point) -> Point { Point { x: self.x + o.x, y: self.y + o.y } } }");
    assert_eq!(notebook.once("let sum = p.clone() + p.clone(); sum"), "Point { x: 6.0, y: 8.0 }");
}

#[test]
fn generics_macros_modules_and_constants_carry_over() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("fn largest<T: PartialOrd + Copy>(list: &[T]) -> Option<T> { let mut best = *list.first()?; for &x in list { if x > best { best = x } } Some(best) }");
    assert_eq!(notebook.once("(largest(&[1, 3, 2]), largest(&[0.5, 0.1]))"), "(Some(3), Some(0.5))");
    notebook.once("struct Stack<T, const N: usize> { items: [Option<T>; N] }\nimpl<T: Copy, const N: usize> Stack<T, N> { fn new() -> Self { Stack { items: [None; N] } } fn room(&self) -> usize { N } }");
    notebook.once("let stack: Stack<u8, 4> = Stack::new();");
    assert_eq!(notebook.once("stack.room()"), "4");
    notebook.once("macro_rules! squares { ($($x:expr),*) => { vec![$($x * $x),*] }; }");
    assert_eq!(notebook.once("squares![1, 2, 3]"), "[1, 4, 9]");
    notebook.once("mod shapes { pub mod round { #[derive(Debug)] pub struct Circle { pub r: f64 } } pub fn unit() -> round::Circle { round::Circle { r: 1.0 } } }");
    notebook.once("use shapes::round::Circle;\nlet circle = shapes::unit();");
    assert_eq!(notebook.once("Circle { r: circle.r + 1.0 }"), "Circle { r: 2.0 }");
    notebook.once("const LIMIT: usize = 10; type Pair<T> = (T, T);\nlet pair: Pair<usize> = (LIMIT, 2);");
    assert_eq!(notebook.once("pair.0 + LIMIT"), "20");
    notebook.once("use std::collections::{BTreeMap as Map, HashSet};\nlet mut set = HashSet::new(); set.insert(1u8);");
    assert_eq!(notebook.once("let m: Map<u8, u8> = Map::new(); m.len() + set.len()"), "1");
    // The same name from elsewhere takes the place of the earlier one.
    notebook.once("use std::collections::BTreeSet as HashSet;");
    assert_eq!(notebook.once("let sorted: HashSet<i32> = [3, 1].into_iter().collect(); sorted"), "{1, 3}");
    notebook.once("#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)] struct Id(u32);");
    assert_eq!(notebook.once("let mut ids = vec![Id(2), Id(1)]; ids.sort(); ids"), "[Id(1), Id(2)]");
}

#[test]
fn items_that_a_macro_makes_are_there_in_later_cells() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("macro_rules! tagged { ($name:ident, $tag:expr) => { #[derive(Debug)] struct $name; impl $name { const TAG: &str = $tag; } }; }");
    notebook.once("tagged!(First, \"one\");\ntagged! { Second, \"two\" }");
    assert_eq!(notebook.once("(First::TAG, Second::TAG, First)"), "(\"one\", \"two\", First)");
    assert!(notebook.fail("let y = 1; fn sees() -> i32 { y }").1.contains("doesn't see variables"));
    notebook.once("let z = 2;");
    assert!(notebook.fail("fn sees() -> i32 { z }").1.contains("doesn't see variables"));
}

#[test]
fn statics_are_one_wherever_they_stand() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("use std::sync::Mutex;\nuse std::sync::atomic::{AtomicUsize, Ordering};\nstatic COUNT: AtomicUsize = AtomicUsize::new(0);\nstatic NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());\nCOUNT.fetch_add(1, Ordering::SeqCst);");
    notebook.once("COUNT.fetch_add(1, Ordering::SeqCst); NAMES.lock().unwrap().push(\"a\");");
    assert_eq!(
        notebook.once("NAMES.lock()?.push(\"b\"); (COUNT.load(Ordering::SeqCst), NAMES.lock()?.len())"),
        "(2, 2)"
    );
    notebook.once("fn next() -> usize { static NEXT: AtomicUsize = AtomicUsize::new(10); NEXT.fetch_add(1, Ordering::SeqCst) }\nnext();");
    assert_eq!(notebook.once("next() + next()"), "23");
    notebook.once(
        "thread_local! { static LOCAL: std::cell::Cell<u32> = const { std::cell::Cell::new(1) }; }\nLOCAL.set(5);",
    );
    assert_eq!(notebook.once("LOCAL.with(|local| local.get())"), "5");
    notebook.once("use std::sync::OnceLock;\nstatic TABLE: OnceLock<Vec<u8>> = OnceLock::new();\nTABLE.get_or_init(|| vec![1, 2, 3]);");
    assert_eq!(notebook.once("TABLE.get().map(Vec::len)"), "Some(3)");
    notebook.once("static mut RAW: i32 = 1;\nunsafe { RAW += 1 }");
    assert_eq!(notebook.once("unsafe { RAW }"), "2");
    // The same cell again changes nothing.
    notebook.once("static COUNT: AtomicUsize = AtomicUsize::new(0);");
    assert_eq!(notebook.once("COUNT.load(Ordering::SeqCst)"), "2");
    notebook.once("static COUNT: AtomicUsize = AtomicUsize::new(100);");
    assert_eq!(notebook.once("COUNT.load(Ordering::SeqCst)"), "100");
}

#[test]
fn functions_and_types_can_be_defined_anew() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("fn answer() -> i32 { 41 }\nfn twice() -> i32 { 2 * answer() }");
    notebook.once("fn answer() -> i32 { 42 }");
    assert_eq!(notebook.once("twice()"), "84");
    notebook.once("#[derive(Debug)] struct Config { steps: usize }\nlet config = Config { steps: 1 }; let all = vec![Config { steps: 2 }]; let other = 1;");
    let shown = notebook.try_run(
        "#[derive(Debug)] struct Config { steps: usize, rate: f32 }\nlet config = Config { steps: 3, rate: 0.5 };",
    );
    assert!(shown.failed.is_none() && shown.stderr.contains("`all` is gone"), "{shown:?}");
    assert_eq!(notebook.once("config"), "Config { steps: 3, rate: 0.5 }");
    assert!(notebook.fail("all.len()").1.contains("defined anew"));
    assert_eq!(notebook.once("other"), "1");
    // The same definition again keeps its variables.
    notebook.once("#[derive(Debug)] struct Config { steps: usize, rate: f32 }");
    assert_eq!(notebook.once("config.steps"), "3");
    notebook.once("impl Config { fn cost(&self) -> f32 { self.rate * self.steps as f32 } fn one(&self) -> u8 { 1 } }");
    notebook.once("impl Config { fn cost(&self) -> f32 { 7.0 } }");
    assert_eq!(notebook.once("(config.cost(), config.one())"), "(7.0, 1)");
    // An impl that no longer fits is left out, and that is said.
    let shown = notebook.try_run("struct Config { label: String }");
    assert!(shown.failed.is_none(), "{shown:?}");
    assert_eq!(notebook.run("Config { label: \"a\".into() }.label"), "\"a\"");
}

#[test]
fn a_training_loop_of_ones_own_runs() {
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("use scdd::burn::tensor::{Device, Tensor};\nuse scdd::burn::module::Module;\nuse scdd::burn::nn::{Linear, LinearConfig};\nuse scdd::burn;\nuse scdd::burn::optim::{AdamWConfig, GradientsParams, Optimizer};");
    notebook.once("#[derive(Module, Debug)]\nstruct Net { first: Linear, second: Linear }\nimpl Net {\n    fn new(device: &Device) -> Net { Net { first: LinearConfig::new(2, 8).init(device), second: LinearConfig::new(8, 1).init(device) } }\n    fn forward(&self, x: Tensor<2>) -> Tensor<2> { self.second.forward(self.first.forward(x).tanh()) }\n}");
    notebook.once("let device = Device::flex().autodiff();\nlet mut net = Net::new(&device);");
    notebook.once("let x = Tensor::<2>::from_floats([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]], &device);\nlet y = Tensor::<2>::from_floats([[1.0], [1.0], [0.0], [0.0]], &device);");
    notebook.once("let loss_of = |net: &Net| (net.forward(x.clone()) - y.clone()).powf_scalar(2.0).mean();\nlet before: f32 = loss_of(&net).into_scalar();");
    notebook.once("let mut optim = AdamWConfig::new().init();\nfor _ in 0..30 {\n    let loss = (net.forward(x.clone()) - y.clone()).powf_scalar(2.0).mean();\n    let gradients = GradientsParams::from_grads(loss.backward(), &net);\n    net = optim.step(0.01, net, gradients);\n}");
    assert_eq!(notebook.once("let after: f32 = (net.forward(x.clone()) - y.clone()).powf_scalar(2.0).mean().into_scalar(); after < before"), "true");
}
