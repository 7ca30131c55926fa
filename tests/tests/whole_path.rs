//! From counts to distilled cells, scores, figures and a file, on simulated cells.

use scdd::distill::{DistillBuilder, DistillConfig, ScdgPath};
use scdd::prelude::*;
use scdd_tests::{assert_close, assert_expression, small_cells, small_scdg, study_of};

/// Of cells whose smallest class has 5.
fn small_study(seed: u64) -> Study {
    study_of(&small_cells(5), seed)
}

#[test]
fn a_distilled_set_trains_a_classifier_far_better_than_chance() {
    // With one or two test cells of a class, a single one would decide the score.
    let study = scdd_tests::small_study();
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
        assert_expression(distilled.expression());
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
    assert_close(whole.expression(), pieces.expression(), 1e-3);
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
    assert_eq!(distilled.expression().nrows(), cells.cells());
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

/// The traces of a figure that hold data.
fn traces(figure: &Figure) -> Vec<serde_json::Value> {
    let plot: serde_json::Value = serde_json::from_str(&figure.to_json()).unwrap();
    let traces = plot["data"].as_array().unwrap().iter();
    traces.filter(|trace| !trace["x"][0].is_null()).cloned().collect()
}

/// How many values a trace has along an axis; all are numbers.
fn points(trace: &serde_json::Value, axis: &str) -> usize {
    let values = trace[axis].as_array().unwrap();
    assert!(values.iter().all(serde_json::Value::is_number), "{axis}: {values:?}");
    values.len()
}

#[test]
fn every_figure_says_and_draws_what_it_shows() {
    let study = small_study(3);
    let scdg = small_scdg(&study);
    let distilled = scdg.distill(GradientMatching::default()).steps(5).per_class(2).run().unwrap();
    let training = study.training_cells().train().len();
    let umap = distilled.umap().unwrap();
    assert_eq!(umap.summary(), format!("UMAP of {training} real cells and 8 synthetic cells in 4 classes"));
    let clouds = traces(&umap);
    let drawn = |symbol: &str| -> Vec<usize> {
        let of_symbol = clouds.iter().filter(|trace| trace["marker"]["symbol"] == symbol);
        of_symbol.map(|trace| points(trace, "x").min(points(trace, "y"))).collect()
    };
    assert_eq!((drawn("circle").len(), drawn("circle").iter().sum::<usize>()), (4, training));
    assert_eq!(drawn("star"), [2; 4]);

    let heatmap = distilled.heatmap().unwrap();
    assert!(heatmap.summary().contains("8 synthetic cells in 4 classes"));
    let panels = traces(&heatmap);
    assert_eq!(panels.len(), 8, "four classes of real cells and four of synthetic ones");
    for trace in &panels {
        let rows = trace["z"].as_array().unwrap();
        assert_eq!(rows.len(), 12, "three genes of each class");
        assert!(rows.iter().all(|row| row.as_array().unwrap().len() + 1 == points(trace, "x")));
    }
    assert!(panels[4..].iter().all(|trace| points(trace, "x") == 3), "two cells have three edges");

    let correlation = distilled.correlation().unwrap();
    assert!(correlation.summary().starts_with("Correlation of 4 classes"));
    for matrix in traces(&correlation) {
        let diagonal = (0..4).map(|class| matrix["z"][class][class].as_f64());
        assert_eq!(diagonal.collect::<Vec<_>>(), [Some(1.0); 4]);
    }
    let curves = [study.loss_curve(), scdg.loss_curve(), distilled.loss_curve()].map(Result::unwrap);
    let lengths = curves.each_ref().map(|figure| points(&traces(figure)[0], "y"));
    let epochs = study.pretraining_history().reconstruction.len();
    assert_eq!(lengths, [epochs, scdg.history().loss.len().div_ceil(20), 5]);
    assert!(lengths.iter().all(|&length| length > 0));
}

#[test]
fn what_cannot_be_distilled_is_an_error_with_numbers_and_the_mend() {
    let scdg = small_scdg(&small_study(3));
    let distil = |per_class| scdg.distill(GradientMatching::default()).per_class(per_class);
    type Builder = DistillBuilder<Distilled, ScdgPath>;
    let message = |builder: Builder| builder.run().unwrap_err().to_string();
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
    let plan = small_cells(5).study("cell_type").plan().unwrap();
    assert!(plan.fact("cells").unwrap().ends_with("in 4 classes"), "{plan}");
    assert!(plan.fact("foundation model").unwrap().starts_with("pretrained on the training cells in"), "{plan}");
    assert_eq!(study.train_scdg().plan().unwrap().fact("conditions"), Some("4 classes"));
    let plan = small_scdg(&study).distill(GradientMatching::default()).per_class(2).plan().unwrap();
    assert!(plan.fact("synthetic cells").unwrap().starts_with("8 of 4 classes"), "{plan}");
}
