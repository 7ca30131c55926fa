//! Generation of cells by a trained SCDG: `scdg.generate(n)`.

use burn::tensor::Tensor;
use polars::prelude::{Column, DataFrame};

use super::ScdgError;
use super::draw::{Draw, Drawn};
use super::generator::Generator;
use super::sampler::Sampler;
use super::trained::Scdg;
use crate::cells::{Cells, CellsError, Expression, LogNormalized, Provenance};
use crate::error::SettingError;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::text::{count, grouped};
use crate::{seed, tensors};

/// Cells that are made at a time, so that memory stays flat.
const CHUNK: usize = 256;

/// Opens a generation: `scdg.generate(n)`.
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct GenerateBuilder {
    scdg: Scdg,
    count: usize,
    classes: Vec<String>,
    given: Vec<(String, String)>,
    sampler: Sampler,
    guidance: f64,
    seed: u64,
}

impl Scdg {
    /// Opens the generation of a number of cells, of all classes in the proportions of the training cells unless
    /// [`class`](GenerateBuilder::class) says otherwise.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?;
    /// let study = cells.preprocess().min_genes(10).run()?.study("cell_type").foundation_epochs(1).run()?;
    /// let scdg = study.train_scdg().steps(5).run()?;
    /// let cells = scdg.generate(20).class("type_2").sampler(Sampler::Ddim { steps: 5 }).run()?;
    /// assert_eq!(cells.only("cell_type", &["type_2"])?.cells(), 20);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn generate(&self, cells: usize) -> GenerateBuilder {
        GenerateBuilder {
            scdg: self.clone(),
            count: cells,
            classes: Vec::new(),
            given: Vec::new(),
            sampler: Sampler::usual(self.config().schedule.steps),
            guidance: 0.0,
            seed: self.config().seed,
        }
    }
}

impl GenerateBuilder {
    /// Only cells of this class. Calls add up: cells of all these classes, in the proportions of their training cells.
    pub fn class(mut self, class: &str) -> Self {
        self.classes.push(class.to_owned());
        self
    }

    /// Only cells with this value of a condition. Values of other conditions are those of random training cells of the class.
    pub fn condition(mut self, column: &str, value: &str) -> Self {
        self.given.retain(|(given, _)| given != column);
        self.given.push((column.to_owned(), value.to_owned()));
        self
    }

    /// How latents are drawn; in a single step from a tenth of the schedule's steps (our choice).
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// Guidance w: latents are D_null + (1 + w) (D_c - D_null); 0, which is none. Above 0 cells are more like their class
    /// and less like each other. Needs a training with
    /// [`condition_dropout`](super::ScdgBuilder::condition_dropout).
    pub fn guidance(mut self, w: f64) -> Self {
        self.guidance = w;
        self
    }

    /// Seed of cells and noise; that of the training unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// When no cells are asked for, or a setting is out of range.
    pub fn plan(&self) -> crate::Result<Plan> {
        self.check()?;
        let genes = self.scdg.study().cells().genes();
        let (calls, batches) = (self.sampler.calls(self.scdg.config().schedule.steps), self.count.div_ceil(CHUNK));
        Ok(Plan::new(self.title())
            .with("network", format!("{} for each of {}", count(calls, "call"), count(batches, "batch")))
            .with("size", format!("{:.1} MB before zeros are left out", (self.count * genes * 4) as f64 / 1e6)))
    }

    /// Generates. `obs` has the study's label and the conditions; cells are sorted by class and named after it ("acinar
    /// 1").
    ///
    /// # Errors
    /// When no cells are asked for; when no training cell has a class or value; when the sampler's steps are not in the
    /// schedule; when there is guidance and the network was trained without dropping conditions; when no training cell
    /// has class and conditions together and the sampler starts from one; when a value is not finite.
    pub fn run(&self) -> crate::Result<Cells<LogNormalized>> {
        self.check()?;
        let generator = self.scdg.generator().guided(self.guidance);
        let drawn = self.draw()?;
        let (study, chunks) = (self.scdg.study(), drawn.len().div_ceil(CHUNK));
        let calls = self.sampler.calls(self.scdg.config().schedule.steps);
        let mut progress = Progress::new("generating cells", chunks * calls);
        let mut parts = Vec::with_capacity(chunks);
        for (number, drawn) in drawn.chunks(CHUNK).enumerate() {
            progress.check_stop()?;
            let latents = self.latents(&generator, drawn, number, &mut progress);
            parts.push(Expression::from_array(&tensors::array(generator.decode(latents)))?);
        }
        progress.finish(|| count(drawn.len(), "cell"));
        let expression = Expression::concatenate(study.cells().genes(), &parts);
        let (names, obs) = self.names_and_obs(&drawn)?;
        let provenance = Provenance {
            source: format!("generated from {}", study.cells().provenance().source),
            sha256: None,
            steps: vec![format!("{:?}", self.scdg), self.title()],
        };
        let (genes, var) = (study.cells().gene_names().to_vec(), study.cells().var().clone());
        Cells::log_normalized(expression, names, genes, obs, var, provenance)
    }

    fn title(&self) -> String {
        let guidance = if self.guidance == 0.0 { String::new() } else { format!(", guidance {}", self.guidance) };
        format!("{} by {:?}{guidance}, seed {}", count(self.count, "generated cell"), self.sampler, self.seed)
    }

    /// Refuses what can't be generated.
    fn check(&self) -> Result<(), ScdgError> {
        let fail = |setting, found: String, expected: &str| {
            Err(ScdgError::Setting(SettingError::new(setting, found, expected)))
        };
        if self.count == 0 {
            return fail("the number of cells to generate", "0".to_owned(), "at least 1");
        }
        self.sampler.check(self.scdg.config().schedule.steps)?;
        if self.guidance == 0.0 {
            return Ok(());
        }
        let expected = match (self.guidance.is_finite() && self.guidance >= -1.0, self.sampler) {
            (false, _) => "a finite number, -1 (no conditions) or more",
            (_, Sampler::Decoder) => "0 with Sampler::Decoder, which does not call the network",
            _ if !self.scdg.generator().can_be_guided() => {
                "0, since the network was trained without dropping conditions; train it with .condition_dropout(0.1)"
            }
            _ => return Ok(()),
        };
        fail("guidance", self.guidance.to_string(), expected)
    }

    fn draw(&self) -> Result<Vec<Drawn>, ScdgError> {
        let (study, conditions) = (self.scdg.study(), &self.scdg.parts.conditions);
        let mut wanted = Vec::new();
        for class in &self.classes {
            let known = study.classes();
            wanted.push(known.iter().position(|known| known == class).ok_or_else(|| ScdgError::Unknown {
                what: "class".to_owned(),
                found: class.clone(),
                known: known.to_vec(),
            })?);
        }
        let mut given = vec![None; conditions.len()];
        for (column, value) in &self.given {
            let index = conditions.iter().position(|condition| condition.column() == column);
            let index = index.ok_or_else(|| ScdgError::Unknown {
                what: "condition".to_owned(),
                found: column.clone(),
                known: conditions.iter().map(|condition| condition.column().to_owned()).collect(),
            })?;
            given[index] = Some(conditions[index].number(value)?);
        }
        let labels = study.training_cells().train_labels();
        let draw =
            Draw { labels: &labels, classes: study.classes(), conditions, sampler: self.sampler, seed: self.seed };
        draw.cells(self.count, &wanted, &given)
    }

    /// Clean latents `[cells, latent]` of one chunk, which has a random stream of its own.
    fn latents(&self, generator: &Generator, drawn: &[Drawn], number: usize, progress: &mut Progress) -> Tensor<2> {
        let (study, device) = (self.scdg.study(), self.scdg.study().device());
        let training = study.training_cells();
        let starts: Vec<usize> = drawn.iter().map(|cell| training.train()[cell.start]).collect();
        let start = study.embeddings_of(&starts);
        let start = tensors::tensor(&start, device) * (start.ncols() as f64).sqrt();
        let values = |condition: usize| tensors::indices(drawn.iter().map(|cell| cell.values[condition]), device);
        let classes = tensors::indices(drawn.iter().map(|cell| cell.class), device);
        let tau = generator.tau(classes, (0..self.scdg.parts.conditions.len()).map(values).collect());
        let mut rng = seed::stream(self.seed, &format!("generate: noise {number}"));
        let stepped = || progress.step(|| format!("batch {}", grouped(number + 1)));
        self.sampler.latents(generator, start, &tau, &mut rng, stepped)
    }

    fn names_and_obs(&self, drawn: &[Drawn]) -> Result<(Vec<String>, DataFrame), CellsError> {
        let (study, conditions) = (self.scdg.study(), &self.scdg.parts.conditions);
        let classes = study.classes();
        let mut made = vec![0; classes.len()];
        let name = |cell: &Drawn| {
            made[cell.class] += 1;
            format!("{} {}", classes[cell.class], made[cell.class])
        };
        let names: Vec<String> = drawn.iter().map(name).collect();
        let labels: Vec<&str> = drawn.iter().map(|cell| classes[cell.class].as_str()).collect();
        let mut columns = vec![Column::new(study.label().into(), labels)];
        columns.extend(study.parts_of_labels(drawn.iter().map(|cell| cell.class)));
        for (index, condition) in conditions.iter().enumerate() {
            let values: Vec<&str> = drawn.iter().map(|cell| condition.values()[cell.values[index]].as_str()).collect();
            columns.push(Column::new(condition.column().into(), values));
        }
        let obs = DataFrame::new(names.len(), columns);
        Ok((names, obs.map_err(CellsError::from)?))
    }
}
