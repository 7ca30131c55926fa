//! Stories of generating cells: they are of their class, one seed gives one result, conditions and guidance do what they
//! say, and what the training cells don't have is refused.

use std::sync::OnceLock;

use scdd::evaluate::{Protocol, train_heads};
use scdd::foundation::PretrainingConfig;
use scdd::polars::prelude::{Column, NamedFrom, Series};
use scdd::prelude::*;
use scdd::scdg::ScdgConfig;
use scdd_tests::{assert_expression, denoiser, log_normalized, pretraining};

/// 400 cells of 4 classes in two tissues. Class by class the first tissue is more frequent; "type_4" is in blood only.
fn cells() -> Cells<LogNormalized> {
    let cells = log_normalized(simulate().cells(400).genes(200).classes(4).smallest_class(40).seed(3), 5);
    let labels = cells.labels("cell_type").unwrap();
    let tissue = |cell: usize| match labels.of_cell[cell] {
        3 => "blood",
        class if (cell + class as usize).is_multiple_of(3) => "skin",
        _ => "blood",
    };
    let tissues: Vec<&str> = (0..cells.cells()).map(tissue).collect();
    cells.with_obs(Column::new("tissue".into(), tissues)).unwrap()
}

fn study_of(cells: &Cells<LogNormalized>) -> Study {
    study_after(2, cells)
}

fn study_after(epochs: usize, cells: &Cells<LogNormalized>) -> Study {
    let config = PretrainingConfig { batch: 32, patience: None, ..pretraining(64, 16, epochs) };
    cells.study("cell_type").pretraining(config).run().unwrap()
}

fn small(steps: usize) -> ScdgConfig {
    ScdgConfig { denoiser: denoiser(64, 32), schedule: Schedule::cosine(50), steps, batch: 64, ..ScdgConfig::default() }
}

/// Conditioned on the tissue, and fit for guidance.
fn scdg() -> &'static Scdg {
    static SCDG: OnceLock<Scdg> = OnceLock::new();
    SCDG.get_or_init(|| {
        let training = study_after(100, &cells()).train_scdg().config(small(800));
        training.condition("tissue").condition_dropout(0.1).run().unwrap()
    })
}

/// The share of the cells that a linear head, trained on the real training cells' latents, takes for what a column says.
fn recognised_by(column: &str, scdg: &Scdg, cells: &Cells<LogNormalized>) -> f64 {
    let study = scdg.study();
    let training = study.training_cells();
    let embed = |cells: &Cells<LogNormalized>| study.foundation().embed_cells(cells).unwrap();
    let real = study.cells().select_cells(training.train()).unwrap();
    let labels = real.labels(column).unwrap();
    let protocol = Protocol { networks: 1, epochs: 60, ..Protocol::default() };
    let heads = train_heads(&embed(&real), &labels.of_cell, labels.classes.len(), &protocol).unwrap();
    let predicted = heads[0].predict(&embed(cells)).unwrap();
    let named = cells.obs().column(column).unwrap().str().unwrap();
    let right =
        predicted.iter().zip(named.iter()).filter(|&(&class, name)| name == Some(&labels.classes[class as usize]));
    right.count() as f64 / cells.cells() as f64
}

fn recognised(scdg: &Scdg, cells: &Cells<LogNormalized>) -> f64 {
    recognised_by("cell_type", scdg, cells)
}

#[test]
fn generated_cells_are_of_their_class_whatever_the_sampler() {
    let scdg = scdg();
    // Four classes: chance is a quarter.
    for sampler in [
        Sampler::SingleStep { step: 5, noise: Noise::Fresh },
        Sampler::SingleStep { step: 40, noise: Noise::Fresh },
        Sampler::SingleStep { step: 5, noise: Noise::None },
        Sampler::Ddim { steps: 10 },
        Sampler::Ddim { steps: 50 },
        Sampler::Ddpm,
        Sampler::Decoder,
    ] {
        let mut builder = scdg.generate(80).sampler(sampler);
        for class in scdg.study().classes() {
            builder = builder.class(class);
        }
        let share = recognised(scdg, &builder.run().unwrap());
        assert!(share > 0.8, "{sampler:?}: {share}");
    }
}

#[test]
fn cells_come_in_the_training_proportions_with_the_genes_of_the_study() {
    let scdg = scdg();
    // More than one chunk.
    let cells = scdg.generate(300).run().unwrap();
    assert_eq!((cells.cells(), cells.gene_names()), (300, scdg.study().cells().gene_names()));
    let counts = scdg.study().training_cells().train_counts();
    let total: usize = counts.iter().sum();
    let made = cells.labels("cell_type").unwrap().count_per_class();
    assert_eq!((made.len(), counts.len()), (4, 4));
    for (made, count) in made.iter().zip(counts) {
        let share = 300.0 * count as f64 / total as f64;
        assert!((*made as f64 - share).abs() < 1.0, "{made} and {share}");
    }
    let values = cells.expression().values();
    assert!(!values.is_empty() && values.iter().all(|&value| value > 0.0 && value.is_finite()));
    assert_eq!(cells.cell_names()[0], "type_1 1");
    assert!(cells.provenance().source.contains("generated from simulated"), "{:?}", cells.provenance());
    // Tissues as the cells had them: the last class is in blood only.
    let last = cells.only("cell_type", &["type_4"]).unwrap();
    assert_eq!(last.only("tissue", &["blood"]).unwrap().cells(), last.cells());
}

#[test]
fn one_seed_gives_the_same_cells_and_another_seed_others() {
    for sampler in [Sampler::SingleStep { step: 20, noise: Noise::Fresh }, Sampler::Ddpm, Sampler::Ddim { steps: 5 }] {
        let cells = |seed| scdg().generate(20).sampler(sampler).seed(seed).run().unwrap();
        assert_eq!(cells(1).expression(), cells(1).expression());
        assert_ne!(cells(1).expression(), cells(2).expression());
    }
}

#[test]
fn generated_cells_are_of_the_condition_that_was_given() {
    // Batches that differ much stand for tissues.
    let cells = simulate().cells(400).genes(200).classes(3).smallest_class(60).batches(2).batch_effect(1.0).seed(3);
    let study = study_after(100, &log_normalized(cells, 5));
    let scdg = study.train_scdg().config(small(800)).condition("batch").run().unwrap();
    for sampler in [Sampler::SingleStep { step: 20, noise: Noise::Fresh }, Sampler::Ddim { steps: 10 }] {
        for batch in ["batch_1", "batch_2"] {
            let cells = scdg.generate(60).condition("batch", batch).sampler(sampler).run().unwrap();
            assert_eq!(cells.only("batch", &[batch]).unwrap().cells(), 60);
            // Two batches: chance is a half.
            let shares = (recognised_by("batch", &scdg, &cells), recognised(&scdg, &cells));
            assert!(shares.0 > 0.8 && shares.1 > 0.8, "{sampler:?} of {batch}: {shares:?}");
        }
    }
}

#[test]
fn a_class_and_a_tissue_that_were_never_seen_together_come_from_noise_only() {
    let asked = scdg().generate(5).class("type_4").condition("tissue", "skin");
    let message = asked.run().unwrap_err().to_string();
    assert!(message.contains("'type_4' with 'skin' in 'tissue'") && message.contains("Ddim"), "{message}");
    let cells = asked.sampler(Sampler::Ddim { steps: 5 }).run().unwrap();
    assert_eq!(cells.only("tissue", &["skin"]).unwrap().cells(), 5);
}

#[test]
fn guidance_of_minus_one_forgets_the_class_and_more_of_it_does_not() {
    let with = |w| {
        let builder = scdg().generate(60).class("type_4").sampler(Sampler::Ddim { steps: 10 }).guidance(w);
        builder.run().unwrap()
    };
    let (without, plain, guided) = (with(-1.0), with(0.0), with(1.0));
    let share = |cells: &Cells<LogNormalized>| recognised(scdg(), cells);
    assert!(share(&without) < 0.5, "{}", share(&without));
    assert!(share(&plain) > 0.7 && share(&guided) > 0.7, "{} and {}", share(&plain), share(&guided));
    assert_ne!(plain.expression(), guided.expression());
}

#[test]
fn what_the_training_cells_do_not_have_is_refused_with_what_they_have() {
    let refused = |builder: scdd::scdg::GenerateBuilder| builder.run().unwrap_err().to_string();
    let message = refused(scdg().generate(3).class("type_9"));
    assert!(message.contains("'type_9' is no class") && message.contains("'type_1', 'type_2'"), "{message}");
    let message = refused(scdg().generate(3).condition("tissue", "liver"));
    assert!(message.contains("'liver'") && message.contains("'blood', 'skin'"), "{message}");
    let message = refused(scdg().generate(3).condition("organ", "liver"));
    assert!(message.contains("'organ' is no condition") && message.contains("'tissue'"), "{message}");
    let message = refused(scdg().generate(3).sampler(Sampler::Ddim { steps: 51 }));
    assert!(message.contains("51") && message.contains("1 to 50"), "{message}");
    assert!(refused(scdg().generate(0)).contains("at least 1"));

    let plain = scdg().study().train_scdg().config(small(5)).run().unwrap();
    let message = refused(plain.generate(3).guidance(1.0));
    assert!(message.contains("guidance is 1") && message.contains(".condition_dropout(0.1)"), "{message}");
    let message = refused(plain.generate(3).condition("tissue", "skin"));
    assert!(message.contains("there are none"), "{message}");
}

#[test]
fn columns_that_can_not_be_conditions_are_refused() {
    let cells = cells();
    let study = study_of(&cells);
    let refused = |study: &Study, column: &str| {
        study.train_scdg().config(small(5)).condition(column).run().unwrap_err().to_string()
    };
    let message = refused(&study, "organ");
    assert!(message.contains("'organ'") && message.contains("'tissue'"), "{message}");
    assert!(refused(&study, "cell_type").contains("already"));

    // Values are missing, or only one is there, or each cell has its own, among the training cells.
    let training = study.training_cells();
    let of_cells = |training: &dyn Fn(usize) -> Option<String>, other: &dyn Fn(usize) -> Option<String>| {
        let inside = |cell: &usize| study.training_cells().train().binary_search(cell).is_ok();
        let values: Vec<Option<String>> =
            (0..cells.cells()).map(|cell| if inside(&cell) { training(cell) } else { other(cell) }).collect();
        cells.with_obs(Series::new("site".into(), values).into()).unwrap()
    };
    let part = |cell: usize| Some(if cell.is_multiple_of(2) { "here" } else { "there" }.to_owned());
    let first = training.train()[0];
    let missing = study_of(&of_cells(&|cell| if cell == first { None } else { part(cell) }, &part));
    let message = refused(&missing, "site");
    assert!(message.contains("1 of") && message.contains("'here', 'there'"), "{message}");
    assert!(message.contains("drop_missing(\"site\")"), "{message}");
    let one = study_of(&of_cells(&|_| Some("here".to_owned()), &part));
    assert!(refused(&one, "site").contains("have the value 'here'"));
    let names = study_of(&of_cells(&|cell| Some(format!("cell {cell}")), &part));
    assert!(refused(&names, "site").contains("different values"));

    // What other cells have, or lack, decides nothing.
    let foreign =
        study_of(&of_cells(&part, &|cell| if cell.is_multiple_of(2) { None } else { Some("far".to_owned()) }));
    let scdg = foreign.train_scdg().config(small(5)).condition("site").run().unwrap();
    assert_eq!(scdg.condition_values("site").unwrap(), ["here", "there"]);
    let same = study_of(&of_cells(&part, &part)).train_scdg().config(small(5)).condition("site").run().unwrap();
    assert_eq!(scdg.history().loss, same.history().loss);
    let message = scdg.generate(2).condition("site", "far").run().unwrap_err().to_string();
    assert!(message.contains("'far'") && message.contains("'here', 'there'"), "{message}");
}

#[test]
fn a_distillation_by_class_alone_works_with_further_conditions() {
    let distilled = scdg().distill(DistributionMatching::default()).steps(5).noise(Noise::Fixed, 5).run().unwrap();
    assert_eq!(distilled.labels(), [0, 1, 2, 3]);
    assert_expression(distilled.expression());
}

#[test]
fn weights_over_time_and_another_schedule_change_the_training() {
    let study = scdg().study();
    let loss = |config: ScdgConfig| study.train_scdg().config(config).run().unwrap().history().loss.clone();
    let plain = loss(small(20));
    let weighted = loss(ScdgConfig { loss_weights: LossWeights::MinSnr { gamma: 5.0 }, ..small(20) });
    let linear = loss(ScdgConfig { schedule: Schedule::linear(50), ..small(20) });
    assert!(plain[0] != weighted[0] && plain[0] != linear[0]);
    assert!([plain, weighted, linear].iter().flatten().all(|loss| loss.is_finite()));
}
