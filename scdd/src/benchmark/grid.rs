//! The builder of a benchmark: which data sets, labels, budgets, methods, models and seeds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use itertools::Itertools;

use super::names;
use super::report::{LINEAR_HEAD, MEAN_OF_UNSEEN};
use super::settings::Settings;
use super::source::{Origin, Source, name_of};
use super::{BenchmarkError, Method, all_methods, methods_named};
use crate::cells::{Cells, LogNormalized};
use crate::distill::SmallClasses;
use crate::evaluate::{EvaluationModel, Protocol, all_models};
use crate::foundation::Foundation;
use crate::progress::Interrupt;

/// Opens a benchmark.
///
/// ```
/// use scdd::prelude::*;
/// # let folder = tempfile::tempdir()?;
/// # let (path, out) = (folder.path().join("cells.h5ad"), folder.path().join("rows.jsonl"));
/// simulate().cells(300).genes(200).classes(3).run()?.write_h5ad(&path)?;
/// let opened = benchmark().file(&path, ["cell_type"]).min_genes(10).foundation_epochs(1).steps(3);
/// let opened = opened.methods_named(["class mean", "DM"])?.models_named(["CellTypist"])?.seeds(2);
/// let results = opened.out(&out).run()?;
/// assert_eq!(results.rows().len(), 4);
/// println!("{}", results.markdown());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn benchmark() -> Benchmark {
    Benchmark {
        sources: Vec::new(),
        per_class: vec![1],
        methods: all_methods(),
        models: all_models(),
        seeds: vec![1],
        settings: Settings::default(),
        foundation: None,
        out: None,
        shard: (1, 1),
        interrupt: Interrupt::default(),
    }
}

/// A grid that is being set up: `benchmark().file(...).seeds(5).out("rows.jsonl").run()`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct Benchmark {
    pub(super) sources: Vec<Source>,
    pub(super) per_class: Vec<usize>,
    pub(super) methods: Vec<Method>,
    pub(super) models: Vec<Arc<dyn EvaluationModel>>,
    pub(super) seeds: Vec<u64>,
    pub(super) settings: Settings,
    pub(super) foundation: Option<Foundation>,
    pub(super) out: Option<PathBuf>,
    pub(super) shard: (usize, usize),
    pub(super) interrupt: Interrupt,
}

impl Benchmark {
    /// One more .h5ad file of counts, and the columns of obs that are studied, each by itself. Rows call it by its name
    /// without folder and ending.
    pub fn file<S: Into<String>>(self, path: impl AsRef<Path>, labels: impl IntoIterator<Item = S>) -> Self {
        let name = name_of(path.as_ref());
        self.named(name, path, labels)
    }

    /// One more file, under another name.
    pub fn named<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        path: impl AsRef<Path>,
        labels: impl IntoIterator<Item = S>,
    ) -> Self {
        let labels = labels.into_iter().map(Into::into).collect();
        self.sources.push(Source { name: name.into(), labels, from: Origin::File(path.as_ref().to_owned()) });
        self
    }

    /// Log-normalised cells that are in memory, under a name.
    pub fn cells<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        cells: &Cells<LogNormalized>,
        labels: impl IntoIterator<Item = S>,
    ) -> Self {
        let labels = labels.into_iter().map(Into::into).collect();
        self.sources.push(Source { name: name.into(), labels, from: Origin::Memory(Box::new(cells.clone())) });
        self
    }

    /// Budgets in cells per class; 1. A class with fewer training cells gives what it has.
    pub fn per_class(mut self, budgets: impl IntoIterator<Item = usize>) -> Self {
        self.per_class = budgets.into_iter().collect();
        self
    }

    /// The methods; [`all_methods`].
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// One more method, such as [`Method::own`].
    pub fn method(mut self, method: Method) -> Self {
        self.methods.push(method);
        self
    }

    /// Methods by name, as [`methods_named`] finds them.
    ///
    /// # Errors
    /// When there is none of a name; the error lists those that there are.
    pub fn methods_named<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Result<Self, BenchmarkError> {
        Ok(self.methods(methods_named(names)?))
    }

    /// The models that are trained on each set; [`all_models`].
    pub fn models(mut self, models: impl IntoIterator<Item = Arc<dyn EvaluationModel>>) -> Self {
        self.models = models.into_iter().collect();
        self
    }

    /// Models by name, as [`models_named`] finds them.
    ///
    /// # Errors
    /// When there is none of a name; the error lists those that there are.
    pub fn models_named<S: AsRef<str>>(self, names: impl IntoIterator<Item = S>) -> Result<Self, BenchmarkError> {
        Ok(self.models(models_named(names)?))
    }

    /// Seeds 1 to `count`; 1. Each is a split, foundation model, set and network of its own.
    pub fn seeds(self, count: u64) -> Self {
        self.seed_numbers(1..=count)
    }

    /// These seeds.
    pub fn seed_numbers(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.seeds = seeds.into_iter().collect();
        self
    }

    /// A file that gets each row as a line of JSON when it is there. When it has rows already, the benchmark goes on:
    /// rows that were made with the same settings are not made again. Without it rows are in memory only.
    pub fn out(mut self, path: impl AsRef<Path>) -> Self {
        self.out = Some(path.as_ref().to_owned());
        self
    }

    /// Only part `number`, from 1, of `of`: sets are dealt out in their order, so that few parts make one study. The same
    /// grid always gives the same parts; [`merge`](super::merge) joins them.
    pub fn shard(mut self, number: usize, of: usize) -> Self {
        self.shard = (number, of);
        self
    }

    /// Genes that a cell of a file must express to be kept; 200.
    pub fn min_genes(mut self, genes: usize) -> Self {
        self.settings.preprocess.min_genes = genes;
        self
    }

    /// Cells that must express a gene for it to be kept; 3.
    pub fn min_cells(mut self, cells: usize) -> Self {
        self.settings.preprocess.min_cells = cells;
        self
    }

    /// Most variable genes of a study; 2,000.
    pub fn variable_genes(mut self, genes: usize) -> Self {
        self.settings.variable_genes = Some(genes);
        self
    }

    /// A foundation model that exists already, in the place of one pretrained on the training cells of each split.
    pub fn foundation(mut self, foundation: impl Into<Foundation>) -> Self {
        self.foundation = Some(foundation.into());
        self
    }

    /// Passes of each pretraining; 30.
    pub fn foundation_epochs(mut self, epochs: usize) -> Self {
        self.settings.foundation_epochs = Some(epochs);
        self
    }

    /// Steps of SCDG's training; 2,000.
    pub fn scdg_steps(mut self, steps: usize) -> Self {
        self.settings.scdg_steps = Some(steps);
        self
    }

    /// Steps of every distillation; the pipelines' own, 50 and 200 of metacells.
    pub fn steps(mut self, steps: usize) -> Self {
        self.settings.steps = Some(steps);
        self
    }

    /// Networks that a row is the mean of; 1 (ours): each seed has a network of its own already.
    pub fn networks(mut self, networks: usize) -> Self {
        self.settings.protocol.networks = networks;
        self
    }

    /// How networks are trained; its seed is that of the row.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.settings.protocol = protocol;
        self
    }

    /// What is done about classes with fewer training cells than are asked for; they give what they have.
    pub fn small_classes(mut self, small: SmallClasses) -> Self {
        self.settings.small_classes = small;
        self
    }

    /// Scores on validation cells; test cells stay closed.
    pub fn on_validation(mut self) -> Self {
        self.settings.on_validation = true;
        self
    }

    /// Lets another thread stop it before its next set. What is done is in the file.
    pub fn stop_on(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }
}

/// Evaluation models by name, among [`all_models`], each once: "all" are all, "unseen" all but the linear head. A text may hold
/// several names between commas; case, spaces and punctuation don't matter.
///
/// # Errors
/// When there is none of a name; the error lists those that there are.
pub fn models_named<S: AsRef<str>>(
    names: impl IntoIterator<Item = S>,
) -> Result<Vec<Arc<dyn EvaluationModel>>, BenchmarkError> {
    let models = all_models();
    let unseen: Vec<usize> = (0..models.len()).filter(|&model| models[model].name() != LINEAR_HEAD).collect();
    let mut known: Vec<(String, Vec<usize>)> =
        models.iter().enumerate().map(|(number, model)| (model.name(), vec![number])).collect();
    known.push(("all".to_owned(), (0..models.len()).collect()));
    known.extend(["unseen", MEAN_OF_UNSEEN].map(|name| (name.to_owned(), unseen.clone())));
    let found = names::find_all("model", names, &known.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
    let numbers = found.into_iter().flat_map(|position| known[position].1.iter().copied()).unique();
    Ok(numbers.map(|number| models[number].clone()).collect())
}
