//! Stories of the stop button: all long work of the process stops at its next step and hands back what it has, or says
//! that there is nothing. One test, because there is one switch in a process.

use std::time::{Duration, Instant};

use scdd::foundation::PretrainingConfig;
use scdd::prelude::*;
use scdd::progress::{clear_stop, request_stop, stop_requested};
use scdd::scdg::ScdgConfig;
use scdd_tests::{assert_expression, denoiser, log_normalized, pretraining};

/// Far more steps than anybody waits for.
const FOREVER: usize = 10_000_000;

/// Runs long work, presses stop a moment later, and gives what came of it; the next cell begins.
fn stopped<T>(work: impl FnOnce() -> T) -> T {
    let press = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(400));
        request_stop();
    });
    let began = Instant::now();
    let made = work();
    assert!(began.elapsed() < Duration::from_secs(20), "it did not stop");
    press.join().unwrap();
    assert!(stop_requested());
    clear_stop();
    made
}

/// What work says that begins when stop was pressed already.
fn refused<T>(work: impl FnOnce() -> scdd::Result<T>) -> String {
    request_stop();
    let problem = work().err().expect("it ran although it was asked to stop").to_string();
    clear_stop();
    problem
}

#[test]
fn all_long_work_stops_when_it_is_asked_to() {
    let cells = log_normalized(simulate().cells(400).genes(150).classes(3).seed(7), 5);
    let config = PretrainingConfig { patience: None, ..pretraining(32, 8, FOREVER) };
    let opened = || cells.study("cell_type").validation_fraction(0.2).pretraining(config.clone());

    // Pretraining hands back the model, and the study comes with embeddings through it.
    let study = stopped(|| opened().run().unwrap());
    assert!(study.foundation().name().contains("SCimilarity"));
    assert!(refused(|| opened().run()).contains("stopped as asked, after 0 of"));

    // SCDG's training, from the trait's own history.
    let config = ScdgConfig { denoiser: denoiser(32, 16), steps: FOREVER, batch: 32, ..ScdgConfig::default() };
    let scdg = stopped(|| study.train_scdg().config(config.clone()).run().unwrap());
    assert!(scdg.history().interrupted && !scdg.history().loss.is_empty());
    assert!(refused(|| study.train_scdg().config(config.clone()).run()).contains("training SCDG was stopped"));

    // Distilling.
    let distil = || scdg.distill(DistributionMatching::default()).steps(FOREVER);
    let distilled = stopped(|| distil().run().unwrap());
    assert!(distilled.history().interrupted && !distilled.history().loss.is_empty());
    assert_expression(distilled.expression());
    assert!(refused(|| distil().run()).contains("was stopped as asked"));

    // What has nothing to hand back says so.
    assert!(refused(|| distilled.evaluate().run()).contains("evaluation was stopped as asked, after 0 models"));
    assert!(refused(|| scdg.generate(10).run()).contains("generating cells was stopped"));
    assert!(refused(|| study.metacells().run()).contains("grouping cells was stopped"));
    assert!(refused(|| distilled.privacy().run()).contains("privacy was stopped"));

    // And a layout is a layout after any number of epochs.
    request_stop();
    let places = distilled.umap();
    clear_stop();
    assert!(places.is_ok());

    // Afterwards everything runs as if nothing had been.
    assert!(distilled.evaluate().run().is_ok());
}
