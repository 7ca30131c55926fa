//! Stories of SCDG's training: it goes on after an interruption or a kill as if nothing had happened.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scdd::foundation::{NetworkConfig, PretrainingConfig};
use scdd::prelude::*;
use scdd::progress::Interrupt;
use scdd::scdg::{DenoiserConfig, ScdgBuilder, ScdgConfig};

/// Says to this test binary, started again by itself, which folder its checkpoints go to.
const CHILD: &str = "SCDD_TEST_SCDG_CHECKPOINTS";

fn study(seed: u64) -> Study {
    scdd::progress::quiet(true);
    let cells = simulate().cells(300).genes(120).classes(3).batches(2).seed(seed).run().unwrap();
    let network = NetworkConfig { latent: 8, hidden: vec![32; 3], ..NetworkConfig::default() };
    let pretraining = PretrainingConfig { network, epochs: 2, batch: 64, ..PretrainingConfig::default() };
    let cells = cells.preprocess().min_genes(5).run().unwrap();
    cells.study("cell_type").pretraining(pretraining).run().unwrap()
}

/// Long enough that it is not through when it is stopped, with everything that draws random numbers.
fn training(study: &Study) -> ScdgBuilder {
    let denoiser = DenoiserConfig { widths: vec![32, 16], embedding: 16 };
    let config = ScdgConfig { denoiser, steps: 1_205, batch: 33, condition_dropout: 0.2, ..ScdgConfig::default() };
    study.train_scdg().config(config).condition("batch")
}

fn expression(scdg: &Scdg) -> Vec<f32> {
    scdg.generate(10).run().unwrap().expression().values().to_vec()
}

fn same(one: &Scdg, other: &Scdg) {
    assert!(one.history().loss == other.history().loss);
    assert!(expression(one) == expression(other));
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Trains until a checkpoint is there, and is stopped.
fn stopped(training: ScdgBuilder, folder: &Path) -> Scdg {
    let stop = Interrupt::default();
    let (other, watched) = (stop.clone(), folder.to_owned());
    let watch = std::thread::spawn(move || {
        while !names(&watched).iter().any(|name| name.starts_with("step-")) {
            std::thread::yield_now();
        }
        other.request();
    });
    let scdg = training.checkpoints(folder).stop_on(&stop).run().unwrap();
    watch.join().unwrap();
    scdg
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
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_training_goes_on_to_the_same_generator"])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !names(folder.path()).iter().any(|name| name.starts_with("step-")) {
        assert!(began.elapsed() < Duration::from_secs(120), "no checkpoint after two minutes");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(names(folder.path()).iter().any(|name| name.starts_with("step-")), "it was through before it was killed");

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
