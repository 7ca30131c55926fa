//! Baselines on a few cells, and on a study where the answer is known.

use super::*;
use crate::cells::Expression;
use rand::RngExt;

/// Six cells: class 0 has four, class 1 has two, class 2 has none. Gene 0 numbers the cells from 1.
fn six_cells() -> (Expression, [u32; 6]) {
    let dense: Vec<f32> = (0..6).flat_map(|cell| [cell as f32 + 1.0, 0.0, (cell % 2) as f32]).collect();
    (Expression::from_dense(3, &dense).unwrap(), [0, 1, 0, 0, 1, 0])
}

fn of<'a>(expression: &'a Expression, labels: &'a [u32], classes: usize) -> Candidates<'a> {
    Candidates::new(expression, labels, classes).unwrap()
}

#[test]
fn random_cells_are_real_cells_of_their_class_without_duplicates() {
    let (expression, labels) = six_cells();
    for seed in 0..30 {
        let (rows, chosen) = RandomCells.select(&of(&expression, &labels, 3), 2, seed).unwrap();
        assert_eq!(chosen, [0, 0, 1, 1]);
        let cells: Vec<usize> = rows.column(0).iter().map(|number| *number as usize - 1).collect();
        for (row, (&cell, &label)) in rows.rows().into_iter().zip(cells.iter().zip(&chosen)) {
            assert_eq!(labels[cell], label);
            assert_eq!(row.to_vec(), expression.dense_rows(&[cell]));
        }
        assert_ne!(cells[0], cells[1]);
        assert_ne!(cells[2], cells[3]);
    }
}

#[test]
fn the_chosen_indices_are_those_of_the_selected_rows_and_a_made_cell_has_none() {
    let (expression, labels) = six_cells();
    for seed in 0..10 {
        let (rows, chosen_labels) = RandomCells.select(&of(&expression, &labels, 3), 2, seed).unwrap();
        let chosen = RandomCells.choose(&of(&expression, &labels, 3), 2, seed).unwrap().unwrap();
        let numbers: Vec<usize> = rows.column(0).iter().map(|number| *number as usize - 1).collect();
        assert_eq!(chosen, numbers);
        assert_eq!(chosen.iter().map(|&cell| labels[cell]).collect::<Vec<_>>(), chosen_labels);
    }
    assert_eq!(ClassMean.choose(&of(&expression, &labels, 3), 2, 7).unwrap(), None);
}

#[test]
fn a_class_smaller_than_the_budget_gives_all_its_cells_once() {
    let (expression, labels) = six_cells();
    let (rows, chosen) = RandomCells.select(&of(&expression, &labels, 3), 50, 7).unwrap();
    assert_eq!(chosen, [0, 0, 0, 0, 1, 1]);
    let mut numbers: Vec<u32> = rows.column(0).iter().map(|number| *number as u32).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_seed_decides_which_cells_are_drawn_and_each_cell_is_as_likely() {
    let (expression, labels) = six_cells();
    let draw = |seed| RandomCells.select(&of(&expression, &labels, 3), 1, seed).unwrap().0;
    assert_eq!(draw(3), draw(3));
    let mut drawn = [0; 6];
    (0..2_000).for_each(|seed| drawn[draw(seed)[[0, 0]] as usize - 1] += 1);
    for cell in [0, 2, 3, 5] {
        assert!((400..600).contains(&drawn[cell]), "cell {cell} drawn {} times of about 500", drawn[cell]);
    }
}

#[test]
fn the_class_mean_is_the_mean_over_all_cells_and_one_row_whatever_the_budget() {
    let mut random = crate::seed::stream(7, "class mean test");
    let dense: Vec<f32> =
        (0..40 * 5).map(|_| if random.random() { random.random::<f32>() * 6.0 } else { 0.0 }).collect();
    let expression = Expression::from_dense(5, &dense).unwrap();
    let labels: Vec<u32> = (0..40).map(|cell| if cell % 3 == 0 { 2 } else { 0 }).collect();
    let (rows, chosen) = ClassMean.select(&of(&expression, &labels, 3), 10, 7).unwrap();
    assert_eq!(chosen, [0, 2]);
    for (row, class) in rows.rows().into_iter().zip(chosen) {
        let members: Vec<usize> = (0..40).filter(|&cell| labels[cell] == class).collect();
        for gene in 0..5 {
            let sum: f64 = members.iter().map(|&cell| f64::from(dense[cell * 5 + gene])).sum();
            assert!((f64::from(row[gene]) - sum / members.len() as f64).abs() < 1e-6);
        }
    }
}

#[test]
fn what_cannot_be_selected_from_is_refused_with_its_numbers() {
    let (expression, labels) = six_cells();
    for selection in all_baselines() {
        let message = selection.select(&of(&expression, &labels, 3), 0, 7).unwrap_err().to_string();
        // Latents are needed first.
        assert!(message.starts_with("per_class is 0") || message.contains("have expression only"), "{message}");
    }
    let message =
        |labels: &[u32], classes| Candidates::new(&expression, labels, classes).map(|_| ()).unwrap_err().to_string();
    assert!(message(&labels[..5], 3).contains("6 training cells for 5 labels"));
    assert!(message(&labels, 1).contains("cell 1 has label 1, but there are 1 classes"));
}

#[test]
fn baselines_of_latents_are_what_they_say() {
    use crate::foundation::Foundation;
    let cells = crate::simulate().cells(150).genes(200).classes(3).smallest_class(12).seed(4).run().unwrap();
    let cells = cells.preprocess().min_genes(10).run().unwrap();
    let opened = cells.study("cell_type").all_genes();
    let pca = Foundation::pca(&opened.training_cells().unwrap()).components(8).run().unwrap();
    let study = opened.foundation(pca).run().unwrap();
    let (expression, labels) = study.training_expression();
    let latents = study.embeddings_of(study.training_cells().train());
    let candidates = of(&expression, &labels, 3).with_latents(&latents, study.foundation());
    let members = candidates.of_classes(1).unwrap();

    let (rows, of_rows) = KMeansPseudobulks.select(&candidates, 1, 7).unwrap();
    let (means, of_means) = ClassMean.select(&candidates, 1, 7).unwrap();
    assert_eq!((&rows, &of_rows), (&means, &of_means), "one cluster is the class");
    let (rows, of_rows) = KMeansPseudobulks.select(&candidates, 4, 7).unwrap();
    assert_eq!(of_rows, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    assert_ne!(rows.row(0), rows.row(1));

    let medoid = Medoid.choose(&candidates, 2, 7).unwrap().unwrap();
    assert_eq!(medoid.len(), 6);
    for (class, pair) in medoid.chunks(2).enumerate() {
        let mean = ndarray::Array1::from(candidates.mean_latent(&members[class]).unwrap());
        let far = |cell: usize| scdd_learn::kmeans::squared_distance(latents.row(cell), mean.view());
        assert!(far(pair[0]) <= far(pair[1]));
        assert!(members[class].iter().filter(|cell| !pair.contains(cell)).all(|&cell| far(cell) >= far(pair[1])));
    }

    // Each class gives what it has, up to the budget, as cells of its own, and the same again.
    for selection in [&Herding as &dyn Baseline, &KCentre, &GeometricSketch, &ScValue] {
        let per_class = 20;
        let chosen = selection.choose(&candidates, per_class, 7).unwrap().unwrap();
        assert_eq!(selection.choose(&candidates, per_class, 7).unwrap().unwrap(), chosen);
        let (rows, of_rows) = selection.select(&candidates, per_class, 7).unwrap();
        assert_eq!((rows, of_rows), candidates.rows(&chosen), "{}", selection.name());
        for (class, members) in (0..).zip(&members) {
            let mut of_class: Vec<usize> = chosen.iter().copied().filter(|&cell| labels[cell] == class).collect();
            of_class.sort_unstable();
            of_class.dedup();
            assert_eq!(of_class.len(), members.len().min(per_class), "{}, class {class}", selection.name());
        }
    }

    // Decoding is affine before the rectifier: with principal components it undoes the encoding's mean.
    let (decoded, of_decoded) = ClassMeanLatent.select(&candidates, 3, 7).unwrap();
    assert_eq!(of_decoded, [0, 1, 2]);
    let again = study.foundation().embed(&Expression::from_array(&decoded).unwrap()).unwrap();
    for (class, row) in again.rows().into_iter().enumerate() {
        let mean = candidates.mean_latent(&members[class]).unwrap();
        let apart: f32 = row.iter().zip(&mean).map(|(a, b)| (a - b).powi(2)).sum();
        let squared_norm: f32 = mean.iter().map(|value| value * value).sum();
        assert!(apart < 0.05 * squared_norm, "{apart} {squared_norm}");
    }
    let (decoded, of_decoded) = DecodedCells.select(&candidates, 2, 7).unwrap();
    let (real, of_real) = RandomCells.select(&candidates, 2, 7).unwrap();
    assert_eq!(of_decoded, of_real);
    assert_ne!(decoded, real);
    let error = |a: &Array2<f32>, b: &Array2<f32>| (a - b).mapv(|value| value * value).sum();
    assert!(error(&decoded, &real) < error(&Array2::zeros(real.dim()), &real));
}
