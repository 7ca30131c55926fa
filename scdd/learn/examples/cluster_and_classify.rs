//! Simulated sparse cells: principal components, k-means, and two classifiers scored on cells that they did not see.
//!
//!     cargo run -p scdd-learn --example cluster_and_classify

use scdd_learn::forest::{Forest, ForestConfig, SparseColumns};
use scdd_learn::kmeans::kmeans;
use scdd_learn::metrics::{Scores, argmax};
use scdd_learn::ndarray::{Array1, Array2, ArrayView1, Axis};
use scdd_learn::pca::{Components, principal_components};
use scdd_learn::rand::RngExt;
use scdd_learn::scdd_compute::Csr;
use scdd_learn::seed;
use scdd_learn::softmax_regression::{Protocol, train_heads};

const FEATURES: usize = 200;
const CLASSES: u32 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ((train, labels), (test, truth)) = (cells(400, "train")?, cells(200, "test")?);

    let components = principal_components(train.view(), 10, 7)?;
    let explained: f64 = components.variance_ratio.iter().sum();
    println!("10 components explain {:.1} % of the variance", 100.0 * explained);
    let (train_latents, test_latents) = (project(&train, &components), project(&test, &components));

    let clustering = kmeans(&train_latents, CLASSES as usize, &mut seed::stream(7, "clusters"));
    println!(
        "k-means: inertia {:.1} after {} iterations, converged: {}",
        clustering.inertia, clustering.iterations, clustering.converged
    );

    let protocol = Protocol { networks: 1, ..Protocol::default() };
    let heads = train_heads(&train_latents, &labels, CLASSES as usize, &protocol)?;
    let predicted = heads[0].predict(&test_latents)?;
    println!("softmax regression: {:.3} accuracy", Scores::new(&truth, &predicted, CLASSES as usize)?.accuracy);

    let config = ForestConfig { trees: 50, min_leaf: 1, max_depth: 64 };
    let forest = Forest::train(&SparseColumns::new(train.view()), &labels, CLASSES as usize, config, 7);
    let mut probabilities = Array2::zeros((test.rows(), CLASSES as usize));
    for (cell, mut row) in probabilities.rows_mut().into_iter().enumerate() {
        let dense = Array1::from_vec(test.dense_rows(&[cell]));
        row.assign(&Array1::from_vec(forest.probabilities(dense.view())));
    }
    let scores = Scores::new(&truth, &argmax(&probabilities), CLASSES as usize)?;
    println!("random forest: {:.3} accuracy, {:.3} macro-F1", scores.accuracy, scores.macro_f1);
    Ok(())
}

/// Sparse cells whose class has more values in a quarter of the features.
fn cells(count: usize, purpose: &str) -> Result<(Csr, Vec<u32>), Box<dyn std::error::Error>> {
    let mut random = seed::stream(7, purpose);
    let labels: Vec<u32> = (0..count as u32).map(|cell| cell % CLASSES).collect();
    let mut dense = Vec::with_capacity(count * FEATURES);
    for label in &labels {
        for feature in 0..FEATURES as u32 {
            let chance = if feature % CLASSES == *label { 0.3 } else { 0.1 };
            dense.push(if random.random::<f32>() < chance { random.random::<f32>() } else { 0.0 });
        }
    }
    Ok((Csr::from_dense(FEATURES, &dense)?, labels))
}

/// Coordinates of cells along components: (x - mean) V.
fn project(cells: &Csr, components: &Components) -> Array2<f32> {
    let rows: Vec<usize> = (0..cells.rows()).collect();
    let mean = ArrayView1::from(&components.mean);
    let mut latents = Array2::zeros((cells.rows(), components.loadings.len_of(Axis(1))));
    for (&cell, mut latent) in rows.iter().zip(latents.rows_mut()) {
        let centred = Array1::from_vec(cells.dense_rows(&[cell])) - mean;
        latent.assign(&centred.dot(&components.loadings));
    }
    latents
}
