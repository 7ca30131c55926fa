//! Sets of which it is known what they give away.

use super::builder::HeldOut;
use super::*;
use crate::seed;
use rand_distr::{Distribution, StandardNormal};

const CLASSES: usize = 3;
const GENES: usize = 60;

/// Cells around the profiles of three classes, half of the values zero.
fn cells(per_class: usize, purpose: &str) -> Labelled {
    let mut random = seed::stream(4, purpose);
    let (mut dense, mut labels) = (Vec::new(), Vec::new());
    for class in 0..CLASSES {
        for _ in 0..per_class {
            for gene in 0..GENES {
                let noise: f32 = StandardNormal.sample(&mut random);
                let level = if gene % CLASSES == class { 1.5 } else { 0.3 };
                dense.push((level + noise).max(0.0));
            }
            labels.push(class as u32);
        }
    }
    Labelled { expression: Expression::from_dense(GENES, &dense).unwrap(), labels }
}

/// Some of the cells.
fn some(of: &Labelled, chosen: &[usize]) -> Labelled {
    let labels = chosen.iter().map(|&cell| of.labels[cell]).collect();
    Labelled { expression: of.expression.select_cells(chosen), labels }
}

/// The mean profile of each class.
fn means(of: &Labelled) -> Labelled {
    let candidates = crate::evaluate::Candidates::new(&of.expression, &of.labels, CLASSES).unwrap();
    let (rows, labels) = crate::evaluate::Baseline::select(&crate::evaluate::ClassMean, &candidates, 1, 7).unwrap();
    Labelled { expression: Expression::from_array(&rows).unwrap(), labels }
}

fn attack(set: &Labelled, training: &Labelled, held_out: &Labelled) -> SetPrivacy {
    HeldOut::new(training, held_out, 7).attack("set", set, CLASSES, 7).1
}

#[test]
fn random_training_cells_are_found_out_as_copies() {
    let (training, held_out) = (cells(100, "training"), cells(60, "held out"));
    let chosen: Vec<usize> = (0..300).step_by(10).collect();
    let found = attack(&some(&training, &chosen), &training, &held_out);
    assert_eq!((found.cells, found.exact_copies, found.singled_out), (30, 30, 30));
    assert!(found.nearest_training < 1e-6 && found.nearest_is_training == 1.0);
    // A tenth of the training cells is in the set: these score above all others, the rest is guessing.
    for attack in [found.nearness.as_ref().unwrap(), found.calibrated.as_ref().unwrap()] {
        assert!((attack.auc - 0.55).abs() < 0.06, "{attack:?}");
        assert_eq!((attack.training_cells, attack.held_out_cells), (300, 180));
    }
    // A set of all training cells gives each away.
    let found = attack(&training, &training, &held_out);
    assert!(found.nearness.as_ref().unwrap().auc > 0.999 && found.exact_copies == 300);
    // Some noise on each value: no copies, and still the same cells.
    let mut random = seed::stream(5, "noise");
    let mut dense = training.expression.dense_rows(&chosen);
    dense.iter_mut().for_each(|value| *value += 0.1 * rand::RngExt::random::<f32>(&mut random));
    let noisy = Labelled { expression: Expression::from_dense(GENES, &dense).unwrap(), ..some(&training, &chosen) };
    let found = attack(&noisy, &training, &held_out);
    assert_eq!((found.exact_copies, found.singled_out), (0, 30));
}

#[test]
fn cells_of_neither_side_give_nothing_away() {
    let (mut within, mut told) = (0, 0);
    for draw in 0..20 {
        let training = cells(80, &format!("training {draw}"));
        let held_out = cells(40, &format!("held out {draw}"));
        let found = attack(&cells(2, &format!("others {draw}")), &training, &held_out);
        assert_eq!(found.exact_copies, 0);
        assert!(found.singled_out <= 2, "{found:?}");
        for attack in [found.nearness.unwrap(), found.calibrated.unwrap()] {
            assert!((attack.auc - 0.5).abs() < 0.15, "{attack:?}");
            within += usize::from(attack.low <= 0.5 && 0.5 <= attack.high);
            told += 1;
        }
    }
    // 38 of 40 are expected.
    assert!(told == 40 && within >= 33, "{within} of {told}");
}

#[test]
fn class_means_are_no_copies_and_means_of_few_cells_are_told_by_the_calibrated_attack() {
    let (training, held_out) = (cells(100, "training"), cells(60, "held out"));
    let found = attack(&means(&training), &training, &held_out);
    assert_eq!((found.exact_copies, found.singled_out), (0, 0));
    let of_many = found.calibrated.unwrap().auc;
    assert!(found.nearness.unwrap().auc < 0.65);
    let few = cells(8, "few");
    let found = attack(&means(&few), &few, &held_out);
    assert_eq!(found.exact_copies, 0);
    // Each cell is an eighth of its class's mean.
    let of_few = found.calibrated.unwrap();
    assert!(of_few.auc > 0.9 && of_few.low > 0.5 && of_few.auc > of_many + 0.1, "{of_few:?}, {of_many}");
}

#[test]
fn what_few_cells_do_not_define_is_left_out_with_the_reason() {
    let (training, held_out) = (cells(100, "training"), cells(4, "held out"));
    let found = attack(&cells(1, "others"), &training, &held_out);
    assert_eq!((found.nearness, found.calibrated), (None, None));
    assert!(found.reason.unwrap().contains("there are 300 training cells and 12 held-out ones"));
}

#[test]
fn a_distilled_set_stands_beside_random_cells_and_class_means_and_says_so_in_a_sentence() {
    crate::progress::quiet(true);
    let cells = crate::simulate().cells(500).genes(200).classes(3).smallest_class(40).run().unwrap();
    let opened = cells.preprocess().min_genes(10).run().unwrap().study("cell_type").validation_fraction(0.2);
    let study = opened.foundation_epochs(2).run().unwrap();
    let set = study.distill_decoder(crate::DistributionMatching::default()).per_class(4).steps(3).run().unwrap();
    let privacy = set.privacy().run().unwrap();
    let [ours, random, mean] = privacy.sets() else { panic!("{:?}", privacy.sets()) };
    assert_eq!((ours.cells, random.cells, mean.cells), (12, 12, 3));
    assert_eq!((ours.exact_copies, random.exact_copies, mean.exact_copies), (0, 12, 0));
    assert_eq!((random.singled_out, mean.singled_out), (12, 0));
    assert_eq!((privacy.distances().len(), privacy.held_out_distances().len()), (12, privacy.held_out_cells()));
    assert!((privacy.training_fraction() - 0.8).abs() < 0.02, "{}", privacy.training_fraction());
    let sentence = privacy.sentence();
    assert!(sentence.starts_with("Of 12 synthetic cells, none is a copy of a training cell"), "{sentence}");
    assert!(sentence.contains("0.5 is guessing") && sentence.contains("nothing is said of donors"), "{sentence}");
    assert_eq!(privacy.frame().unwrap().height(), 3);
    println!("{privacy}");
    let on_test = set.privacy().on_test().run().unwrap();
    assert_eq!(on_test.held_out(), "test cells");
    assert!(on_test.sentence().contains("test cells"));

    // 20 held-out cells are the least.
    let cells = crate::simulate().cells(120).genes(100).classes(3).run().unwrap();
    let study = cells.preprocess().min_genes(5).run().unwrap().study("cell_type").foundation_epochs(1).run().unwrap();
    let set = study.distill_decoder(crate::DistributionMatching::default()).steps(1).run().unwrap();
    let message = set.privacy().run().unwrap_err().to_string();
    assert!(message.contains("expected 20 or more; a larger validation_fraction"), "{message}");
}
