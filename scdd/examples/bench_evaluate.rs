//! What evaluation models cost: `bench_evaluate CELLS.safetensors TOLERANCE [models]`.
//!
//! Reads cells to train on and to test on (compressed rows `train.indptr`, `train.indices`, `train.values`, `train.labels`,
//! and `test.` of the same), fits CellTypist's logistic regression twice at the tolerance, and, when asked for, every evaluation model
//! that sees expression once, on all cells and on five of each class. Prints one JSON object: seconds and accuracies.
//! `cargo xtask bench evaluate` runs it beside scikit-learn.

mod measure;

use std::error::Error;
use std::time::Instant;

use safetensors::tensor::SafeTensors;
use scdd::cells::Expression;
use scdd::evaluate::{CellTypist, EvaluationModel, ModelInput, Protocol, all_models};
use serde_json::json;

use measure::processor_seconds;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cells, tolerance, names @ ..] = &arguments[..] else {
        return Err("expected CELLS.safetensors TOLERANCE [models]".into());
    };
    let bytes = std::fs::read(cells)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let (train, labels) = read(&file, "train")?;
    let (test, truth) = read(&file, "test")?;
    let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
    let protocol = Protocol { networks: 1, ..Protocol::default() };
    let test = ModelInput::new(test);

    let regression = CellTypist { tolerance: tolerance.parse()?, ..CellTypist::default() };
    let (mut fit, mut busy, mut accuracy, mut predicted) = (Vec::new(), Vec::new(), 0.0, Vec::new());
    for _ in 0..2 {
        let (began, before) = (Instant::now(), processor_seconds());
        let trained = regression.train(&ModelInput::new(train.clone()), &labels, classes, &protocol)?;
        fit.push(began.elapsed().as_secs_f64());
        busy.push(processor_seconds() - before);
        predicted = trained[0].predict(&test)?;
        accuracy = share(&predicted, &truth);
    }

    // The first five cells of each class.
    let mut taken = vec![0; classes];
    let few: Vec<usize> = (0..labels.len())
        .filter(|&cell| {
            taken[labels[cell] as usize] += 1;
            taken[labels[cell] as usize] <= 5
        })
        .collect();
    let of_few: Vec<u32> = few.iter().map(|&cell| labels[cell]).collect();
    let mut found = Vec::new();
    let models = all_models().into_iter().filter(|model| !names.is_empty() && !model.sees_latents());
    for model in models {
        for (set, expression, labels) in
            [("all cells", train.clone(), &labels), ("five of each class", train.select_cells(&few), &of_few)]
        {
            let began = Instant::now();
            let trained = model.train(&ModelInput::new(expression), labels, classes, &protocol)?;
            let trained_in = began.elapsed().as_secs_f64();
            let began = Instant::now();
            let predicted = trained[0].predict(&test)?;
            let predicted_in = began.elapsed().as_secs_f64();
            found.push(json!({
                "model": model.name(), "set": set, "train": trained_in, "predict": predicted_in,
                "accuracy": share(&predicted, &truth),
            }));
        }
    }
    println!("{}", json!({ "fit": fit, "busy": busy, "accuracy": accuracy, "predicted": predicted, "models": found }));
    Ok(())
}

fn share(predicted: &[u32], truth: &[u32]) -> f64 {
    predicted.iter().zip(truth).filter(|(a, b)| a == b).count() as f64 / truth.len().max(1) as f64
}

/// Compressed rows and labels that Python wrote.
fn read(file: &SafeTensors<'_>, part: &str) -> Result<(Expression, Vec<u32>), Box<dyn Error>> {
    let four = |name: &str| file.tensor(&format!("{part}.{name}")).map(|tensor| tensor.data().as_chunks::<4>().0);
    let pointers = file.tensor(&format!("{part}.indptr"))?;
    let pointers = pointers.data().as_chunks::<8>().0.iter().map(|&value| u64::from_le_bytes(value)).collect();
    let indices = four("indices")?.iter().map(|&value| u32::from_le_bytes(value)).collect();
    let values = four("values")?.iter().map(|&value| f32::from_le_bytes(value)).collect();
    let labels = four("labels")?.iter().map(|&value| u32::from_le_bytes(value)).collect();
    let genes = file.tensor("genes")?.data().first_chunk::<8>().map_or(0, |genes| u64::from_le_bytes(*genes));
    Ok((Expression::new(genes as usize, pointers, indices, values)?, labels))
}
