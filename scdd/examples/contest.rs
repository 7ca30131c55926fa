//! Distilled sets against controls, before judges that distillation never saw: prints a table per split, then the mean over
//! splits, and every row as a line of JSON.
//!
//!     cargo run --example contest -- FILE.h5ad LABEL PER_CLASS,.. SEED,.. [validation] [steps=50] [networks=5] > rows.jsonl
//!
//! Tables go to standard error. Each seed is a split of its own. With `validation`, scores are taken on validation cells and
//! test cells stay closed: for comparing settings. Sets: DC and DM of expression, of the decoder, of SCDG and of features
//! that are decoded once, SCDG sampled once, and mixtures of metacells that students learn well from. Judges: the linear head on the frozen encoder that they were distilled for, CellTypist's logistic
//! regression, a small MLP and nearest neighbours, all three trained on the synthetic expression.

use std::collections::BTreeMap;
use std::sync::Arc;

use scdd::prelude::*;

fn numbers(text: &str) -> Vec<u64> {
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, label, per_class, seeds, options @ ..] = &arguments[..] else {
        eprintln!("expected: FILE.h5ad LABEL PER_CLASS,.. SEED,.. [validation] [steps=N] [networks=N]");
        std::process::exit(2);
    };
    let validation = options.iter().any(|option| option == "validation");
    let networks = options.iter().find_map(|option| option.strip_prefix("networks=")?.parse::<usize>().ok());
    let steps = options.iter().find_map(|option| option.strip_prefix("steps=")?.parse::<usize>().ok());
    let cells = read_h5ad(file)?.preprocess().min_genes(200).min_cells(3).run()?;
    // Of each model, set and budget: accuracies and macro-F1 of the splits.
    let mut means: BTreeMap<(String, String, Option<usize>), Vec<[f64; 2]>> = BTreeMap::new();
    for seed in numbers(seeds) {
        let study = cells.study(label).seed(seed).run()?;
        eprintln!("{study:?}");
        let scdg = study.train_scdg().run()?;
        let metacells = study.metacells().run()?;
        let mut sets: Vec<Distilled> = Vec::new();
        for per_class in numbers(per_class) {
            let small = SmallClasses::TakeAll;
            macro_rules! distil {
                ($objective:expr) => {
                    for opened in [
                        study.distill_expression($objective),
                        study.distill_decoder($objective),
                        scdg.distill($objective),
                    ] {
                        let opened = opened.per_class(per_class as usize).small_classes(small);
                        sets.push(match steps {
                            Some(steps) => opened.steps(steps).run()?,
                            None => opened.run()?,
                        });
                    }
                };
            }
            distil!(DistributionMatching::default());
            distil!(GradientMatching::default());
            for features in [
                study.distill_features(DistributionMatching::default()),
                study.distill_features(GradientMatching::default()),
            ] {
                sets.push(features.per_class(per_class as usize).small_classes(small).run()?.decoded()?);
            }
            sets.push(scdg.sample().per_class(per_class as usize).small_classes(small).run()?);
            let mixed = metacells.distill(RidgeStudents::default()).per_class(per_class as usize).small_classes(small);
            sets.push(mixed.run()?);
            eprintln!("{:?}", sets.last());
        }
        let opened = sets.iter().fold(study.evaluate(), |evaluation, set| evaluation.beside(set));
        let usual = Protocol { seed, ..Protocol::default() };
        let protocol = Protocol { networks: networks.unwrap_or(usual.networks), ..usual };
        let opened = opened.controls(all_controls()).models(judges()).protocol(protocol);
        let evaluation = if validation { opened.on_validation().run()? } else { opened.run()? };
        eprintln!("{}", evaluation.table()?);
        for row in evaluation.rows() {
            let key = (row.model.clone(), row.method.clone(), row.per_class);
            means.entry(key).or_default().push([row.accuracy_mean, row.macro_f1_mean]);
            let mut line = serde_json::to_value(row).unwrap_or_default();
            line["seed"] = seed.into();
            line["file"] = file.as_str().into();
            line["label"] = label.as_str().into();
            println!("{line}");
        }
    }
    let models: Vec<String> = judges().iter().map(|model| model.name()).collect();
    let mean = |values: &[[f64; 2]], which: usize| values.iter().map(|v| v[which]).sum::<f64>() / values.len() as f64;
    let mut sets: Vec<(String, Option<usize>)> = means.keys().map(|(_, set, budget)| (set.clone(), *budget)).collect();
    sets.sort_by(|a, b| (a.1.is_none(), a.1, &a.0).cmp(&(b.1.is_none(), b.1, &b.0)));
    sets.dedup();
    eprintln!("| training set | per class | {} | mean of those but the linear head |", models.join(" | "));
    eprintln!("|---|---|{}---|", "---|".repeat(models.len()));
    for (set, budget) in sets {
        let of = |model: &String| means.get(&(model.clone(), set.clone(), budget));
        let cell = |model| of(model).map_or("-".to_owned(), |v| format!("{:.3} / {:.3}", mean(v, 0), mean(v, 1)));
        let unseen: Vec<&Vec<[f64; 2]>> = models[1..].iter().filter_map(of).collect();
        let over = |which| unseen.iter().map(|v| mean(v, which)).sum::<f64>() / unseen.len().max(1) as f64;
        let budget = budget.map_or("all".to_owned(), |budget| budget.to_string());
        let columns: Vec<String> = models.iter().map(cell).collect();
        eprintln!("| {set} | {budget} | {} | {:.3} / {:.3} |", columns.join(" | "), over(0), over(1));
    }
    eprintln!("accuracy / macro-F1, mean over the splits");
    Ok(())
}

/// The judges of docs/contest.md: the linear head, and three that distillation never saw.
fn judges() -> Vec<Arc<dyn EvaluationModel>> {
    vec![
        Arc::new(LinearProbe),
        Arc::new(CellTypist::default()),
        Arc::new(Mlp::default()),
        Arc::new(NearestNeighbours::default()),
    ]
}
