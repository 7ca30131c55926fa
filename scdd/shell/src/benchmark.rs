//! `scdd benchmark`, `merge` and `report`.

use std::path::{Path, PathBuf};

use clap::Args;
use scdd::Foundation;
use scdd::benchmark::{Benchmark, BenchmarkResults, Measure, benchmark, merge};

use crate::Outcome;

#[derive(Args)]
pub struct Run {
    /// .h5ad files of counts. `FILE=COLUMN,COLUMN` gives a file label columns of its own.
    #[arg(required = true, value_name = "FILE[=COLUMN,..]")]
    files: Vec<String>,
    /// Columns of obs that hold classes, each studied by itself, of files that name none.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    label: Vec<String>,
    /// A table of Yu et al. 2025, 2 to 7 (or II to VII): sets budgets, methods and models.
    #[arg(long, conflicts_with_all = ["figure", "methods", "models", "per_class"])]
    table: Option<String>,
    /// A figure of Yu et al. 2025: 4, the size of the head.
    #[arg(long, conflicts_with_all = ["methods", "models", "per_class"])]
    figure: Option<String>,
    /// Budgets in cells per class.
    #[arg(long, value_delimiter = ',', value_name = "CELLS", default_value = "1")]
    per_class: Vec<usize>,
    /// Methods by the names that tables print, with commas between them, or "all", "paper", "baselines". Case, spaces and
    /// punctuation don't matter: scdd+scdg-dc.
    #[arg(long, value_name = "METHODS", default_value = "all")]
    methods: Vec<String>,
    /// Models that are trained on each set, by name, or "all", "unseen" (all but the linear head).
    #[arg(long, value_name = "MODELS", default_value = "all")]
    models: Vec<String>,
    /// How many seeds, from 1 on; each is a split, foundation model, set and network of its own.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// These seeds and no others.
    #[arg(long, value_delimiter = ',', value_name = "SEED", conflicts_with = "seeds")]
    only_seeds: Vec<u64>,
    /// The file that gets a line of JSON for each row as it comes. A killed run goes on from there.
    #[arg(long, visible_alias = "json", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Part I of N, from 1/N to N/N; `scdd merge` joins their files.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Networks that scores are the mean of.
    #[arg(long, default_value_t = 1)]
    networks: usize,
    /// Steps of every distillation; the methods' own.
    #[arg(long)]
    steps: Option<usize>,
    /// Steps of SCDG's training; 2,000.
    #[arg(long)]
    scdg_steps: Option<usize>,
    /// A foundation model: a file, or SCimilarity's folder; without it, one is pretrained on the training cells of each split.
    #[arg(long, value_name = "MODEL")]
    foundation: Option<PathBuf>,
    /// Passes of each pretraining; 30.
    #[arg(long, value_name = "EPOCHS", conflicts_with = "foundation")]
    foundation_epochs: Option<usize>,
    /// Most variable genes of each study; 2,000.
    #[arg(long, value_name = "GENES", conflicts_with = "foundation")]
    variable_genes: Option<usize>,
    /// Genes that a cell must express to be kept.
    #[arg(long, value_name = "GENES", default_value_t = 200)]
    min_genes: usize,
    /// Scores on validation cells; test cells stay closed.
    #[arg(long)]
    validation: bool,
    /// Says what would run, and runs nothing.
    #[arg(long)]
    plan: bool,
}

impl Run {
    pub fn run(&self) -> Outcome {
        let grid = self.grid()?;
        eprintln!("{}", grid.plan()?);
        if self.plan {
            return Ok(());
        }
        let results = grid.run()?;
        eprintln!("{results:?}");
        if let (false, Some(reason)) = (results.rows().iter().any(|row| row.ok()), results.refused().first()) {
            return Err(format!("no row has scores: {reason}").into());
        }
        print!("{}", results.markdown());
        Ok(())
    }

    fn grid(&self) -> Result<Benchmark, Box<dyn std::error::Error>> {
        let mut grid = benchmark().min_genes(self.min_genes).networks(self.networks);
        for file in &self.files {
            // A path may hold an equals sign itself.
            let (path, labels) = match file.rsplit_once('=').filter(|_| !Path::new(file).exists()) {
                Some((path, labels)) => (path, labels.split(',').map(str::to_owned).collect()),
                None => (file.as_str(), self.label.clone()),
            };
            if labels.is_empty() {
                return Err(format!("'{file}' has no label column; give --label COLUMN, or {file}=COLUMN").into());
            }
            grid = grid.file(path, labels);
        }
        let seeds = if self.only_seeds.is_empty() { (1..=self.seeds).collect() } else { self.only_seeds.clone() };
        grid = grid.seed_numbers(seeds);
        grid = match (&self.table, &self.figure) {
            (Some(table), _) => grid.table(table).map_err(scdd::Error::from)?,
            (None, Some(figure)) => grid.figure(figure).map_err(scdd::Error::from)?,
            (None, None) => {
                let grid = grid.per_class(self.per_class.iter().copied());
                let grid = grid.methods_named(&self.methods).map_err(scdd::Error::from)?;
                grid.models_named(&self.models).map_err(scdd::Error::from)?
            }
        };
        if let Some(path) = &self.out {
            grid = grid.out(path);
        }
        if let Some((number, of)) = self.shard {
            grid = grid.shard(number, of);
        }
        if let Some(steps) = self.steps {
            grid = grid.steps(steps);
        }
        if let Some(steps) = self.scdg_steps {
            grid = grid.scdg_steps(steps);
        }
        if let Some(model) = &self.foundation {
            grid = grid.foundation(Foundation::read(model)?);
        }
        if let Some(epochs) = self.foundation_epochs {
            grid = grid.foundation_epochs(epochs);
        }
        if let Some(genes) = self.variable_genes {
            grid = grid.variable_genes(genes);
        }
        Ok(if self.validation { grid.on_validation() } else { grid })
    }
}

/// "2/8".
fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    numbers.filter(|(number, of)| (1..=*of).contains(number)).ok_or_else(|| "expected I/N, from 1/N to N/N".to_owned())
}

#[derive(Args)]
pub struct Merge {
    /// The result files of all shards.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The file that is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Merge {
    pub fn run(&self) -> Outcome {
        let results = merge(&self.files)?;
        results.write(&self.out)?;
        println!("{}: {results:?}", self.out.display());
        Ok(())
    }
}

#[derive(Args)]
pub struct Report {
    /// A result file of `scdd benchmark` or `scdd merge`.
    file: PathBuf,
    /// Writes a page of HTML with tables and figures that needs nothing else.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A copy of plotly.js for that page (package_data/plotly.min.js of the Python package plotly): figures can be zoomed.
    #[arg(long, value_name = "FILE", requires = "out")]
    plotly: Option<PathBuf>,
    /// Writes a page of Markdown: the paper's claims with these results, and every table.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// The command that the page names as its source.
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "scdd benchmark ... ; scdd report rows.jsonl --markdown docs/results.md"
    )]
    made_by: String,
    /// Compares two methods, paired over seeds; or one method with all others, as a table in Markdown.
    #[arg(long, num_args = 1..=2, value_names = ["METHOD", "OTHER"], conflicts_with_all = ["out", "markdown"])]
    compare: Option<Vec<String>>,
    /// What is compared: accuracy, macro-F1, balanced accuracy, recall of rare classes.
    #[arg(long, value_name = "MEASURE", requires = "compare", default_value = "accuracy")]
    measure: String,
    /// Rows as lines of JSON: the comparison's, or all.
    #[arg(long)]
    json: bool,
}

impl Report {
    pub fn run(&self) -> Outcome {
        let results = BenchmarkResults::read(&self.file)?;
        if let Some(names) = &self.compare {
            let methods = names.iter().map(|name| results.method_named(name));
            let methods = methods.collect::<Result<Vec<String>, _>>().map_err(scdd::Error::from)?;
            return match &methods[..] {
                [method, other] => self.compare_two(&results, method, other),
                _ => compare_with_all(&results, &methods[0]),
            };
        }
        if let Some(path) = &self.out {
            results.write_html(path, self.plotly.as_deref())?;
            eprintln!("{}", path.display());
        }
        if let Some(path) = &self.markdown {
            results.write_page(path, &self.made_by)?;
            eprintln!("{}", path.display());
        }
        if self.json {
            for row in results.rows() {
                println!("{}", serde_json::to_string(row)?);
            }
        } else if self.out.is_none() && self.markdown.is_none() {
            print!("{}", results.markdown());
        }
        Ok(())
    }

    fn compare_two(&self, results: &BenchmarkResults, method: &str, other: &str) -> Outcome {
        let measure = Measure::named(&self.measure).map_err(scdd::Error::from)?;
        let pairs = results.paired(method, other, measure);
        if pairs.is_empty() {
            return Err(
                format!("no seed has scores of both '{method}' and '{other}'; run both with the same seeds").into()
            );
        }
        for paired in pairs {
            if self.json {
                println!("{}", serde_json::to_string(&paired)?);
                continue;
            }
            let interval =
                |of: Option<(f64, f64)>| of.map_or("-".to_owned(), |(low, high)| format!("{low:+.4} to {high:+.4}"));
            let budget = paired.per_class.map_or("all cells".to_owned(), |count| format!("{count} per class"));
            println!(
                "{}, {}, {budget}, {}: {:+.4} over {} seeds; 95% {}; corrected for common training cells {}",
                paired.file,
                paired.label,
                paired.model,
                paired.difference,
                paired.seeds,
                interval(paired.interval),
                interval(paired.corrected)
            );
        }
        Ok(())
    }
}

fn compare_with_all(results: &BenchmarkResults, method: &str) -> Outcome {
    let table = results.compare(method);
    if table.is_empty() {
        return Err(format!("no rows to compare '{method}' with; the file has no seed of another method").into());
    }
    print!("{table}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use scdd::benchmark::{all_methods, methods_named, models_named};
    use scdd::evaluate::all_models;

    use super::Run;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: Run,
    }

    /// The option's values as the command line gives them.
    fn parsed(option: &str, values: &[String]) -> Run {
        let options = values.iter().flat_map(|value| [option.to_owned(), value.clone()]);
        let line = ["benchmark", "cells.h5ad"].map(str::to_owned).into_iter().chain(options);
        Line::try_parse_from(line).unwrap().run
    }

    #[test]
    fn names_that_are_printed_can_be_pasted_into_an_option() {
        let methods: Vec<String> = all_methods().iter().map(|method| method.name().to_owned()).collect();
        let models: Vec<String> = all_models().iter().map(|model| model.name()).collect();
        let found_methods = |values: &[String]| -> Vec<String> {
            let run = parsed("--methods", values);
            methods_named(&run.methods).unwrap().iter().map(|method| method.name().to_owned()).collect()
        };
        let found_models = |values: &[String]| -> Vec<String> {
            models_named(&parsed("--models", values).models).unwrap().iter().map(|model| model.name()).collect()
        };
        for (names, found) in
            [(&methods, &found_methods as &dyn Fn(&[String]) -> Vec<String>), (&models, &found_models)]
        {
            assert!(names.len() > 5);
            names.iter().map(std::slice::from_ref).for_each(|name| assert_eq!(found(name), name));
            [",", ", "].into_iter().for_each(|separator| assert_eq!(found(&[names.join(separator)]), *names));
            assert_eq!(found(names), *names);
        }
        assert_eq!(found_methods(&["scDD+SCDG, DC".to_owned()]), ["scDD+SCDG, DC"]);
    }

    #[test]
    fn tables_are_accepted_by_number_and_name() {
        for (name, table) in [("7", 7), ("VII", 7), ("table 2", 2)] {
            let run = parsed("--table", &[name.to_owned()]);
            assert!(scdd::benchmark().table(run.table.unwrap()).is_ok(), "{table}");
        }
    }
}
