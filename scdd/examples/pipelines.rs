//! Every pipeline of the paper on one data set, in one table: `cargo run --example pipelines -- FILE.h5ad LABEL [PER_CLASS
//! [SEED]]`. Without arguments it takes the demo's data set.

use scdd::distill::DistilledEmbeddings;
use scdd::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let cells = match arguments.next() {
        Some(file) => read_h5ad(file)?,
        None => demo_cells()?,
    };
    let label = arguments.next().unwrap_or_else(|| "cell_type".to_owned());
    let mut number = |usual: usize| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (per_class, seed) = (number(1), number(7) as u64);
    let study = cells.preprocess().min_genes(200).min_cells(3).run()?.study(&label).seed(seed).run()?;
    println!("{study:?}");
    let scdg = study.train_scdg().run()?;
    let small = SmallClasses::TakeAll;
    let (mut cells, mut embeddings): (Vec<Distilled>, Vec<DistilledEmbeddings>) = (Vec::new(), Vec::new());
    macro_rules! pipelines {
        ($objective:expr) => {
            let made = study.distill_embeddings($objective).per_class(per_class).small_classes(small).run()?;
            cells.push(made.decoded()?);
            embeddings.push(made);
            for opened in [
                study.distill_expression($objective),
                study.distill_decoder($objective),
                scdg.distill($objective).into(),
            ] {
                cells.push(opened.per_class(per_class).small_classes(small).run()?);
            }
        };
    }
    pipelines!(DistributionMatching::default());
    pipelines!(GradientMatching::default());
    cells.push(scdg.sample().per_class(per_class).small_classes(small).run()?);
    let mut evaluation = embeddings[0].evaluate().beside(&embeddings[1]);
    for cells in &cells {
        evaluation = evaluation.beside(cells);
    }
    println!("{}", evaluation.run()?.table()?);
    Ok(())
}
