//! Figures and tables of studies, distilled sets and evaluations: each hands its numbers to the functions of this folder.

use ndarray::{Array2, Axis};
use polars::prelude::{Column, DataFrame};

use super::{
    Figure, LabelledCells, RealAndSynthetic, Table, class_profiles, correlation_figure, curves, expression_heatmap,
    table, umap_figure,
};
use crate::distill::{Distillation, Distilled};
use crate::evaluate::{Evaluation, EvaluationRow};
use crate::foundation::{PretrainingHistory, Scimilarity};
use crate::preprocess::top_variable_genes_per_class;
use crate::scdg::Scdg;
use crate::study::Study;

/// Marker genes that the heatmap shows of each class (Yu et al. 2025, Fig. 5).
const MARKERS: usize = 3;

impl Distilled {
    /// UMAP of the foundation model's latents: training cells as a cloud, synthetic cells as stars (Yu et al. 2025,
    /// Fig. 6).
    ///
    /// # Errors
    /// When there are fewer than 3 cells, or a value is not finite.
    pub fn umap(&self) -> crate::Result<Figure> {
        let study = self.study();
        let training = study.training_cells();
        let synthetic = study.foundation().embed(&self.sparse_expression()?)?;
        let real = study.embeddings_of(training.train());
        let (labels, seed) = (training.train_labels(), study.config().seed);
        let cells = RealAndSynthetic {
            real: LabelledCells { cells: &real, labels: &labels },
            synthetic: LabelledCells { cells: &synthetic, labels: self.labels() },
            classes: study.classes(),
        };
        Ok(umap_figure(&cells, seed)?)
    }

    /// Heatmap of the top three highly variable genes of each class, training cells beside synthetic ones, in the same
    /// order and on the same scale (Yu et al. 2025, Fig. 5).
    ///
    /// # Errors
    /// When no gene varies.
    pub fn heatmap(&self) -> crate::Result<Figure> {
        let study = self.study();
        let (real, labels) = study.training_expression();
        let markers = top_variable_genes_per_class(&real, &labels, study.classes().len(), MARKERS)?;
        let genes: Vec<usize> = markers.into_iter().flatten().collect();
        let names: Vec<String> = genes.iter().map(|&gene| study.cells().gene_names()[gene].clone()).collect();
        let cells: Vec<usize> = (0..real.cells()).collect();
        let shown = real.select_genes(&genes).dense_rows(&cells);
        let shown = Array2::from_shape_fn((cells.len(), genes.len()), |(cell, gene)| shown[cell * genes.len() + gene]);
        let synthetic = self.expression().select(Axis(1), &genes);
        let cells = RealAndSynthetic {
            real: LabelledCells { cells: &shown, labels: &labels },
            synthetic: LabelledCells { cells: &synthetic, labels: self.labels() },
            classes: study.classes(),
        };
        Ok(expression_heatmap(&cells, &names)?)
    }

    /// Correlation of every two classes' mean profiles, training cells beside synthetic ones, in the same order and on
    /// the same scale (Yu et al. 2025, Fig. 7).
    ///
    /// # Errors
    /// When fewer than two classes are in both.
    pub fn correlation(&self) -> crate::Result<Figure> {
        let study = self.study();
        let (real, labels) = study.training_expression();
        let classes = study.classes();
        let real = class_profiles(&real, &labels, classes.len())?;
        let synthetic = class_profiles(&self.sparse_expression()?, self.labels(), classes.len())?;
        Ok(correlation_figure(&real, &synthetic, classes)?)
    }
}

impl Distillation {
    /// The objective's loss over the steps, and macro-F1 on the validation cells where a choice was made on them.
    ///
    /// # Errors
    /// When there were no steps.
    pub fn loss_curve(&self) -> crate::Result<Figure> {
        let (title, history) = (format!("Distillation by {}", self.objective()), self.history());
        let loss = history.loss.iter().enumerate().map(|(step, &loss)| (step as f64, loss)).collect();
        let mut series = vec![("matching loss", loss)];
        let mut values = "loss";
        if !history.validation.is_empty() {
            let scores = history.validation.iter().map(|score| (score.step as f64, score.macro_f1)).collect();
            series.push(("macro-F1 of validation cells", scores));
            values = "loss and macro-F1";
        }
        Ok(curves(&title, "step", values, &series, false)?)
    }
}

impl Study {
    /// Reconstruction error of the foundation model over the epochs of its pretraining.
    ///
    /// # Errors
    /// When the model was not pretrained here.
    pub fn loss_curve(&self) -> crate::Result<Figure> {
        pretraining_curve(self.pretraining_history())
    }
}

impl Scimilarity {
    /// Reconstruction error over the epochs of its pretraining.
    ///
    /// # Errors
    /// When the model was not pretrained here.
    pub fn loss_curve(&self) -> crate::Result<Figure> {
        pretraining_curve(self.history().unwrap_or(&PretrainingHistory::default()))
    }
}

fn pretraining_curve(history: &PretrainingHistory) -> crate::Result<Figure> {
    let mut series = vec![("training batches, with dropout", points(&history.reconstruction))];
    if !history.validation.is_empty() {
        series.push(("validation cells", points(&history.validation)));
    }
    Ok(curves("Pretraining of the foundation model", "epoch", "mean squared error", &series, false)?)
}

impl Scdg {
    /// Loss of the generator over the steps of its training, as the mean of 20 steps at a time.
    ///
    /// # Errors
    /// When there were no steps.
    pub fn loss_curve(&self) -> crate::Result<Figure> {
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let of_twenty = |(number, losses)| (20.0 * number as f64, mean(losses));
        let points = self.history().loss.chunks(20).enumerate().map(of_twenty).collect();
        Ok(curves("Training of SCDG", "step", "mean squared error", &[("loss", points)], true)?)
    }
}

impl Evaluation {
    /// The table of scores, means and standard deviations over networks.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn table(&self) -> crate::Result<Table> {
        let rows = self.rows();
        let spread = |mean: f64, deviation: Option<f64>| match deviation {
            Some(deviation) => format!("{mean:.3} ± {deviation:.3}"),
            None => format!("{mean:.3}"),
        };
        let text = |name: &str, values: Vec<String>| Column::new(name.into(), values);
        let optional = |name: &str, digits: usize, of: fn(&EvaluationRow) -> Option<f64>| {
            let values: Vec<_> = rows.iter().map(|row| of(row).map(|value| format!("{value:.digits$}"))).collect();
            Column::new(name.into(), values)
        };
        let mut columns = vec![
            text("training set", rows.iter().map(|row| row.method.clone()).collect()),
            optional("per class", 0, |row| row.per_class.map(|count| count as f64)),
            text("cells", rows.iter().map(|row| row.cells.to_string()).collect()),
            text("permille", rows.iter().map(|row| format!("{:.1}", row.permille)).collect()),
            text("accuracy", rows.iter().map(|row| spread(row.accuracy_mean, row.accuracy_std)).collect()),
            text("macro-F1", rows.iter().map(|row| spread(row.macro_f1_mean, row.macro_f1_std)).collect()),
            optional("rare recall", 3, |row| row.rare_recall),
            optional("of all cells' accuracy", 3, |row| row.ratio_to_all),
            optional("seconds to make", 1, |row| row.seconds),
        ];
        let only_heads = rows.iter().all(|row| row.model == "linear head");
        if !only_heads {
            columns.insert(0, text("model", rows.iter().map(|row| row.model.clone()).collect()));
        }
        let frame = DataFrame::new(rows.len(), columns).map_err(crate::evaluate::EvaluateError::from)?;
        let (networks, foundation) = (self.protocol().networks, self.study().foundation().name());
        let scored_on = rows.first().map_or("test cells", |row| &row.scored_on);
        let scored = format!("scored on {} {scored_on}", self.scored_cells());
        let mut caption = if only_heads {
            format!(
                "Linear heads on latents of {foundation}, trained on each set, {scored}; mean ± standard deviation of \
                 {networks} networks"
            )
        } else {
            format!("Models trained on each set, {scored}; mean ± standard deviation of up to {networks} networks")
                + &match rows.iter().any(|row| row.foundation.is_some()) {
                    true => format!("; linear heads see latents of {foundation}, the others expression"),
                    false => String::new(),
                }
        };
        for note in self.notes() {
            caption += &format!("; {note}");
        }
        Ok(Table::new(frame, &caption))
    }

    /// Shows the table in a notebook.
    pub fn evcxr_display(&self) {
        table::show(self.table());
    }
}

fn points(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(step, &value)| ((step + 1) as f64, value)).collect()
}
