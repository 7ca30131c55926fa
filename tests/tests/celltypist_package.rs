//! CellTypist's logistic regression beside the Python package celltypist (tests/goldens/make_celltypist_package.py).

use scdd::cells::Expression;
use scdd::prelude::*;

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../goldens/celltypist_package.json")).unwrap()
}

fn numbers(golden: &serde_json::Value, name: &str) -> Vec<u32> {
    golden[name].as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

/// log1p of counts per 10,000.
fn normalized(golden: &serde_json::Value, name: &str) -> ModelInput {
    let rows = golden[name].as_array().unwrap();
    let genes = rows[0].as_array().unwrap().len();
    let row = |row: &serde_json::Value| {
        let counts: Vec<f64> = row.as_array().unwrap().iter().map(|count| count.as_f64().unwrap()).collect();
        let sum: f64 = counts.iter().sum();
        counts.into_iter().map(|count| (count / sum * 1e4).ln_1p() as f32).collect::<Vec<f32>>()
    };
    ModelInput::new(Expression::from_dense(genes, &rows.iter().flat_map(row).collect::<Vec<f32>>()).unwrap())
}

fn predicted(model: CellTypist, golden: &serde_json::Value, seed: u64) -> Box<dyn TrainedModel> {
    let classes = golden["classes"].as_u64().unwrap() as usize;
    let protocol = Protocol { networks: 1, seed, ..Protocol::default() };
    model.train(&normalized(golden, "train"), &numbers(golden, "labels"), classes, &protocol).unwrap().remove(0)
}

fn share(ours: &[u32], theirs: &[u32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).filter(|(a, b)| a == b).count() as f64 / theirs.len() as f64
}

#[test]
fn predictions_and_probabilities_are_those_of_the_package() {
    let golden = golden();
    let (test, theirs) = (normalized(&golden, "test"), numbers(&golden, "lbfgs"));
    let ours = predicted(CellTypist::default(), &golden, 1);
    let agreed = share(&ours.predict(&test).unwrap(), &theirs);
    assert!(agreed >= 0.99, "{agreed}");
    // Theirs ends at a tolerance of 1e-4, ours at 1e-5.
    let rows = golden["probabilities"].as_array().unwrap();
    let ours = ours.probabilities(&test).unwrap();
    assert!(!rows.is_empty() && ours.nrows() == rows.len());
    for (ours, theirs) in ours.rows().into_iter().zip(rows) {
        let theirs = theirs.as_array().unwrap();
        assert!(!theirs.is_empty() && ours.len() == theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((f64::from(*ours) - theirs.as_f64().unwrap()).abs() < 0.03, "{ours} {theirs}");
        }
    }
}

#[test]
fn predictions_by_sgd_agree_with_the_package_as_often_as_its_own_runs_agree() {
    let golden = golden();
    let (test, theirs) = (normalized(&golden, "test"), numbers(&golden, "sgd"));
    let itself = golden["sgd_agrees_with_itself"].as_f64().unwrap();
    assert!(itself > 0.97, "{itself}");
    let of = |seed| share(&predicted(CellTypist::sgd(), &golden, seed).predict(&test).unwrap(), &theirs);
    let agreed: Vec<f64> = (0..10).map(of).collect();
    let mean = agreed.iter().sum::<f64>() / 10.0;
    println!("the package agrees with itself in {itself}, with ours in {mean} ({agreed:?})");
    assert!(mean > itself - 0.01, "{agreed:?}");
}
