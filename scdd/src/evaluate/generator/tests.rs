//! Figures on samples where the answer is known.

use super::*;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Cells of twenty genes around three classes, and points that are the genes; `shift` moves every gene that is expressed.
fn cells(count: usize, shift: f32, purpose: &str) -> Sample {
    let mut random = seed::stream(2, purpose);
    let labels: Vec<u32> = (0..count as u32).map(|cell| cell % 3).collect();
    let mut dense = Vec::new();
    for &label in &labels {
        for gene in 0..20 {
            let noise: f32 = StandardNormal.sample(&mut random);
            let level = if gene / 2 == label { 4.0 } else { 1.0 + gene as f32 / 10.0 };
            let zero = random.random::<f32>() < 0.3 - gene as f32 / 100.0;
            dense.push(if zero { 0.0 } else { (level + 0.3 * noise + shift).max(0.1) });
        }
    }
    let expression = Expression::from_dense(20, &dense).unwrap();
    Sample { points: Array2::from_shape_vec((count, 20), dense).unwrap(), expression, labels }
}

fn value(found: &[Found], name: &str) -> f64 {
    *found.iter().find(|found| found.name == name).unwrap().value.as_ref().unwrap()
}

#[test]
fn cells_of_one_distribution_can_not_be_told_apart() {
    let found = compare(&cells(400, 0.0, "real"), &cells(400, 0.0, "others"), 7);
    assert_eq!(found.len(), 11);
    for name in ["gene means, Pearson", "gene means, Spearman", "gene variances, Pearson", "zeros per gene, Pearson"] {
        assert!(value(&found, name) > 0.8, "{name}: {}", value(&found, name));
    }
    assert!(value(&found, "zeros per gene, mean difference") < 0.05);
    assert!(value(&found, "zeros per cell, more than in real ones").abs() < 0.02);
    assert!(value(&found, "squared maximum mean discrepancy").abs() < 0.005);
    assert!(value(&found, "integration LISI") > 1.85, "{}", value(&found, "integration LISI"));
    for name in ["5 nearest neighbours, AUC", "random forest, AUC"] {
        assert!((value(&found, name) - 0.5).abs() < 0.08, "{name}: {}", value(&found, name));
    }
}

#[test]
fn shifted_cells_are_told_from_real_ones() {
    let found = compare(&cells(400, 0.0, "real"), &cells(400, 1.5, "shifted"), 7);
    assert!(value(&found, "squared maximum mean discrepancy") > 0.1);
    assert!(value(&found, "integration LISI") < 1.3, "{}", value(&found, "integration LISI"));
    for name in ["5 nearest neighbours, AUC", "random forest, AUC"] {
        assert!(value(&found, name) > 0.95, "{name}: {}", value(&found, name));
    }
    // A shift of all genes keeps the order of their means.
    assert!(value(&found, "gene means, Spearman") > 0.8);
}

#[test]
fn copies_of_one_cell_are_told_from_real_ones_and_have_no_variance() {
    let (real, one) = (cells(200, 0.0, "real"), cells(1, 0.0, "one"));
    let row = one.expression.dense_rows(&[0]).repeat(200);
    let copies = Sample {
        expression: Expression::from_dense(20, &row).unwrap(),
        points: Array2::from_shape_vec((200, 20), row).unwrap(),
        labels: vec![0; 200],
    };
    let found = compare(&real, &copies, 7);
    assert!(found.iter().any(|found| found.name == "gene variances, Pearson" && found.value.is_err()));
    assert!(value(&found, "random forest, AUC") > 0.95);
    assert!(value(&found, "integration LISI") < 1.1);
}

#[test]
fn what_few_cells_do_not_define_is_left_out_with_the_reason() {
    let found = compare(&cells(200, 0.0, "real"), &cells(14, 0.0, "few"), 7);
    let reason = |name: &str| found.iter().find(|found| found.name == name).unwrap().value.clone().unwrap_err();
    assert!(
        reason("random forest, AUC").contains("needs at least 20 cells of each kind; there are 200 real ones and 14")
    );
    assert!(
        reason("integration LISI").contains("needs 90 neighbours") && reason("integration LISI").contains("28 cells")
    );
    assert!(value(&found, "gene means, Pearson") > 0.5);
    let found = compare(&cells(200, 0.0, "real"), &cells(5, 0.0, "fewer"), 7);
    assert!(found.iter().all(|found| found.value.is_err()));
}

#[test]
fn markers_of_one_distribution_overlap_and_those_of_exchanged_classes_do_not() {
    let (real, other) = (cells(300, 0.0, "real"), cells(300, 0.0, "others"));
    for class in 0..3 {
        assert_eq!(classes::marker_overlap(&real, &other, class).unwrap(), 1.0, "class {class}");
    }
    let exchanged = Sample { labels: other.labels.iter().map(|label| (label + 1) % 3).collect(), ..other };
    assert_eq!(classes::marker_overlap(&real, &exchanged, 0).unwrap(), 0.0);
    let reason = classes::marker_overlap(&real, &cells(9, 0.0, "few"), 1).unwrap_err();
    assert!(reason.contains("of the compared cells, 3 are of the class and 6 are not"), "{reason}");
}

#[test]
fn a_report_has_every_figure_and_real_cells_in_the_place_of_generated_ones_are_not_told_apart() {
    crate::progress::quiet(true);
    let cells = crate::simulate().cells(900).genes(200).classes(3).smallest_class(100).run().unwrap();
    let opened = cells.preprocess().min_genes(10).run().unwrap().study("cell_type").validation_fraction(0.3);
    let study = opened.foundation_epochs(8).run().unwrap();
    let scdg = study.train_scdg().steps(5).run().unwrap();
    let report = scdg.report().sampler(crate::Sampler::Decoder).run().unwrap();
    for figure in report.figures() {
        assert!(figure.generated.is_some() && figure.real.is_some() && figure.reason.is_none(), "{figure:?}");
        // Real cells are nearer to the ideal: a decoder of a few epochs smooths.
        let far = |value: Option<f64>| (value.unwrap() - figure.ideal).abs();
        assert!(far(figure.real) <= far(figure.generated), "{figure:?}");
    }
    let area = report.figure("random forest, AUC").unwrap();
    assert!((area.real.unwrap() - 0.5).abs() < 0.1 && area.generated.unwrap() > 0.9, "{area:?}");
    assert!(report.figure("integration LISI").unwrap().real.unwrap() > 1.8, "{report}");
    assert_eq!(report.title(), "216 generated cells beside 216 validation cells");
    assert_eq!(report.classes().len(), 3);
    assert!(report.classes().iter().all(|class| class.recall_of_real.unwrap() > 0.5 && class.real_cells > 10));
    assert_eq!(report.frame().unwrap().height(), report.figures().len());
    assert_eq!(report.classes_frame().unwrap().height(), 3);
    assert!(
        scdg.report().cells(400).on_test().run().unwrap().title().starts_with("400 generated cells beside 180 test")
    );
    let message = scdg.report().cells(3).run().unwrap_err().to_string();
    assert!(message.starts_with("cells to generate is 3; expected 10 or more"), "{message}");
}
