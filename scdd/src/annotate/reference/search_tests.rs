//! Search by profile and by centroid.

use ndarray::Array2;

use super::*;
use crate::foundation::Foundation;

fn cells() -> Cells<LogNormalized> {
    let cells = crate::simulate().cells(240).genes(150).classes(3).smallest_class(30).run().unwrap();
    cells.preprocess().min_genes(5).run().unwrap()
}

fn model(cells: &Cells<LogNormalized>) -> Foundation {
    Foundation::pca(&cells.study("cell_type").training_cells().unwrap()).components(10).run().unwrap().into()
}

#[test]
fn a_cell_finds_itself_first_and_the_frame_says_what_was_found() {
    let cells = cells();
    let reference = model(&cells).unlabelled_reference(&cells).unwrap();
    let hits = reference.query(&cells.select_cells(&[17, 4]).unwrap()).k(3).run().unwrap();
    assert_eq!((hits.hits()[0][0].cell, hits.hits()[1][0].cell), (17, 4));
    assert!(hits.hits()[0][0].distance < 1e-5 && hits.hits()[0][1].distance > 1e-4);
    let frame = hits.frame().unwrap();
    let names: Vec<_> = frame.get_column_names().iter().map(|name| name.to_string()).collect();
    assert_eq!(names[..5], ["query", "rank", "distance", "index", "cell"]);
    assert!(names.contains(&"cell_type".to_owned()));
    assert_eq!(frame.height(), 6);
    let column = |name: &str, row: usize| frame.column(name).unwrap().str().unwrap().get(row).unwrap().to_owned();
    assert_eq!((column("query", 3), column("cell", 3)), (cells.cell_names()[4].clone(), cells.cell_names()[4].clone()));
    let known = cells.labels("cell_type").unwrap();
    assert_eq!(column("cell_type", 3), known.classes[known.of_cell[4] as usize]);
    assert_eq!(format!("{hits:?}"), format!("6 hits for 2 queries among {} cells", cells.cells()));
}

#[test]
fn centroids_of_classes_find_cells_of_their_class() {
    let cells = cells();
    let reference = model(&cells).reference(&cells, "cell_type").unwrap();
    let hits = reference.query(&cells).centroids("cell_type").k(20).run().unwrap();
    let labels = cells.labels("cell_type").unwrap();
    assert_eq!(hits.queries(), *labels.classes);
    for (class, hits) in hits.hits().iter().enumerate() {
        let same = hits.iter().filter(|hit| labels.of_cell[hit.cell] as usize == class).count();
        assert!(same >= 18, "{same} of 20");
    }
    let one = reference.query(&cells).centroid().k(5).run().unwrap();
    assert_eq!(one.queries(), [format!("centroid of {} cells", cells.cells())]);
}

#[test]
fn a_centroid_is_log1p_of_the_mean_counts_per_ten_thousand() {
    let expression = Expression::from_dense(2, &[3f32.ln(), 0.0, 5f32.ln(), 2f32.ln(), 9.0, 9.0]).unwrap();
    let found = centroids(&expression, &[vec![0, 1]]);
    assert!((found[[0, 0]] - 4f32.ln()).abs() < 1e-6 && (found[[0, 1]] - 1.5f32.ln()).abs() < 1e-6, "{found}");
}

#[test]
fn a_largest_distance_cuts_the_hits_and_more_hits_than_cells_are_refused() {
    let cells = cells();
    let reference = model(&cells).unlabelled_reference(&cells).unwrap();
    let query = reference.query(&cells.select_cells(&[3]).unwrap()).k(50);
    let all = query.clone().run().unwrap();
    let limit = all.hits()[0][10].distance;
    let near = query.clone().max_distance(limit).run().unwrap();
    assert!((11..50).contains(&near.hits()[0].len()));
    assert!(near.hits()[0].iter().all(|hit| hit.distance <= limit));
    let message = query.k(1_000).run().unwrap_err().to_string();
    assert!(message.contains("1000") && message.contains(&cells.cells().to_string()), "{message}");
}

#[test]
fn embeddings_of_a_file_are_searched_and_their_centroid_is_refused() {
    let cells = cells();
    let array = Array2::from_shape_fn((cells.cells(), 3), |(cell, i)| ((cell * 5 + i * 7) % 13) as f32 - 4.0);
    let cells = cells.with_obsm("X_own", array).unwrap();
    let reference = Foundation::precomputed("X_own").reference(&cells, "cell_type").unwrap();
    let part = cells.select_cells(&[9, 11]).unwrap();
    let hits = reference.query(&part).k(1).run().unwrap();
    assert!(hits.hits().iter().all(|hits| hits[0].distance < 1e-6));
    let message = reference.query(&part).k(1).centroid().run().unwrap_err().to_string();
    assert!(message.contains("no encoder") && message.contains("centroids"), "{message}");
}
