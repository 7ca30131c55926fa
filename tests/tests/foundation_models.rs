//! Foundation models side by side, annotation and search: what a user does with more than one model.

use scdd::ndarray::Array2;
use scdd::prelude::*;

fn cells() -> Cells<LogNormalized> {
    scdd_tests::small_cells(20)
}

/// As another tool would store them: principal components of all cells, far from unit length.
fn with_embedding(cells: &Cells<LogNormalized>) -> Cells<LogNormalized> {
    let pca = Foundation::pca(&cells.study("cell_type").training_cells().unwrap()).components(12).run().unwrap();
    let registered = Foundation::from(pca).register(cells).unwrap();
    let latents = registered.foundation.embed(registered.cells.expression()).unwrap();
    cells.with_obsm("X_pca", latents.mapv(|value| 40.0 * value)).unwrap()
}

#[test]
fn studies_of_three_models_are_evaluated_on_the_same_test_cells_and_say_which_model_they_saw() {
    let cells = with_embedding(&cells());
    let opened = || cells.study("cell_type").seed(5);
    let training = opened().training_cells().unwrap();
    let models: [(&str, Foundation); 3] = [
        ("PCA", Foundation::pca(&training).components(20).run().unwrap().into()),
        ("genes", Foundation::genes(&training).unwrap()),
        ("obsm['X_pca']", Foundation::precomputed("X_pca")),
    ];
    for (name, model) in models {
        let study = opened().foundation(model).run().unwrap();
        assert_eq!(study.training_cells().train(), training.train());
        let evaluation = study.evaluate().per_class(1).per_class(5).run().unwrap();
        let rows = evaluation.rows();
        assert!(rows.iter().all(|row| row.foundation.as_deref() == Some(name)), "{rows:?}");
        let found: Vec<_> = rows.iter().map(|row| (row.method.as_str(), row.per_class)).collect();
        let (random, mean) = (|n| ("random cells", Some(n)), |n| ("class mean", Some(n)));
        let all = ("all training cells", None);
        let table = evaluation.table().unwrap();
        if name.starts_with("obsm") {
            assert_eq!(found, [random(1), random(5), all]);
            assert_eq!(evaluation.notes().len(), 1);
            assert!(table.caption().contains("without 'class mean'"), "{}", table.caption());
        } else {
            assert_eq!(found, [random(1), mean(1), random(5), mean(5), all]);
            assert!(evaluation.notes().is_empty());
        }
        assert!(table.caption().contains(&format!("latents of {name},")), "{}", table.caption());
        // Four classes: chance is a quarter.
        assert!(rows.last().unwrap().accuracy_mean > 0.9, "{name}: {rows:?}");
    }
}

#[test]
fn embeddings_of_a_file_can_not_be_distilled_and_a_baseline_that_makes_cells_is_refused_when_asked_for() {
    let cells = with_embedding(&cells());
    let study = cells.study("cell_type").foundation(Foundation::precomputed("X_pca")).run().unwrap();
    let message = study.train_scdg().run().unwrap_err().to_string();
    assert!(message.contains("no decoder") && message.contains("Foundation::pca"), "{message}");
    let message = study.evaluate().baseline(ClassMean).run().unwrap_err().to_string();
    assert!(message.contains("no encoder") && message.contains("obsm['X_pca']"), "{message}");
    let missing = cells.study("cell_type").foundation(Foundation::precomputed("X_scVI")).run();
    let message = missing.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("'X_scVI'") && message.contains("'X_pca' (12)"), "{message}");
}

#[test]
fn the_whole_path_runs_through_principal_components_and_through_genes() {
    let cells = cells();
    let opened = cells.study("cell_type").seed(5);
    let training = opened.training_cells().unwrap();
    let pca = Foundation::pca(&training).components(20).run().unwrap().into();
    for model in [pca, Foundation::genes(&training).unwrap()] {
        let study = opened.clone().foundation(model).run().unwrap();
        assert!(format!("{study:?}").contains(&format!("embedded by {}", study.foundation().name())));
        let scdg = study.train_scdg().steps(200).run().unwrap();
        let distilled = scdg.distill(GradientMatching::default()).per_class(1).run().unwrap();
        let evaluation = distilled.evaluate().per_class(5).run().unwrap();
        let budgets: Vec<_> = evaluation.rows().iter().map(|row| row.per_class).collect();
        assert_eq!(budgets, [Some(1), Some(1), Some(1), Some(5), Some(5), None]);
        println!("{}", evaluation.table().unwrap());
        assert!(evaluation.rows()[0].accuracy_mean > 0.5, "{:?}", evaluation.rows());
    }
}

/// A selection that picks cells by index only: the first of each class.
struct FirstCells;

impl Baseline for FirstCells {
    fn name(&self) -> String {
        "first cells".into()
    }

    fn select(&self, _: &Candidates<'_>, _: usize, _: u64) -> scdd::Result<scdd::evaluate::Selected> {
        panic!("a selection that chooses is not asked for rows")
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, _: u64) -> scdd::Result<Option<Vec<usize>>> {
        let first = |members: Vec<usize>| members.into_iter().take(per_class);
        Ok(Some(cells.of_classes(per_class)?.into_iter().flat_map(first).collect()))
    }
}

#[test]
fn a_baseline_of_real_cells_is_scored_through_embeddings_that_there_are() {
    let cells = with_embedding(&cells());
    let study = cells.study("cell_type").foundation(Foundation::precomputed("X_pca")).run().unwrap();
    let evaluation = study.evaluate().per_class(3).baseline(FirstCells).run().unwrap();
    let row = evaluation.rows().iter().find(|row| row.method == "first cells").unwrap();
    assert_eq!(row.cells, 12);
    assert!(row.accuracy_mean > 0.8, "{row:?}");
}

#[test]
fn models_annotate_cells_of_a_file_that_lacks_some_of_their_genes() {
    let cells = cells();
    let (known, others): (Vec<usize>, Vec<usize>) = (0..cells.cells()).partition(|cell| cell % 3 != 0);
    let (known, others) = (cells.select_cells(&known).unwrap(), cells.select_cells(&others).unwrap());
    let measured: Vec<usize> = (0..others.genes()).filter(|gene| gene % 6 != 0).collect();
    let others = others.select_genes(&measured).unwrap();

    let opened = known.study("cell_type");
    let genes = Foundation::genes(&opened.training_cells().unwrap()).unwrap();
    let annotation = genes.reference(&known, "cell_type").unwrap().annotate(&others).k(15).run().unwrap();
    assert!(annotation.accuracy("cell_type").unwrap() > 0.9, "{annotation:?}");
    let pca = Foundation::pca(&opened.training_cells().unwrap()).components(15).run().unwrap();
    let study = opened.foundation(pca).run().unwrap();
    let reference = study.reference().unwrap();
    assert_eq!(reference.cells().cells(), study.training_cells().train().len());
    let annotation = reference.annotate(&others).k(15).run().unwrap();
    assert!(annotation.accuracy("cell_type").unwrap() > 0.9, "{annotation:?}");

    // What a notebook wrote, another session reads, and Python (tests/python/test_read_back.py).
    let path = scdd_tests::for_python("annotated.h5ad");
    let latents = Array2::from_shape_fn((others.cells(), 2), |(cell, i)| (cell + i) as f32);
    annotation.cells().unwrap().with_obsm("X_two", latents.clone()).unwrap().write_h5ad(&path).unwrap();
    let back = H5ad::open(&path).log_normalized().read().unwrap();
    assert_eq!(back.labels("annotation").unwrap().of_cell.len(), others.cells());
    assert_eq!(back.obsm("X_two").unwrap(), latents);
}

#[test]
fn most_pancreas_cells_are_annotated_as_their_authors_did() {
    scdd::progress::quiet(true);
    let cells = demo_cells().unwrap().drop_missing("cell_type").unwrap();
    if cells.provenance().source == "simulated" {
        println!("skipped: the demonstration's cells are not there; `cargo xtask data` fetches them");
        return;
    }
    let cells = cells.preprocess().run().unwrap();
    let opened = cells.study("cell_type");
    let pca = Foundation::pca(&opened.training_cells().unwrap()).run().unwrap();
    let study = opened.foundation(pca).run().unwrap();
    let training: std::collections::HashSet<usize> =
        study.training_cells().train().iter().chain(study.training_cells().validation()).copied().collect();
    let rest: Vec<usize> = (0..cells.cells()).filter(|cell| !training.contains(cell)).collect();
    let annotation = study.reference().unwrap().annotate(&cells.select_cells(&rest).unwrap()).run().unwrap();
    let accuracy = annotation.accuracy("cell_type").unwrap();
    println!("{accuracy:.3} of {} test cells: {annotation:?}", rest.len());
    assert!(accuracy > 0.9, "{annotation:?}");
}
