//! The binary as one uses it: each command on simulated cells, what it prints, and how it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use scdd::prelude::*;

/// A folder with `cells.h5ad`: 240 cells of 3 classes in 2 batches.
struct Place {
    folder: tempfile::TempDir,
}

/// A process that starts while HDF5 writes a file inherits it, and its lock: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    fn new() -> Self {
        let _alone = alone();
        let folder = tempfile::tempdir().unwrap();
        let cells = simulate().cells(240).genes(120).classes(3).smallest_class(20).batches(2).seed(5).run().unwrap();
        cells.write_h5ad(folder.path().join("cells.h5ad")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs it in the folder; arguments are words without spaces.
    fn run(&self, line: &str) -> Output {
        self.run_with(&line.split_whitespace().collect::<Vec<_>>())
    }

    fn run_with(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_scdd"));
        command.current_dir(self.folder.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let alone = alone();
        let started = command.spawn().unwrap();
        drop(alone);
        started.wait_with_output().unwrap()
    }

    /// Runs it and gives what it printed.
    fn done(&self, line: &str) -> String {
        let output = self.run(line);
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{line}: {problem}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it and gives the code and what it said.
    fn fails(&self, line: &str) -> (i32, String) {
        let output = self.run(line);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|problem| panic!("{problem}: {text}"))
}

const STUDY: &str = "--label cell_type --min-genes 5";

#[test]
fn cells_are_shown_prepared_embedded_distilled_and_evaluated() {
    let place = Place::new();
    let info = json(&place.done("info cells.h5ad --json"));
    assert_eq!((&info["cells"], &info["genes"]), (&240.into(), &120.into()));
    let columns = info["obs"].as_array().unwrap();
    let labels = columns.iter().find(|column| column["name"] == "cell_type").unwrap();
    assert_eq!(labels["classes"].as_object().unwrap().len(), 3);
    assert!(place.done("info cells.h5ad").contains("240 cells x 120 genes"));

    place.done("preprocess cells.h5ad --min-genes 5 --out normal.h5ad");
    assert!(place.done("info normal.h5ad --log-normalized").contains("LogNormalized"));

    let trained = json(&place.done(&format!("train cells.h5ad {STUDY} --epochs 2 --out model.safetensors --json")));
    assert_eq!(
        trained["checksum"].as_str(),
        Foundation::read(place.path("model.safetensors")).unwrap().checksum().as_deref()
    );
    place.done("embed normal.h5ad --log-normalized --foundation model.safetensors --out embedded.h5ad");
    let embedded = scdd::H5ad::open(place.path("embedded.h5ad")).log_normalized().read().unwrap();
    assert_eq!(embedded.obsm("X_scdd").unwrap().nrows(), embedded.cells());

    let distil =
        format!("distill cells.h5ad {STUDY} --foundation model.safetensors --method scdd+decoder-dm --per-class 2");
    let recipe = json(&place.done(&format!("{distil} --steps 2 --out distilled.h5ad --json")));
    assert_eq!(recipe["method"], "scDD+Decoder, DM");
    assert_eq!(scdd::cells::read_recipe(place.path("distilled.h5ad")).unwrap().unwrap()["method"], recipe["method"]);
    let evaluate =
        format!("evaluate cells.h5ad {STUDY} --foundation model.safetensors --set distilled.h5ad --networks 2");
    let rows = place.done(&format!("{evaluate} --models linear-head,nearest-neighbours --json"));
    let rows: Vec<serde_json::Value> = rows.lines().map(json).collect();
    // The set, random cells, class means and all training cells under two models.
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().any(|row| row["method"] == "scDD+Decoder, DM" && row["cells"] == 6 && row["per_class"] == 2));
    assert!(place.done(&evaluate).contains("scDD+Decoder, DM"));

    let annotator = "--annotator types.safetensors --annotator-model nearest-neighbours";
    place.done(&format!("{distil} --steps 2 --out again.h5ad {annotator}"));
    let annotate = "annotate cells.h5ad --min-genes 5 --annotator types.safetensors --out annotated.h5ad";
    let said = json(&place.done(&format!("{annotate} --compare cell_type --json")));
    assert!(said["accuracy"].as_f64().unwrap() > 0.8, "{said}");
    let annotated = scdd::H5ad::open(place.path("annotated.h5ad")).log_normalized().read().unwrap();
    assert_eq!(annotated.labels("annotation").unwrap().classes.len(), 3);
    let (code, said) = place.fails(&format!("{annotate} --threshold 2"));
    assert!(code == 1 && said.contains("threshold") && said.contains("0 to 1"), "{code} {said}");

    // A set to hand on that has nothing but markers, as many as are best on validation cells.
    let mixtures =
        "--method scdd+metacells-ridge --foundation model.safetensors --steps 2 --only-markers --out only.h5ad";
    let recipe = json(&place.done(&format!("distill cells.h5ad {STUDY} {mixtures} --json")));
    let fraction = recipe["marker_fraction"].as_f64().unwrap();
    let only = scdd::H5ad::open(place.path("only.h5ad")).log_normalized().read().unwrap();
    let expressed: std::collections::HashSet<u32> = only.expression().indices().iter().copied().collect();
    let markers = (fraction * only.genes() as f64).ceil() as usize;
    assert!(expressed.len() <= markers && markers < only.genes(), "{} of {}", expressed.len(), only.genes());

    // Under another seed, the set and the model may be made of its test cells.
    let (code, said) = place.fails(&format!("{evaluate} --seed 8"));
    assert!(code == 1 && said.contains("was pretrained on"), "{code} {said}");
    let (code, said) =
        place.fails(&format!("evaluate cells.h5ad {STUDY} --foundation-epochs 1 --seed 8 --set distilled.h5ad"));
    assert!(code == 1 && said.contains("distilled.h5ad: it was distilled with"), "{code} {said}");
}

#[test]
fn a_benchmark_is_split_joined_compared_and_shown() {
    let place = Place::new();
    let printed = ["--methods", "scDD+SCDG, DC", "--models", "linear head, MLP", "--plan"];
    let plan = place.run_with(&[&["benchmark", "cells.h5ad", "--label", "cell_type"][..], &printed].concat());
    assert!(String::from_utf8_lossy(&plan.stderr).contains("1 method, 2 models"));
    let grid = "benchmark cells.h5ad=cell_type,batch --methods class-mean,random-cells --models nearest-neighbours \
                --seeds 2 --min-genes 5 --foundation-epochs 1";
    let plan = place.run(&format!("{grid} --plan"));
    assert!(String::from_utf8_lossy(&plan.stderr).contains("8 rows of 2 label columns"));
    let tables = place.done(&format!("{grid} --out whole.jsonl"));
    assert!(tables.contains("| class mean | 1 |"), "{tables}");
    for shard in 1..=2 {
        place.done(&format!("{grid} --shard {shard}/2 --json {shard}.jsonl"));
    }
    place.done("merge 1.jsonl 2.jsonl --out joined.jsonl");
    let rows = |name: &str| -> Vec<_> {
        let read = BenchmarkResults::read(place.path(name)).unwrap();
        read.rows().iter().map(|row| row.without_cost()).collect()
    };
    assert_eq!(rows("joined.jsonl"), rows("whole.jsonl"));
    let (code, said) = place.fails("merge 1.jsonl --out part.jsonl");
    assert!(
        code == 3 && said.contains("4 of 8 rows are missing") && !place.path("part.jsonl").exists(),
        "{code} {said}"
    );

    place.done("report joined.jsonl --out report.html --markdown results.md --made-by it");
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert!(read("report.html").contains("<svg") && !read("report.html").contains("http://cdn"));
    assert!(read("results.md").contains("## What the paper claims") && read("results.md").contains("    it\n"));
    let compare = ["report", "joined.jsonl", "--compare", "class mean", "random cells", "--json"];
    let compared = String::from_utf8(place.run_with(&compare).stdout).unwrap();
    let compared: Vec<serde_json::Value> = compared.lines().map(json).collect();
    assert_eq!((compared.len(), &compared[0]["seeds"]), (2, &2.into()));
    let against_all = ["report", "joined.jsonl", "--compare", "class mean"];
    let against_all = String::from_utf8(place.run_with(&against_all).stdout).unwrap();
    assert!(against_all.contains("| random cells | 1 | "), "{against_all}");
    let (code, said) = place.fails("report joined.jsonl --compare DC");
    assert!(code == 1 && said.contains("no method 'DC'; there are class mean; random cells"), "{code} {said}");
    assert!(place.done("report joined.jsonl").contains("class mean"));
}

#[test]
fn an_error_is_one_line_with_its_fix_and_a_code() {
    let place = Place::new();
    let one_line = |line: &str, code: i32, expected: &str| {
        let (found, said) = place.fails(line);
        assert_eq!(found, code, "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
    };
    one_line("info nowhere.h5ad", 1, "no such file");
    one_line("info cells.h5ad --log-normalized", 1, "counts");
    one_line("benchmark cells.h5ad", 1, "--label COLUMN");
    one_line(
        "benchmark cells.h5ad --label cell_type --methods scVI",
        1,
        "no method 'scVI'; there are all training cells",
    );
    one_line("benchmark cells.h5ad --label cell_type --table 9", 1, "there are table 2; table 3; table 4");
    one_line("benchmark cells.h5ad --label cell_type --shard 3/2", 2, "from 1/N to N/N");
    one_line("distill cells.h5ad --label tissue --min-genes 5 --out x.h5ad", 1, "tissue");
    let markers =
        format!("distill cells.h5ad {STUDY} --foundation-epochs 1 --steps 1 --out x.h5ad --only-markers --method");
    one_line(&format!("{markers} scdd+decoder-dm"), 1, "no markers");
    let no_cells = format!("distill cells.h5ad {STUDY} --foundation-epochs 1 --steps 1 --out x.h5ad --method");
    one_line(&format!("{no_cells} class-mean"), 1, "baseline");
    one_line(&format!("{no_cells} featdistill-dm"), 1, "no cells");
    one_line("report nowhere.jsonl", 1, "no such file");
    one_line("frobnicate", 2, "unrecognized subcommand");
    std::fs::write(place.path("foreign.jsonl"), "{\"a\": 1}\n").unwrap();
    let out = "benchmark cells.h5ad --label cell_type --methods class-mean --min-genes 5 --out foreign.jsonl";
    one_line(out, 1, "foreign.jsonl, line 1: it is no row");
    assert_eq!(std::fs::read_to_string(place.path("foreign.jsonl")).unwrap(), "{\"a\": 1}\n");
}

#[test]
fn completions_name_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.done(&format!("completions {shell}"));
        for command in
            ["info", "preprocess", "embed", "train", "distill", "annotate", "evaluate", "benchmark", "merge", "report"]
        {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert!(Path::new(env!("CARGO_BIN_EXE_scdd")).exists());
}
