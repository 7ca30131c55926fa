//! Stories of pretraining a foundation model: it goes on after an interruption or a kill as if nothing had happened, it
//! learns from several sets of other genes, and a study does not believe a model that has seen its test cells.

use scdd::foundation::{Corpus, Ended, Pretraining, Scimilarity};
use scdd::prelude::*;
use scdd::progress::Interrupt;
use scdd_tests::{assert_close, interrupted, kill, names};

/// Says to this test binary, started again by itself, which folder its checkpoints go to.
const CHILD: &str = "SCDD_TEST_PRETRAINING_CHECKPOINTS";

fn cells(seed: u64) -> Cells<LogNormalized> {
    let cells = simulate().cells(400).genes(200).classes(3).seed(seed).run().unwrap();
    cells.preprocess().min_genes(5).min_cells(0).run().unwrap()
}

fn pretraining(corpus: impl Into<Corpus>) -> Pretraining {
    let config = PretrainingConfig { batch: 32, patience: None, ..scdd_tests::pretraining(32, 8, 12) };
    Foundation::pretrain(corpus).config(config)
}

fn latents(model: &Scimilarity) -> Vec<f32> {
    let latents = model.embed(cells(1).expression()).unwrap().into_raw_vec_and_offset().0;
    assert_eq!(latents.len(), 400 * 8);
    latents
}

#[test]
fn an_interrupted_pretraining_goes_on_to_the_same_model() {
    scdd::progress::quiet(true);
    let corpus = Corpus::labelled(&cells(1), "cell_type").unwrap();
    let whole = pretraining(&corpus).run().unwrap();
    let folder = tempfile::tempdir().unwrap();

    let run = |stop: &Interrupt| pretraining(&corpus).checkpoints(folder.path()).stop_on(stop).run().unwrap();
    let part = interrupted(folder.path(), "epoch-00002", run);
    let history = part.history().unwrap();
    assert_eq!(history.ended, Ended::Interrupted);
    assert!((2..12).contains(&history.reconstruction.len()), "{} epochs", history.reconstruction.len());
    assert!(latents(&part) != latents(&whole));

    let resumed = pretraining(&corpus).checkpoints(folder.path()).run().unwrap();
    assert_eq!(resumed.history().unwrap().reconstruction, whole.history().unwrap().reconstruction);
    assert_eq!(resumed.history().unwrap().validation, whole.history().unwrap().validation);
    assert!(latents(&resumed) == latents(&whole));
    assert!(names(folder.path()).is_empty(), "a finished pretraining leaves {:?}", names(folder.path()));
}

#[test]
fn a_killed_pretraining_goes_on_to_the_same_model() {
    scdd::progress::quiet(true);
    let corpus = Corpus::labelled(&cells(1), "cell_type").unwrap();
    // Long enough that it is not through when it is killed.
    let pretraining = |corpus: &Corpus| pretraining(corpus).epochs(40);
    if let Some(folder) = std::env::var_os(CHILD) {
        pretraining(&corpus).checkpoints(folder).run().unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    kill("a_killed_pretraining_goes_on_to_the_same_model", CHILD, folder.path(), "epoch-");

    let resumed = pretraining(&corpus).checkpoints(folder.path()).run().unwrap();
    let whole = pretraining(&corpus).run().unwrap();
    assert!(latents(&resumed) == latents(&whole));
}

#[test]
fn checkpoints_of_another_pretraining_are_refused_and_a_damaged_one_says_what_to_delete() {
    scdd::progress::quiet(true);
    let corpus = Corpus::labelled(&cells(1), "cell_type").unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A patience that ends it early leaves nothing; an interruption leaves a checkpoint.
    let run = |stop: &Interrupt| pretraining(&corpus).checkpoints(folder.path()).stop_on(stop).run().unwrap();
    interrupted(folder.path(), "epoch-00001", run);

    let with = |run: Pretraining| run.checkpoints(folder.path()).run().unwrap_err().to_string();
    let message = with(pretraining(&corpus).seed(8));
    assert!(message.contains("another config or seed") && message.contains("choose another folder"), "{message}");
    let message = with(pretraining(Corpus::labelled(&cells(2), "cell_type").unwrap()));
    assert!(message.contains("other cells, genes or labels"), "{message}");

    let weights = folder.path().join(&names(folder.path())[0]).join("network.bpk");
    let half = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &half[..half.len() / 2]).unwrap();
    let message = with(pretraining(&corpus));
    assert!(message.contains("delete this folder") && message.contains("epoch-"), "{message}");
}

#[test]
fn early_stopping_keeps_the_epoch_with_the_lowest_validation_error() {
    scdd::progress::quiet(true);
    // A rate that grows too large for a while: the validation error falls, rises, and is not waited for.
    let config = PretrainingConfig {
        network: NetworkConfig { latent: 8, hidden: vec![64; 3], input_dropout: 0.0, hidden_dropout: 0.0 },
        epochs: 200,
        patience: Some(3),
        batch: 16,
        learning_rate: 0.01,
        ..PretrainingConfig::default()
    };
    let corpus = Corpus::labelled(&cells(1), "cell_type").unwrap();
    let model = Foundation::pretrain(&corpus).config(config.clone()).run().unwrap();
    let history = model.history().unwrap();
    assert_eq!(history.ended, Ended::Early);
    assert_eq!(history.validation.len(), history.kept_epoch + 4, "three epochs after the best one");
    let lowest = history.validation.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(history.validation[history.kept_epoch], lowest);
    assert!(history.validation.last().unwrap() > &lowest);

    // The weights are those of that epoch: a run of the same schedule that is stopped after it gives the same latents.
    let folder = tempfile::tempdir().unwrap();
    let same = Foundation::pretrain(&corpus).config(PretrainingConfig { patience: None, ..config });
    let run = |stop: &Interrupt| same.checkpoints(folder.path()).stop_on(stop).run().unwrap();
    let part = interrupted(folder.path(), &format!("epoch-{:05}", history.kept_epoch + 1), run);
    assert_eq!(part.history().unwrap().kept_epoch, history.kept_epoch);
    assert!(latents(&part) == latents(&model));
}

#[test]
fn sets_with_and_without_labels_and_with_other_genes_train_one_model() {
    scdd::progress::quiet(true);
    let (a, b) = (cells(1), cells(2));
    let a = a.select_genes(&(0..150).collect::<Vec<_>>()).unwrap();
    let b = b.select_genes(&(50..200).rev().collect::<Vec<_>>()).unwrap();
    let corpus = Corpus::labelled(&a, "cell_type").unwrap().and(&Corpus::unlabelled(&b));
    let model = pretraining(&corpus).run().unwrap();
    assert_eq!(model.genes().len(), 200);
    let history = model.history().unwrap();
    assert!(history.validation.last() < history.validation.first(), "{:?}", history.validation);
    assert!(history.triplet.iter().any(|loss| *loss > 0.0));
    let card = model.card().unwrap();
    assert_eq!(
        card.trained_on.iter().map(|set| (set.cells, set.genes, set.labelled)).collect::<Vec<_>>(),
        [(400, 150, true), (400, 150, false)]
    );
    assert_eq!((card.training_cells, card.validation_cells), (720, 80));

    let unlabelled = pretraining(Corpus::unlabelled(&a)).run().unwrap();
    assert_eq!(unlabelled.history().unwrap().triplet, [0.0; 12]);
}

#[test]
fn a_study_refuses_a_model_that_has_seen_its_test_cells() {
    scdd::progress::quiet(true);
    let cells = cells(1);
    let leaky = pretraining(Corpus::labelled(&cells, "cell_type").unwrap()).epochs(1).run().unwrap();
    let message = cells.study("cell_type").foundation(leaky.clone()).run().unwrap_err().to_string();
    assert!(message.contains("79 of the 79 test cells") && message.contains("Pretrain it without them"), "{message}");
    // Nor does a file forget what the model has seen.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaky.safetensors");
    leaky.write(&path).unwrap();
    let read = Scimilarity::read(&path).unwrap();
    assert_eq!(read.card(), leaky.card());
    assert!(cells.study("cell_type").foundation(read).run().is_err());
    // Neither other genes in another order nor another name hides them.
    let backwards = cells.select_genes(&(0..200).rev().collect::<Vec<_>>()).unwrap();
    assert!(backwards.study("cell_type").foundation(leaky).run().is_err());

    let study = cells.study("cell_type");
    let other_seed = Foundation::pca(&study.training_cells().unwrap()).components(5).run().unwrap();
    assert!(cells.study("cell_type").seed(8).foundation(other_seed).run().is_err(), "another split, other test cells");
    let honest = pretraining(&study.training_cells().unwrap()).epochs(1).run().unwrap();
    study.foundation(honest).run().unwrap();
}

#[test]
fn a_study_keeps_the_genes_that_cells_and_model_share() {
    scdd::progress::quiet(true);
    let atlas = cells(1);
    let model = pretraining(Corpus::labelled(&atlas, "cell_type").unwrap()).epochs(1).run().unwrap();
    // Other cells, without the model's first 60 genes, in another order.
    let kept: Vec<usize> = (60..200).rev().collect();
    let other = cells(2).select_genes(&kept).unwrap();
    let study = other.study("cell_type").foundation(model.clone()).run().unwrap();
    assert_eq!(study.cells().gene_names(), other.gene_names());
    assert_eq!(study.foundation().genes(), other.gene_names());

    // The latents are those of the whole model for cells with zeros where nothing was measured.
    let mut dense = vec![0.0; 200];
    let row = other.expression().dense_rows(&[3]);
    for (gene, value) in other.gene_names().iter().zip(row) {
        dense[model.genes().iter().position(|name| name == gene).unwrap()] = value;
    }
    let whole = model.embed(&scdd::cells::Expression::from_dense(200, &dense).unwrap()).unwrap();
    let cut = study.foundation().embed(&other.expression().select_cells(&[3])).unwrap();
    assert_close(&whole, &cut, 1e-5);

    let few = other.select_genes(&(0..99).collect::<Vec<_>>()).unwrap();
    let message = few.study("cell_type").foundation(model).run().unwrap_err().to_string();
    assert!(message.contains("share 99 of their 99 genes") && message.contains("at least 100"), "{message}");
}
