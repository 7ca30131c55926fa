//! Training of an annotator: on a distilled set, on embeddings, or on all training cells.

use super::Annotator;
use crate::distill::{Distilled, DistilledEmbeddings};
use crate::evaluate::{EvaluationModel, ModelInput, TrainingSet};
use crate::study::Study;

impl Distilled {
    /// Trains one model on the synthetic cells, to annotate other cells with: another lab needs no more than this set, or than
    /// the file that [`Annotator::write`] makes of the model.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let distilled = study.distill_decoder(DistributionMatching::default()).steps(3).run()?;
    /// let annotator = distilled.train_model(CellTypist::default())?;
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("types.safetensors");
    /// annotator.write(&path)?;
    /// let annotated = Annotator::read(&path)?.annotate(&cells).threshold(0.5).run()?;
    /// assert_eq!(annotated.frame()?.height(), cells.cells());
    /// # Ok::<(), scdd::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the set has cells of one class only, or a setting of the model is outside its range.
    pub fn train_model(&self, model: impl EvaluationModel) -> crate::Result<Annotator> {
        let set = TrainingSet::from(self);
        Annotator::train(
            &model,
            self.model_input(self.study().foundation())?,
            self.labels(),
            self.study(),
            set.method(),
        )
    }
}

impl DistilledEmbeddings {
    /// Trains one model on the embeddings, to annotate cells with: a model that sees latents, such as
    /// [`LinearProbe`](crate::evaluate::LinearProbe).
    ///
    /// # Errors
    /// When the model sees expression, or the set has features of one class only.
    pub fn train_model(&self, model: impl EvaluationModel) -> crate::Result<Annotator> {
        let input = ModelInput::of_latents(self.embeddings().clone());
        Annotator::train(&model, input, self.labels(), self.study(), self.method())
    }
}

impl Study {
    /// Trains one model on all training cells, to annotate other cells with.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// let annotated = study.train_model(NearestNeighbours::default())?.annotate(&cells).run()?;
    /// assert!(annotated.accuracy("cell_type")? > 0.8);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a setting of the model is outside its range.
    pub fn train_model(&self, model: impl EvaluationModel) -> crate::Result<Annotator> {
        let (expression, labels) = self.training_expression();
        let latents = self.embeddings_of(self.training_cells().train());
        let input = ModelInput::new(expression).with_latents(latents);
        Annotator::train(&model, input, &labels, self, "all training cells".to_owned())
    }
}
