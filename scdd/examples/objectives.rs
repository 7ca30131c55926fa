//! Learning rates of every objective on validation cells: `cargo run --example objectives -- FILE.h5ad LABEL
//! [PER_CLASS [SEED [sgd]]]]`. Without arguments it takes the demo's data set. Test cells stay closed.

use std::time::Instant;

use scdd::prelude::*;

const ADAM: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];
const SGD: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let cells = match arguments.next() {
        Some(file) => read_h5ad(file)?,
        None => demo_cells()?,
    };
    let label = arguments.next().unwrap_or_else(|| "cell_type".to_owned());
    let mut number = |usual: usize| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (per_class, seed) = (number(1), number(7) as u64);
    let (optimizer, rates) = match arguments.next().as_deref() {
        Some("sgd") => (Optimizer::Sgd { momentum: 0.5 }, SGD),
        _ => (Optimizer::Adam, ADAM),
    };
    let study = cells.preprocess().min_genes(200).min_cells(3).run()?.study(&label).seed(seed).run()?;
    println!("{study:?}");
    println!("macro-F1 / cross-entropy of linear heads on validation cells, {per_class} per class");
    macro_rules! objective {
        ($objective:expr) => {
            for opened in [study.distill_expression($objective), study.distill_decoder($objective)] {
                let started = Instant::now();
                let opened = opened.per_class(per_class).small_classes(SmallClasses::TakeAll);
                let made = opened.optimizer(optimizer).choose_learning_rate(&rates).run()?;
                let mut line = format!("{:28}", made.method());
                for tried in &made.history().runs {
                    line += &match tried.score {
                        Some(score) => {
                            format!("  {}: {:.3} / {:.3}", tried.learning_rate, score.macro_f1, score.cross_entropy)
                        }
                        None => format!("  {}: diverged", tried.learning_rate),
                    };
                }
                println!("{line}  {:.0} s", started.elapsed().as_secs_f64());
            }
        };
    }
    objective!(DistributionMatching::default());
    objective!(DistributionMatching::default().class_weights(ClassWeights::RootFrequency));
    objective!(CovarianceMatching::default());
    objective!(CovarianceMatching::default().variances_only());
    objective!(KernelMatching::default());
    objective!(TrajectoryMatching::default());
    objective!(GradientMatching::default());
    objective!(GradientMatching::default().original_loops());
    objective!(GradientMatching::default().hidden(&[128]));
    objective!(GradientMatching::default().unfrozen());
    Ok(())
}
