//! Every pipeline of the paper as a run of one engine: names, losses, initialisations, choices, and one table of all.

use scdd::burn::tensor::Tensor;
use scdd::distill::{Chain, DistillBuilder, Distillation, Pipeline};
use scdd::ndarray::{Array2, Axis};
use scdd::prelude::*;
use scdd::scdg::ScdgConfig;
use scdd_tests::{assert_close, assert_expression, denoiser, pretraining, small_cells, small_scdg, small_study};

/// The loss of the last five steps is below that of the first five.
fn check_descent(made: &Distillation, name: &str) {
    assert_eq!(made.method(), name);
    assert_eq!(made.recipe()["method"], name);
    let loss = &made.history().loss;
    let (first, last) = (loss[..5].iter().sum::<f64>(), loss[loss.len() - 5..].iter().sum::<f64>());
    // Steps of SGD are small where SCDG's output hardly depends on its codes.
    let factor = if made.config().optimizer == Optimizer::Adam { 0.95 } else { 0.98 };
    assert!(last < factor * first, "{name}: {first} -> {last}");
    assert_eq!(made.history().gradient.len(), loss.len());
    assert!(made.history().gradient.iter().all(|norm| norm.is_finite()));
}

#[test]
fn every_pipeline_lowers_its_loss_with_either_optimiser_and_all_stand_in_one_table() {
    let study = small_study();
    let scdg = small_scdg(&study);
    for optimizer in [Optimizer::Sgd { momentum: 0.5 }, Optimizer::Adam] {
        let run = |builder: DistillBuilder, name| {
            let made = builder.optimizer(optimizer).run().unwrap();
            check_descent(&made, name);
            assert_expression(made.expression());
            made
        };
        let (dc, dm) = (GradientMatching::default, DistributionMatching::default);
        let cells = [
            run(study.distill_expression(dc()), "DC"),
            run(study.distill_expression(dm()), "DM"),
            run(study.distill_decoder(dc()), "scDD+Decoder, DC"),
            run(study.distill_decoder(dm()), "scDD+Decoder, DM"),
            run(scdg.distill(dc()).into(), "scDD+SCDG, DC"),
            run(scdg.distill(dm()).into(), "scDD+SCDG, DM"),
            run(scdg.distill_chain(dc()).into(), "LD3M, DC"),
            run(scdg.distill_chain(dm()).into(), "LD3M, DM"),
        ];
        let features = [
            study.distill_embeddings(dc()).optimizer(optimizer).run().unwrap(),
            study.distill_embeddings(dm()).optimizer(optimizer).run().unwrap(),
        ];
        check_descent(&features[0], "FeatDistill+DC");
        check_descent(&features[1], "FeatDistill+DM");
        if optimizer != Optimizer::Adam {
            continue;
        }
        let text: Vec<_> = features.iter().map(|features| features.decoded().unwrap()).collect();
        let sampled = scdg.sample().run().unwrap();
        let mut evaluation = features[0].evaluate().beside(&features[1]);
        for cells in cells.iter().chain(&text).chain([&sampled]) {
            evaluation = evaluation.beside(cells);
        }
        let evaluation = evaluation.run().unwrap();
        let names: Vec<_> = evaluation.rows().iter().map(|row| row.method.as_str()).collect();
        let expected = [
            "FeatDistill+DC",
            "FeatDistill+DM",
            "DC",
            "DM",
            "scDD+Decoder, DC",
            "scDD+Decoder, DM",
            "scDD+SCDG, DC",
            "scDD+SCDG, DM",
            "LD3M, DC",
            "LD3M, DM",
            "TextDistill+DC",
            "TextDistill+DM",
            "generation only",
            "random cells",
            "class mean",
            "all training cells",
        ];
        assert_eq!(names, expected);
        // Four classes: chance is a macro-F1 of at most a quarter.
        for row in evaluation.rows() {
            assert!(row.macro_f1_mean > 0.5, "{row:?}");
        }
    }
}

#[test]
fn one_seed_gives_one_result_on_every_pipeline_and_another_seed_another() {
    let study = small_study();
    let scdg = small_scdg(&study);
    let objective = DistributionMatching::default;
    type Make<'a> = Box<dyn Fn(u64) -> Array2<f32> + 'a>;
    let pipelines: [Make; 5] = [
        Box::new(|seed| study.distill_expression(objective()).steps(3).seed(seed).run().unwrap().expression().clone()),
        Box::new(|seed| study.distill_decoder(objective()).steps(3).seed(seed).run().unwrap().expression().clone()),
        Box::new(|seed| study.distill_embeddings(objective()).steps(3).seed(seed).run().unwrap().embeddings().clone()),
        Box::new(|seed| scdg.distill_chain(objective()).steps(3).seed(seed).run().unwrap().expression().clone()),
        Box::new(|seed| scdg.sample().seed(seed).run().unwrap().expression().clone()),
    ];
    for make in &pipelines {
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
    }
}

#[test]
fn expression_stays_not_negative_under_steps_that_are_far_too_long() {
    let study = small_study();
    let far = study.distill_expression(DistributionMatching::default()).learning_rate(1.0).steps(10).run().unwrap();
    let below = far.expression().iter().filter(|value| **value < 0.0).count();
    let zeros = far.expression().iter().filter(|value| **value == 0.0).count();
    assert_eq!(below, 0);
    assert!(zeros > 0, "some values were set to 0");
}

/// Expression `[cells, genes]` of the training cells of a class.
fn members(study: &Study, class: u32) -> Array2<f32> {
    let training = study.training_cells();
    let of_class = training.train().iter().zip(training.train_labels()).filter(|(_, label)| *label == class);
    let cells: Vec<usize> = of_class.map(|(&cell, _)| cell).collect();
    let dense = study.cells().expression().dense_rows(&cells);
    Array2::from_shape_vec((cells.len(), study.cells().genes()), dense).unwrap()
}

#[test]
fn codes_are_initialised_where_they_were_asked_to_be() {
    let study = small_study();
    let initial = |init, per_class| {
        let builder = study.distill_expression(DistributionMatching::default()).steps(0);
        builder.init(init).per_class(per_class).run().unwrap().expression().clone()
    };
    let (mean, medoid, random, clusters) =
        (initial(Init::ClassMean, 1), initial(Init::Medoid, 1), initial(Init::RandomReal, 1), initial(Init::KMeans, 3));
    assert_eq!(initial(Init::KMeans, 1), mean, "one cluster is the class");
    for class in 0..4 {
        let members = members(&study, class as u32);
        assert_close(mean.row(class), &members.mean_axis(Axis(0)).unwrap(), 1e-5);
        for real in [&medoid, &random] {
            assert!(members.rows().into_iter().any(|member| member == real.row(class)), "a real cell of class {class}");
        }
        // Pseudobulks of three parts of a class differ, and none of them is a cell.
        let rows: Vec<_> = (3 * class..3 * class + 3).map(|row| clusters.row(row)).collect();
        assert!(rows[0] != rows[1] && rows[1] != rows[2] && rows[0] != rows[2]);
    }
}

#[test]
fn generated_codes_come_from_scdg_and_nowhere_else() {
    let study = small_study();
    let scdg = small_scdg(&study);
    let builder = study.distill_decoder(DistributionMatching::default()).init(Init::Generated);
    let message = builder.run().unwrap_err().to_string();
    assert!(message.contains("scdg.distill"), "{message}");
    let optimised = scdg.distill(DistributionMatching::default()).init(Init::Generated).steps(2).run().unwrap();
    let sampled = scdg.sample().per_class(2).run().unwrap();
    assert_eq!((optimised.labels().len(), sampled.labels().len()), (4, 8));
    let plan = scdg.sample().per_class(2).plan().unwrap();
    assert!(plan.fact("synthetic cells").unwrap().starts_with("8 of 4 classes"), "{plan}");
    assert_eq!(sampled.pipeline(), Pipeline::Generation);
    assert!(sampled.history().loss.is_empty() && sampled.learning_rate().is_none());
    assert_eq!(sampled.recipe()["pipeline"], "Generation");
    assert!(format!("{sampled:?}").contains("generation only: no steps"), "{sampled:?}");
}

#[test]
fn the_learning_rate_is_the_one_with_the_best_score_on_validation_cells() {
    let study = small_study();
    let builder = study.distill_embeddings(DistributionMatching::default()).steps(10);
    let chosen = builder.clone().choose_learning_rate(&[1e30, 1e-4, 0.05]).run().unwrap();
    let rates = &chosen.history().runs;
    assert_eq!(rates.len(), 3);
    assert!(rates[0].score.is_none(), "a rate of 1e30 diverges: {:?}", rates[0]);
    let kept = rates.iter().find(|tried| Some(tried.learning_rate) == chosen.learning_rate()).unwrap().score.unwrap();
    for tried in rates {
        assert!(tried.score.is_none_or(|score| !score.is_better_than(&kept)), "{rates:?}");
    }
    let alone = builder.clone().learning_rate(chosen.learning_rate().unwrap()).run().unwrap();
    assert_eq!(alone.embeddings(), chosen.embeddings(), "choosing changes nothing else");
    let message = builder.clone().choose_learning_rate(&[1e30]).run().unwrap_err().to_string();
    assert!(message.contains("learning rate"), "{message}");
    let message = builder.choose_learning_rate(&[]).run().unwrap_err().to_string();
    assert!(message.contains("at least 1 learning rate"), "{message}");
}

#[test]
fn early_stopping_delivers_the_step_with_the_best_score() {
    let study = small_study();
    // A rate that leads away from an initialisation that is already good.
    let builder = study.distill_decoder(DistributionMatching::default()).init(Init::ClassMean).learning_rate(3.0);
    let stopped = builder.clone().early_stopping(2, 3).run().unwrap();
    let history = stopped.history();
    let kept = history.validation.iter().find(|score| score.step == history.kept_step).unwrap();
    assert!(history.validation.iter().all(|score| !score.is_better_than(kept)), "{:?}", history.validation);
    assert_eq!(history.validation[0].step, 0);
    assert!(history.loss.len() < 50, "it stopped after {} steps", history.loss.len());
    let same = builder.steps(history.kept_step).run().unwrap();
    assert_eq!(same.expression(), stopped.expression(), "the step that was kept is the one that was scored");
}

#[test]
fn nothing_is_chosen_without_validation_cells() {
    let opened = small_cells(30).study("cell_type").validation_fraction(0.0);
    let study = opened.pretraining(pretraining(16, 8, 1)).run().unwrap();
    let builder = study.distill_embeddings(DistributionMatching::default()).early_stopping(5, 2);
    let message = builder.run().unwrap_err().to_string();
    assert!(message.contains("no validation cells") && message.contains("validation_fraction"), "{message}");
}

#[test]
fn embeddings_are_distilled_where_nothing_can_be_encoded_or_decoded() {
    let cells = small_cells(30);
    let labels = cells.labels("cell_type").unwrap().of_cell;
    let latents = Array2::from_shape_fn((cells.cells(), 4), |(cell, place)| {
        let wobble = ((cell * 7 + place * 3) % 11) as f32 / 20.0;
        wobble + f32::from(u8::from(labels[cell] as usize == place))
    });
    let cells = cells.with_obsm("X_other", latents).unwrap();
    let study = cells.study("cell_type").foundation(Foundation::precomputed("X_other")).run().unwrap();
    let embeddings = study.distill_embeddings(DistributionMatching::default()).run().unwrap();
    let evaluation = embeddings.evaluate().run().unwrap();
    assert_eq!(evaluation.rows()[0].method, "FeatDistill+DM");
    assert!(evaluation.rows()[0].accuracy_mean > 0.9, "{:?}", evaluation.rows()[0]);
    let message = embeddings.decoded().unwrap_err().to_string();
    assert!(message.contains("has no decoder"), "{message}");
    let message = study.distill_decoder(DistributionMatching::default()).run().unwrap_err().to_string();
    assert!(message.contains("has no decoder"), "{message}");
    let message = study.distill_expression(DistributionMatching::default()).run().unwrap_err().to_string();
    assert!(message.contains("no encoder"), "{message}");
}

/// An objective that does something wrong.
struct Wrong(fn(&Matching) -> Tensor<1>);

impl MatchingObjective for Wrong {
    fn name(&self) -> String {
        "wrong".to_owned()
    }
    fn loss(&self, matching: &Matching) -> Tensor<1> {
        (self.0)(matching)
    }
}

#[test]
fn wrong_objectives_and_settings_are_errors_with_numbers_and_a_hint() {
    let study = small_study();
    let message = |loss| study.distill_embeddings(Wrong(loss)).run().unwrap_err().to_string();
    let two = message(|matching| matching.synthetic_embeddings().sum().reshape([1]).repeat_dim(0, 2));
    assert!(two.contains("wrong has 2 values") && two.contains(".sum()"), "{two}");
    // sqrt at 0: the loss is 0, its gradient infinite or not a number.
    let root = message(|matching| (matching.synthetic_embeddings() * 0.0).powi_scalar(2).sum().sqrt());
    assert!(root.contains("gradient of wrong became NaN in step 0 of 50"), "{root}");
    let expression = message(|matching| matching.synthetic_expression().mean());
    assert!(expression.contains("FeatDistill+wrong makes none"), "{expression}");
    let setting = |builder: DistillBuilder| builder.run().unwrap_err().to_string();
    let builder = || study.distill_expression(DistributionMatching::default());
    let momentum = setting(builder().optimizer(Optimizer::Sgd { momentum: 1.0 }));
    assert!(momentum.contains("momentum is 1; expected from 0 to below 1"), "{momentum}");
    let every = setting(builder().early_stopping(0, 1));
    assert!(every.contains("every 0 steps"), "{every}");
    // An objective that compares expression though it says that it doesn't.
    let undeclared = study.distill_expression(Undeclared).run().unwrap_err().to_string();
    assert!(undeclared.contains("compares_expression is false, and undeclared compared expression"), "{undeclared}");
}

/// An objective that says it compares no expression, and does.
struct Undeclared;

impl MatchingObjective for Undeclared {
    fn name(&self) -> String {
        "undeclared".to_owned()
    }
    fn compares_expression(&self) -> bool {
        false
    }
    fn loss(&self, matching: &Matching) -> Tensor<1> {
        matching.synthetic_expression().mean()
    }
}

#[test]
fn settings_that_the_generator_can_not_do_are_refused_with_what_it_was_trained_with() {
    let study = small_study();
    let scdg = small_scdg(&study);
    let dm = DistributionMatching::default;
    let refused = |builder: DistillBuilder| builder.plan().unwrap_err().to_string();
    let message = refused(scdg.distill(dm()).guidance(1.5).into());
    assert!(message.contains("guidance is 1.5") && message.contains(".condition_dropout(0.1)"), "{message}");
    let message = refused(scdg.distill(dm()).guidance(-1.5).into());
    assert!(message.contains("guidance is -1.5; expected a finite number, -1"), "{message}");
    let message = refused(scdg.distill(dm()).noise(Noise::Fixed, 1_001).into());
    assert!(message.contains("noise_step is 1001; expected 0 to 1000"), "{message}");
    let message = refused(scdg.distill_chain(dm()).chain(Chain { steps: 101, skips: true }).into());
    assert!(message.contains("steps of the chain is 101 from noise step 100; expected 1 to 100"), "{message}");
    let message = refused(scdg.distill_chain(dm()).chain(Chain { steps: 0, skips: true }).into());
    assert!(message.contains("is 0 from noise step 100"), "{message}");
    let message = scdg.generate(2).condition("donor", "a").run().unwrap_err().to_string();
    assert!(message.contains("'donor' is no condition of the training cells"), "{message}");
}

#[test]
fn guidance_changes_what_is_distilled_and_the_noise_step_follows_the_schedule() {
    let study = small_study();
    let (denoiser, schedule) = (denoiser(64, 32), Schedule::linear(50));
    let config =
        ScdgConfig { denoiser, schedule, steps: 100, batch: 64, condition_dropout: 0.2, ..ScdgConfig::default() };
    let scdg = study.train_scdg().config(config).run().unwrap();
    let builder = scdg.distill(DistributionMatching::default()).steps(5);
    let (plain, guided) = (builder.run().unwrap(), builder.clone().guidance(2.0).run().unwrap());
    assert_ne!(plain.expression(), guided.expression());
    assert_eq!(guided.recipe()["denoising"]["guidance"], 2.0);
    // A schedule shorter than 100 steps is none to trip over.
    assert_eq!(plain.recipe()["denoising"]["noise_step"], 5);
    assert_eq!(plain.denoising().unwrap().noise_step, 5);
    assert_eq!(plain.expression(), builder.noise(Noise::Fixed, 5).run().unwrap().expression());
}

#[test]
fn the_loss_curve_of_a_choice_shows_the_validation_scores_too() {
    let study = small_study();
    let made = study.distill_embeddings(DistributionMatching::default()).steps(6).early_stopping(2, 9).run().unwrap();
    let plot = made.loss_curve().unwrap().to_json();
    assert!(plot.contains("macro-F1 of validation cells"), "{plot}");
    assert_eq!(made.history().validation.len(), 4);
    assert_eq!(made.recipe()["foundation"]["latent"], 32);
}
