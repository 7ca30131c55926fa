//! What a foundation model costs: `bench_foundation MODEL CELLS.safetensors [OUT.safetensors]`.
//!
//! Loads a model directory, embeds the cells (compressed rows: indptr, indices, values) twice and prints one JSON object:
//! seconds, seconds of processor time, peak memory. With a third argument, writes embeddings and reconstructions there.
//! `cargo xtask bench foundation` runs it beside PyTorch.

mod measure;

use std::error::Error;
use std::time::Instant;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use scdd::Foundation;
use scdd::burn::tensor::{Tensor, TensorData};
use scdd::cells::Expression;
use serde_json::json;

use measure::{memory, processor_seconds};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, cells, out @ ..] = &arguments[..] else {
        return Err("expected MODEL CELLS.safetensors [OUT.safetensors]".into());
    };
    let before = memory("VmHWM");
    let began = Instant::now();
    let foundation = Foundation::scimilarity(model)?;
    let (load, loaded) = (began.elapsed().as_secs_f64(), memory("VmHWM"));
    let expression = read(cells, foundation.genes().len())?;
    let mut embed = Vec::new();
    for _ in 0..2 {
        let (began, busy) = (Instant::now(), processor_seconds());
        let embeddings = foundation.embed(&expression)?;
        embed.push((began.elapsed().as_secs_f64(), processor_seconds() - busy));
        assert_eq!(embeddings.nrows(), expression.cells());
    }
    let at_all = memory("VmHWM");
    if let [out, ..] = out {
        write(out, &foundation, &expression)?;
    }
    let found = json!({ "load": load, "embed": embed, "before": before, "loaded": loaded, "peak": at_all });
    println!("{found}");
    Ok(())
}

/// Compressed rows that Python wrote.
fn read(path: &str, genes: usize) -> Result<Expression, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let eight =
        file.tensor("indptr")?.data().as_chunks::<8>().0.iter().map(|&value| u64::from_le_bytes(value)).collect();
    let four = |name: &str| file.tensor(name).map(|tensor| tensor.data().as_chunks::<4>().0);
    let indices = four("indices")?.iter().map(|&value| u32::from_le_bytes(value)).collect();
    let values = four("values")?.iter().map(|&value| f32::from_le_bytes(value)).collect();
    Ok(Expression::new(genes, eight, indices, values)?)
}

fn write(path: &str, foundation: &Foundation, expression: &Expression) -> Result<(), Box<dyn Error>> {
    let embeddings = foundation.embed(expression)?;
    let shape = [embeddings.nrows(), embeddings.ncols()];
    let values: Vec<f32> = embeddings.iter().copied().collect();
    let latents = Tensor::<2>::from_data(TensorData::new(values.clone(), shape), &foundation.device());
    let decoded = foundation.decode(latents).ok_or("the model has no decoder")?;
    let reconstructions = decoded.into_data().try_to_vec::<f32>().map_err(|problem| format!("{problem:?}"))?;
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (embeddings, reconstructions) = (bytes(&values), bytes(&reconstructions));
    let tensors = [
        ("embeddings", TensorView::new(Dtype::F32, shape.to_vec(), &embeddings)?),
        ("reconstructions", TensorView::new(Dtype::F32, vec![shape[0], expression.genes()], &reconstructions)?),
    ];
    std::fs::write(path, safetensors::serialize(tensors, None)?)?;
    Ok(())
}
