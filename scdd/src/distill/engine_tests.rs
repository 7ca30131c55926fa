use super::*;
use crate::distill::Start;
use crate::distill::path::test_paths;
use crate::foundation::{NetworkConfig, PretrainingConfig};
use crate::scdg::{DenoiserConfig, Scdg, ScdgConfig};
use crate::study::Study;
use crate::{DistributionMatching, GradientMatching};

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

/// How far a gradient is from the central differences of a function, as a share of their squared length.
fn error_share(values: &[f32], gradient: &[f32], step: f32, function: impl Fn(Vec<f32>) -> f64) -> f64 {
    let (mut error, mut length) = (0.0, 0.0);
    for (place, gradient) in gradient.iter().enumerate() {
        let moved = |by: f32| {
            let mut values = values.to_vec();
            values[place] += by;
            function(values)
        };
        let difference = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
        error += (difference - f64::from(*gradient)).powi(2);
        length += difference.powi(2);
    }
    assert!(length > 0.0);
    error / length
}

#[test]
fn the_gradient_of_the_codes_equals_finite_differences_through_generator_and_decoder() {
    let scdg = small_scdg(&small_study());
    let (path, labels) = (test_paths(scdg.study(), &scdg).pop().unwrap(), [0, 1, 2]);
    let device = Device::flex();
    let mut rng = seed::stream(1, "test");
    let (codes, noise) = (tensors::normal(3, 6, &mut rng, &device), tensors::normal(3, 6, &mut rng, &device));
    let upstream = tensors::normal(3, scdg.study().cells().genes(), &mut rng, &device);
    let config = DistillConfig { chunk: 2, ..DistillConfig::default() };
    let objective = DistributionMatching::default();
    let run = Run::new(&*path, &objective, &config, 1.0, &labels, None);
    let gradient = tensors::to_vec(run.pull_back(&codes, Some(&noise), &upstream).unwrap());
    let share = error_share(&tensors::to_vec(codes), &gradient, 5e-3, |values| {
        let made = run.make(&tensors::from_rows(values, 6, &device), Some(&noise)).unwrap();
        tensors::scalar((made * upstream.clone()).sum())
    });
    // The decoder's ReLUs have kinks, so single coordinates may be off; the direction may not.
    assert!(share < 1e-3, "{share}");
}

#[test]
fn the_gradient_of_the_loss_by_the_codes_equals_finite_differences_without_a_generator_too() {
    let scdg = small_scdg(&small_study());
    // One epoch: between epochs the head moves with the synthetic cells, which autodiff leaves out on purpose.
    let gradient_matching = GradientMatching::default().epochs(1);
    let objectives: [&dyn MatchingObjective; 2] = [&gradient_matching, &DistributionMatching::default()];
    // SCDG's codes move the loss so little that its differences drown in f32; the test above has its chain alone.
    for path in test_paths(scdg.study(), &scdg).into_iter().filter(|path| path.scdg().is_none()) {
        for objective in objectives {
            let config = DistillConfig { chunk: 2, start: Start::ClassMean, ..DistillConfig::default() };
            let start = crate::distill::start::codes(&*path, &config).unwrap();
            let run = Run::new(&*path, objective, &config, 1.0, &start.labels, None);
            let codes = tensors::tensor(&start.values, &Device::flex());
            // Away from the class means, where distribution matching is flat.
            let codes = codes * 1.3 + 0.05;
            let (noise, width) = (run.noise(0), start.values.ncols());
            let loss = |values: Vec<f32>| {
                let codes = tensors::from_rows(values, width, &Device::flex());
                run.compare(run.make(&codes, noise.as_ref()).unwrap(), 0).unwrap().0
            };
            let (_, upstream) = run.compare(run.make(&codes, noise.as_ref()).unwrap(), 0).unwrap();
            let gradient = tensors::to_vec(run.pull_back(&codes, noise.as_ref(), &upstream).unwrap());
            let share = error_share(&tensors::to_vec(codes), &gradient, 1e-2, loss);
            let name = path.pipeline().name(&objective.short_name());
            assert!(share < 1e-2, "{name}: error {share} of the squared length");
        }
    }
}

#[test]
fn steps_of_sgd_are_those_of_pytorch() {
    // One code, gradient 1 each: v = 1, 1.5, 1.75; z falls by rate v.
    let autodiff = Device::flex().autodiff();
    let mut movable = Movable { codes: Param::from_tensor(tensors::from_rows(vec![0.0], 1, &autodiff)) };
    let mut optimizer = crate::distill::Optimizer::Sgd { momentum: 0.5 }.init();
    for expected in [-0.1, -0.25, -0.425] {
        let mut gradients = GradientsParams::new();
        gradients.register(movable.codes.id, tensors::from_rows(vec![1.0], 1, &Device::flex()));
        movable = optimizer.step(0.1, movable, gradients);
        let found = tensors::to_vec(movable.codes.val())[0];
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }
}

#[test]
fn codes_of_latents_start_at_the_mean_the_nearest_cell_or_the_clusters_of_their_class() {
    let study = small_study();
    let scdg = small_scdg(&study);
    let scale = 6f32.sqrt();
    let members = study.training_cells().train_per_class();
    for path in test_paths(&study, &scdg).into_iter().skip(1) {
        let start = |start, per_class| {
            let config = DistillConfig { start, per_class, ..DistillConfig::default() };
            crate::distill::start::codes(&*path, &config).unwrap().values / scale
        };
        let (means, medoids, clusters) = (start(Start::ClassMean, 2), start(Start::Medoid, 1), start(Start::KMeans, 2));
        assert_eq!(start(Start::KMeans, 1), start(Start::ClassMean, 1));
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
