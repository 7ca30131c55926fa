//! From counts to distilled cells, scores, figures and a file, on simulated cells.

use scdd::distill::DistillConfig;
use scdd::foundation::{NetworkConfig, PretrainingConfig};
use scdd::prelude::*;
use scdd::scdg::{DenoiserConfig, ScdgConfig};
use scdd::visualize::Figure;

/// 400 cells of 4 classes, the smallest of 5 cells.
fn cells() -> Cells<Counts> {
    cells_with_smallest_class(5)
}

fn cells_with_smallest_class(smallest: usize) -> Cells<Counts> {
    scdd::progress::quiet(true);
    simulate().cells(400).genes(300).classes(4).smallest_class(smallest).seed(3).run().unwrap()
}

fn small_study(seed: u64) -> Study {
    small_study_of(&cells(), seed)
}

fn small_study_of(cells: &Cells<Counts>, seed: u64) -> Study {
    let network = NetworkConfig { hidden: vec![64; 3], latent: 32, ..NetworkConfig::default() };
    let pretraining = PretrainingConfig { network, epochs: 10, batch: 64, ..PretrainingConfig::default() };
    let cells = cells.preprocess().min_genes(10).run().unwrap();
    cells.study("cell_type").seed(seed).pretraining(pretraining).run().unwrap()
}

fn small_scdg(study: &Study) -> Scdg {
    let denoiser = DenoiserConfig { widths: vec![64, 32], embedding: 16 };
    let config = ScdgConfig { denoiser, steps: 200, batch: 64, seed: study.config().seed, ..ScdgConfig::default() };
    study.train_scdg().config(config).run().unwrap()
}

#[test]
fn a_distilled_set_trains_a_classifier_far_better_than_chance() {
    // With one or two test cells of a class, a single one would decide the score.
    let study = small_study_of(&cells_with_smallest_class(30), 3);
    let scdg = small_scdg(&study);
    let gradient = scdg.distill(GradientMatching::default()).per_class(1).run().unwrap();
    let distribution = scdg.distill(DistributionMatching::default()).per_class(2).run().unwrap();
    let evaluation = gradient.evaluate().beside(&distribution).run().unwrap();
    let rows = evaluation.rows();
    let names: Vec<_> = rows.iter().map(|row| (row.method.as_str(), row.per_class)).collect();
    assert_eq!(
        names,
        [
            ("scDD+SCDG, DC", Some(1)),
            ("scDD+SCDG, DM", Some(2)),
            ("random cells", Some(1)),
            ("class mean", Some(1)),
            ("random cells", Some(2)),
            ("class mean", Some(2)),
            ("all training cells", None),
        ]
    );
    let all = rows.last().unwrap();
    assert!(all.macro_f1_mean > 0.8, "{all:?}");
    // Four classes: chance is a macro-F1 of at most a quarter.
    assert!(rows[0].macro_f1_mean > 0.5 && rows[1].macro_f1_mean > 0.5, "{rows:?}");
    assert_eq!(rows[0].cells, 4);
    assert_eq!(evaluation.frame().unwrap().height(), 7);
}

#[test]
fn matching_lowers_the_loss() {
    let study = small_study(3);
    let scdg = small_scdg(&study);
    for distilled in [
        scdg.distill(GradientMatching::default()).run().unwrap(),
        scdg.distill(DistributionMatching::default()).run().unwrap(),
    ] {
        let loss = &distilled.history().loss;
        assert_eq!(loss.len(), 50);
        let (first, last) = (loss[..5].iter().sum::<f64>(), loss[45..].iter().sum::<f64>());
        assert!(last < 0.95 * first, "{}: {first} -> {last}", distilled.objective());
        assert!(distilled.expression().iter().all(|value| *value >= 0.0 && value.is_finite()));
    }
}

#[test]
fn one_seed_gives_one_result_and_another_seed_another() {
    let distil = |seed| {
        let study = small_study(seed);
        small_scdg(&study).distill(GradientMatching::default()).steps(5).run().unwrap()
    };
    let (first, again, other) = (distil(3), distil(3), distil(4));
    assert_eq!(first.expression(), again.expression());
    assert_eq!(first.history().loss, again.history().loss);
    assert_ne!(first.expression(), other.expression());
}

#[test]
fn memory_chunks_do_not_change_the_result() {
    let scdg = small_scdg(&small_study(3));
    let distil = |chunk| {
        let config = DistillConfig { chunk, steps: 3, per_class: 3, ..DistillConfig::default() };
        scdg.distill(DistributionMatching::default()).config(config).run().unwrap()
    };
    let (whole, pieces) = (distil(256), distil(5));
    for (a, b) in whole.expression().iter().zip(pieces.expression()) {
        assert!((a - b).abs() < 1e-3, "{a} and {b}");
    }
}

#[test]
fn a_distilled_file_explains_itself_and_reads_back_as_cells() {
    let scdg = small_scdg(&small_study(3));
    let distilled = scdg.distill(GradientMatching::default()).steps(2).per_class(2).run().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("distilled.h5ad");
    distilled.write_h5ad(&path).unwrap();
    let cells = H5ad::open(&path).log_normalized().read().unwrap();
    assert_eq!((cells.cells(), cells.genes()), (8, scdg.study().cells().genes()));
    let labels = cells.labels("cell_type").unwrap();
    assert_eq!(labels.classes.as_slice(), scdg.study().classes());
    assert_eq!(labels.of_cell.as_slice(), distilled.labels());
    for (cell, row) in distilled.expression().rows().into_iter().enumerate() {
        assert_eq!(cells.expression().dense_rows(&[cell]), row.to_vec());
    }
    let recipe = distilled.recipe();
    assert_eq!(recipe["study"]["seed"], 3);
    assert_eq!(recipe["distillation"]["per_class"], 2);
    assert_eq!(recipe["split"]["training_cells_per_class"].as_array().unwrap().len(), 4);
    assert_eq!(recipe["source"], "simulated");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a temporary file was left: {left:?}");
}

#[test]
fn no_file_is_left_where_none_can_be_written() {
    let scdg = small_scdg(&small_study(3));
    let distilled = scdg.distill(DistributionMatching::default()).steps(1).run().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let message = distilled.write_h5ad(folder.path().join("missing/distilled.h5ad")).unwrap_err().to_string();
    assert!(message.contains("missing"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The traces of a figure.
fn traces(figure: &Figure) -> Vec<serde_json::Value> {
    let plot: serde_json::Value = serde_json::from_str(&figure.to_json()).unwrap();
    plot["data"].as_array().unwrap().clone()
}

/// All finite numbers in a value, of lists and of lists in lists.
fn numbers(value: &serde_json::Value) -> Vec<f64> {
    match value.as_array() {
        Some(values) => values.iter().flat_map(numbers).collect(),
        None => value.as_f64().into_iter().collect(),
    }
}

#[test]
fn every_figure_shows_its_data() {
    let study = small_study(3);
    let scdg = small_scdg(&study);
    let distilled = scdg.distill(GradientMatching::default()).steps(5).per_class(2).run().unwrap();
    let training = study.training_cells().train().len();

    let umap = distilled.umap().unwrap();
    assert_eq!(umap.summary(), format!("UMAP of {training} real cells and 8 synthetic cells in 4 classes"));
    let points = |symbol: &str| -> Vec<usize> {
        let cells = traces(&umap).into_iter().filter(|trace| trace["marker"]["symbol"] == symbol);
        let counts = cells.map(|trace| (numbers(&trace["x"]).len(), numbers(&trace["y"]).len()));
        counts.inspect(|(x, y)| assert_eq!(x, y)).map(|(x, _)| x).filter(|&count| count > 0).collect()
    };
    assert_eq!((points("circle").len(), points("circle").iter().sum::<usize>()), (4, training));
    assert_eq!(points("star"), [2; 4]);

    let heatmap = distilled.heatmap().unwrap();
    assert!(heatmap.summary().contains("8 synthetic cells in 4 classes"));
    let panels = traces(&heatmap);
    assert_eq!(panels.len(), 8, "four classes in two panels");
    for (number, trace) in panels.iter().enumerate() {
        let genes = trace["z"].as_array().unwrap();
        assert_eq!(genes.len(), trace["y"].as_array().unwrap().len());
        let cells = numbers(&genes[0]).len();
        // 40 cells of a class are drawn at most.
        assert_eq!(cells, if number < 4 { study.training_cells().train_counts()[number].min(40) } else { 2 });
        assert!(numbers(&trace["z"]).iter().any(|&value| value > 0.0));
    }

    let correlation = distilled.correlation().unwrap();
    assert!(correlation.summary().starts_with("Correlation of 4 classes"));
    let panels = traces(&correlation);
    assert_eq!(panels.len(), 2);
    for trace in &panels {
        let values = numbers(&trace["z"]);
        assert_eq!(values.len(), 16);
        assert!((0..4).all(|class| (values[5 * class] - 1.0).abs() < 1e-6) && values.iter().any(|&r| r < 0.999));
    }

    let lines = [
        (study.loss_curve().unwrap(), study.pretraining_history().reconstruction.clone()),
        (distilled.loss_curve().unwrap(), distilled.history().loss.clone()),
        (scdg.loss_curve().unwrap(), {
            let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
            scdg.history().loss.chunks(20).map(mean).collect()
        }),
    ];
    for (figure, expected) in lines {
        let line = &traces(&figure)[0];
        let (steps, values) = (numbers(&line["x"]), numbers(&line["y"]));
        assert!(!expected.is_empty() && steps.len() == expected.len(), "{}", figure.summary());
        assert_eq!(values.len(), expected.len());
        // Four digits are drawn.
        let near = |(drawn, value): (&f64, &f64)| (drawn - value).abs() <= 1e-3 * value.abs();
        assert!(values.iter().zip(&expected).all(near), "{}", figure.summary());
    }
}

#[test]
fn what_cannot_be_distilled_is_an_error_with_numbers_and_the_mend() {
    let scdg = small_scdg(&small_study(3));
    let distil = |per_class| scdg.distill(GradientMatching::default()).per_class(per_class);
    let message = |builder: scdd::distill::DistillBuilder| builder.run().unwrap_err().to_string();
    assert_eq!(message(distil(0)), "per_class is 0; ask for at least 1 synthetic cell per class");
    let smallest = scdg.study().training_cells().train_counts().into_iter().min().unwrap();
    let too_many = message(distil(smallest + 1));
    for part in
        [format!("per_class is {}", smallest + 1), format!("at most {smallest} per class"), "TakeAll".to_owned()]
    {
        assert!(too_many.contains(&part), "{too_many}");
    }
    let taken = distil(smallest + 1).small_classes(SmallClasses::TakeAll).steps(1).run().unwrap();
    assert_eq!(taken.labels().len(), 4 * (smallest + 1) - 1);
    assert!(message(distil(1).learning_rate(f64::NAN)).contains("learning_rate is NaN"));
    assert!(message(distil(1).noise(Noise::Fixed, 1_001)).contains("0 to 1000"));
}

#[test]
fn an_objective_that_is_not_finite_stops_with_its_name() {
    struct NotANumber;
    impl MatchingObjective for NotANumber {
        fn name(&self) -> String {
            "not a number".to_owned()
        }
        fn loss(&self, matching: &Matching) -> scdd::burn::tensor::Tensor<1> {
            matching.synthetic_embeddings().sum() * f64::NAN
        }
    }
    let scdg = small_scdg(&small_study(3));
    let message = scdg.distill(NotANumber).run().unwrap_err().to_string();
    assert!(message.contains("not a number") && message.contains("step 0 of 50"), "{message}");
}

#[test]
fn sets_of_different_studies_are_not_compared() {
    let distil = |seed| small_scdg(&small_study(seed)).distill(DistributionMatching::default()).steps(1).run().unwrap();
    let message = distil(3).evaluate().beside(&distil(4)).run().unwrap_err().to_string();
    assert!(message.contains("different studies"), "{message}");
}

#[test]
fn a_plan_says_what_would_run() {
    let study = small_study(3);
    let plan = cells().preprocess().min_genes(10).run().unwrap().study("cell_type").plan().unwrap();
    assert!(plan.contains("in 4 classes") && plan.contains("steps"), "{plan}");
    assert!(study.train_scdg().plan().contains("conditioned on 4 classes"));
    let plan = small_scdg(&study).distill(GradientMatching::default()).per_class(2).plan().unwrap();
    assert!(plan.contains("8 synthetic cells of 4 classes"), "{plan}");
}
