//! Does knowledge transfer from one set of cells to another? Prints the table of docs/foundation.md.
//!
//!     cargo run --example knowledge_transfer -- atlas.h5ad "cell_type" "dataset=baron_human" cells.h5ad cell_type
//!
//! A network is pretrained on the atlas without the named cells, and the same network on the training cells of the other
//! file alone. Linear heads on both models' latents, on principal components and on the genes themselves are then trained
//! on 1, 5 and all cells per class, and scored on test cells. Everything sees the genes that both files have.

use std::time::Instant;

use scdd::foundation::Corpus;
use scdd::prelude::*;

/// Splits of the cells that are averaged over.
const SEEDS: [u64; 3] = [7, 8, 9];

fn main() -> scdd::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [atlas, atlas_label, without, cells, label] = &arguments[..] else {
        eprintln!("expected 5 arguments: atlas.h5ad label column=value-to-leave-out cells.h5ad label");
        std::process::exit(2);
    };
    let (column, value) = without.split_once('=').unwrap_or((without, ""));
    let atlas = read_h5ad(atlas)?.without(column, &[value])?;
    let cells = read_h5ad(cells)?;
    let cells = cells.preprocess().only_genes(atlas.gene_names()).run()?;
    let atlas = atlas.preprocess().only_genes(cells.gene_names()).min_cells(0).run()?;

    let corpus = Corpus::labelled(&atlas, atlas_label)?.studies(column)?;
    let pretraining = Foundation::pretrain(&corpus).genes(cells.gene_names());
    println!("atlas: {}\n", pretraining.plan()?);
    let began = Instant::now();
    let of_atlas = pretraining.run()?;
    println!("pretrained in {:.0} s: {:?}\n", began.elapsed().as_secs_f64(), of_atlas.history());

    let mut table: Vec<(String, Vec<[f64; 2]>)> = Vec::new();
    for seed in SEEDS {
        let study = cells.study(label).all_genes().seed(seed);
        let training = study.training_cells()?;
        let of_cells = Foundation::pretrain(&training).seed(seed).run()?;
        let models: Vec<(&str, Foundation)> = vec![
            ("pretrained on the atlas", of_atlas.clone().into()),
            ("pretrained on the training cells", of_cells.into()),
            ("50 principal components of the training cells", Foundation::pca(&training).components(50).run()?.into()),
            (
                "128 principal components of the training cells",
                Foundation::pca(&training).components(128).run()?.into(),
            ),
            ("genes themselves", Foundation::genes(&training)?),
        ];
        for (name, model) in models {
            let study = study.clone().foundation(model).run()?;
            let evaluation = study.evaluate().per_class(1).per_class(5).run()?;
            for row in evaluation.rows() {
                let budget = row.per_class.map_or("all".to_owned(), |count| count.to_string());
                let scores = [row.accuracy_mean, row.macro_f1_mean];
                let key = format!("{name} | {} | {budget}", row.method);
                match table.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, all)) => all.push(scores),
                    None => table.push((key, vec![scores])),
                }
            }
        }
    }
    println!("| latents | trained on | per class | accuracy | macro-F1 |\n|---|---|---|---|---|");
    for (key, scores) in table {
        println!("| {key} | {} | {} |", spread(&scores, 0), spread(&scores, 1));
    }
    Ok(())
}

/// Mean and standard deviation over the seeds.
fn spread(scores: &[[f64; 2]], which: usize) -> String {
    let values: Vec<f64> = scores.iter().map(|score| score[which]).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
    format!("{mean:.3} ± {:.3}", variance.sqrt())
}
