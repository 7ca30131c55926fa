//! Peak memory of a distillation over the cells per class: `distill_memory FILE.h5ad LABEL dm|dc PER_CLASS MODEL [CHUNK]`.
//!
//! A process keeps what memory it has had, so each run is one of its own, and the first one only pretrains MODEL (a file)
//! and ends. Prints one JSON object: rows, seconds of a step, memory before and its peak while distilling by scDD+SCDG.
//! Linux only.

mod measure;

use scdd::distill::DistillConfig;
use scdd::prelude::*;

use measure::{memory, reset_peak};

const STEPS: usize = 3;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, label, objective, per_class, model, chunk @ ..] = &arguments[..] else {
        return Err("expected FILE.h5ad LABEL dm|dc PER_CLASS MODEL [CHUNK]".into());
    };
    scdd::progress::quiet(true);
    let cells = read_h5ad(file)?.preprocess().min_genes(200).min_cells(3).run()?;
    let opened = cells.study(label).all_genes();
    if !std::path::Path::new(model).exists() {
        // Of SCimilarity's widths and all genes; how good it is does not matter here.
        let network = NetworkConfig { hidden: vec![1024; 3], latent: 128, ..NetworkConfig::default() };
        let config = PretrainingConfig { network, epochs: 1, batch: 2_000, ..PretrainingConfig::default() };
        Foundation::pretrain(&opened.training_cells()?).config(config).run()?.write(model)?;
        return Ok(());
    }
    let study = opened.foundation(Foundation::read(model)?).run()?;
    let scdg = study.train_scdg().steps(20).run()?;
    let (before, per_class) = (reset_peak() as f64, per_class.parse()?);
    let (dm, dc) = (DistributionMatching::default(), GradientMatching::default());
    let builder = if objective == "dm" { scdg.distill(dm) } else { scdg.distill(dc) };
    let usual = DistillConfig::default();
    let chunk = chunk.first().map_or(Ok(usual.chunk), |chunk| chunk.parse())?;
    let builder = builder.config(DistillConfig { chunk, per_class, steps: STEPS, ..usual });
    let builder = builder.small_classes(SmallClasses::TakeAll);
    let distilled = builder.run()?;
    let found = serde_json::json!({
        "objective": objective, "per_class": per_class, "chunk": chunk, "rows": distilled.labels().len(),
        "genes": distilled.expression().ncols(), "seconds_per_step": distilled.history().seconds / STEPS as f64,
        "before_mb": before / 1e6, "peak_mb": memory("VmHWM") as f64 / 1e6,
        "set_mb": distilled.expression().len() as f64 * 4.0 / 1e6,
    });
    println!("{found}");
    Ok(())
}
