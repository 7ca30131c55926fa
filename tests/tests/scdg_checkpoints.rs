//! Stories of SCDG's training: it goes on after an interruption or a kill as if nothing had happened.

use std::path::Path;

use scdd::prelude::*;
use scdd::progress::Interrupt;
use scdd::scdg::{ScdgBuilder, ScdgConfig};
use scdd_tests::{denoiser, interrupted, kill, log_normalized, names, pretraining};

/// Says to this test binary, started again by itself, which folder its checkpoints go to.
const CHILD: &str = "SCDD_TEST_SCDG_CHECKPOINTS";

fn study(seed: u64) -> Study {
    let cells = log_normalized(simulate().cells(300).genes(120).classes(3).batches(2).seed(seed), 5);
    cells.study("cell_type").pretraining(pretraining(32, 8, 2)).run().unwrap()
}

/// Long enough that it is not through when it is stopped, with everything that draws random numbers.
fn training(study: &Study) -> ScdgBuilder {
    let denoiser = denoiser(32, 16);
    let config = ScdgConfig { denoiser, steps: 1_205, batch: 33, condition_dropout: 0.2, ..ScdgConfig::default() };
    study.train_scdg().config(config).condition("batch")
}

fn expression(scdg: &Scdg) -> Vec<f32> {
    scdg.generate(10).run().unwrap().expression().values().to_vec()
}

fn same(one: &Scdg, other: &Scdg) {
    assert!(!one.history().loss.is_empty() && one.history().loss == other.history().loss);
    assert!(expression(one) == expression(other));
}

/// Trains until a checkpoint is there, and is stopped.
fn stopped(training: ScdgBuilder, folder: &Path) -> Scdg {
    interrupted(folder, "step-", |stop| training.checkpoints(folder).stop_on(stop).run().unwrap())
}

#[test]
fn an_interrupted_training_keeps_what_there_is_and_goes_on_to_the_same_generator() {
    let study = study(1);
    let whole = training(&study).run().unwrap();
    assert!(!whole.history().interrupted);
    let folder = tempfile::tempdir().unwrap();
    let part = stopped(training(&study), folder.path());
    let done = part.history().loss.len();
    assert!(part.history().interrupted && (100..1_205).contains(&done), "{done} steps");
    assert!(format!("{part:?}").contains("interrupted, 1205 steps were planned"), "{part:?}");
    assert!(expression(&part) != expression(&whole));
    // Not one step is lost.
    assert_eq!(names(folder.path()), [format!("step-{done:05}")]);

    let resumed = training(&study).checkpoints(folder.path()).run().unwrap();
    same(&resumed, &whole);
    assert!(names(folder.path()).is_empty(), "a finished training leaves {:?}", names(folder.path()));
}

#[test]
fn a_killed_training_goes_on_to_the_same_generator() {
    let study = study(1);
    if let Some(folder) = std::env::var_os(CHILD) {
        training(&study).checkpoints(folder).run().unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    kill("a_killed_training_goes_on_to_the_same_generator", CHILD, folder.path(), "step-");

    let resumed = training(&study).checkpoints(folder.path()).run().unwrap();
    let whole = training(&study).run().unwrap();
    same(&resumed, &whole);
}

#[test]
fn checkpoints_of_another_training_are_refused_and_a_damaged_one_says_what_to_delete() {
    let study = study(1);
    let folder = tempfile::tempdir().unwrap();
    stopped(training(&study), folder.path());
    let refused = |training: ScdgBuilder| training.checkpoints(folder.path()).run().unwrap_err().to_string();
    let message = refused(training(&study).seed(8));
    assert!(message.contains("a training of SCDG with another config or seed"), "{message}");
    let message = refused(training(&self::study(2)));
    assert!(message.contains("other latents, labels or conditions"), "{message}");

    let weights = folder.path().join(&names(folder.path())[0]).join("weights.bpk");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    let message = refused(training(&study));
    assert!(message.contains("delete this folder") && message.contains("step-"), "{message}");
}

#[test]
fn a_training_that_is_stopped_before_its_first_step_says_so() {
    let stop = Interrupt::default();
    stop.request();
    let folder = tempfile::tempdir().unwrap();
    let scdg = training(&study(1)).checkpoints(folder.path()).stop_on(&stop).run().unwrap();
    assert!(scdg.history().interrupted && scdg.history().loss.is_empty());
    assert!(format!("{scdg:?}").contains("trained in 0 steps"), "{scdg:?}");
    assert!(names(folder.path()).is_empty());
}
