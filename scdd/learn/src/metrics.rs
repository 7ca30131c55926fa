//! Classification scores: accuracy, macro-F1, balanced accuracy and recall of rare classes.
//!
//! Where one class has hundreds of times the cells of another, accuracy alone hides the rare ones, so the others stand beside
//! it (ours). Conventions are scikit-learn's, to whose numbers a test compares these.

use ndarray::{Array2, ArrayView1};

use crate::error::{LearnError, check_labels};

/// A class with less than this fraction of the test cells is rare (ours).
const RARE: f64 = 0.01;

/// The column of the largest value of each row `[rows, columns]`; of equals the first.
pub fn argmax(values: &Array2<f32>) -> Vec<u32> {
    let best = |row: ArrayView1<f32>| {
        (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as u32
    };
    values.rows().into_iter().map(best).collect()
}

/// Fraction of predictions that equal their label; 0 without labels.
pub fn accuracy(predicted: &[u32], labels: &[u32]) -> f64 {
    let hits = predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count();
    hits as f64 / labels.len().max(1) as f64
}

/// How well predicted labels agree with the true ones.
///
/// ```
/// use scdd_learn::metrics::Scores;
/// // three cells of class 0, one of class 1; class 2 has no test cell
/// let scores = Scores::new(&[0, 0, 0, 1], &[0, 0, 1, 1], 3)?;
/// assert_eq!(scores.accuracy, 0.75);
/// assert_eq!(scores.recall_per_class, [Some(2.0 / 3.0), Some(1.0), None]);
/// # Ok::<(), scdd_learn::LearnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// Fraction of test cells whose label is predicted.
    pub accuracy: f64,
    /// Mean F1 over the classes that are present among true or predicted labels, as scikit-learn's
    /// `f1_score(average="macro")`. A class that is predicted but has no test cell counts as 0.
    pub macro_f1: f64,
    /// Mean recall over the classes with test cells, as scikit-learn's `balanced_accuracy_score`.
    pub balanced_accuracy: f64,
    /// Mean recall over the classes with test cells that have less than 1% of them; `None` when there is no such class.
    pub rare_recall: Option<f64>,
    /// Recall: fraction of each class's test cells that is predicted; `None` for a class without test cells.
    pub recall_per_class: Vec<Option<f64>>,
    /// Test cells of each class.
    pub cells_per_class: Vec<usize>,
}

impl Scores {
    /// Compares true with predicted labels, each below `classes`.
    ///
    /// # Errors
    /// When there is no test cell, the numbers of labels differ, or a label reaches `classes`.
    pub fn new(truth: &[u32], predicted: &[u32], classes: usize) -> Result<Self, LearnError> {
        if truth.is_empty() {
            return Err(LearnError::EmptyTest);
        }
        check_labels("predictions", predicted.len(), truth, classes)?;
        check_labels("predictions", predicted.len(), predicted, classes)?;

        let (mut cells, mut calls, mut hits) = (vec![0usize; classes], vec![0usize; classes], vec![0usize; classes]);
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            cells[truth as usize] += 1;
            calls[predicted as usize] += 1;
            hits[truth as usize] += usize::from(truth == predicted);
        }
        let recall: Vec<Option<f64>> =
            (0..classes).map(|class| (cells[class] > 0).then(|| hits[class] as f64 / cells[class] as f64)).collect();
        // F1 = 2 hits / (cells + calls), which is defined wherever a class is present.
        let f1 = (0..classes)
            .filter(|&class| cells[class] + calls[class] > 0)
            .map(|class| 2.0 * hits[class] as f64 / (cells[class] + calls[class]) as f64);
        let rare = (0..classes).filter(|&class| (cells[class] as f64) < RARE * truth.len() as f64);
        Ok(Self {
            accuracy: hits.iter().sum::<usize>() as f64 / truth.len() as f64,
            macro_f1: mean_of(f1).unwrap_or(0.0),
            balanced_accuracy: mean_of(recall.iter().flatten().copied()).unwrap_or(0.0),
            rare_recall: mean_of(rare.filter_map(|class| recall[class])),
            recall_per_class: recall,
            cells_per_class: cells,
        })
    }
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, seq::SliceRandom};

    use super::*;

    /// Labels drawn with a strong imbalance, and predictions of which about two thirds are right.
    fn draw(seed: u64, cells: usize, classes: u32) -> (Vec<u32>, Vec<u32>) {
        let mut random = crate::seed::stream(seed, "metrics test");
        let mut label = || (random.random::<f64>().powi(3) * f64::from(classes)) as u32;
        let truth: Vec<u32> = (0..cells).map(|_| label()).collect();
        let guesses: Vec<u32> = (0..cells).map(|_| label()).collect();
        let predicted = truth.iter().zip(guesses).enumerate();
        (truth.clone(), predicted.map(|(i, (&truth, guess))| if i % 3 > 0 { truth } else { guess }).collect())
    }

    #[test]
    fn scores_equal_scikit_learns() {
        #[derive(serde::Deserialize)]
        struct Case {
            name: String,
            classes: usize,
            truth: Vec<u32>,
            predicted: Vec<u32>,
            accuracy: f64,
            macro_f1: f64,
            balanced_accuracy: f64,
            recall_per_class: Vec<Option<f64>>,
        }
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/goldens/evaluate_metrics.json")).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let scores = Scores::new(&case.truth, &case.predicted, case.classes).unwrap();
            let near =
                |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-12, "{}: {ours} {theirs}", case.name);
            near(scores.accuracy, case.accuracy);
            near(scores.macro_f1, case.macro_f1);
            near(scores.balanced_accuracy, case.balanced_accuracy);
            assert_eq!(scores.recall_per_class.len(), case.recall_per_class.len());
            for (ours, theirs) in scores.recall_per_class.iter().zip(&case.recall_per_class) {
                assert_eq!(ours.is_some(), theirs.is_some());
                near(ours.unwrap_or(0.0), theirs.unwrap_or(0.0));
            }
        }
    }

    #[test]
    fn scores_do_not_depend_on_the_order_of_cells() {
        for seed in 0..20 {
            let (truth, predicted) = draw(seed, 500, 9);
            let mut pairs: Vec<(u32, u32)> = truth.iter().copied().zip(predicted.iter().copied()).collect();
            pairs.shuffle(&mut crate::seed::stream(seed, "order"));
            let (other_truth, other_predicted): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
            assert_eq!(
                Scores::new(&truth, &predicted, 9).unwrap(),
                Scores::new(&other_truth, &other_predicted, 9).unwrap()
            );
        }
    }

    #[test]
    fn averages_do_not_depend_on_which_class_has_which_number() {
        for seed in 0..20 {
            let (truth, predicted) = draw(seed, 300, 7);
            let mut rename: Vec<u32> = (0..7).collect();
            rename.shuffle(&mut crate::seed::stream(seed, "names"));
            let renamed = |labels: &[u32]| labels.iter().map(|&label| rename[label as usize]).collect::<Vec<u32>>();
            let before = Scores::new(&truth, &predicted, 7).unwrap();
            let after = Scores::new(&renamed(&truth), &renamed(&predicted), 7).unwrap();
            assert!((before.macro_f1 - after.macro_f1).abs() < 1e-12);
            assert!((before.balanced_accuracy - after.balanced_accuracy).abs() < 1e-12);
        }
    }

    #[test]
    fn perfect_prediction_scores_one_and_no_prediction_scores_more() {
        for seed in 0..20 {
            let (truth, predicted) = draw(seed, 400, 12);
            let perfect = Scores::new(&truth, &truth, 12).unwrap();
            assert_eq!((perfect.accuracy, perfect.macro_f1, perfect.balanced_accuracy), (1.0, 1.0, 1.0));
            assert!(perfect.rare_recall.is_none_or(|recall| recall == 1.0));
            let scores = Scores::new(&truth, &predicted, 12).unwrap();
            for score in [scores.accuracy, scores.macro_f1, scores.balanced_accuracy] {
                assert!(score > 0.0 && score < 1.0);
            }
        }
    }

    #[test]
    fn rare_recall_averages_classes_below_one_percent_that_have_test_cells() {
        // 300 cells of class 0, two of class 1 (0.66%), one of class 2 (0.33%), none of class 3
        let truth: Vec<u32> = [vec![0; 300], vec![1, 1, 2]].concat();
        let predicted: Vec<u32> = [vec![0; 300], vec![1, 0, 0]].concat();
        assert_eq!(Scores::new(&truth, &predicted, 4).unwrap().rare_recall, Some(0.25));
        // exactly one percent is not below it
        let truth: Vec<u32> = [vec![0; 99], vec![1]].concat();
        assert_eq!(Scores::new(&truth, &truth, 2).unwrap().rare_recall, None);
    }

    #[test]
    fn what_cannot_be_scored_is_refused_with_its_numbers() {
        let message = |truth: &[u32], predicted: &[u32]| Scores::new(truth, predicted, 2).unwrap_err().to_string();
        assert!(message(&[], &[]).contains("no test cells"));
        assert!(message(&[0, 1], &[0]).contains("1 predictions for 2 labels"));
        assert!(message(&[0, 2], &[0, 1]).contains("cell 1 has label 2, but there are 2 classes"));
        assert!(message(&[0, 1], &[5, 1]).contains("cell 0 has label 5"));
    }
}
