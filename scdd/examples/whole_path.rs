//! The quick start as a program: `cargo run --example whole_path -- FILE.h5ad LABEL [SEED [UMAP.svg]]`.
//!
//! Reads counts, trains, distils one and five cells per class by both objectives, and prints the scores on the test
//! cells. Without arguments it takes the demo's data set. With a fourth, it writes the UMAP of the last set there.

mod measure;

use scdd::prelude::*;

use measure::on_rarer_side_of_zero;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next();
    let label = arguments.next().unwrap_or_else(|| "cell_type".to_owned());
    let seed = arguments.next().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let cells = match file {
        Some(file) => read_h5ad(file)?,
        None => demo_cells()?,
    };
    println!("{cells:?}");
    let study = cells.preprocess().min_genes(200).min_cells(3).run()?.study(&label).seed(seed).run()?;
    println!("{study:?}");
    let scdg = study.train_scdg().run()?;
    println!("{scdg:?}");
    let mut sets = Vec::new();
    for per_class in [1, 5] {
        let small = SmallClasses::TakeAll;
        let gradient = scdg.distill(GradientMatching::default()).per_class(per_class).small_classes(small).run()?;
        println!("{gradient:?}");
        let distribution =
            scdg.distill(DistributionMatching::default()).per_class(per_class).small_classes(small).run()?;
        println!("{distribution:?}");
        sets.extend([gradient, distribution]);
    }
    let evaluation = sets[1..].iter().fold(sets[0].evaluate(), |evaluation, set| evaluation.beside(set));
    println!("{}", evaluation.run()?.table()?);
    let fractions = sets.iter().map(on_rarer_side_of_zero).collect::<Vec<_>>();
    println!("expression on the rarer side of zero, gene by gene, in each set: {fractions:.3?}");
    if let (Some(path), Some(set)) = (arguments.next(), sets.get(2)) {
        set.umap()?.write_svg(path)?;
    }
    Ok(())
}
