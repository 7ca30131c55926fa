//! GPUs give what the CPU gives. On a machine without one, or without the features `cuda` and `wgpu`, this says so and asks
//! nothing; `cargo test -p scdd-tests --features scdd/wgpu --test devices` runs it on any Vulkan device, Mesa's processor-only
//! llvmpipe (Debian: mesa-vulkan-drivers) included.

use scdd::distill::{DistillBuilder, Distilled};
use scdd::foundation::Scimilarity;
use scdd::prelude::*;
use scdd_tests::{log_normalized, pretraining};

/// Opens a pipeline on a study and its SCDG.
type Opened = fn(&Study, &Scdg) -> DistillBuilder<Distilled>;

/// Devices other than the CPU.
fn gpus() -> Vec<String> {
    scdd::device::present().into_iter().filter(|name| name != "cpu").collect()
}

fn apart(one: &[f64], other: &[f64]) -> f64 {
    assert!(!one.is_empty() && one.len() == other.len(), "{} and {} values", one.len(), other.len());
    let scale = one.iter().fold(0.0f64, |scale, value| scale.max(value.abs()));
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max) / scale
}

#[test]
fn pipelines_take_the_same_steps_on_a_gpu_as_on_the_cpu() {
    let gpus = gpus();
    if gpus.is_empty() {
        println!("skipped: no GPU that this build can use");
        return;
    }
    let cells = log_normalized(simulate().cells(300).genes(200).classes(3).smallest_class(30).seed(3), 10);
    let opened = cells.study("cell_type").seed(3);
    let model = Foundation::pretrain(&opened.training_cells().unwrap()).config(pretraining(64, 32, 10)).run().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.write(&path).unwrap();
    let on = |name: &str| {
        let device = device(name).unwrap();
        let model = Scimilarity::read_on(&path, &device).unwrap();
        let elsewhere = opened.clone().foundation(model.clone());
        // A study is where its model is.
        if name != "cpu" {
            let problem = elsewhere.device(&scdd::device("cpu").unwrap()).run().unwrap_err().to_string();
            assert!(problem.contains("leave .device() out"), "{problem}");
        }
        opened.clone().foundation(model).run().unwrap()
    };
    let pipelines: [(&str, Opened); 5] = [
        ("DM on expression", |study, _| study.distill_expression(DistributionMatching::default())),
        ("DC through the decoder", |study, _| study.distill_decoder(GradientMatching::default())),
        ("DM through SCDG", |_, scdg| scdg.distill(DistributionMatching::default()).into()),
        ("DC through SCDG", |_, scdg| scdg.distill(GradientMatching::default()).into()),
        // One run: of two that validation cells tell hardly apart, rounding chooses.
        ("ridge on metacells", |study, _| {
            study.metacells().run().unwrap().distill(RidgeSurrogates::default()).step_marker_fractions(&[1.0])
        }),
    ];
    let made = |study: &Study| -> Vec<Distilled> {
        let scdg = study.train_scdg().steps(50).run().unwrap();
        pipelines.iter().map(|(_, open)| open(study, &scdg).per_class(2).steps(10).run().unwrap()).collect()
    };
    let expected = made(&on("cpu"));
    for gpu in gpus {
        let found = made(&on(&gpu));
        for ((name, _), (expected, found)) in pipelines.iter().zip(expected.iter().zip(&found)) {
            let losses = apart(&expected.history().loss, &found.history().loss);
            let values = |set: &Distilled| set.expression().iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
            let cells = apart(&values(expected), &values(found));
            eprintln!("{gpu}, {name}: losses differ by {losses:.1e} of the largest, expression by {cells:.1e}");
            assert!(losses < 1e-3 && cells < 1e-2, "{gpu}, {name}: {losses:.1e} and {cells:.1e}");
        }
    }
}
