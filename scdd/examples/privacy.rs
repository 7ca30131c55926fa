//! Privacy of sets of a few cells: the measures of `distilled.privacy()` for four pipelines, for our own with its markers alone,
//! and for random cells and class means, each a row of a Markdown table. docs/privacy.md holds its output.
//!
//!     cargo run --example privacy -- FILE.h5ad LABEL PER_CLASS [SEED]

use scdd::prelude::*;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, label, per_class, seed @ ..] = &arguments[..] else {
        eprintln!("expected: FILE.h5ad LABEL PER_CLASS [SEED]");
        std::process::exit(2);
    };
    let (per_class, seed) = (per_class.parse().unwrap_or(1), seed.first().and_then(|seed| seed.parse().ok()));
    let cells = read_h5ad(file)?.preprocess().run()?;
    // Held-out cells are the validation cells; a fifth of the training cells gives enough of them.
    let study = cells.study(label).validation_fraction(0.2).seed(seed.unwrap_or(scdd::seed::DEFAULT_SEED)).run()?;
    eprintln!("{study:?}");
    let small = SmallClasses::TakeAll;
    let objective = DistributionMatching::default;
    let mixtures =
        study.metacells().run()?.distill(RidgeSurrogates::default()).per_class(per_class).small_classes(small).run()?;
    let sets = [
        (mixtures.only_markers(), ", its markers alone"),
        (mixtures, ""),
        (study.distill_decoder(objective()).per_class(per_class).small_classes(small).run()?, ""),
        (study.train_scdg().run()?.distill(objective()).per_class(per_class).small_classes(small).run()?, ""),
        (study.distill_expression(objective()).per_class(per_class).small_classes(small).run()?, ""),
    ];
    println!("| set | cells | copies | singled out | distance to the nearest training cell | best attack, AUC |");
    println!("|---|---|---|---|---|---|");
    let mut baselines = true;
    for (set, part) in &sets {
        let privacy = set.privacy().run()?;
        // The baselines are those of the budget, the same beside each set.
        for (place, row) in privacy.sets().iter().take(if baselines { 3 } else { 1 }).enumerate() {
            let part = if place == 0 { part } else { "" };
            let attack = row.best_attack().map_or("-".to_owned(), |attack| {
                format!("{:.3} ({:.3} to {:.3})", attack.auc, attack.low, attack.high)
            });
            println!(
                "| {}{part} | {} | {} | {} | {:.3} | {attack} |",
                row.set, row.cells, row.exact_copies, row.singled_out, row.nearest_training
            );
        }
        if baselines {
            println!("| held-out cells | {} | | | {:.3} | |", privacy.held_out_cells(), privacy.held_out_nearest());
        }
        baselines = false;
        eprintln!("{}", privacy.sentence());
    }
    Ok(())
}
