//! Stories of a distillation: it goes on after an interruption or a kill as if nothing had happened.

use std::path::Path;

use scdd::distill::{DistillBuilder, StepOrder};
use scdd::ndarray::Array2;
use scdd::prelude::*;
use scdd::progress::Interrupt;
use scdd::scdg::ScdgConfig;
use scdd_tests::{denoiser, interrupted, kill, log_normalized, names, pretraining};

/// Says to this test binary, started again by itself, which folder its checkpoints go to.
const CHILD: &str = "SCDD_TEST_DISTILL_CHECKPOINTS";
/// Enough that it is not through when it is stopped.
const STEPS: usize = 305;

fn study(seed: u64) -> Study {
    let cells = log_normalized(simulate().cells(300).genes(120).classes(3).seed(seed), 5);
    cells.study("cell_type").pretraining(pretraining(32, 8, 2)).run().unwrap()
}

fn scdg_of(steps: usize, study: &Study) -> Scdg {
    let denoiser = denoiser(32, 16);
    let config = ScdgConfig { denoiser, steps, batch: 33, condition_dropout: 0.2, ..ScdgConfig::default() };
    study.train_scdg().config(config).run().unwrap()
}

fn scdg(study: &Study) -> Scdg {
    scdg_of(40, study)
}

/// With everything that draws random numbers, and validation checks.
fn distillation(scdg: &Scdg, steps: usize) -> DistillBuilder {
    distillation_by(GradientMatching::default(), scdg, steps)
}

fn distillation_by(objective: impl MatchingObjective, scdg: &Scdg, steps: usize) -> DistillBuilder {
    let builder = scdg.distill(objective).per_class(2).steps(steps).early_stopping(7, 1_000_000);
    builder.guidance(0.5).noise(Noise::Fresh, 90).into()
}

/// Distils until a checkpoint is in the folder that is watched, and is stopped.
fn stopped(builder: DistillBuilder, folder: &Path, watched: &Path) -> Distilled {
    interrupted(watched, "step-", |stop| builder.checkpoints(folder).stop_on(stop).run().unwrap())
}

fn same(one: &Distilled, other: &Distilled) {
    let bits = |values: &Array2<f32>| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(!one.expression().is_empty() && !one.history().loss.is_empty());
    assert!(bits(one.expression()) == bits(other.expression()));
    assert!(one.history().loss == other.history().loss);
    assert!(one.history().gradient == other.history().gradient);
    assert!(one.history().validation == other.history().validation);
    assert_eq!(one.history().kept_step, other.history().kept_step);
}

#[test]
fn an_interrupted_distillation_keeps_what_there_is_and_goes_on_to_the_same_set() {
    let scdg = scdg(&study(1));
    let folder = tempfile::tempdir().unwrap();
    let part = stopped(distillation(&scdg, STEPS), folder.path(), folder.path());
    let done = part.history().loss.len();
    assert!(part.history().interrupted && (10..STEPS).contains(&done), "{done} steps");
    assert!(format!("{part:?}").contains(&format!("in {done} steps")), "{part:?}");
    assert!(format!("{part:?}").contains("interrupted, 305 steps were planned"), "{part:?}");
    // Not one step is lost, and what is delivered is the best on validation cells.
    assert_eq!(names(folder.path()), [format!("step-{done:05}")]);
    let kept = part.history().validation.iter().find(|score| score.step == part.history().kept_step).unwrap();
    assert!(part.history().validation.iter().all(|score| !score.is_better_than(kept)));

    let resumed = distillation(&scdg, STEPS).checkpoints(folder.path()).run().unwrap();
    same(&resumed, &distillation(&scdg, STEPS).run().unwrap());
    assert!(!resumed.history().interrupted);
    assert!(names(folder.path()).is_empty(), "a finished distillation leaves {:?}", names(folder.path()));
}

#[test]
fn a_killed_distillation_goes_on_to_the_same_set() {
    let study = study(1);
    // Expression as codes, class by class: other codes and optimiser states than above.
    let builder = || {
        let builder = study.distill_expression(GradientMatching::default()).per_class(2).steps(STEPS);
        builder.step_order(StepOrder::PerClass).optimizer(Optimizer::Sgd { momentum: 0.5 }).early_stopping(8, 1_000_000)
    };
    if let Some(folder) = std::env::var_os(CHILD) {
        builder().checkpoints(folder).run().unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    kill("a_killed_distillation_goes_on_to_the_same_set", CHILD, folder.path(), "step-");

    let resumed = builder().checkpoints(folder.path()).run().unwrap();
    same(&resumed, &builder().run().unwrap());
}

#[test]
fn a_choice_of_the_learning_rate_goes_on_in_the_rate_that_it_was_stopped_in() {
    let study = study(1);
    let builder = || {
        let builder = study.distill_decoder(GradientMatching::default()).steps(STEPS);
        builder.choose_learning_rate(&[1e30, 0.01, 0.05])
    };
    let folder = tempfile::tempdir().unwrap();
    let part = stopped(builder(), folder.path(), &folder.path().join("rate-0.05"));
    assert!(part.history().interrupted);
    assert_eq!(names(&folder.path().join("rate-0.01")), [format!("step-{STEPS:05}")], "done, and kept until all are");
    let resumed = builder().checkpoints(folder.path()).run().unwrap();
    let whole = builder().run().unwrap();
    same(&resumed, &whole);
    assert_eq!(
        (resumed.history().runs.clone(), resumed.learning_rate()),
        (whole.history().runs.clone(), whole.learning_rate())
    );
    assert_eq!(names(folder.path()).len(), 3, "a folder for each rate, the one that diverges too");
    for rate in names(folder.path()) {
        assert!(names(&folder.path().join(&rate)).is_empty(), "{rate}");
    }

    // Without a step there is the start.
    let stop = Interrupt::default();
    stop.request();
    let none = builder().stop_on(&stop).run().unwrap();
    assert!(none.history().interrupted && none.history().loss.is_empty() && none.history().runs.len() == 1);
}

#[test]
fn checkpoints_of_another_distillation_are_refused_with_what_differs_and_a_hint() {
    let scdg = scdg(&study(1));
    let folder = tempfile::tempdir().unwrap();
    let part = stopped(distillation(&scdg, STEPS), folder.path(), folder.path());
    let refused = |builder: DistillBuilder| builder.checkpoints(folder.path()).run().unwrap_err().to_string();
    let says = |message: String, parts: &[&str]| {
        for part in parts.iter().chain(&["of a distillation with", "choose another folder"]) {
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
    };
    let builder = || distillation(&scdg, STEPS);
    says(refused(distillation(&scdg, 60)), &["another config or seed (steps 305 there, 60 here)"]);
    says(refused(builder().seed(8)), &["seed 7 there, 8 here"]);
    says(refused(builder().learning_rate(0.25)), &["another learning rate (0.05 there, 0.25 here)"]);
    let other = distillation_by(GradientMatching::default().epochs(2), &scdg, STEPS);
    says(refused(other), &["another objective's settings"]);
    let other = distillation_by(DistributionMatching::default(), &scdg, STEPS);
    says(refused(other), &["gradient matching there", "distribution matching here"]);
    let without_guidance = scdg.distill(GradientMatching::default()).config(part.config().clone());
    let message = refused(without_guidance.noise(Noise::Fresh, 90).into());
    says(message, &["other denoising (guidance 0.5 there, 0.0 here)"]);
    let data = self::scdg(&study(2));
    says(refused(distillation(&data, STEPS)), &["other cells, labels or foundation model"]);
    let longer = scdg_of(41, scdg.study());
    says(refused(distillation(&longer, STEPS)), &["another SCDG (steps 40 there, 41 here)"]);

    let codes = folder.path().join(&names(folder.path())[0]).join("codes.bpk");
    let whole = std::fs::read(&codes).unwrap();
    std::fs::write(&codes, &whole[..whole.len() / 2]).unwrap();
    let message = refused(builder());
    assert!(message.contains("delete this folder") && message.contains("step-"), "{message}");
}
