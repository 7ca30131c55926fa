//! Does the gradient of the codes decay in a chain of denoising steps? `gradient_decay [FILE.h5ad LABEL]`.
//!
//! Prints JSON lines: L2 norm of dL/dZ at the same codes, noise and batch, for chains of 1 to 20 calls from two noise steps,
//! with LD3M's skips and without (Moser et al., arXiv 2403.03881). Without arguments it takes the demo's data set.

use scdd::distill::Chain;
use scdd::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let cells = match arguments.next() {
        Some(file) => read_h5ad(file)?,
        None => demo_cells()?,
    };
    let label = arguments.next().unwrap_or_else(|| "cell_type".to_owned());
    let study = cells.preprocess().min_genes(200).min_cells(3).run()?.study(&label).run()?;
    let scdg = study.train_scdg().run()?;
    for noise_step in [100, 1_000] {
        for steps in [1, 2, 5, 10, 20] {
            for skips in [true, false] {
                // The gradients of the first step, at random cells of each class.
                let chain = Chain { steps, skips };
                let dm = scdg.distill_chain(DistributionMatching::default()).chain(chain);
                let dc = scdg.distill_chain(GradientMatching::default()).chain(chain);
                let dm = dm.noise(Noise::Fixed, noise_step).steps(1).run()?;
                let dc = dc.noise(Noise::Fixed, noise_step).steps(1).run()?;
                let found = serde_json::json!({
                    "noise_step": noise_step, "steps": steps, "skips": skips,
                    "dm": dm.history().gradient[0], "dc": dc.history().gradient[0],
                });
                println!("{found}");
            }
        }
    }
    Ok(())
}
