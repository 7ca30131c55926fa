//! What a step costs: `bench_distill MODEL TASK PER_CLASS STEPS`.
//!
//! TASK is dm or dc, a step of scDD+SCDG, or scdg, a step of the training of SCDG. MODEL is a model directory in
//! SCimilarity's form. Cells are random, sparse, of all its genes: 44 classes of 320 training cells each. Prints one JSON
//! object: seconds of the shortest step of distilling on the clock (of each step of training on average) and of each step of
//! processors, peak memory before and while stepping, and which share of the delivered expression is on the rarer side of zero, gene
//! by gene: the speed of a step depends on it. `cargo xtask bench distill` runs it beside PyTorch.

mod measure;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use scdd::burn::tensor::Tensor;
use scdd::cells::{Expression, Provenance};
use scdd::foundation::Foundation;
use scdd::polars::prelude::{Column, DataFrame};
use scdd::prelude::*;
use serde_json::json;

use measure::{memory, on_rarer_side_of_zero, processor_seconds, reset_peak};

const CLASSES: usize = 44;
/// Of each class; 256 of the training cells are a step's batch.
const CELLS: usize = 320;
/// Share of the genes that a cell expresses.
const DENSITY: f64 = 0.05;
/// Steps that are not counted: the first one makes weights into tensors.
const WARM: usize = 2;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, task, per_class, steps] = &arguments[..] else {
        return Err("expected MODEL TASK PER_CLASS STEPS".into());
    };
    scdd::progress::quiet(true);
    let (per_class, steps): (usize, usize) = (per_class.parse()?, steps.parse()?);
    let foundation = Foundation::scimilarity(model)?;
    let opened = cells(&foundation)?.study("cell_type").test_fraction(0.1).validation_fraction(0.0);
    let study = opened.cache_embeddings(false).foundation(foundation).run()?;
    // One step is enough for a generator whose speed counts.
    let trained = if task == "scdg" { steps } else { 1 };
    let before = reset_peak();
    let busy = processor_seconds();
    let scdg = study.train_scdg().steps(trained).run()?;
    let busy = processor_seconds() - busy;
    let (each, rarer) = match &task[..] {
        "scdg" => ([scdg.history().seconds / steps as f64, busy / steps as f64], None),
        "dm" => seconds(&scdg, &DistributionMatching::default(), per_class, steps)?,
        "dc" => seconds(&scdg, &GradientMatching::default(), per_class, steps)?,
        other => return Err(format!("the task is '{other}'; expected dm, dc or scdg").into()),
    };
    println!("{}", json!({ "seconds": each, "before": before, "peak": memory("VmHWM"), "rarer": rarer }));
    Ok(())
}

/// An objective that notes when each step asks for its loss.
struct Timed<Objective> {
    objective: Objective,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl<Objective: MatchingObjective> MatchingObjective for Timed<Objective> {
    fn name(&self) -> String {
        self.objective.name()
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        self.asked.lock().expect("nobody panicked with it").push(Instant::now());
        self.objective.loss(matching)
    }

    fn compares_expression(&self) -> bool {
        self.objective.compares_expression()
    }
}

/// Seconds of the shortest of some steps on the clock, since other work on the machine only lengthens, and of processors of each
/// of them: a longer run less a short one, so that what is done once does not count.
fn seconds<Objective: MatchingObjective + Clone>(
    scdg: &Scdg,
    objective: &Objective,
    per_class: usize,
    steps: usize,
) -> Result<([f64; 2], Option<f64>)> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let run = |steps| -> Result<(f64, Distilled)> {
        let busy = processor_seconds();
        asked.lock().expect("nobody panicked with it").clear();
        let objective = Timed { objective: objective.clone(), asked: asked.clone() };
        let made = scdg.distill(objective).per_class(per_class).steps(steps).run()?;
        Ok((processor_seconds() - busy, made))
    };
    let short = f64::min(run(WARM)?.0, run(WARM)?.0);
    let (long, made) = run(WARM + steps)?;
    let asked = asked.lock().expect("nobody panicked with it");
    let between = asked.windows(2).skip(WARM - 1).map(|pair| (pair[1] - pair[0]).as_secs_f64());
    let seconds = [between.fold(f64::INFINITY, f64::min), (long - short) / steps as f64];
    Ok((seconds, Some(on_rarer_side_of_zero(&made))))
}

/// Random cells: each class has genes of its own that it expresses more often.
fn cells(foundation: &Foundation) -> std::result::Result<Cells<LogNormalized>, Box<dyn Error>> {
    let genes = foundation.genes().len();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let (mut pointers, mut indices, mut values, mut labels) = (vec![0], Vec::new(), Vec::new(), Vec::new());
    for cell in 0..CLASSES * CELLS {
        let class = cell % CLASSES;
        for gene in 0..genes {
            let share = if gene % CLASSES == class { 4.0 * DENSITY } else { DENSITY };
            if rng.random::<f64>() < share {
                indices.push(gene as u32);
                values.push(0.5 + 2.5 * rng.random::<f32>());
            }
        }
        pointers.push(indices.len() as u64);
        labels.push(format!("type {class:02}"));
    }
    let names = (0..CLASSES * CELLS).map(|cell| format!("cell {cell}")).collect();
    let obs = DataFrame::new(labels.len(), vec![Column::new("cell_type".into(), labels)])?;
    let var = DataFrame::new(genes, vec![])?;
    let expression = Expression::new(genes, pointers, indices, values)?;
    Ok(Cells::log_normalized(expression, names, foundation.genes().to_vec(), obs, var, Provenance::default())?)
}
