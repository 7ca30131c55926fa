//! Does knowledge transfer from one set of cells to another? Prints the table of docs/foundation.md.
//!
//!     cargo run --example knowledge_transfer -- atlas.h5ad cell_type dataset=baron_human cells.h5ad cell_type 2000
//!
//! A network is pretrained on the atlas without the named cells, and the same network on the training cells of the other
//! file alone. Linear heads on both models' latents, on principal components and on the genes themselves are then trained
//! on 1, 5 and all cells per class, and scored on test cells. All models have the same genes: of those that both files
//! have, the most variable ones of the training cells (the last argument), or all without it.

use scdd::foundation::Corpus;
use scdd::prelude::*;

/// Splits of the cells that are averaged over.
const SEEDS: [u64; 3] = [7, 8, 9];

/// Weights of the triplet loss in pretraining on the atlas: SCimilarity's, and a hundred times as much.
const TRIPLET_WEIGHTS: [f64; 2] = [0.001, 0.1];

fn main() -> scdd::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ([atlas, atlas_label, without, cells, label], variable) = arguments.split_at(arguments.len().min(5)) else {
        eprintln!("expected: atlas.h5ad label column=value-to-leave-out cells.h5ad label [variable genes]");
        std::process::exit(2);
    };
    let variable: Option<usize> = variable.first().and_then(|count| count.parse().ok());
    let (column, value) = without.split_once('=').unwrap_or((without, ""));
    let atlas = read_h5ad(atlas)?.without(column, &[value])?;
    let cells = read_h5ad(cells)?.preprocess().only_genes(atlas.gene_names()).run()?;
    let atlas = atlas.preprocess().only_genes(cells.gene_names()).min_cells(0).run()?;
    let corpus = Corpus::labelled(&atlas, atlas_label)?.studies(column)?;
    println!("atlas: {}", corpus.summary());

    let mut table: Vec<(String, Vec<[f64; 2]>)> = Vec::new();
    for seed in SEEDS {
        let study = match variable {
            Some(count) => cells.study(label).variable_genes(count).seed(seed),
            None => cells.study(label).all_genes().seed(seed),
        };
        let training = study.training_cells()?;
        let of_cells = Foundation::pretrain(&training).seed(seed).run()?;
        println!("seed {seed}, training cells: {}", of_cells.summary());
        let genes = of_cells.genes().to_vec();
        let mut models: Vec<(String, Foundation)> = Vec::new();
        for weight in TRIPLET_WEIGHTS {
            let of_atlas = Foundation::pretrain(&corpus).genes(&genes).triplet(weight, 0.05).seed(seed).run()?;
            println!("seed {seed}, atlas, triplet weight {weight}: {}", of_atlas.summary());
            models.push((format!("pretrained on the atlas, triplet weight {weight}"), of_atlas.into()));
        }
        models.push(("pretrained on the training cells".to_owned(), of_cells.into()));
        for count in [50, 128] {
            let components = Foundation::pca(&training).components(count).run()?;
            models.push((format!("{count} principal components"), components.into()));
        }
        models.push(("genes themselves".to_owned(), Foundation::genes(&training)?));
        for (name, model) in models {
            // The model decides the genes of the study.
            let study = cells.study(label).seed(seed).foundation(model).run()?;
            for row in study.evaluate().per_class(1).per_class(5).run()?.rows() {
                // The class mean is one cell whatever the budget.
                if row.method == "class mean" && row.per_class == Some(5) {
                    continue;
                }
                let budget = row.per_class.map_or("all".to_owned(), |count| count.to_string());
                let (key, scores) =
                    (format!("{name} | {} | {budget}", row.method), [row.accuracy_mean, row.macro_f1_mean]);
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
