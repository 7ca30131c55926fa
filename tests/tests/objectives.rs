//! Every objective through whole distillations: losses fall, seeds repeat, wrong settings are refused before anything runs.

use scdd::distill::{DistillBuilder, Distillation};
use scdd::prelude::*;
use scdd_tests::{small_cells, small_study};

/// The mean loss of the last five steps, as a share of that of the first five.
fn fall(made: &Distillation) -> f64 {
    let (loss, gradient) = (&made.history().loss, &made.history().gradient);
    assert_eq!(gradient.len(), loss.len());
    assert!(gradient.iter().all(|norm| norm.is_finite() && *norm > 0.0));
    loss[loss.len() - 5..].iter().sum::<f64>() / loss[..5].iter().sum::<f64>()
}

#[test]
fn every_objective_lowers_its_loss_on_expression_and_on_latents_and_one_table_names_them() {
    let study = small_study();
    let check = |open: &dyn Fn(&Study) -> DistillBuilder, short: &str| {
        let made = open(&study).per_class(2).steps(30).run().unwrap();
        assert_eq!(made.method(), format!("scDD+Decoder, {short}"));
        assert!(fall(&made) < 0.95, "{}: {:?}", made.method(), made.history().loss);
        made
    };
    let sets = [
        check(&|study| study.distill_decoder(CovarianceMatching::default()), "MeanCov"),
        check(&|study| study.distill_decoder(CovarianceMatching::default().variances_only()), "MeanVar"),
        check(&|study| study.distill_decoder(KernelMatching::default()), "MMD"),
        check(&|study| study.distill_decoder(TrajectoryMatching::default()), "MTT"),
        check(&|study| study.distill_decoder(GradientMatching::default().hidden(&[32])), "DC (head 32)"),
        check(&|study| study.distill_decoder(GradientMatching::default().original_loops()), "DC"),
        check(&|study| study.distill_decoder(GradientMatching::default().unfrozen()), "DC (unfrozen)"),
        check(
            &|study| {
                study.distill_decoder(
                    Mixture::new().with(10.0, DistributionMatching::default()).with(1.0, KernelMatching::default()),
                )
            },
            "10 DM + MMD",
        ),
    ];
    for builder in [
        study.distill_expression(KernelMatching::default()),
        study.distill_expression(TrajectoryMatching::default()),
        study.distill_expression(GradientMatching::default().unfrozen()),
    ] {
        let made = builder.per_class(2).steps(30).run().unwrap();
        assert!(fall(&made) < 0.95, "{}: {:?}", made.method(), made.history().loss);
    }
    let mut evaluation = sets[0].evaluate();
    for set in &sets[1..] {
        evaluation = evaluation.beside(set);
    }
    let evaluation = evaluation.run().unwrap();
    // Four classes: chance is a macro-F1 of at most a quarter.
    let rows = &evaluation.rows()[..sets.len()];
    for (row, set) in rows.iter().zip(&sets) {
        assert_eq!(row.method, set.method());
        assert!(row.macro_f1_mean > 0.5, "{row:?}");
    }
}

#[test]
fn one_seed_gives_one_result_for_objectives_that_draw_networks() {
    let study = small_study();
    let expression = |builder: DistillBuilder, seed| builder.steps(3).seed(seed).run().unwrap().expression().clone();
    let open: [&dyn Fn() -> DistillBuilder; 3] = [
        &|| study.distill_decoder(TrajectoryMatching::default().hidden(&[16])),
        &|| study.distill_decoder(GradientMatching::default().hidden(&[16])),
        &|| study.distill_decoder(GradientMatching::default().unfrozen()),
    ];
    for open in open {
        assert_eq!(expression(open(), 3), expression(open(), 3));
        assert_ne!(expression(open(), 3), expression(open(), 4));
    }
}

#[test]
fn an_encoder_that_gives_no_layers_can_not_be_unfrozen_and_the_error_says_which_can() {
    let opened = small_cells(30).study("cell_type").seed(3);
    let pca = Foundation::pca(&opened.training_cells().unwrap()).components(8).run().unwrap();
    let study = opened.foundation(pca).run().unwrap();
    study.distill_expression(GradientMatching::default()).steps(1).run().unwrap();
    let message = study.distill_expression(GradientMatching::default().unfrozen()).run().unwrap_err().to_string();
    assert!(message.contains("encoder's layers") && message.contains("Foundation::pretrain"), "{message}");
    // Inside a mixture too.
    let mixture = Mixture::new().with(1.0, GradientMatching::default().unfrozen());
    assert_eq!(study.distill_expression(mixture).run().unwrap_err().to_string(), message);
}

#[test]
fn embeddings_can_not_go_through_an_encoder_that_is_not_frozen() {
    let study = small_study();
    let message = study.distill_embeddings(GradientMatching::default().unfrozen()).run().unwrap_err().to_string();
    assert!(message.contains("compares expression") && message.contains("FeatDistill"), "{message}");
}

#[test]
fn settings_that_can_not_work_are_refused_with_what_was_found() {
    let study = small_study();
    let refused = |builder: DistillBuilder| builder.run().unwrap_err().to_string();
    for (message, found) in [
        (refused(study.distill_decoder(Mixture::new())), "mixture is empty"),
        (refused(study.distill_decoder(Mixture::new().with(-1.0, KernelMatching::default()))), "-1 of kernel matching"),
        (refused(study.distill_decoder(KernelMatching::default().widths(&[1.0, 0.0]))), "widths is [1.0, 0.0]"),
        (refused(study.distill_decoder(TrajectoryMatching::default().steps(5, 0, 1))), "0 and 1"),
        (refused(study.distill_decoder(GradientMatching::default().hidden(&[0]))), "hidden is [0]"),
        (refused(study.distill_decoder(CovarianceMatching::default().covariance_weight(f64::NAN))), "NaN"),
    ] {
        assert!(message.contains(found) && message.contains("expected"), "{message}");
    }
}

#[test]
fn the_notebook_of_ones_own_objective_has_the_code_of_the_example() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let example = std::fs::read_to_string(format!("{root}/scdd/examples/own_objective.rs")).unwrap();
    let example: Vec<&str> = example.lines().map(str::trim).collect();
    let notebook = std::fs::read_to_string(format!("{root}/notebooks/own_objective.ipynb")).unwrap();
    let notebook: serde_json::Value = serde_json::from_str(&notebook).unwrap();
    let mut lines = 0;
    for cell in notebook["cells"].as_array().unwrap().iter().filter(|cell| cell["cell_type"] == "code") {
        for line in cell["source"].as_array().unwrap() {
            let line = line.as_str().unwrap().trim();
            // Lines that show a value are printed by the example.
            if line.is_empty() || line.starts_with('&') || line.ends_with("()?") && !line.contains('=') {
                continue;
            }
            assert!(example.contains(&line), "'{line}' is not in the example");
            lines += 1;
        }
    }
    assert!(lines > 20, "{lines} lines");
}
