//! What every evaluation model must do.

use super::*;
use crate::cells::Expression;
use crate::seed;
use rand::RngExt;
use scdd_learn::metrics::accuracy;

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
                let right = accuracy(&one.predict(&input(&test)).unwrap(), &truth);
                assert!(right > 0.85, "{}, {count} cells: {right}", model.name());
                assert!(one.training_accuracy().is_none_or(|accuracy| accuracy > 0.9));
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

#[test]
fn every_model_is_the_same_after_it_was_saved_and_a_saved_one_that_lacks_an_array_is_refused() {
    let (train, labels) = cells(40, "saved");
    let (test, _) = cells(30, "saved, tested");
    let models = all_models().into_iter().chain([Arc::new(CellTypist::sgd()) as Arc<dyn EvaluationModel>]);
    for model in models {
        let protocol = Protocol { networks: 1, epochs: 30, ..Protocol::default() };
        let trained = model.train(&input(&train), &labels, 4, &protocol).unwrap().remove(0);
        let saved = trained.save().unwrap();
        let read = load(&saved).unwrap();
        assert_eq!(read.decide(&input(&test)).unwrap(), trained.decide(&input(&test)).unwrap(), "{}", model.name());
        assert_eq!(read.save().unwrap(), saved, "{}", model.name());
        let probabilities = read.probabilities(&input(&test)).unwrap();
        assert_eq!(probabilities.dim(), (30, 4));
        assert!(probabilities.iter().all(|value| (0.0..=1.0).contains(value)), "{}", model.name());
        for name in saved.arrays.keys() {
            let mut broken = saved.clone();
            broken.arrays.remove(name);
            assert!(load(&broken).is_err(), "{} without {name}", model.name());
            let mut broken = saved.clone();
            let array = broken.arrays.get_mut(name).unwrap();
            array.numbers = match &array.numbers {
                Numbers::F32(values) => Numbers::F32(values[1..].to_vec()),
                Numbers::F64(values) => Numbers::F64(values[1..].to_vec()),
                Numbers::U32(values) => Numbers::U32(values[1..].to_vec()),
                Numbers::U64(values) => Numbers::U64(values[1..].to_vec()),
            };
            assert!(load(&broken).is_err(), "{} with a shorter {name}", model.name());
        }
        assert!(load(&SavedModel { kind: "other".into(), ..saved }).map(|_| ()).unwrap_err().contains("'other'"));
    }
}

#[test]
fn the_softmax_of_decisions_is_the_probability_unless_a_model_knows_better() {
    struct Logits;
    impl TrainedModel for Logits {
        fn decide(&self, _: &ModelInput) -> crate::Result<Array2<f32>> {
            Ok(ndarray::array![[1.0, 1.0], [f32::NEG_INFINITY, 3.0]])
        }
    }
    let found = Logits.probabilities(&ModelInput::of_latents(Array2::zeros((2, 1)))).unwrap();
    assert_eq!(found, ndarray::array![[0.5, 0.5], [0.0, 1.0]]);
    assert!(Logits.save().is_none());
}
