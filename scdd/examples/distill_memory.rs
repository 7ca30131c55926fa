//! Peak memory of a distillation over the cells per class: `distill_memory FILE.h5ad LABEL dm|dc PER_CLASS [STEPS]`.
//!
//! One run per process, since a process that has had much memory may keep it. Prints one JSON object: rows, seconds of a
//! step, memory before and its peak while distilling by scDD+SCDG. Linux only.

use scdd::prelude::*;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, label, objective, per_class, steps @ ..] = &arguments[..] else {
        return Err("expected FILE.h5ad LABEL dm|dc PER_CLASS [STEPS]".into());
    };
    scdd::progress::quiet(true);
    let steps = steps.first().map_or(Ok(5), |steps| steps.parse())?;
    let cells = read_h5ad(file)?.preprocess().min_genes(200).min_cells(3).run()?;
    // All genes, and networks of SCimilarity's widths: what is distilled is as wide as it gets; how good it is does not matter.
    let network = NetworkConfig { hidden: vec![1024; 3], latent: 128, ..NetworkConfig::default() };
    let pretraining = PretrainingConfig { network, epochs: 1, batch: 2_000, ..PretrainingConfig::default() };
    let study = cells.study(label).all_genes().pretraining(pretraining).run()?;
    let scdg = study.train_scdg().steps(20).run()?;
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (before, per_class) = (memory("VmRSS"), per_class.parse()?);
    let (dm, dc) = (DistributionMatching::default(), GradientMatching::default());
    let builder = if objective == "dm" { scdg.distill(dm) } else { scdg.distill(dc) };
    let builder = builder.per_class(per_class).small_classes(SmallClasses::TakeAll).steps(steps);
    let distilled = builder.run()?;
    let found = serde_json::json!({
        "objective": objective, "per_class": per_class, "rows": distilled.labels().len(),
        "genes": distilled.expression().ncols(), "seconds_per_step": distilled.history().seconds / steps as f64,
        "before_mb": before / 1e6, "peak_mb": memory("VmHWM") / 1e6,
        "set_mb": distilled.expression().len() as f64 * 4.0 / 1e6,
    });
    println!("{found}");
    Ok(())
}

/// Bytes of a line of the process's status.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap_or_default();
    found.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0
}
