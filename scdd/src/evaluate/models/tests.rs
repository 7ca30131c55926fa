//! What every evaluation model must do.

use super::*;
use crate::cells::Expression;
use crate::seed;
use rand::RngExt;

/// Three classes, each with five genes of its own among twenty; class 3 has no cell.
fn cells(count: usize, purpose: &str) -> (Expression, Vec<u32>) {
    let mut random = seed::stream(9, purpose);
    let labels: Vec<u32> = (0..count as u32).map(|cell| cell % 3).collect();
    let value = |label: u32, gene: u32, random: &mut rand_chacha::ChaCha8Rng| {
        let own = gene / 5 == label;
        if own || random.random::<f32>() < 0.2 { random.random::<f32>() + f32::from(own) } else { 0.0 }
    };
    let dense: Vec<f32> = labels
        .iter()
        .flat_map(|&label| (0..20).map(move |gene| (label, gene)))
        .map(|(l, g)| value(l, g, &mut random))
        .collect();
    (Expression::from_dense(20, &dense).unwrap(), labels)
}

fn input(expression: &Expression) -> ModelInput {
    let all: Vec<usize> = (0..expression.cells()).collect();
    let dense = Array2::from_shape_vec((expression.cells(), expression.genes()), expression.dense_rows(&all)).unwrap();
    ModelInput::new(expression.clone()).with_latents(dense)
}

fn quick() -> Protocol {
    Protocol { networks: 2, ..Protocol::default() }
}

#[test]
fn every_model_learns_classes_from_few_cells_and_from_many_and_one_seed_gives_one_result() {
    let (test, truth) = cells(90, "test");
    for model in all_models() {
        for count in [12, 300] {
            let (train, labels) = cells(count, "train");
            let trained = model.train(&input(&train), &labels, 4, &quick()).unwrap();
            let again = model.train(&input(&train), &labels, 4, &quick()).unwrap();
            assert!([1, 2].contains(&trained.len()));
            for (one, other) in trained.iter().zip(&again) {
                let decisions = one.decide(&input(&test)).unwrap();
                assert_eq!(decisions.dim(), (90, 4));
                assert_eq!(decisions, other.decide(&input(&test)).unwrap(), "{}", model.name());
                let right = agreement(&one.predict(&input(&test)).unwrap(), &truth);
                assert!(right > 0.85, "{}, {count} cells: {right}", model.name());
                assert!(one.training_accuracy().is_none_or(|share| share > 0.9));
            }
        }
    }
}

#[test]
fn a_set_of_one_class_or_without_cells_is_refused_with_its_numbers_by_every_model() {
    let (train, labels) = cells(6, "refused");
    for model in all_models() {
        let message = |cells: &Expression, labels: &[u32]| {
            model.train(&input(cells), labels, 4, &quick()).map(|_| ()).unwrap_err().to_string()
        };
        assert!(message(&train, &[2; 6]).contains("all 6 training cells have label 2"), "{}", model.name());
        assert!(message(&Expression::empty(20), &[]).contains("0 cells x 20 features"), "{}", model.name());
        assert!(message(&train, &labels[..5]).contains("6 training cells for 5 labels"), "{}", model.name());
        assert!(message(&train, &[0, 1, 2, 0, 1, 9]).contains("label 9, but there are 4 classes"), "{}", model.name());
        let features = ModelInput::of_latents(Array2::ones((6, 20)));
        match model.train(&features, &labels, 4, &quick()) {
            Ok(_) => assert!(model.sees_latents()),
            Err(problem) => assert!(problem.to_string().contains("6 features are no cells"), "{problem}"),
        }
    }
    let blind = LinearProbe.train(&ModelInput::new(train), &labels, 4, &quick()).map(|_| ()).unwrap_err();
    assert!(blind.to_string().contains("6 cells have expression only"), "{blind}");
}

#[test]
fn neighbours_vote_and_the_nearer_class_wins_a_tie() {
    // Directions at 0, 10, 80 and 90 degrees.
    let at = |degrees: f32| [degrees.to_radians().cos().max(0.0), degrees.to_radians().sin()];
    let rows = |degrees: &[f32]| {
        let dense: Vec<f32> = degrees.iter().flat_map(|&degrees| at(degrees)).collect();
        ModelInput::new(Expression::from_dense(2, &dense).unwrap())
    };
    let train = |neighbours| {
        let model = NearestNeighbours { neighbours };
        model.train(&rows(&[0.0, 10.0, 80.0, 90.0]), &[0, 1, 1, 1], 2, &quick()).unwrap().remove(0)
    };
    // A set of two cells per class: one neighbour.
    assert_eq!(train(None).predict(&rows(&[2.0, 9.0, 85.0])).unwrap(), [0, 1, 1]);
    assert_eq!(train(Some(2)).predict(&rows(&[2.0, 9.0])).unwrap(), [0, 1]);
    assert_eq!(train(Some(3)).predict(&rows(&[2.0])).unwrap(), [1]);
    assert_eq!(train(Some(99)).predict(&rows(&[2.0])).unwrap(), [1]);
    let none = NearestNeighbours::of(0).train(&rows(&[0.0, 90.0]), &[0, 1], 2, &quick()).map(|_| ()).unwrap_err();
    assert!(none.to_string().starts_with("neighbours is 0"));
}

#[test]
fn networks_of_a_perceptron_differ_and_more_of_them_change_none() {
    let (train, labels) = cells(30, "networks");
    let run = |networks| Mlp::default().train(&input(&train), &labels, 3, &Protocol { networks, ..quick() }).unwrap();
    let (two, three) = (run(2), run(3));
    let decide = |model: &dyn TrainedModel| model.decide(&input(&train)).unwrap();
    assert_ne!(decide(&*two[0]), decide(&*two[1]));
    assert_eq!(decide(&*two[1]), decide(&*three[1]));
}
