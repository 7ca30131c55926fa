use burn::optim::GradientsParams;
use itertools::iproduct;

use super::forward_backward::Upstream;
use super::*;
use crate::distill::path::{Space, test_paths};
use crate::distill::{Chain, Init, Matching, Pipeline};
use crate::foundation::{NetworkConfig, PretrainingConfig};
use crate::scdg::{DenoiserConfig, Scdg, ScdgConfig};
use crate::seed;
use crate::study::Study;
use crate::{DistributionMatching, GradientMatching};

/// A short chain, so that tests are fast.
const CHAIN: Chain = Chain { steps: 2, skips: true };

fn small_study() -> Study {
    crate::progress::quiet(true);
    let cells = crate::simulate().cells(120).genes(60).classes(3).seed(2).run().unwrap();
    let network = NetworkConfig { latent: 6, hidden: vec![16; 3], ..NetworkConfig::default() };
    let pretraining = PretrainingConfig { network, epochs: 3, batch: 32, ..PretrainingConfig::default() };
    let cells = cells.preprocess().min_genes(1).run().unwrap();
    cells.study("cell_type").pretraining(pretraining).run().unwrap()
}

fn small_scdg(study: &Study) -> Scdg {
    let denoiser = DenoiserConfig { widths: vec![16, 8], embedding: 8 };
    let config = ScdgConfig { denoiser, steps: 50, batch: 32, ..ScdgConfig::default() };
    study.train_scdg().config(config).run().unwrap()
}

/// Squared error of a gradient against central differences of a function, as a fraction of their squared norm.
fn relative_error(values: &[f32], gradient: &[f32], step: f32, function: impl Fn(Vec<f32>) -> f64) -> f64 {
    let (mut error, mut norm) = (0.0, 0.0);
    for (index, gradient) in gradient.iter().enumerate() {
        let shifted = |by: f32| {
            let mut values = values.to_vec();
            values[index] += by;
            function(values)
        };
        let difference = (shifted(step) - shifted(-step)) / (2.0 * f64::from(step));
        error += (difference - f64::from(*gradient)).powi(2);
        norm += difference.powi(2);
    }
    assert!(norm > 0.0);
    error / norm
}

#[test]
fn the_gradient_of_the_codes_equals_finite_differences_through_generator_and_decoder() {
    let scdg = small_scdg(&small_study());
    let device = Device::flex();
    let mut rng = seed::stream(1, "test");
    let (codes, noise) = (tensors::normal(3, 6, &mut rng, &device), tensors::normal(3, 6, &mut rng, &device));
    let upstream = tensors::normal(3, scdg.study().cells().genes(), &mut rng, &device);
    let upstream = Upstream { embeddings: None, expression: Some(upstream) };
    for skips in [true, false] {
        let config = DistillConfig { chunk: 2, ..DistillConfig::default() };
        let objective = DistributionMatching::default();
        for path in test_paths(&scdg, Chain { steps: 3, skips }).into_iter().filter(|path| path.scdg().is_some()) {
            let initial = Codes { values: tensors::array(codes.clone()), labels: vec![0, 1, 2] };
            let passes = Run::new(&*path, &objective, &config, 1.0, &initial, None).forward_backward;
            let gradient = tensors::to_vec(passes.backward(&codes, Some(&noise), (0, 3), &upstream, None).unwrap());
            let error = relative_error(&tensors::to_vec(codes.clone()), &gradient, 5e-3, |values| {
                let made = passes.make(&tensors::from_rows(values, 6, &device), Some(&noise)).unwrap();
                tensors::scalar((tensors::tensor(&made, &device) * upstream.expression.clone().unwrap()).sum())
            });
            // The decoder's ReLUs have kinks, so single coordinates may be off; the direction may not.
            assert!(error < 1e-3, "{:?}: {error}", path.pipeline());
        }
    }
}

/// Loss and gradient of all codes in the first step.
fn first_step(run: &Run, codes: &Tensor<2>, graph: bool) -> (f64, Vec<f32>) {
    let (passes, objective) = (&run.forward_backward, &run.objective);
    let noise = passes.noise(0);
    let mut forward = passes.forward(codes, noise.as_ref(), objective.compares_expression(), graph).unwrap();
    let (loss, upstream) = objective.evaluate(&forward, objective.mask(&forward).as_ref(), 0).unwrap();
    let rows = (0, codes.dims()[0]);
    let gradient = passes.backward(codes, noise.as_ref(), rows, &upstream, forward.graph.take()).unwrap();
    (loss, tensors::to_vec(gradient))
}

#[test]
fn the_gradient_of_the_loss_by_the_codes_equals_finite_differences_without_a_generator_too() {
    let scdg = small_scdg(&small_study());
    // One epoch: between epochs the head trains on the synthetic cells, which autodiff leaves out on purpose.
    let gradient_matching = GradientMatching::default().epochs(1);
    let objectives: [&dyn MatchingObjective; 3] = [&gradient_matching, &DistributionMatching::default(), &MeansOfBoth];
    // SCDG's codes change the loss so little that its differences drown in f32; the test above has its chain alone.
    for path in test_paths(&scdg, CHAIN).into_iter().filter(|path| path.scdg().is_none()) {
        let without_expression = !path.makes_expression();
        let objectives = objectives.into_iter().filter(|one| !(without_expression && one.compares_expression()));
        // With all genes, and with the best markers only.
        for (objective, fraction) in
            iproduct!(objectives, [1.0, 0.4]).filter(|(_, fraction)| *fraction == 1.0 || !without_expression)
        {
            let step_marker_fractions = vec![fraction];
            let config =
                DistillConfig { chunk: 2, init: Init::ClassMean, step_marker_fractions, ..DistillConfig::default() };
            let initial = config.initial_codes(&*path, 0).unwrap();
            let run = Run::new(&*path, objective, &config, 1.0, &initial, None);
            let codes = tensors::tensor(&initial.values, &Device::flex());
            // Away from the class means, where distribution matching is flat.
            let codes = codes * 1.3 + 0.05;
            let width = initial.values.ncols();
            // Which genes are markers is held fixed.
            let (passes, of_run) = (&run.forward_backward, &run.objective);
            let noise = passes.noise(0);
            let forward =
                |codes: &Tensor<2>| passes.forward(codes, noise.as_ref(), of_run.compares_expression(), false).unwrap();
            let mask = of_run.mask(&forward(&codes));
            let loss = |values: Vec<f32>| {
                let forward = forward(&tensors::from_rows(values, width, &Device::flex()));
                of_run.evaluate(&forward, mask.as_ref(), 0).unwrap().0
            };
            let (_, gradient) = first_step(&run, &codes, true);
            let error = relative_error(&tensors::to_vec(codes), &gradient, 1e-2, loss);
            let name = path.pipeline().name(&objective.short_name());
            assert!(error < 1e-2, "{name} with {fraction} of the genes: error {error} of the squared norm");
        }
    }
}

/// Compares embeddings and expression.
struct MeansOfBoth;

impl MatchingObjective for MeansOfBoth {
    fn name(&self) -> String {
        "means of both".to_owned()
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let apart = |real: Tensor<2>, synthetic: Tensor<2>| {
            let real = matching.real_means().matmul(real);
            (real - matching.synthetic_means().matmul(synthetic)).powi_scalar(2).mean()
        };
        apart(matching.real_embeddings(), matching.synthetic_embeddings())
            + apart(matching.real_expression(), matching.synthetic_expression())
    }
}

#[test]
fn one_pass_and_two_in_chunks_of_any_size_give_one_gradient() {
    let scdg = small_scdg(&small_study());
    let objectives: [&dyn MatchingObjective; 3] =
        [&GradientMatching::default(), &DistributionMatching::default(), &MeansOfBoth];
    for path in test_paths(&scdg, CHAIN) {
        let without_expression = !path.makes_expression();
        let objectives = objectives.into_iter().filter(|one| !(without_expression && one.compares_expression()));
        for (objective, fraction) in
            iproduct!(objectives, [1.0, 0.4]).filter(|(_, fraction)| *fraction == 1.0 || !without_expression)
        {
            let gradient = |chunk, graph| {
                let step_marker_fractions = vec![fraction];
                let config = DistillConfig { chunk, per_class: 2, step_marker_fractions, ..DistillConfig::default() };
                let initial = config.initial_codes(&*path, 0).unwrap();
                let run = Run::new(&*path, objective, &config, 1.0, &initial, None);
                let codes = tensors::tensor(&initial.values, &Device::flex());
                first_step(&run, &codes, graph)
            };
            let (loss, one_pass) = gradient(512, true);
            let norm = one_pass.iter().map(|value| value * value).sum::<f32>().sqrt();
            assert!(norm > 0.0);
            for (other, chunked) in [gradient(512, false), gradient(4, true), gradient(1, true)] {
                assert!((loss - other).abs() < 1e-5 * loss.abs(), "{loss} and {other}");
                let apart = one_pass.iter().zip(&chunked).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
                assert!(apart < 1e-4 * norm, "{:?}: {apart} of {norm}", path.pipeline());
            }
        }
    }
}

#[test]
fn the_fused_product_gives_the_gradient_of_decoder_and_encoder_in_turn() {
    let scdg = small_scdg(&small_study());
    assert!(scdg.study().foundation().decode_encode().is_some());
    let (mut rng, device) = (seed::stream(1, "test"), Device::flex());
    let (codes, noise) = (tensors::normal(5, 6, &mut rng, &device), tensors::normal(5, 6, &mut rng, &device));
    let embeddings = Some(tensors::normal(5, 6, &mut rng, &device));
    let nothing = Tensor::zeros([5, scdg.study().cells().genes()], &device);
    let fused = [Pipeline::Decoder, Pipeline::DiffusionChain, Pipeline::Scdg];
    let paths = test_paths(&scdg, CHAIN).into_iter().filter(|path| fused.contains(&path.pipeline()));
    for path in paths {
        let config = DistillConfig { chunk: 3, ..DistillConfig::default() };
        let objective = DistributionMatching::default();
        let initial = Codes { values: tensors::array(codes.clone()), labels: vec![0, 0, 1, 1, 2] };
        let passes = Run::new(&*path, &objective, &config, 1.0, &initial, None).forward_backward;
        let backward = |expression| {
            let upstream = Upstream { embeddings: embeddings.clone(), expression };
            tensors::to_vec(passes.backward(&codes, Some(&noise), (0, 5), &upstream, None).unwrap())
        };
        let forward = |expression| passes.forward(&codes, Some(&noise), expression, false).unwrap();
        let (with, without) = (backward(Some(nothing.clone())), backward(None));
        let norm = with.iter().map(|value| value * value).sum::<f32>().sqrt();
        let apart = with.iter().zip(&without).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!(norm > 0.0 && apart < 1e-4 * norm, "{:?}: {apart} of {norm}", path.pipeline());
        let (with, without) = (forward(true), forward(false));
        assert!(with.expression.is_some() && without.expression.is_none());
        let apart = tensors::scalar((with.embeddings - without.embeddings).abs().max());
        assert!(apart < 1e-5, "{:?}: {apart}", path.pipeline());
    }
}

/// Codes after some steps, and the history.
fn optimised(
    path: &dyn GeneratorPath,
    objective: &dyn MatchingObjective,
    order: StepOrder,
) -> (Array2<f32>, DistillHistory) {
    let config = DistillConfig { per_class: 2, steps: 4, step_order: order, ..DistillConfig::default() };
    let initial = config.initial_codes(path, 0).unwrap();
    let run = Run::new(path, objective, &config, 0.05, &initial, None);
    let (made, history) = run.optimise(None, &Interrupt::default()).unwrap();
    (made.values, history)
}

#[test]
fn one_class_after_the_other_is_the_same_as_all_at_once_where_classes_do_not_meet() {
    let scdg = small_scdg(&small_study());
    for path in test_paths(&scdg, CHAIN) {
        let apart = |objective: &dyn MatchingObjective| {
            let (joint, history) = optimised(&*path, objective, StepOrder::Joint);
            let (in_turn, other) = optimised(&*path, objective, StepOrder::PerClass);
            assert!((history.loss[0] - other.loss[0]).abs() < 1e-5 * history.loss[0]);
            assert_eq!((history.loss.len(), other.loss.len()), (4, 4));
            (joint - in_turn).iter().fold(0.0_f32, |most, value| most.max(value.abs()))
        };
        // Adam takes the sign of gradients that are nearly 0, so that rounding shows in single values.
        let separable = apart(&DistributionMatching::default());
        assert!(separable < 1e-3, "{:?}: {separable}", path.pipeline());
        // The head is trained on the codes of all classes.
        let joined = apart(&GradientMatching::default());
        assert!(joined > 0.0, "{:?}", path.pipeline());
    }
}

#[test]
fn a_chain_of_one_call_is_the_single_step_and_skips_lead_the_code_around_the_network() {
    let scdg = small_scdg(&small_study());
    let made = |pipeline, steps, skips| {
        let paths = test_paths(&scdg, Chain { steps, skips });
        let path = &**paths.iter().find(|path| path.pipeline() == pipeline).unwrap();
        let config = DistillConfig::default();
        let initial = config.initial_codes(path, 0).unwrap();
        let objective = DistributionMatching::default();
        let passes = Run::new(path, &objective, &config, 1.0, &initial, None).forward_backward;
        let codes = tensors::tensor(&initial.values, &Device::flex());
        passes.make(&codes, passes.noise(0).as_ref()).unwrap()
    };
    let chained = |steps, skips| made(Pipeline::DiffusionChain, steps, skips);
    let single = made(Pipeline::Scdg, 1, true);
    for (one, chained) in single.iter().zip(&chained(1, true)) {
        assert!((one - chained).abs() < 1e-5);
    }
    assert_ne!(chained(5, true), single);
    assert_ne!(chained(5, true), chained(5, false));
}

#[test]
fn steps_of_sgd_are_those_of_pytorch() {
    // One code, gradient 1 each: v = 1, 1.5, 1.75; z falls by rate v.
    let autodiff = Device::flex().autodiff();
    let mut groups = CodeGroups::new([tensors::from_rows(vec![0.0], 1, &autodiff)]);
    let mut optimizer = crate::optimizer::Optimizer::Sgd { momentum: 0.5 }.init();
    for expected in [-0.1, -0.25, -0.425] {
        let mut gradients = GradientsParams::new();
        gradients.register(groups.codes[0].id, tensors::from_rows(vec![1.0], 1, &Device::flex()));
        groups = optimizer.step(0.1, groups, gradients);
        let found = tensors::to_vec(groups.all())[0];
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }
}

#[test]
fn latents_are_initialised_at_the_mean_the_nearest_cell_or_the_clusters_of_their_class() {
    let study = small_study();
    let scdg = small_scdg(&study);
    let scale = 6f32.sqrt();
    let members = study.training_cells().train_per_class();
    for path in test_paths(&scdg, CHAIN).into_iter().filter(|path| path.space() == Space::Latents) {
        let initial = |init, per_class| {
            let config = DistillConfig { init, per_class, ..DistillConfig::default() };
            config.initial_codes(&*path, 0).unwrap().values / scale
        };
        let (means, medoids, clusters) =
            (initial(Init::ClassMean, 2), initial(Init::Medoid, 1), initial(Init::KMeans, 2));
        assert_eq!(initial(Init::KMeans, 1), initial(Init::ClassMean, 1));
        for (class, members) in members.iter().enumerate() {
            let latents = study.embeddings_of(members);
            let far = |row: ndarray::ArrayView1<f32>, from: ndarray::ArrayView1<f32>| {
                row.iter().zip(from).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
            };
            let mean = latents.mean_axis(ndarray::Axis(0)).unwrap();
            assert!(far(means.row(2 * class), mean.view()) < 1e-10 && means.row(2 * class) == means.row(2 * class + 1));
            let nearest = latents.rows().into_iter().map(|row| far(row, mean.view())).fold(f32::INFINITY, f32::min);
            assert!((far(medoids.row(class), mean.view()) - nearest).abs() < 1e-6, "no cell is nearer than the medoid");
            let from_clusters = |row| far(row, clusters.row(2 * class)).min(far(row, clusters.row(2 * class + 1)));
            let inertia: f32 = latents.rows().into_iter().map(from_clusters).sum();
            let spread: f32 = latents.rows().into_iter().map(|row| far(row, mean.view())).sum();
            assert!(inertia < spread, "two clusters are nearer to their cells than one mean: {inertia} and {spread}");
        }
    }
}
