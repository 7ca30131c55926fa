//! What each choice of a distillation is worth, on validation cells; test cells stay closed:
//!
//!     cargo run --example ablations -- FILE.h5ad LABEL PER_CLASS,.. SEED,..
//!
//! Prints a Markdown table: a row a choice, accuracy and macro-F1 of the linear head and of the mean of two judges that
//! distillation never saw (CellTypist's logistic regression and a small MLP on expression), with the standard deviation over
//! seeds. Each seed is a split, a foundation model and a generator of its own. docs/ablations.md has what it printed.

use std::sync::Arc;

use scdd::distill::{DistillBuilder, ValidationModels};
use scdd::evaluate::{EvaluationModel, mean, sample_deviation};
use scdd::prelude::*;

/// Fresh networks of each judge.
const NETWORKS: usize = 2;

type Opened = DistillBuilder<Distilled>;

fn numbers(text: &str) -> Vec<u64> {
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}

/// Every choice by its name.
fn choices(study: &Study) -> Result<Vec<(String, Opened)>> {
    let scdg = study.train_scdg().run()?;
    let metacells = study.metacells().run()?;
    let ridge = RidgeStudents::default;
    let mixed = || metacells.distill(ridge());
    let named = |name: &str, opened: Opened| (name.to_owned(), opened);
    let mut choices = vec![
        named("**scDD+Metacells, ridge: the default**", mixed()),
        named("start: class mean", mixed().start(Start::ClassMean)),
        named("start: medoid", mixed().start(Start::Medoid)),
        named("start: random cells", mixed().start(Start::RandomReal)),
        named("metacells: 16 per class", study.metacells().per_class(16).run()?.distill(ridge())),
        named("metacells: 256 per class", study.metacells().per_class(256).run()?.distill(ridge())),
        named("rate 0.03", mixed().learning_rate(0.03)),
        named("rate 0.3", mixed().learning_rate(0.3)),
        named("50 steps", mixed().steps(50)),
        named("no margin over the start", mixed().start_margin(0.0)),
        named("all genes", mixed().marker_shares(&[1.0])),
        named("markers when cells are delivered, all genes in steps", mixed().step_marker_shares(&[1.0])),
        named("half of the genes in steps", mixed().step_marker_shares(&[0.5])),
        named("chosen by the linear head", mixed().validation_models(ValidationModels::LinearHead)),
        named("classes alike", metacells.distill(ridge().weights(ClassWeights::Equal))),
        named("classes by their cells", metacells.distill(ridge().weights(ClassWeights::Frequency))),
        named("objective: DM", metacells.distill(DistributionMatching::default())),
        named("objective: DC", metacells.distill(GradientMatching::default())),
    ];
    for left_out in RidgeStudent::ALL {
        let students: Vec<_> = RidgeStudent::ALL.into_iter().filter(|student| *student != left_out).collect();
        choices.push((
            format!("without the student: {}", left_out.name()),
            metacells.distill(ridge().students(&students)),
        ));
    }
    let chosen = |opened: Opened| {
        opened.start(Start::KMeans).steps(200).early_stopping(20, 10).validation_models(ValidationModels::Students)
    };
    choices.extend([
        named("ridge on expression itself", chosen(study.distill_expression(ridge())).learning_rate(0.02)),
        named("ridge through the decoder", chosen(study.distill_decoder(ridge()))),
        named("ridge through SCDG and the decoder", chosen(scdg.distill(ridge()))),
        named("scDD+SCDG, DC: the paper's", scdg.distill(GradientMatching::default())),
        named("the same, no noise", scdg.distill(GradientMatching::default()).noise(Noise::None, 100)),
        named("the same, fresh noise", scdg.distill(GradientMatching::default()).noise(Noise::Fresh, 100)),
        named("the same, noise step 20", scdg.distill(GradientMatching::default()).noise(Noise::Fixed, 20)),
        named("the same, noise step 250", scdg.distill(GradientMatching::default()).noise(Noise::Fixed, 250)),
        named("the same, start: class mean", scdg.distill(GradientMatching::default()).start(Start::ClassMean)),
        named("the same, start: k-means", scdg.distill(GradientMatching::default()).start(Start::KMeans)),
    ]);
    Ok(choices)
}

/// Names and scores of an evaluation's sets, in its order: accuracy and macro-F1 of the linear head, and of the mean of the
/// judges that distillation never saw. Rows come model by model, each with the same sets.
fn scores(evaluation: &Evaluation) -> Vec<(String, [f64; 4])> {
    let rows = evaluation.rows();
    let sets = rows.iter().take_while(|row| row.model == rows[0].model).count();
    let of = |set: usize, latents: bool| {
        let of_set = || rows.iter().skip(set).step_by(sets).filter(|row| (row.model == "linear head") == latents);
        let accuracy: Vec<f64> = of_set().map(|row| row.accuracy_mean).collect();
        let macro_f1: Vec<f64> = of_set().map(|row| row.macro_f1_mean).collect();
        [mean(&accuracy).unwrap_or(f64::NAN), mean(&macro_f1).unwrap_or(f64::NAN)]
    };
    let scores = |set| {
        let ([head, head_f1], [unseen, unseen_f1]) = (of(set, true), of(set, false));
        [head, head_f1, unseen, unseen_f1]
    };
    (0..sets).map(|set| (rows[set].method.clone(), scores(set))).collect()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, label, per_class, seeds] = &arguments[..] else {
        eprintln!("expected: FILE.h5ad LABEL PER_CLASS,.. SEED,..");
        std::process::exit(2);
    };
    let cells = read_h5ad(file)?.preprocess().min_genes(200).min_cells(3).run()?;
    let models: Vec<Arc<dyn EvaluationModel>> =
        vec![Arc::new(LinearProbe), Arc::new(CellTypist::default()), Arc::new(Mlp::default())];
    let mut table: Vec<(String, usize, Vec<[f64; 4]>)> = Vec::new();
    let mut note = |name: String, per_class: usize, scores: [f64; 4]| match table
        .iter_mut()
        .find(|row| row.0 == name && row.1 == per_class)
    {
        Some(row) => row.2.push(scores),
        None => table.push((name, per_class, vec![scores])),
    };
    for seed in numbers(seeds) {
        let study = cells.study(label).seed(seed).run()?;
        eprintln!("{study:?}");
        let choices = choices(&study)?;
        let protocol = Protocol { networks: NETWORKS, seed, ..Protocol::default() };
        for per_class in numbers(per_class).into_iter().map(|number| number as usize) {
            let mut sets = Vec::new();
            for (name, opened) in &choices {
                sets.push(opened.clone().per_class(per_class).small_classes(SmallClasses::TakeAll).run()?);
                eprintln!("{seed} {name}: {:?}", sets.last());
            }
            let opened =
                sets.iter().fold(study.evaluate().control(KMeansPseudobulks), |opened, set| opened.beside(set));
            let evaluation = opened.models(models.clone()).protocol(protocol.clone()).on_validation().run()?;
            for (number, (method, scores)) in scores(&evaluation).into_iter().enumerate() {
                note(
                    choices.get(number).map_or_else(|| format!("*{method}*"), |(name, _)| name.clone()),
                    per_class,
                    scores,
                );
            }
        }
    }
    println!("| choice | per class | linear head: accuracy | macro-F1 | unseen judges: accuracy | macro-F1 |");
    println!("|---|---|---|---|---|---|");
    for (name, per_class, values) in table {
        let of = |which: usize| {
            let values: Vec<f64> = values.iter().map(|scores| scores[which]).collect();
            let mean = mean(&values).unwrap_or(f64::NAN);
            sample_deviation(&values).map_or(format!("{mean:.3}"), |deviation| format!("{mean:.3} ± {deviation:.3}"))
        };
        println!("| {name} | {per_class} | {} | {} | {} | {} |", of(0), of(1), of(2), of(3));
    }
    Ok(())
}
