//! Benchmarks as one does them: a grid that is killed and goes on, that is split over machines and joined, and whose rows
//! do not depend on each other.

use std::path::Path;

use scdd::benchmark::{Benchmark, BenchmarkRow, Method, merge};
use scdd::evaluate::{Candidates, Selected};
use scdd::prelude::*;

fn cells() -> Cells<LogNormalized> {
    cells_of_seed(5)
}

fn cells_of_seed(seed: u64) -> Cells<LogNormalized> {
    let simulation = simulate().cells(240).genes(120).classes(3).smallest_class(20).batches(2);
    scdd_tests::log_normalized(simulation.seed(seed), 5)
}

/// Two label columns, two seeds, three budgets of seven methods under two models, as short as it can be.
fn grid() -> Benchmark {
    let methods = ["all training cells", "random cells", "DM", "FeatDistill+DM", "scDD+SCDG, DM", "class mean"];
    let grid = benchmark().cells("simulated", &cells(), ["cell_type", "batch"]).per_class([1, 2]).seeds(2);
    let grid = grid.methods_named(methods).unwrap().models_named(["linear head", "nearest neighbours"]).unwrap();
    grid.foundation_epochs(1).scdg_steps(10).steps(2)
}

fn without_cost(rows: &[BenchmarkRow]) -> Vec<BenchmarkRow> {
    rows.iter().map(BenchmarkRow::without_cost).collect()
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_killed_run_goes_on_and_two_shards_are_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = grid().out(path("whole.jsonl")).run().unwrap();
    // Two labels, two seeds; all cells once, five methods at two budgets; two models.
    assert_eq!(whole.rows().len(), 2 * 2 * (1 + 5 * 2) * 2);
    assert_eq!(BenchmarkResults::read(path("whole.jsonl")).unwrap().rows(), whole.rows());

    // Killed while it wrote its 31st line.
    let all = lines(&path("whole.jsonl"));
    let torn = format!("{}\n{}", all[..30].join("\n"), &all[30][..all[30].len() / 2]);
    std::fs::write(path("killed.jsonl"), torn).unwrap();
    let resumed = grid().out(path("killed.jsonl")).run().unwrap();
    assert_eq!(without_cost(resumed.rows()), without_cost(whole.rows()));
    assert_eq!(lines(&path("killed.jsonl"))[..30], all[..30], "what was done is not made again");
    let plan = grid().out(path("killed.jsonl")).plan().unwrap();
    assert!(plan.contains("88 rows of 2 label columns") && plan.contains("0 rows to make"), "{plan}");

    // Two processes, joined in the wrong order.
    for shard in 1..=2 {
        let rows = grid().shard(shard, 2).out(path(&format!("{shard}.jsonl"))).run().unwrap();
        assert_eq!(rows.rows().len(), 44);
    }
    let joined = merge([path("2.jsonl"), path("1.jsonl")]).unwrap();
    assert_eq!(without_cost(joined.rows()), without_cost(whole.rows()));
    let message = merge([path("2.jsonl")]).unwrap_err().to_string();
    assert!(message.contains("44 of 88 rows are missing") && message.contains("rows 0 to 43"), "{message}");

    // The tables stand, and refused rows are counted.
    let text = whole.markdown();
    assert!(text.contains("simulated, batch: accuracy, mean ± deviation over 2 seeds"), "{text}");
    assert!(text.contains("FeatDistill+DM (nearest neighbours; 8 rows): the set is features"), "{text}");
    whole.write_html(path("report.html"), None).unwrap();
    assert!(std::fs::read_to_string(path("report.html")).unwrap().contains("Recall of classes"));
    assert_eq!(whole.paired("DM", "class mean", Measure::Accuracy).len(), 8);
}

#[test]
fn a_row_does_not_depend_on_which_others_run() {
    let whole = grid().seed_numbers([2]).run().unwrap();
    let one = |method: &str, model: &str, per_class: usize| {
        let alone = grid().seed_numbers([2]).per_class([per_class]);
        let alone = alone.methods_named([method]).unwrap().models_named([model]).unwrap().run().unwrap();
        for row in alone.rows() {
            let same = |other: &&BenchmarkRow| {
                (&other.label, &other.method, &other.model, other.per_class)
                    == (&row.label, &row.method, &row.model, row.per_class)
            };
            let other = whole.rows().iter().find(same).unwrap();
            let placed = BenchmarkRow { row: row.row, of: row.of, ..other.without_cost() };
            assert_eq!(row.without_cost(), placed);
            assert!(row.ok() && row.accuracy.is_some(), "{}", row.status);
        }
        assert_eq!(alone.rows().len(), 2);
    };
    one("scDD+SCDG, DM", "nearest neighbours", 2);
    one("random cells", "linear head", 1);
}

#[test]
fn a_file_that_can_not_be_read_is_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, path) = (folder.path().join("broken.h5ad"), folder.path().join("rows.jsonl"));
    std::fs::write(&broken, "no cells").unwrap();
    let opened = grid().methods_named(["class mean"]).unwrap().seeds(1).per_class([1]).file(&broken, ["cell_type"]);
    let message = opened.out(&path).run().unwrap_err().to_string();
    assert!(message.contains("broken.h5ad") && message.contains("not an HDF5 file"), "{message}");
    // What was made before stays.
    assert_eq!(lines(&path).len(), 4);
}

/// Gives cells of the first two classes only.
struct TwoClasses;

impl Baseline for TwoClasses {
    fn name(&self) -> String {
        "two classes".into()
    }
    fn select(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> Result<Selected> {
        let two = cells.of_classes(per_class)?.into_iter().take(2);
        Ok(cells.rows(&two.flat_map(|members| members.into_iter().take(per_class)).collect::<Vec<_>>()))
    }
}

/// Gives one cell.
struct OneClass;

impl Baseline for OneClass {
    fn name(&self) -> String {
        "one class".into()
    }
    fn select(&self, cells: &Candidates<'_>, _: usize, _seed: u64) -> Result<Selected> {
        Ok(cells.rows(&[0]))
    }
}

#[test]
fn what_can_not_be_is_a_row_that_says_why_and_what_lacks_is_counted() {
    let methods = [Method::baseline(TwoClasses), Method::baseline(OneClass), Method::named("class mean").unwrap()];
    let opened = grid().seeds(1).methods(methods).per_class([1]);
    let rows = opened.cells("other", &cells(), ["cell_type", "tissue"]).run().unwrap();
    let of = |file: &str, label: &str, method: &str| {
        let same = |row: &&BenchmarkRow| row.file == file && row.label == label && row.method == method;
        let rows: Vec<&BenchmarkRow> = rows.rows().iter().filter(same).collect();
        assert_eq!(rows.len(), 2, "{file} {label} {method}");
        rows
    };
    for row in of("simulated", "cell_type", "one class") {
        assert!(!row.ok() && row.status.contains("all 1 training cells have label"), "{}", row.status);
        assert_eq!((row.accuracy, row.cells), (None, None));
    }
    for row in of("simulated", "cell_type", "two classes") {
        assert!(row.ok() && row.note.contains("'two classes' has no cell of"), "{}", row.note);
        assert!(row.note.contains("count as wrong"), "{}", row.note);
        assert!(row.recall.values().any(|&recall| recall == 0.0), "{:?}", row.recall);
    }
    for row in of("other", "tissue", "class mean") {
        assert!(row.status.contains("tissue") && row.status.contains("cell_type"), "{}", row.status);
    }
    assert!(of("other", "cell_type", "class mean").iter().all(|row| row.ok()));
}

#[test]
fn a_file_of_other_settings_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let small = || grid().methods_named(["class mean"]).unwrap().seeds(1).per_class([1]).out(&path);
    small().run().unwrap();
    let before = std::fs::read(&path).unwrap();
    let message = small().foundation_epochs(2).run().unwrap_err().to_string();
    assert!(message.contains("line 1: 'simulated' by 'cell_type', seed 1: class mean"), "{message}");
    assert!(message.contains("foundation_epochs 1 there, 2 here"), "{message}");
    // Other cells of the same name are other rows.
    let opened = benchmark()
        .cells("simulated", &cells_of_seed(6), ["cell_type", "batch"])
        .methods_named(["class mean"])
        .unwrap();
    let opened = opened.models_named(["linear head"]).unwrap().foundation_epochs(1).scdg_steps(10).steps(2);
    let message = opened.out(&path).run().unwrap_err().to_string();
    assert!(message.contains("cells_sha256"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // Another grid with the same settings adds its rows.
    let more = grid().methods_named(["class mean", "random cells"]).unwrap().seeds(1).per_class([1]).out(&path);
    assert_eq!(more.run().unwrap().rows().len(), 8);
    assert!(std::fs::read(&path).unwrap().starts_with(&before));
    // Four rows of before, the same with numbers of the larger grid, and four more; whole for those who join.
    assert_eq!(lines(&path).len(), 12);
    assert_eq!(merge([&path]).unwrap().rows().len(), 8);
}
