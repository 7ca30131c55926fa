//! Mixtures of metacells: their span, marker genes, and which step is delivered.

use scdd::distill::ValidationModels;
use scdd::prelude::*;

fn study() -> Study {
    let simulation = simulate().cells(500).genes(300).classes(4).smallest_class(30).seed(11);
    let cells = scdd_tests::log_normalized(simulation, 10);
    cells.study("cell_type").foundation_epochs(3).validation_fraction(0.2).run().unwrap()
}

#[test]
fn mixtures_stay_within_what_cells_of_their_class_span() {
    let study = study();
    let metacells = study.metacells().max_per_class(10).run().unwrap();
    let opened = metacells.distill(RidgeSurrogates::default()).per_class(3).steps(40);
    let distilled = opened.run().unwrap();
    let genes = study.cells().genes();
    assert_eq!((distilled.expression().dim(), distilled.labels().len()), ((12, genes), 12));
    for (row, &class) in distilled.expression().rows().into_iter().zip(distilled.labels()) {
        let training = study.training_cells();
        let of_class = training.train().iter().zip(training.train_labels()).filter(|(_, label)| *label == class);
        let cells: Vec<usize> = of_class.map(|(&cell, _)| cell).collect();
        let dense = study.cells().expression().dense_rows(&cells);
        for gene in 0..genes {
            let values = || dense.iter().skip(gene).step_by(genes).copied();
            let (low, high) = (values().fold(f32::MAX, f32::min), values().fold(f32::MIN, f32::max));
            assert!(row[gene] >= low - 1e-4 && row[gene] <= high + 1e-4, "{low} to {high}, {}", row[gene]);
        }
    }
}

#[test]
fn models_on_expression_see_markers_alone_and_foundation_models_see_all_genes() {
    let study = study();
    let metacells = study.metacells().max_per_class(10).run().unwrap();
    let distil = |fractions: &[f64]| {
        let opened = metacells.distill(RidgeSurrogates::default()).per_class(2).n_init(1).steps(0);
        opened.marker_fractions(fractions).run().unwrap()
    };
    let (all, quarter) = (distil(&[1.0]), distil(&[0.25]));
    assert_eq!((all.history().marker_fraction, quarter.history().marker_fraction), (None, Some(0.25)));
    assert!(all.markers().is_none());
    let markers = quarter.markers().unwrap();
    let genes = study.cells().genes();
    assert_eq!(markers.iter().filter(|marker| **marker).count(), genes.div_ceil(4));
    // The set is the same; what models are given is not.
    assert_eq!(all.expression(), quarter.expression());
    let inputs = [&all, &quarter].map(|set| set.model_input(study.foundation()).unwrap());
    assert_eq!(inputs[0].latents().unwrap(), inputs[1].latents().unwrap());
    let rows: Vec<usize> = (0..all.labels().len()).collect();
    let [whole, shown] = inputs.map(|input| input.expression().unwrap().dense_rows(&rows));
    assert_eq!((whole.len(), shown.len()), (8 * genes, 8 * genes));
    for ((place, whole), shown) in whole.iter().enumerate().zip(&shown) {
        assert_eq!(*shown, if markers[place % genes] { *whole } else { 0.0 });
    }
    // Handed on with nothing else, and through a file.
    let only = quarter.only_markers();
    assert!(only.expression().iter().eq(&shown));
    // It stays there for the check that Python reads its markers.
    let path = scdd_tests::for_python("markers.h5ad");
    quarter.write_h5ad(&path).unwrap();
    let back = Distilled::read_h5ad(&path, &study).unwrap();
    assert_eq!((back.markers(), back.expression()), (quarter.markers(), quarter.expression()));
}

#[test]
fn of_several_fractions_of_marker_genes_the_best_on_validation_cells_is_delivered() {
    let study = study();
    let metacells = study.metacells().max_per_class(10).run().unwrap();
    let distil = |fractions: &[f64]| {
        metacells.distill(RidgeSurrogates::default()).steps(0).marker_fractions(fractions).run().unwrap()
    };
    let fractions = [1.0, 0.5, 0.02];
    let score = |set: &Distilled| set.history().validation[0].value();
    let alone = fractions.map(|fraction| distil(&[fraction]));
    let chosen = distil(&fractions);
    assert_eq!(score(&chosen), alone.iter().map(score).fold(f64::MIN, f64::max));
    let fraction = chosen.history().marker_fraction.unwrap();
    let of_fraction = &alone[fractions.iter().position(|other| *other == fraction).unwrap()];
    assert_eq!(chosen.markers(), of_fraction.markers());
    // Linear heads see all genes, and can't say which of them are enough.
    let heads = metacells.distill(RidgeSurrogates::default()).validation_models(ValidationModels::LinearHead);
    let problem = heads.marker_fractions(&fractions).run().unwrap_err().to_string();
    assert!(problem.contains("3 fractions") && problem.contains("Surrogates"), "{problem}");
    for (wrong, found) in [(&[][..], "an empty list"), (&[0.5, 1.5], "1.5"), (&[-0.5], "-0.5")] {
        let problem =
            metacells.distill(RidgeSurrogates::default()).marker_fractions(wrong).run().unwrap_err().to_string();
        assert!(problem.contains("marker_fractions") && problem.contains(found), "{problem}");
    }
}

#[test]
fn one_seed_gives_one_set_and_another_seed_another() {
    let study = study();
    let distil = |seed| {
        let metacells = study.metacells().max_per_class(10).seed(seed).run().unwrap();
        metacells
            .distill(RidgeSurrogates::default())
            .per_class(2)
            .steps(20)
            .min_improvement(0.0)
            .seed(seed)
            .run()
            .unwrap()
    };
    assert_eq!(distil(3).expression(), distil(3).expression());
    assert_ne!(distil(3).expression(), distil(4).expression());
}

#[test]
fn the_initial_set_is_delivered_unless_a_step_improves_it_enough() {
    let study = study();
    let metacells = study.metacells().run().unwrap();
    let distil = |min_improvement| {
        let opened = metacells.distill(RidgeSurrogates::default()).init(Init::RandomReal).steps(40);
        opened.marker_fractions(&[1.0]).min_improvement(min_improvement).run().unwrap()
    };
    // From random cells there is much to win, but not ten standard errors of .05.
    let (won, held) = (distil(0.0), distil(40.0));
    assert!(won.history().kept_step > 0);
    assert_eq!(held.history().kept_step, 0);
    let of = |step: usize| won.history().validation.iter().find(|score| score.step == step).unwrap().value();
    assert!(of(won.history().kept_step) > of(0));
    assert_eq!(won.history().validation.len(), held.history().validation.len());
}

#[test]
fn improvements_that_are_no_numbers_are_refused() {
    let metacells = study().metacells().max_per_class(4).run().unwrap();
    for improvement in [-1.0, f64::NAN] {
        let message =
            metacells.distill(RidgeSurrogates::default()).min_improvement(improvement).run().unwrap_err().to_string();
        assert!(message.contains("min_improvement"), "{message}");
    }
}

#[test]
fn of_several_initialisations_the_best_on_validation_cells_is_taken() {
    let study = study();
    let distil = |init, n_init| {
        let opened = study.distill_expression(RidgeSurrogates::default()).per_class(2).init(init).steps(0);
        opened.n_init(n_init).validation_models(ValidationModels::Surrogates).run().unwrap()
    };
    let (one, many) = (distil(Init::RandomReal, 1), distil(Init::RandomReal, 6));
    let scores: Vec<f64> = many.history().initialisations.iter().map(|score| score.value()).collect();
    assert_eq!((one.history().initialisations.len(), scores.len()), (0, 6));
    // The draws differ, and a seed draws them again.
    assert!(scores.iter().any(|score| *score != scores[0]), "{scores:?}");
    assert_eq!(distil(Init::RandomReal, 6).expression(), many.expression());
    let best = scores.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!(one.expression() == many.expression(), best == scores[0]);
    // Class means don't depend on chance: there is nothing to choose among.
    assert_eq!(distil(Init::ClassMean, 6).history().initialisations.len(), 0);
}

#[test]
fn no_starts_are_refused() {
    let study = study();
    let opened = study.distill_expression(RidgeSurrogates::default()).n_init(0);
    assert!(opened.run().unwrap_err().to_string().contains("n_init"));
}
