//! Models that distillation never saw, beside the linear head that it was done for.

use scdd::prelude::*;

fn study() -> Study {
    scdd::progress::quiet(true);
    let cells = simulate().cells(400).genes(300).classes(4).smallest_class(30).seed(3).run().unwrap();
    let cells = cells.preprocess().min_genes(10).run().unwrap();
    cells.study("cell_type").seed(3).foundation_epochs(5).run().unwrap()
}

fn protocol() -> Protocol {
    Protocol { networks: 2, epochs: 100, ..Protocol::default() }
}

#[test]
fn every_model_scores_every_set_and_the_linear_heads_rows_do_not_change() {
    let study = study();
    let set = study.distill_decoder(DistributionMatching::default()).per_class(2).steps(10).run().unwrap();
    let alone = set.evaluate().protocol(protocol()).run().unwrap();
    let beside = set.evaluate().protocol(protocol()).controls(all_controls()).models(all_models()).run().unwrap();
    let rows = beside.rows();
    assert_eq!(rows.len(), 4 * (1 + 6 + 1));
    let same = |row: &&EvaluationRow| alone.rows().iter().any(|old| old.method == row.method);
    let heads: Vec<EvaluationRow> = rows[..8].iter().filter(same).map(|row| untimed(row.clone())).collect();
    assert_eq!(heads, alone.rows().iter().cloned().map(untimed).collect::<Vec<_>>());
    for rows in rows.chunks(8) {
        let (model, all) = (&rows[0].model, &rows[7]);
        assert!(rows.iter().all(|row| row.model == *model && row.scored_on == "test cells"), "{rows:?}");
        assert_eq!(all.method, "all training cells");
        assert!(all.accuracy_mean > 0.9, "{all:?}");
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
    let features = study.distill_features(DistributionMatching::default()).steps(3).run().unwrap();
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
    assert!(evaluation.rows().iter().all(|row| row.scored_on == "validation cells"));
    assert!(evaluation.table().unwrap().caption().contains("validation cells"));
    assert_ne!(evaluation.scored_cells(), study.evaluate().protocol(protocol()).run().unwrap().scored_cells());
    let message = study.evaluate().models(Vec::new()).run().unwrap_err().to_string();
    assert!(message.contains("no model to train"), "{message}");
}

#[test]
fn models_of_expression_score_class_means_that_a_model_without_encoder_can_not_see() {
    scdd::progress::quiet(true);
    let cells = simulate().cells(300).genes(200).classes(3).smallest_class(30).seed(5).run().unwrap();
    let cells = cells.preprocess().min_genes(10).run().unwrap();
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
