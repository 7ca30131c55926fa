//! Models that distillation never saw, beside the linear head that it was done for.

use scdd::polars::prelude::Column;
use scdd::prelude::*;
use scdd_tests::{log_normalized, small_cells};

fn study() -> Study {
    small_cells(30).study("cell_type").seed(3).foundation_epochs(5).run().unwrap()
}

fn protocol() -> Protocol {
    Protocol { networks: 2, epochs: 100, ..Protocol::default() }
}

#[test]
fn every_model_scores_every_set_and_the_linear_heads_rows_do_not_change() {
    let study = study();
    let set = study.distill_decoder(DistributionMatching::default()).per_class(2).steps(10).run().unwrap();
    let alone = set.evaluate().protocol(protocol()).run().unwrap();
    let beside = set.evaluate().protocol(protocol()).models(all_models()).run().unwrap();
    let rows = beside.rows();
    assert_eq!(rows.len(), 7 * (1 + 2 + 1));
    let same = |row: &&EvaluationRow| alone.rows().iter().any(|old| old.method == row.method);
    let heads: Vec<EvaluationRow> = rows[..4].iter().filter(same).map(|row| untimed(row.clone())).collect();
    assert_eq!(heads, alone.rows().iter().cloned().map(untimed).collect::<Vec<_>>());
    for rows in rows.chunks(4) {
        let (model, all) = (&rows[0].model, &rows[3]);
        assert!(rows.iter().all(|row| row.model == *model && row.scored_on == "test cells"), "{rows:?}");
        assert_eq!(all.method, "all training cells");
        assert!(all.accuracy_mean > 0.85, "{all:?}");
        assert_eq!(all.ratio_to_all, Some(1.0));
        for row in rows {
            assert_eq!(row.ratio_to_all, Some(row.accuracy_mean / all.accuracy_mean), "{row:?}");
            assert_eq!(row.foundation.is_some(), model == "linear head");
        }
        // Nothing is drawn in two of them.
        let networks = if model == "CellTypist" || model == "nearest neighbours" { 1 } else { 2 };
        assert_eq!((rows[0].networks, all.networks), (networks, networks), "{model}");
    }
    let table = beside.table().unwrap();
    assert!(table.frame().column("model").is_ok());
    assert!(alone.table().unwrap().frame().column("model").is_err());
    assert!(table.caption().contains("the others expression"), "{}", table.caption());
}

fn untimed(row: EvaluationRow) -> EvaluationRow {
    EvaluationRow { seconds: None, ..row }
}

#[test]
fn features_that_are_no_cells_have_no_row_under_models_of_expression_and_the_table_says_so() {
    let study = study();
    let features = study.distill_embeddings(DistributionMatching::default()).steps(3).run().unwrap();
    let evaluation = features.evaluate().model(CellTypist::default()).protocol(protocol()).run().unwrap();
    let of = |model: &str| evaluation.rows().iter().filter(|row| row.model == model).count();
    assert_eq!((of("linear head"), of("CellTypist")), (4, 3));
    assert_eq!(evaluation.notes(), ["FeatDistill+DM without CellTypist, which sees expression"]);
}

#[test]
fn validation_cells_can_be_scored_in_the_place_of_test_cells() {
    let study = study();
    let evaluation = study.evaluate().protocol(protocol()).on_validation().run().unwrap();
    assert_eq!(evaluation.scored_cells(), study.training_cells().validation().len());
    assert_eq!(evaluation.rows().len(), 3);
    assert!(evaluation.rows().iter().all(|row| row.scored_on == "validation cells"));
    assert!(evaluation.table().unwrap().caption().contains("validation cells"));
    assert_ne!(evaluation.scored_cells(), study.evaluate().protocol(protocol()).run().unwrap().scored_cells());
    let message = study.evaluate().models(Vec::new()).run().unwrap_err().to_string();
    assert!(message.contains("no model to train"), "{message}");
}

#[test]
fn models_of_expression_score_class_means_that_a_model_without_encoder_can_not_see() {
    let cells = log_normalized(simulate().cells(300).genes(200).classes(3).smallest_class(30).seed(5), 10);
    let embedding = Foundation::pca(&cells.study("cell_type").training_cells().unwrap()).components(10).run().unwrap();
    let latents = embedding.embed(&cells.expression().select_genes(&genes_of(&embedding, &cells))).unwrap();
    let cells = cells.with_obsm("X_pca", latents).unwrap();
    let study = cells.study("cell_type").foundation(Foundation::precomputed("X_pca")).run().unwrap();
    let evaluation = study.evaluate().model(NearestNeighbours::default()).protocol(protocol()).run().unwrap();
    let found: Vec<_> = evaluation.rows().iter().map(|row| (row.model.as_str(), row.method.as_str())).collect();
    let (head, near) = ("linear head", "nearest neighbours");
    let expected = [
        (head, "random cells"),
        (head, "all training cells"),
        (near, "random cells"),
        (near, "class mean"),
        (near, "all training cells"),
    ];
    assert_eq!(found, expected);
    assert_eq!(evaluation.notes().len(), 1);
}

/// The columns of the cells that a model was fitted on.
fn genes_of(model: &Pca, cells: &Cells<LogNormalized>) -> Vec<usize> {
    let place = |gene: &String| cells.gene_names().iter().position(|name| name == gene).unwrap();
    model.genes().iter().map(place).collect()
}

/// Cells of four types, each in two states; the state moves genes of its own.
fn two_tasks() -> Cells<LogNormalized> {
    let cells = log_normalized(simulate().cells(600).genes(300).classes(8).smallest_class(40).seed(11), 10);
    let classes = cells.labels("cell_type").unwrap();
    let column = |name: &str, of: fn(u32) -> &'static str| {
        let values: Vec<&str> = classes.of_cell.iter().map(|&class| of(class)).collect();
        Column::new(name.into(), values)
    };
    let cells = cells.rename_obs("cell_type", "simulated").unwrap();
    let cells = cells.with_obs(column("cell_type", |class| ["B", "NK", "T", "monocyte"][class as usize % 4])).unwrap();
    cells.with_obs(column("disease", |class| if class < 4 { "healthy" } else { "ill" })).unwrap()
}

#[test]
fn one_distilled_set_of_two_label_columns_is_evaluated_by_each_of_them() {
    let study = two_tasks().study("cell_type").joint_label("disease").seed(11).foundation_epochs(10).run().unwrap();
    assert_eq!((study.classes().len(), study.label()), (8, "cell_type | disease"));
    let set = study.metacells().run().unwrap().distill(RidgeSurrogates::default()).steps(5).run().unwrap();
    let cells = set.cells().unwrap();
    let written = |column: &str| cells.labels(column).unwrap();
    assert_eq!(written("cell_type | disease").classes.len(), 8);
    assert_eq!(written("disease").count_per_class(), [4, 4]);
    assert_eq!(written("cell_type").count_per_class(), [2, 2, 2, 2]);
    // By each column, with as many labels as it has, and better than by guessing the larger one.
    for (column, labels) in [("cell_type", 4), ("disease", 2), ("cell_type | disease", 8)] {
        let evaluation = set.evaluate().label(column).model(CellTypist::default()).protocol(protocol()).run().unwrap();
        for row in evaluation.rows() {
            assert!(row.accuracy_mean > 1.2 / labels as f64, "{column}: {row:?}");
        }
        let all = evaluation.rows().iter().find(|row| row.method == "all training cells" && row.model == "CellTypist");
        assert!(all.unwrap().accuracy_mean > 0.9, "{column}: {all:?}");
    }
    // A column that the classes don't decide can't be evaluated, and the error says what would do.
    let alone = two_tasks().study("cell_type").foundation_epochs(1).run().unwrap();
    let message = alone.evaluate().label("disease").run().unwrap_err().to_string();
    assert!(message.contains("2 values") && message.contains(".joint_label(\"disease\")"), "{message}");
    assert!(two_tasks().study("disease").joint_label("disease").run().is_err());
}

#[test]
fn labels_that_no_training_cell_has_are_counted_and_reported_and_one_label_alone_is_refused() {
    let cells = two_tasks();
    let opened = cells.study("cell_type").joint_label("disease").seed(11).foundation_epochs(1);
    // A coarser column, in which three test cells have a label of their own.
    let study = opened.clone().run().unwrap();
    let test: Vec<usize> = {
        let training = study.training_cells();
        let known: Vec<usize> = training.train().iter().chain(training.validation()).copied().collect();
        (0..cells.cells()).filter(|cell| !known.contains(cell)).take(3).collect()
    };
    let disease = cells.labels("disease").unwrap();
    let names: Vec<&str> =
        (0..cells.cells())
            .map(|cell| {
                if test.contains(&cell) {
                    "unheard of"
                } else {
                    disease.classes[disease.of_cell[cell] as usize].as_str()
                }
            })
            .collect();
    let renamed = cells.with_obs(Column::new("outcome".into(), names)).unwrap();
    let renamed = renamed.with_obs(Column::new("same".into(), vec!["one"; cells.cells()])).unwrap();
    let study = renamed.study("cell_type").joint_label("disease").seed(11).foundation_epochs(1).run().unwrap();
    let evaluation =
        study.evaluate().label("outcome").model(NearestNeighbours::default()).protocol(protocol()).run().unwrap();
    let note = "3 scored cells with a label that no training cell has ('unheard of') count as wrong";
    assert!(evaluation.notes().iter().any(|found| found == note), "{:?}", evaluation.notes());
    assert!(evaluation.notes().iter().any(|found| found.contains("has no cell of 1 label of 'outcome'")));
    assert_eq!(evaluation.scored_cells(), study.test_cells().count());
    let message = study.evaluate().label("same").run().unwrap_err().to_string();
    assert!(message.contains("'same'") && message.contains("nothing to tell"), "{message}");
}
