//! Seconds and accuracy of every evaluation model on sets of a few cells and on all training cells:
//! `cargo run --example evaluation_models FILE.h5ad LABEL [MODEL]`.

use std::time::Instant;

use scdd::prelude::*;

fn main() -> scdd::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, label, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: evaluation_models FILE.h5ad LABEL [MODEL]");
        std::process::exit(2);
    };
    let cells = read_h5ad(file)?.preprocess().run()?;
    let study = cells.study(label).foundation_epochs(3).run()?;
    println!("{study:?}");
    for model in all_models() {
        if rest.first().is_some_and(|wanted| *wanted != model.name()) {
            continue;
        }
        let protocol = Protocol { networks: 1, ..Protocol::default() };
        let started = Instant::now();
        let evaluation = study.evaluate().models(vec![model.clone()]).per_class(5).protocol(protocol).run()?;
        let seconds = started.elapsed().as_secs_f64();
        for row in evaluation.rows() {
            println!(
                "{:18} {:20} {:6} cells: accuracy {:.3}, macro-F1 {:.3}, own cells {:.3}",
                row.model,
                row.method,
                row.cells,
                row.accuracy_mean,
                row.macro_f1_mean,
                row.training_accuracy.unwrap_or(f64::NAN)
            );
        }
        println!("{:18} {seconds:.1} s in all", model.name());
    }
    Ok(())
}
