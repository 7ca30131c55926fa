//! Ablations: a distillation with one setting changed at a time, scored on validation cells; test cells stay closed:
//!
//!     cargo run --example ablations -- ROWS.jsonl SEED,.. FILE.h5ad=LABEL,.. [FILE.h5ad=LABEL,..]
//!
//! One cell per class. Rows go to the file one by one, and a run that was killed goes on from there. Prints a page of results
//! in Markdown: a line for each choice, mean and deviation over seeds, and the default minus each choice. Each seed is a split,
//! a foundation model and a generator of its own. docs/ablations.md holds its output.

use scdd::distill::{DistillBuilder, ScdgPath, ValidationModels};
use scdd::prelude::*;
use scdd::study::DecoderBuilder;

/// Fresh networks of each evaluation model.
const NETWORKS: usize = 2;
/// What every other choice is compared with.
const DEFAULT: &str = "scDD+Metacells, ridge: the default";

type Opened = DistillBuilder<Distilled>;
type OnScdg = DistillBuilder<Distilled, ScdgPath>;
type Shared = scdd::benchmark::Shared;

fn choice(name: &str, open: impl Fn(&Shared) -> Result<Opened> + Send + Sync + 'static) -> Method {
    Method::own(name, move |shared, per_class| {
        let opened = open(shared)?.per_class(per_class).small_classes(shared.small_classes());
        Ok((&opened.run()?).into())
    })
}

/// Mixtures of metacells, optimised by ridge surrogates, with one thing changed.
fn mixture(name: &str, change: impl Fn(Opened) -> Opened + Send + Sync + 'static) -> Method {
    choice(name, move |shared| Ok(change(shared.metacells()?.distill(RidgeSurrogates::default()))))
}

/// The same with other metacells.
fn metacells(per_class: usize) -> Method {
    choice(&format!("metacells: {per_class} per class"), move |shared| {
        Ok(shared.study().metacells().max_per_class(per_class).run()?.distill(RidgeSurrogates::default()))
    })
}

/// Metacells with another objective.
fn objective<Objective: MatchingObjective + Clone>(name: &str, objective: Objective) -> Method {
    choice(name, move |shared| Ok(shared.metacells()?.distill(objective.clone())))
}

/// The paper's pipeline, gradient matching through SCDG, with one thing changed.
fn paper(name: &str, change: impl Fn(OnScdg) -> OnScdg + Send + Sync + 'static) -> Method {
    choice(name, move |shared| Ok(change(shared.scdg()?.distill(GradientMatching::default())).into()))
}

/// A decoder trained anew in the place of the foundation model's, with one thing changed.
fn decoder(change: impl Fn(DecoderBuilder) -> DecoderBuilder, shared: &Shared) -> Result<Study> {
    change(shared.study().train_decoder()).run()
}

/// Gradient matching through such a decoder.
fn through(name: &str, change: impl Fn(DecoderBuilder) -> DecoderBuilder + Send + Sync + 'static) -> Method {
    choice(name, move |shared| Ok(decoder(&change, shared)?.distill_decoder(GradientMatching::default())))
}

/// Ridge surrogates through such a decoder.
fn ridge_through(likelihood: Likelihood) -> Method {
    choice(&format!("ridge through the decoder, trained anew: {}", likelihood.name()), move |shared| {
        let study = decoder(|opened| opened.likelihood(likelihood), shared)?;
        Ok(chosen(study.distill_decoder(RidgeSurrogates::default())))
    })
}

/// Ridge surrogates with the choices of the metacells' pipeline, on another path.
fn chosen(opened: Opened) -> Opened {
    opened.init(Init::KMeans).steps(400).early_stopping(20, 10).validation_models(ValidationModels::Surrogates)
}

/// Every choice by its name, beside baselines.
fn choices() -> Result<Vec<Method>> {
    let ridge = RidgeSurrogates::default;
    let mut methods = vec![
        Method::all_training_cells(),
        Method::named("random cells")?,
        Method::named("class mean")?,
        Method::named("k-means pseudobulks")?,
        mixture(DEFAULT, |opened| opened),
        mixture("initialisation alone, no step", |opened| opened.steps(0)),
        mixture("initialisation: class mean", |opened| opened.init(Init::ClassMean)),
        mixture("initialisation: medoid", |opened| opened.init(Init::Medoid)),
        mixture("initialisation: random cells", |opened| opened.init(Init::RandomReal)),
        metacells(16),
        metacells(256),
        mixture("rate 0.03", |opened| opened.learning_rate(0.03)),
        mixture("rate 0.3", |opened| opened.learning_rate(0.3)),
        mixture("50 steps", |opened| opened.steps(50)),
        mixture("200 steps", |opened| opened.steps(200)),
        mixture("no margin over the initialisation", |opened| opened.min_improvement(0.0)),
        mixture("markers: all genes", |opened| opened.marker_fractions(&[1.0])),
        mixture("markers: a tenth of the genes", |opened| opened.marker_fractions(&[0.1])),
        mixture("markers: chosen, all genes in steps", |opened| opened.step_marker_fractions(&[1.0])),
        mixture("markers: chosen, half of the genes in steps", |opened| opened.step_marker_fractions(&[0.5])),
        mixture("chosen by the linear head, all genes", |opened| {
            opened.validation_models(ValidationModels::LinearHead).marker_fractions(&[1.0])
        }),
        objective("classes alike", ridge().class_weights(ClassWeights::Equal)),
        objective("classes by their cells", ridge().class_weights(ClassWeights::Frequency)),
        objective("objective: DM", DistributionMatching::default()),
        objective("objective: DC", GradientMatching::default()),
        objective("objective: MMD", KernelMatching::default()),
        choice("objective: ridge + DM", move |shared| {
            let both = Mixture::new().with(1.0, ridge()).with(1.0, DistributionMatching::default());
            Ok(chosen(shared.metacells()?.distill(both)))
        }),
    ];
    for surrogate in RidgeSurrogate::ALL {
        let mut surrogates = RidgeSurrogate::MATCHED.to_vec();
        let change = if surrogates.contains(&surrogate) {
            surrogates.retain(|other| *other != surrogate);
            "without"
        } else {
            surrogates.push(surrogate);
            "with"
        };
        methods
            .push(objective(&format!("{change} the surrogate: {}", surrogate.name()), ridge().surrogates(&surrogates)));
    }
    methods.push(objective("with all six surrogates", ridge().surrogates(&RidgeSurrogate::ALL)));
    methods.extend([
        choice("ridge on expression itself", move |shared| {
            Ok(chosen(shared.study().distill_expression(ridge())).learning_rate(0.02))
        }),
        choice("ridge through the decoder", move |shared| Ok(chosen(shared.study().distill_decoder(ridge())))),
        choice("ridge through SCDG and the decoder", move |shared| Ok(chosen(shared.scdg()?.distill(ridge()).into()))),
        choice("DC through the decoder", |shared| Ok(shared.study().distill_decoder(GradientMatching::default()))),
        choice("the same, initialisation: class mean", |shared| {
            Ok(shared.study().distill_decoder(GradientMatching::default()).init(Init::ClassMean))
        }),
        ridge_through(Likelihood::SquaredError),
        ridge_through(Likelihood::Poisson),
        through("DC, decoder trained anew: squared error", |opened| opened),
        through("the same, one layer of 128", |opened| opened.hidden(&[128])),
        through("the same, three layers of 1,024", |opened| opened.hidden(&[1_024; 3])),
        through("DC, decoder trained anew: Poisson", |opened| opened.likelihood(Likelihood::Poisson)),
        through("DC, decoder trained anew: negative binomial", |opened| {
            opened.likelihood(Likelihood::NegativeBinomial)
        }),
        paper("scDD+SCDG, DC: the paper's", |opened| opened),
        paper("SCDG: no noise", |opened| opened.noise(Noise::None, 100)),
        paper("SCDG: fresh noise", |opened| opened.noise(Noise::Fresh, 100)),
        paper("SCDG: noise step 20", |opened| opened.noise(Noise::Fixed, 20)),
        paper("SCDG: noise step 250", |opened| opened.noise(Noise::Fixed, 250)),
        choice("SCDG: guidance 1, conditions dropped in a tenth of its training", |shared| {
            let scdg = shared.study().train_scdg().condition_dropout(0.1).run()?;
            Ok(scdg.distill(GradientMatching::default()).guidance(1.0).into())
        }),
        paper("SCDG: initialisation: class mean", |opened| opened.init(Init::ClassMean)),
        paper("SCDG: initialisation: k-means", |opened| opened.init(Init::KMeans)),
        paper("SCDG: initialisation: generated", |opened| opened.init(Init::Generated)),
        paper("SCDG: 10 steps", |opened| opened.steps(10)),
        paper("SCDG: 200 steps", |opened| opened.steps(200)),
        paper("SCDG: rate chosen of 0.01, 0.05, 0.2", |opened| opened.choose_learning_rate(&[0.01, 0.05, 0.2])),
    ]);
    Ok(methods)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, seeds, files @ ..] = &arguments[..] else {
        eprintln!("expected: ROWS.jsonl SEED,.. FILE.h5ad=LABEL,.. [FILE.h5ad=LABEL,..]");
        std::process::exit(2);
    };
    let seeds: Vec<u64> = seeds.split(',').filter_map(|seed| seed.parse().ok()).collect();
    let mut grid = benchmark().methods(choices()?).models_named(["linear head", "CellTypist", "MLP"])?;
    for file in files {
        let (path, labels) = file.rsplit_once('=').unwrap_or((file, "cell_type"));
        grid = grid.file(path, labels.split(','));
    }
    let grid = grid.networks(NETWORKS).on_validation().seed_numbers(seeds).out(out);
    eprintln!("{}", grid.plan()?);
    let results = grid.run()?;
    println!("{}", results.page(&format!("cargo run --example ablations -- {}", arguments.join(" "))));
    println!("\n## Compared with the default\n\n{}", results.compare(DEFAULT));
    Ok(())
}
