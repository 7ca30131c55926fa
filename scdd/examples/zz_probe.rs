use scdd::prelude::*;
use scdd::foundation::Corpus;
fn main() -> scdd::Result<()> {
    let atlas = scdd::read_h5ad("/work/shared/data/human_composite.h5ad")?;
    let atlas = atlas.without("dataset", &["baron_human"])?.preprocess().run()?;
    let epochs: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let corpus = Corpus::labelled(&atlas, "cell_type")?.studies("dataset")?;
    let run = Foundation::pretrain(&corpus).epochs(epochs);
    println!("{}", run.plan()?);
    let t = std::time::Instant::now();
    let model = run.run()?;
    println!("{:?} {:?}", t.elapsed(), model.history());
    Ok(())
}
