//! notebooks/own_objective.ipynb as a program: a matching objective of one's own beside the paper's two.

use scdd::burn::tensor::Tensor;
use scdd::prelude::*;

/// Class means of what random networks make of expression.
struct RandomSurrogates;

impl MatchingObjective for RandomSurrogates {
    fn name(&self) -> String {
        "random surrogates".to_owned()
    }
    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let mut loss = Tensor::zeros([1], &matching.device());
        for surrogate in matching.surrogates().hidden(&[64]).on_expression().draw(4) {
            let real = matching.real_means().matmul(surrogate.features(matching.real_expression()));
            let made = matching.synthetic_means().matmul(surrogate.features(matching.synthetic_expression()));
            loss = loss + (real - made).powi_scalar(2).sum();
        }
        loss
    }
}

fn main() -> Result<()> {
    let cells = demo_cells()?.preprocess().min_genes(200).min_cells(3).run()?;
    let study = cells.study("cell_type").seed(7).run()?;
    println!("{study:?}");

    let own = study.distill_decoder(RandomSurrogates).run()?;
    let dm = study.distill_decoder(DistributionMatching::default()).run()?;
    let dc = study.distill_decoder(GradientMatching::default()).run()?;
    println!("{own:?}");

    let scores = own.evaluate().beside(&dm).beside(&dc).run()?;
    println!("{}", scores.table()?);
    println!("{}", own.loss_curve()?.summary());
    println!("{}", own.umap()?.summary());

    let mixture = Mixture::new().with(1.0, RandomSurrogates).with(10.0, DistributionMatching::default());
    let both = study.distill_decoder(mixture).run()?;
    let trajectory = study.distill_decoder(TrajectoryMatching::default()).run()?;
    let by_frequency = DistributionMatching::default().class_weights(ClassWeights::Frequency);
    let frequent = study.distill_decoder(by_frequency).run()?;
    let scores = both.evaluate().beside(&trajectory).beside(&frequent).run()?;
    println!("{}", scores.table()?);
    Ok(())
}
