//! Principal components against scikit-learn's (tests/goldens/make_foundation.py), and what a model must keep to.

use ndarray::arr1;
use serde::Deserialize;

use super::*;
use crate::foundation::Foundation;

#[derive(Deserialize)]
struct Golden {
    expression: Vec<Vec<f32>>,
    mean: Vec<f32>,
    components: Vec<Vec<f32>>,
    explained_variance: Vec<f64>,
    explained_variance_ratio: Vec<f64>,
    scores: Vec<Vec<f32>>,
}

fn golden() -> (Golden, Expression) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/pca.json");
    let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let expression = Expression::from_dense(golden.mean.len(), &golden.expression.concat()).unwrap();
    (golden, expression)
}

fn genes(count: usize) -> Vec<String> {
    (0..count).map(|gene| format!("gene {gene}")).collect()
}

fn fit(expression: &Expression, components: usize, seed: u64) -> Result<Components, scdd_learn::LearnError> {
    principal_components(expression.view(), components, seed)
}

fn model(components: usize) -> (Pca, Golden, Expression) {
    let (golden, expression) = golden();
    let found = fit(&expression, components, 7).unwrap();
    (Pca::new(found, genes(golden.mean.len()), Device::flex(), PretrainingCells::default()), golden, expression)
}

fn dense(expression: &Expression) -> Tensor<2> {
    let all: Vec<usize> = (0..expression.cells()).collect();
    tensors::from_rows(expression.dense_rows(&all), expression.genes(), &Device::flex())
}

#[test]
fn components_and_variances_are_scikit_learns() {
    let (model, golden, _) = model(12);
    let ours = model.explained_variance().iter().chain(model.explained_variance_ratio());
    let theirs = golden.explained_variance.iter().chain(&golden.explained_variance_ratio);
    for (ours, theirs) in ours.zip(theirs) {
        assert!((ours / theirs - 1.0).abs() < 1e-5, "{ours} {theirs}");
    }
    for (mean, theirs) in model.parts.found.mean.iter().zip(&golden.mean) {
        assert!((mean - theirs).abs() < 1e-5);
    }
    // A direction has no sign.
    for (ours, theirs) in model.loadings().columns().into_iter().zip(&golden.components) {
        let cosine = ours.dot(&arr1(theirs)).abs();
        assert!((cosine - 1.0).abs() < 1e-5, "{cosine}");
    }
}

#[test]
fn latents_are_scikit_learns_scores_times_one_constant_of_mean_squared_length_one() {
    let (model, golden, expression) = model(12);
    let latents = model.embed(&expression).unwrap();
    let mean = latents.iter().map(|value| f64::from(value * value)).sum::<f64>() / latents.nrows() as f64;
    assert!((mean - 1.0).abs() < 1e-4, "{mean}");
    for (latent, scores) in latents.rows().into_iter().zip(&golden.scores) {
        for (component, (latent, score)) in latent.iter().zip(scores).enumerate() {
            let sign = model.loadings().column(component).dot(&arr1(&golden.components[component])).signum();
            assert!((latent - sign * score * model.scale() as f32).abs() < 1e-4, "{latent} {score}");
        }
    }
}

#[test]
fn embedding_sparse_cells_equals_encoding_dense_ones_alone_and_in_a_batch() {
    let (model, _, expression) = model(9);
    let whole = model.embed(&expression).unwrap();
    let encoded = tensors::array(model.encode(dense(&expression)).unwrap());
    assert!(whole.iter().zip(&encoded).all(|(a, b)| (a - b).abs() < 1e-5));
    for cell in [0, 13, 79] {
        let alone = model.embed(&expression.select_cells(&[cell])).unwrap();
        assert_eq!(alone.row(0), whole.row(cell));
    }
}

#[test]
fn decoding_gives_back_cells_that_lie_in_the_components_and_nothing_negative() {
    // Of 30 cells, 29 components hold everything.
    let (golden, expression) = golden();
    let expression = expression.select_cells(&(0..30).collect::<Vec<_>>());
    let model = Pca::new(
        fit(&expression, 29, 7).unwrap(),
        genes(golden.mean.len()),
        Device::flex(),
        PretrainingCells::default(),
    );
    let decoded = tensors::array(model.decode(model.encode(dense(&expression)).unwrap()).unwrap());
    for (decoded, value) in decoded.iter().zip(&tensors::array(dense(&expression))) {
        assert!((decoded - value).abs() < 1e-3, "{decoded} {value}");
    }
    let far = tensors::from_rows(vec![-50.0; 29], 29, &Device::flex());
    assert!(tensors::array(model.decode(far).unwrap()).iter().all(|value| *value >= 0.0));
}

#[test]
fn gradients_of_encoder_and_decoder_are_finite_differences() {
    let (model, _, expression) = model(5);
    let loss = |x: Tensor<2>| {
        let decoded = model.decode(model.encode(x).unwrap()).unwrap();
        (decoded.clone() * decoded).sum()
    };
    let start = dense(&expression.select_cells(&[3]));
    let leaf = start.clone().autodiff().require_grad();
    let gradients = loss(leaf.clone()).backward();
    let gradient = tensors::array(leaf.grad(&gradients).unwrap());
    for gene in [0, 7, 31, 59] {
        let moved = |by: f32| {
            let mut values = tensors::array(start.clone());
            values[[0, gene]] += by;
            tensors::scalar(loss(tensors::tensor(&values, &Device::flex())))
        };
        let difference = (moved(0.05) - moved(-0.05)) / 0.1;
        let found = f64::from(gradient[[0, gene]]);
        assert!((found - difference).abs() < 0.02 * difference.abs().max(1.0), "{found} {difference}");
    }
}

#[test]
fn a_gene_that_is_missing_is_zero_and_is_not_made() {
    let cells = crate::simulate().cells(150).genes(90).classes(3).run().unwrap();
    let cells = cells.preprocess().min_genes(5).min_cells(1).run().unwrap();
    let training = cells.study("cell_type").training_cells().unwrap();
    let model: Foundation = Foundation::pca(&training).components(8).run().unwrap().into();
    let kept: Vec<usize> = (0..cells.genes()).rev().filter(|gene| gene % 4 != 0).collect();
    let registered = model.register(&cells.select_genes(&kept).unwrap()).unwrap();

    // The same cells with zeros in the place of the missing genes.
    let all: Vec<usize> = (0..cells.cells()).collect();
    let mut zeroed = cells.expression().dense_rows(&all);
    zeroed
        .iter_mut()
        .enumerate()
        .filter(|(place, _)| (place % cells.genes()).is_multiple_of(4))
        .for_each(|(_, x)| *x = 0.0);
    let expected = model.embed(&Expression::from_dense(cells.genes(), &zeroed).unwrap()).unwrap();
    let latents = registered.foundation.embed(registered.cells.expression()).unwrap();
    assert!(latents.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5));
    let of = |model: &Foundation| tensors::array(model.decode(tensors::tensor(&expected, &Device::flex())).unwrap());
    let (all_made, made) = (of(&model), of(&registered.foundation));
    assert!(made.iter().zip(&all_made.select(Axis(1), &kept)).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn one_seed_gives_one_model_and_another_seed_the_same_components() {
    let (_, expression) = golden();
    let (first, again, other) =
        (fit(&expression, 6, 7).unwrap(), fit(&expression, 6, 7).unwrap(), fit(&expression, 6, 8).unwrap());
    assert_eq!(first.loadings, again.loadings);
    assert!(first.loadings.iter().zip(&other.loadings).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn only_training_cells_decide_the_components() {
    let cells = crate::simulate().cells(200).genes(60).classes(2).run().unwrap();
    let cells = cells.preprocess().min_genes(5).run().unwrap();
    let training = cells.study("cell_type").training_cells().unwrap();
    let model = Foundation::pca(&training).components(4).run().unwrap();
    let alone = cells.expression().select_cells(training.train());
    let expected = fit(&alone, 4, seed::number(7, "principal components")).unwrap();
    assert_eq!(model.loadings(), expected.loadings);
}

#[test]
fn too_many_components_and_cells_without_variance_are_refused_with_the_numbers() {
    let (_, expression) = golden();
    for asked in [0, 60, 80] {
        let message = fit(&expression, asked, 7).err().unwrap().to_string();
        assert!(message.contains("80 training cells x 60 genes") && message.contains("from 1 to 59"), "{message}");
    }
    let few = expression.select_cells(&[0, 1, 2]);
    assert!(fit(&few, 3, 7).err().unwrap().to_string().contains("from 1 to 2"));
    let equal = expression.select_cells(&[5; 20]);
    let message = fit(&equal, 3, 7).err().unwrap().to_string();
    assert!(message.contains("20 cells x 60"), "{message}");
}
