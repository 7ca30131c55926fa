//! Models trained on a set, kept in a file, and annotating cells that they never saw.

use std::path::Path;

use scdd::prelude::*;

fn cells() -> Cells<LogNormalized> {
    scdd_tests::log_normalized(simulate().cells(500).genes(300).classes(4).smallest_class(40).seed(3), 10)
}

fn study(cells: &Cells<LogNormalized>) -> Study {
    cells.study("cell_type").seed(3).foundation_epochs(5).run().unwrap()
}

fn set(study: &Study) -> Distilled {
    study.metacells().run().unwrap().distill(RidgeSurrogates::default()).per_class(3).steps(3).run().unwrap()
}

#[test]
fn every_model_is_written_read_and_annotates_as_before() {
    let cells = cells();
    let study = study(&cells);
    let (set, folder) = (set(&study), tempfile::tempdir().unwrap());
    fn check(annotator: &Annotator, read: &Annotator, cells: &Cells<LogNormalized>) {
        let before = annotator.annotate(cells).run().unwrap();
        let after = read.annotate(cells).run().unwrap();
        assert_eq!((before.labels(), before.confidence()), (after.labels(), after.confidence()));
        assert!(after.accuracy("cell_type").unwrap() > 0.8, "{after:?}");
        assert_eq!(format!("{annotator:?}"), format!("{read:?}"));
    }
    let path = |name: &str| folder.path().join(format!("{name}.safetensors"));
    macro_rules! through_a_file {
        ($($name:literal: $model:expr),*) => {$(
            let annotator = set.train_model($model).unwrap();
            annotator.write(path($name)).unwrap();
            check(&annotator, &Annotator::read(path($name)).unwrap(), &cells);
        )*};
    }
    through_a_file!(
        "celltypist": CellTypist::default(),
        "sgd": CellTypist::sgd(),
        "mlp": Mlp::default(),
        "neighbours": NearestNeighbours::default(),
        "forest": RandomForest::default(),
        "tosica": Tosica::default(),
        "images": ScDeepInsight::default()
    );
    // A second file of the same model is the same file.
    let again = folder.path().join("again.safetensors");
    set.train_model(CellTypist::default()).unwrap().write(&again).unwrap();
    assert_eq!(std::fs::read(again).unwrap(), std::fs::read(path("celltypist")).unwrap());
    // Nothing is left over beside the files.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 8);
}

#[test]
fn a_linear_head_asks_for_the_foundation_model_that_it_was_trained_through_and_refuses_another() {
    let cells = cells();
    let study = study(&cells);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.safetensors");
    let annotator = set(&study).train_model(LinearProbe).unwrap();
    let before = annotator.annotate(&cells).run().unwrap();
    assert!(before.accuracy("cell_type").unwrap() > 0.8);
    annotator.write(&path).unwrap();
    let read = Annotator::read(&path).unwrap();
    let message = read.annotate(&cells).run().unwrap_err().to_string();
    assert!(message.contains("SCimilarity with the checksum") && message.contains("none was given"), "{message}");
    let other = cells.study("cell_type").seed(4).foundation_epochs(1).run().unwrap();
    let message = read.with_foundation(other.foundation().clone()).unwrap_err().to_string();
    assert!(message.contains("was given"), "{message}");
    let whole = read.with_foundation(study.foundation().clone()).unwrap();
    assert_eq!(whole.annotate(&cells).run().unwrap().labels(), before.labels());
    // Features that are no cells train a head, and no other model.
    let features = study.distill_embeddings(DistributionMatching::default()).steps(3).run().unwrap();
    assert!(features.train_model(LinearProbe).unwrap().annotate(&cells).run().is_ok());
    assert!(features.train_model(Mlp::default()).unwrap_err().to_string().contains("have no expression"));
}

#[test]
fn genes_are_matched_by_name_missing_ones_are_counted_and_too_few_are_refused_with_both_counts() {
    let cells = cells();
    let study = study(&cells);
    let annotator = study.train_model(CellTypist::default()).unwrap();
    let whole = annotator.annotate(&cells).run().unwrap();
    assert!(whole.missing_genes().is_empty());
    // Another order of the genes is nothing to the model.
    let turned: Vec<usize> = (0..cells.genes()).rev().collect();
    let turned = annotator.annotate(&cells.select_genes(&turned).unwrap()).run().unwrap();
    assert_eq!(turned.names(), whole.names());
    let genes = cells.genes();
    let most: Vec<usize> = (0..genes).filter(|gene| gene % 10 > 0).collect();
    let fewer = annotator.annotate(&cells.select_genes(&most).unwrap()).run().unwrap();
    let missing = fewer.missing_genes().len();
    assert_eq!(missing, genes - most.len());
    assert!(fewer.accuracy("cell_type").unwrap() > 0.8);
    assert!(format!("{fewer:?}").contains(&format!("{missing} of the model's {genes} genes are missing")));
    let few: Vec<usize> = (0..genes / 4).collect();
    let few = cells.select_genes(&few).unwrap();
    let message = annotator.annotate(&few).run().unwrap_err().to_string();
    assert!(message.contains(&format!("have {} of the {genes} genes", genes / 4)), "{message}");
    assert!(annotator.annotate(&few).least_genes(0.2).run().is_ok());
    assert!(annotator.annotate(&few).least_genes(1.5).run().unwrap_err().to_string().starts_with("least_genes is 1.5"));
}

#[test]
fn cells_below_the_threshold_are_unassigned_and_obs_says_so() {
    let cells = cells();
    let annotator = study(&cells).train_model(RandomForest::default()).unwrap();
    let all = annotator.annotate(&cells).run().unwrap();
    assert_eq!(all.unassigned(), 0);
    let sure = annotator.annotate(&cells).threshold(0.9).run().unwrap();
    let unsure = all.confidence().iter().filter(|confidence| **confidence < 0.9).count();
    assert!(unsure > 0 && sure.unassigned() == unsure);
    let obs = sure.cells().unwrap();
    let counts = obs.labels("annotation").unwrap();
    let place = counts.classes.iter().position(|class| class == "unassigned").unwrap();
    assert_eq!(counts.count_per_class()[place], unsure);
    assert!(obs.obs().column("annotation_confidence").is_ok());
    // Scores over all cells: what is unassigned is wrong.
    assert!(sure.scores("cell_type").unwrap().accuracy < all.scores("cell_type").unwrap().accuracy);
    assert!(annotator.annotate(&cells).threshold(-0.1).run().is_err());
}

#[test]
fn labels_that_the_model_does_not_know_are_counted() {
    let cells = cells();
    let class = cells.labels("cell_type").unwrap().classes[0].clone();
    let known = cells.without("cell_type", &[&class]).unwrap();
    let annotator = study(&known).train_model(NearestNeighbours::default()).unwrap();
    let annotated = annotator.annotate(&cells).run().unwrap();
    let count = cells.cells() - known.cells();
    assert_eq!(annotated.unknown_labels("cell_type").unwrap(), [(class, count)]);
    assert!(annotated.accuracy("cell_type").unwrap() < 1.0 - count as f64 / cells.cells() as f64 + 1e-9);
    assert_eq!(annotated.scores("cell_type").unwrap().cells_per_class.iter().sum::<usize>(), known.cells());
}

#[test]
fn what_a_model_attends_to_is_a_frame_and_one_without_attention_has_none() {
    let cells = cells();
    let study = study(&cells);
    let set = set(&study);
    let names = study.cells().gene_names();
    let gmt: String =
        (0..6).map(|set| format!("SET{set}\t-\t{}\n", names[set * 20..set * 20 + 20].join("\t"))).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sets.gmt");
    std::fs::write(&path, gmt).unwrap();
    let model = Tosica::default().with_gene_sets(GeneSets::read_gmt(&path).unwrap());
    let annotator = set.train_model(model).unwrap();
    let frame = annotator.attention(&cells).unwrap().unwrap();
    // Six sets, and the token of all genes.
    assert_eq!(frame.height(), cells.cells() * 7);
    let values: Vec<f32> = frame.column("attention").unwrap().f32().unwrap().iter().flatten().collect();
    assert_eq!(values.len(), frame.height());
    for of_cell in values.chunks(7) {
        let sum: f32 = of_cell.iter().sum();
        assert!(of_cell.iter().all(|value| *value > 0.0) && sum < 1.0, "{of_cell:?}");
    }
    assert!(set.train_model(Mlp::default()).unwrap().attention(&cells).unwrap().is_none());
    let message = GeneSets::read_gmt(folder.path().join("none.gmt")).unwrap_err().to_string();
    assert!(message.contains("none.gmt"), "{message}");
    let strangers = GeneSets::Named { sets: vec![("S".to_owned(), vec!["X".to_owned(); 9])].into(), most: 300 };
    let message = set.train_model(Tosica::default().with_gene_sets(strangers)).unwrap_err().to_string();
    assert!(message.contains("none of 1 sets"), "{message}");
}

#[test]
fn a_damaged_file_and_one_of_something_else_are_refused() {
    let cells = cells();
    let annotator = study(&cells).train_model(CellTypist::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    annotator.write(&path).unwrap();
    let content = std::fs::read(&path).unwrap();
    let message = |content: &[u8]| {
        let path = folder.path().join("other.safetensors");
        std::fs::write(&path, content).unwrap();
        Annotator::read(&path).unwrap_err().to_string()
    };
    for cut in [0, 5, 100, content.len() / 2, content.len() - 1] {
        assert!(message(&content[..cut]).contains("no whole .safetensors file"), "{cut}");
    }
    // One bit of a weight, and a class in the metadata.
    let mut changed = content.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(message(&changed).contains("checksum"), "{}", message(&changed));
    let place = content.windows(10).position(|word| word == b"CellTypist").unwrap();
    let mut changed = content.clone();
    changed[place] = b'D';
    assert!(message(&changed).contains("checksum"));
    let foundation = folder.path().join("foundation.safetensors");
    let model = Foundation::pretrain(&cells.study("cell_type").training_cells().unwrap()).epochs(1).run().unwrap();
    model.write(&foundation).unwrap();
    assert!(Annotator::read(&foundation).unwrap_err().to_string().contains("no trained model of scdd"));
    for (path, problem) in [("model.bin", "ends in .safetensors"), ("no/folder/a.safetensors", "there is no folder")] {
        let message = annotator.write(folder.path().join(Path::new(path))).unwrap_err().to_string();
        assert!(message.contains(problem), "{message}");
    }
}
