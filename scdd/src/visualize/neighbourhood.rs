//! Tables of what a reference says: annotations by class, and the most similar cells of a search.

use itertools::Itertools;
use polars::prelude::{Column, DataFrame};
use scdd_learn::statistics::median;

use super::Table;
use super::table::show;
use crate::annotate::{Annotation, Hits, UNASSIGNED};
use crate::cells::CellsError;

/// Hits that a notebook shows.
const SHOWN: usize = 20;

impl Annotation {
    /// One row for each class that was given: cells, mean confidence and, by neighbours, the median distance to the nearest.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn table(&self) -> crate::Result<Table> {
        let (names, confidence) = (self.names(), self.confidence());
        let of_class = |class: &str| names.iter().positions(|name| *name == class).collect::<Vec<_>>();
        let classes = self.classes().iter().map(String::as_str).chain([UNASSIGNED]).unique();
        let given: Vec<(&str, Vec<usize>)> =
            classes.map(|class| (class, of_class(class))).filter(|(_, cells)| !cells.is_empty()).collect();
        let mean = |cells: &[usize]| cells.iter().map(|&cell| confidence[cell]).sum::<f64>() / cells.len() as f64;
        let mut columns = vec![
            Column::new("annotation".into(), given.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
            Column::new("cells".into(), given.iter().map(|(_, cells)| cells.len() as u64).collect::<Vec<_>>()),
            Column::new("mean confidence".into(), given.iter().map(|(_, cells)| mean(cells)).collect::<Vec<_>>()),
        ];
        if let Some(neighbours) = self.neighbours() {
            let distance = neighbours.nearest_distance();
            let of = |cells: &[usize]| median(&cells.iter().map(|&cell| distance[cell]).collect::<Vec<_>>());
            let medians: Vec<f64> = given.iter().map(|(_, cells)| of(cells)).collect();
            columns.push(Column::new("median distance to the nearest".into(), medians));
        }
        let frame = DataFrame::new(given.len(), columns).map_err(CellsError::from)?;
        Ok(Table::new(frame, &format!("{self:?}")))
    }

    /// Shows the table in a notebook.
    pub fn evcxr_display(&self) {
        show(self.table());
    }
}

impl Hits {
    /// The first 20 hits; [`frame`](Self::frame) has all of them.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn table(&self) -> crate::Result<Table> {
        let frame = self.frame()?;
        let shown = match frame.height() {
            all if all > SHOWN => format!("{self:?}, the first {SHOWN}"),
            _ => format!("{self:?}"),
        };
        Ok(Table::new(frame.head(Some(SHOWN)), &shown))
    }

    /// Shows the table in a notebook.
    pub fn evcxr_display(&self) {
        show(self.table());
    }
}

#[cfg(test)]
mod tests {
    use crate::foundation::Foundation;

    #[test]
    fn tables_count_the_annotated_cells_of_each_class_and_show_the_first_hits() {
        let cells = crate::simulate().cells(200).genes(120).classes(3).smallest_class(30).run().unwrap();
        let cells = cells.preprocess().min_genes(5).run().unwrap();
        let training = cells.study("cell_type").training_cells().unwrap();
        let model: Foundation = Foundation::pca(&training).components(8).run().unwrap().into();
        let reference = model.reference(&cells, "cell_type").unwrap();
        let annotation = reference.annotate(&cells).k(9).run().unwrap();
        let table = annotation.table().unwrap();
        let counted: u64 = table.frame().column("cells").unwrap().u64().unwrap().iter().flatten().sum();
        assert_eq!(counted, cells.cells() as u64);
        assert!(table.caption().contains("annotated by 'cell_type' of 9 neighbours"), "{}", table.caption());

        let hits = reference.query(&cells.select_cells(&[0, 1]).unwrap()).k(15).run().unwrap();
        let table = hits.table().unwrap();
        assert_eq!(table.frame().height(), 20);
        assert!(table.caption().ends_with("the first 20"), "{}", table.caption());
    }
}
