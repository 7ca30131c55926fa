//! Annotation against scikit-learn's KNeighborsClassifier (tests/goldens/make_foundation.py), and its corners.

use serde::Deserialize;

use super::*;
use crate::foundation::Foundation;
use ndarray::{Array2, array};
use polars::prelude::Column;

#[derive(Deserialize)]
struct Golden {
    reference: Vec<Vec<f32>>,
    labels: Vec<u32>,
    queries: Vec<Vec<f32>>,
    indices: Vec<Vec<u32>>,
    distances: Vec<Vec<f32>>,
    shares: Vec<Vec<f64>>,
    weighted_shares: Vec<Vec<f64>>,
    predicted: Vec<u32>,
}

fn golden() -> Golden {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/neighbours.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn cells(count: usize) -> Cells<LogNormalized> {
    let cells = crate::simulate().cells(count).genes(60).classes(2).smallest_class(20).run().unwrap();
    cells.preprocess().min_genes(0).min_cells(1).run().unwrap()
}

/// Cells whose latents are the golden's, through obsm.
fn with_latents(latents: &[Vec<f32>]) -> Cells<LogNormalized> {
    cells(latents.len()).with_obsm("X", matrix(latents)).unwrap()
}

fn golden_reference(golden: &Golden) -> Reference {
    let names: Vec<String> = golden.labels.iter().map(|label| format!("class {label}")).collect();
    let cells = with_latents(&golden.reference).with_obs(Column::new("known".into(), names)).unwrap();
    Foundation::precomputed("X").reference(&cells, "known").unwrap()
}

#[test]
fn neighbours_distances_and_shares_of_votes_are_scikit_learns() {
    let golden = golden();
    let reference = golden_reference(&golden);
    let queries = with_latents(&golden.queries);
    for weighted in [false, true] {
        let annotate = reference.annotate(&queries);
        let annotation = if weighted { annotate.weighted() } else { annotate }.run().unwrap();
        let neighbours = annotation.neighbours().unwrap();
        assert_eq!(neighbours.indices.dim(), (40, 50));
        let shares = if weighted { &golden.weighted_shares } else { &golden.shares };
        for (cell, shares) in shares.iter().enumerate() {
            let best = shares.iter().copied().fold(0.0, f64::max);
            assert!((annotation.confidence()[cell] - best).abs() < 1e-4, "{cell}");
            let label = annotation.labels()[cell].unwrap() as usize;
            assert!((shares[label] - best).abs() < 1e-4);
            let second = shares.iter().enumerate().filter(|(class, _)| *class != label).map(|(_, s)| *s);
            let second = second.fold(0.0, f64::max);
            assert!((neighbours.versus_second[cell] - best / (best + second)).abs() < 1e-4);
            if !weighted && second < best {
                assert_eq!(label, golden.predicted[cell] as usize);
            }
            for (rank, (distance, index)) in golden.distances[cell].iter().zip(&golden.indices[cell]).enumerate() {
                assert!((neighbours.distances[[cell, rank]] - distance).abs() < 1e-5);
                // Neighbours of nearly one distance may change places in f32.
                let apart = |other: usize| (golden.distances[cell][other] - distance).abs() > 1e-5;
                if (rank == 0 || apart(rank - 1)) && (rank == 49 || apart(rank + 1)) {
                    assert_eq!(neighbours.indices[[cell, rank]], *index);
                }
            }
        }
    }
}

#[test]
fn of_labels_with_equal_votes_the_one_with_the_nearest_neighbour_wins() {
    let near = [(2, 0.1), (1, 0.2), (1, 0.3), (2, 0.9)];
    assert_eq!(vote(&near, 3, false), Vote { label: 2, confidence: 0.5, versus_second: 0.5 });
    assert_eq!(vote(&near[..1], 3, false), Vote { label: 2, confidence: 1.0, versus_second: 1.0 });
    let weighted = vote(&[(0, 0.1), (1, 0.5), (1, 0.5)], 2, true);
    assert_eq!(weighted.label, 0);
    assert!((weighted.confidence - 10.0 / 14.0).abs() < 1e-6);
    // A neighbour at distance 0 weighs a million, not infinitely much.
    assert!(vote(&[(0, 0.0), (1, 1e-6)], 2, true).confidence.is_finite());
}

#[test]
fn annotated_cells_carry_label_confidence_and_distance_in_obs_and_a_taken_name_is_refused() {
    let golden = golden();
    let queries = with_latents(&golden.queries);
    let annotation = golden_reference(&golden).annotate(&queries).run().unwrap();
    let annotated = annotation.cells().unwrap();
    let names = annotated.obs().column("annotation").unwrap().str().unwrap().clone();
    assert_eq!(names.iter().flatten().collect::<Vec<_>>(), annotation.names());
    assert!(
        annotated.obs().column("annotation_confidence").is_ok()
            && annotated.obs().column("annotation_distance").is_ok()
    );
    assert!(annotation.probabilities().is_none() && annotation.unassigned() == 0);
    assert_eq!(annotation.frame().unwrap().shape(), (40, 6));
    assert!(annotation.accuracy("known").unwrap_err().to_string().contains("no column 'known'"));
    let again = golden_reference(&golden).annotate(&annotated).run().unwrap();
    assert_eq!(again.accuracy("annotation").unwrap(), 1.0);
    let message = again.cells().unwrap_err().to_string();
    assert!(message.contains("'annotation' already") && message.contains("rename_obs"), "{message}");
}

#[test]
fn more_neighbours_than_cells_no_labels_one_class_and_nan_are_refused_with_the_reason() {
    let golden = golden();
    let reference = golden_reference(&golden);
    let queries = with_latents(&golden.queries);
    for k in [0, 151] {
        let message = reference.annotate(&queries).k(k).run().unwrap_err().to_string();
        assert!(message.contains(&format!("k is {k}")) && message.contains("150 cells"), "{message}");
    }
    let model = Foundation::precomputed("X");
    let unlabelled = model.unlabelled_reference(&with_latents(&golden.reference)).unwrap();
    let message = unlabelled.annotate(&queries).run().unwrap_err().to_string();
    assert!(message.contains("no labels"), "{message}");
    let same = Column::new("same".into(), vec!["T"; 40]);
    let message = model.reference(&queries.with_obs(same).unwrap(), "same").unwrap_err().to_string();
    assert!(message.contains("one class only"), "{message}");
    let mut holes = golden.queries.clone();
    holes[7][2] = f32::NAN;
    let message = reference.annotate(&with_latents(&holes)).run().unwrap_err().to_string();
    assert!(message.contains("cell 7") && message.contains("dimension 2 is NaN"), "{message}");
    let narrow = cells(40).with_obsm("X", Array2::ones((40, 2))).unwrap();
    let message = reference.annotate(&narrow).run().unwrap_err().to_string();
    assert!(message.contains("2 dimensions, and 6 are expected"), "{message}");
}

#[test]
fn sets_that_measure_different_genes_are_embedded_by_one_model() {
    let cells = crate::simulate().cells(300).genes(200).classes(3).smallest_class(40).run().unwrap();
    let cells = cells.preprocess().min_genes(5).min_cells(1).run().unwrap();
    let model: Foundation =
        Foundation::pca(&cells.study("cell_type").training_cells().unwrap()).components(10).run().unwrap().into();
    let genes = |keep: fn(usize) -> bool| (0..cells.genes()).filter(|&gene| keep(gene)).collect::<Vec<_>>();
    let (first, second): (Vec<usize>, Vec<usize>) = (0..cells.cells()).partition(|cell| cell % 2 == 0);
    let first = cells.select_cells(&first).unwrap().select_genes(&genes(|gene| gene % 5 != 0)).unwrap();
    let second = cells.select_cells(&second).unwrap().select_genes(&genes(|gene| gene % 7 != 0)).unwrap();
    let annotation = model.reference(&first, "cell_type").unwrap().annotate(&second).k(15).run().unwrap();
    assert!(annotation.accuracy("cell_type").unwrap() > 0.9, "{annotation:?}");
}

#[test]
fn distances_do_not_depend_on_norms_of_latents() {
    let (a, b) = (array![[1.0f32, 0.0], [0.0, 2.0]], array![[3.0f32, 3.0]]);
    let (_, distances) = nearest(&b, &a, 2, Distance::Cosine);
    assert!(distances.iter().all(|distance| (distance - (1.0 - 0.5f32.sqrt())).abs() < 1e-6), "{distances}");
}
