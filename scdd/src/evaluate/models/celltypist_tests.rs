use super::*;
use crate::seed;
use rand::RngExt;

/// Log-normalised-looking cells: each class has some genes of its own.
fn cells(cells: usize, genes: usize, classes: u32, purpose: &str) -> (Expression, Vec<u32>) {
    let mut random = seed::stream(3, purpose);
    let labels: Vec<u32> = (0..cells as u32).map(|cell| cell % classes).collect();
    let mut dense = Vec::with_capacity(cells * genes);
    for &label in &labels {
        for gene in 0..genes as u32 {
            let chance = if gene % (classes + 2) == label { 0.6 } else { 0.15 };
            dense.push(if random.random::<f64>() < chance { random.random::<f32>() * 3.0 } else { 0.0 });
        }
    }
    (Expression::from_dense(genes, &dense).unwrap(), labels)
}

fn exact() -> CellTypist {
    CellTypist { tolerance: 1e-10, iterations: 10_000, ..CellTypist::default() }
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    classes: usize,
    train: Vec<Vec<f32>>,
    labels: Vec<u32>,
    test: Vec<Vec<f32>>,
    decisions: Vec<Vec<f64>>,
    predicted: Vec<u32>,
}

#[test]
fn decisions_equal_scikit_learns_for_few_cells_and_for_many() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../tests/goldens/evaluate_celltypist.json")).unwrap();
    assert!(cases.len() >= 4);
    for case in cases {
        let sparse = |rows: &[Vec<f32>]| Expression::from_dense(rows[0].len(), &rows.concat()).unwrap();
        let trained = exact().fit(&sparse(&case.train), &case.labels, case.classes).unwrap();
        let decisions = trained.decisions(&sparse(&case.test)).unwrap();
        for (ours, theirs) in decisions.iter().zip(case.decisions.concat()) {
            assert!((f64::from(*ours) - theirs).abs() < 1e-4 * theirs.abs().max(1.0), "{}: {ours} {theirs}", case.name);
        }
        assert_eq!(argmax(&decisions), case.predicted, "{}", case.name);
    }
}

#[test]
fn classes_are_learned_and_one_without_training_cells_is_never_predicted() {
    let (train, labels) = cells(300, 200, 5, "learned");
    let (test, truth) = cells(100, 200, 5, "tested");
    let trained = CellTypist::default().fit(&train, &labels, 6).unwrap();
    let decisions = trained.decisions(&test).unwrap();
    assert!(accuracy(&argmax(&decisions), &truth) > 0.9);
    assert!(decisions.column(5).iter().all(|value| *value == f32::NEG_INFINITY));
    assert_eq!(trained.training_accuracy, Some(1.0));
}

#[test]
fn a_setting_outside_its_range_and_other_genes_are_refused_with_numbers() {
    let (train, labels) = cells(20, 30, 2, "refused");
    let message = |model: CellTypist| model.fit(&train, &labels, 2).map(|_| ()).unwrap_err().to_string();
    assert!(message(CellTypist { c: 0.0, ..CellTypist::default() }).starts_with("c is 0"));
    assert!(message(CellTypist { tolerance: f64::NAN, ..CellTypist::default() }).starts_with("tolerance is NaN"));
    let trained = CellTypist::default().fit(&train, &labels, 2).unwrap();
    let other = trained.decisions(&Expression::from_dense(7, &[1.0; 7]).unwrap()).unwrap_err().to_string();
    assert!(other.contains("7 genes") && other.contains("30"), "{other}");
}

#[test]
fn genes_that_were_not_measured_say_nothing() {
    let (train, labels) = cells(200, 40, 3, "missing");
    let (test, truth) = cells(120, 40, 3, "missing, tested");
    let trained = CellTypist::default().fit(&train, &labels, 3).unwrap();
    let kept: Vec<usize> = (0..40).filter(|gene| gene % 4 != 1).collect();
    let missing: Vec<u32> = (0..40).filter(|gene| gene % 4 == 1).collect();
    let cut = ModelInput::new(test.select_genes(&kept).place_genes(40, &kept)).with_missing_genes(missing.clone());
    let found = trained.decide(&cut).unwrap();
    // The decision function of the other genes alone: w z + b without those of the missing ones.
    let all = trained.decisions(&test).unwrap();
    for cell in 0..120 {
        let mut row = vec![0.0; 40];
        trained.standardizer.dense_row(test.view(), cell, &mut row);
        for class in 0..3 {
            let of_missing: f64 =
                missing.iter().map(|&gene| row[gene as usize] * trained.weights[gene as usize * 3 + class]).sum();
            assert!((f64::from(all[[cell, class]] - found[[cell, class]]) - of_missing).abs() < 1e-4);
        }
    }
    assert!(accuracy(&argmax(&found), &truth) > 0.8);
}

#[test]
fn descent_by_single_cells_predicts_as_the_minimum_of_the_penalised_loss_does() {
    let (train, labels) = cells(150, 30, 3, "descent");
    let (test, _) = cells(200, 30, 3, "descent, tested");
    // alpha = 1 / (C n): the same function. Many passes, so that the rate has fallen.
    let exact = CellTypist { c: 1.0 / (0.05 * 150.0), ..exact() }.fit(&train, &labels, 3).unwrap();
    let descended = CellTypist { sgd: Some(0.05), iterations: 2_000, ..CellTypist::default() };
    let early = descended.fit(&train, &labels, 3).unwrap();
    let same = accuracy(&argmax(&early.decisions(&test).unwrap()), &argmax(&exact.decisions(&test).unwrap()));
    assert!(same > 0.95, "{same}");
}
