use burn::tensor::Tensor;

use crate::foundation::Likelihood;
use crate::prelude::*;
use crate::{progress, tensors};

fn study() -> Study {
    let cells = simulate().cells(600).genes(150).classes(3).run().unwrap();
    let cells = cells.preprocess().min_genes(5).run().unwrap();
    cells.study("cell_type").foundation_epochs(3).run().unwrap()
}

fn trained(study: &Study, likelihood: Likelihood) -> Study {
    study.train_decoder().likelihood(likelihood).hidden(&[64, 64]).epochs(25).run().unwrap()
}

/// Mean counts per 1e4 of a class `[genes]`: of its training cells, and of the decoded cells of their latents.
fn mean_counts(study: &Study, class: u32) -> (Vec<f64>, Vec<f64>) {
    let training = study.training_cells();
    let labels = training.train_labels();
    let cells: Vec<usize> =
        training.train().iter().zip(&labels).filter(|(_, label)| **label == class).map(|(&cell, _)| cell).collect();
    let genes = study.cells().genes();
    let mean = |values: Vec<f32>| {
        let mut mean = vec![0.0; genes];
        for row in values.chunks_exact(genes) {
            mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x).exp_m1() / cells.len() as f64);
        }
        mean
    };
    let latents = tensors::tensor(&study.embeddings_of(&cells), study.device());
    let decoded = tensors::to_vec(study.foundation().decode(latents).unwrap());
    (mean(study.cells().expression().dense_rows(&cells)), mean(decoded))
}

/// Sum of absolute differences over the sum.
fn distance(real: &[f64], made: &[f64]) -> f64 {
    real.iter().zip(made).map(|(real, made)| (real - made).abs()).sum::<f64>() / real.iter().sum::<f64>()
}

#[test]
fn a_count_likelihood_makes_mean_counts_where_squared_error_of_logarithms_makes_fewer() {
    let study = study();
    let of = |likelihood| {
        let study = trained(&study, likelihood);
        let (real, made) = mean_counts(&study, 0);
        (distance(&real, &made), made.iter().sum::<f64>() / real.iter().sum::<f64>())
    };
    let (squared, squared_total) = of(Likelihood::SquaredError);
    for likelihood in [Likelihood::Poisson, Likelihood::NegativeBinomial] {
        let (counts, total) = of(likelihood);
        assert!(counts < 0.6 * squared, "{}: {counts} beside {squared}", likelihood.name());
        assert!((total - 1.0).abs() < 0.1 && squared_total < 0.9, "{total} beside {squared_total}");
    }
}

#[test]
fn the_loss_falls_below_that_of_the_mean_of_all_cells_and_one_seed_makes_one_decoder() {
    let study = study();
    for likelihood in Likelihood::ALL {
        let (one, two) = (trained(&study, likelihood), trained(&study, likelihood));
        let (_, history) = one.decoder().unwrap();
        assert!(history.validation[history.kept_epoch] < history.training[0], "{}: {history:?}", likelihood.name());
        let lowest = history.validation.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(history.kept_loss(), Some(lowest));
        let (first, second) = (mean_counts(&one, 1).1, mean_counts(&two, 1).1);
        assert_eq!(first, second);
    }
}

#[test]
fn the_gradient_of_decoding_is_that_of_finite_differences() {
    let study = study();
    for likelihood in Likelihood::ALL {
        let foundation = trained(&study, likelihood).foundation().clone();
        let row = study.embeddings_of(&study.training_cells().train()[..1]);
        let sum = |row: &ndarray::Array2<f32>| {
            let made = tensors::to_vec(foundation.decode(tensors::tensor(row, study.device())).unwrap());
            made.into_iter().map(f64::from).sum::<f64>()
        };
        let leaf = tensors::tensor(&row, &study.device().clone().autodiff()).require_grad();
        let gradients = foundation.decode(leaf.clone()).unwrap().sum().backward();
        let found = tensors::to_vec(leaf.grad(&gradients).unwrap());
        for column in [0, 17, 101] {
            let shifted = |by: f32| {
                let mut row = row.clone();
                row[[0, column]] += by;
                sum(&row)
            };
            let expected = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            let difference = (f64::from(found[column]) - expected).abs();
            assert!(
                difference < 0.05 * expected.abs() + 0.05,
                "{}: {} and {expected}",
                likelihood.name(),
                found[column]
            );
        }
    }
}

#[test]
fn codes_far_from_any_cell_decode_to_finite_expression() {
    let study = trained(&study(), Likelihood::Poisson);
    let far = Tensor::full([1, study.foundation().latent()], 1e6, study.device());
    let made = tensors::to_vec(study.foundation().decode(far).unwrap());
    assert!(made.iter().all(|value| value.is_finite() && *value >= 0.0));
}

#[test]
fn sets_through_either_decoder_stand_in_one_table_and_say_which_it_was() {
    let study = study();
    let counts = trained(&study, Likelihood::Poisson);
    assert!(study.decoder().is_none());
    let distil = |study: &Study| study.distill_decoder(DistributionMatching::default()).steps(2).run().unwrap();
    let (own, other) = (distil(&study), distil(&counts));
    assert!(own.evaluate().beside(&other).run().is_ok());
    assert_eq!(other.recipe()["foundation"]["decoder"]["likelihood"], "Poisson");
    assert!(own.recipe()["foundation"]["decoder"].is_null());
}

#[test]
fn a_model_without_a_decoder_gets_one() {
    let cells = simulate().cells(300).genes(100).classes(2).run().unwrap();
    let cells = cells.preprocess().min_genes(5).run().unwrap();
    let cells = cells.with_obsm("X_mine", ndarray::Array2::ones((cells.cells(), 8))).unwrap();
    let study = cells.study("cell_type").foundation(Foundation::precomputed("X_mine")).run().unwrap();
    assert!(study.train_scdg().steps(2).run().is_err());
    let study = study.train_decoder().hidden(&[16]).epochs(1).run().unwrap();
    assert!(study.train_scdg().steps(2).run().is_ok());
}

#[test]
fn an_interrupted_training_keeps_the_best_until_then() {
    let study = study();
    let stop = progress::Interrupt::default();
    stop.request();
    let stopped = study.train_decoder().hidden(&[16]).stop_on(&stop).run().unwrap();
    let (_, history) = stopped.decoder().unwrap();
    assert_eq!((history.ended, history.training.len()), (crate::foundation::Ended::Interrupted, 0));
    let summary = format!("{stopped:?}");
    assert!(summary.contains("decoder trained anew (squared error)") && summary.contains("no epoch done"), "{summary}");
}

#[test]
fn settings_out_of_range_say_what_is_expected() {
    let study = study();
    let message = |opened: crate::study::DecoderBuilder| opened.run().unwrap_err().to_string();
    let found = message(study.train_decoder().hidden(&[]));
    assert_eq!(found, "hidden is []; expected at least one hidden layer, each of at least 1");
    assert!(message(study.train_decoder().epochs(0)).contains("epochs is 0"));
    assert!(message(study.train_decoder().patience(Some(0))).contains("or None"));
    assert!(message(study.train_decoder().learning_rate(f64::NAN)).contains("above 0"));
}
