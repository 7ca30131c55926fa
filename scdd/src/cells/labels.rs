//! Labels: a class for each cell, from a column of `obs`; choosing cells by value.

use std::collections::BTreeMap;
use std::sync::Arc;

use polars::prelude::{Column, DataType, StringChunked};

use super::{Cells, CellsError};
use crate::Result;
use crate::text::{first_few, grouped};

/// One class for each cell. Classes are sorted by name. A clone shares everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The `obs` column.
    pub column: String,
    /// Names of the classes, sorted.
    pub classes: Arc<Vec<String>>,
    /// Index into `classes` for each cell.
    pub of_cell: Arc<Vec<u32>>,
}

impl Labels {
    /// Labels from one class name a cell.
    ///
    /// ```
    /// let labels = scdd::Labels::from_names("cell_type", &["T", "B", "T"]);
    /// assert_eq!(*labels.classes, ["B", "T"]);
    /// assert_eq!(*labels.of_cell, [1, 0, 1]);
    /// assert_eq!(labels.count_per_class(), [1, 2]);
    /// ```
    pub fn from_names<S: AsRef<str>>(column: &str, names: &[S]) -> Self {
        let mut index: BTreeMap<&str, u32> = names.iter().map(|name| (name.as_ref(), 0)).collect();
        for (class, entry) in index.values_mut().enumerate() {
            *entry = class as u32;
        }
        let of_cell = names.iter().map(|name| index[name.as_ref()]).collect();
        let classes = index.keys().map(|name| name.to_string()).collect();
        Self { column: column.to_string(), classes: Arc::new(classes), of_cell: Arc::new(of_cell) }
    }

    /// Number of cells of each class, in the order of `classes`.
    pub fn count_per_class(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.of_cell.iter().for_each(|&class| counts[class as usize] += 1);
        counts
    }

    /// The cells of each class, sorted ascending, in the order of `classes`.
    pub fn cells_per_class(&self) -> Vec<Vec<usize>> {
        let mut cells = vec![Vec::new(); self.classes.len()];
        self.of_cell.iter().enumerate().for_each(|(cell, &class)| cells[class as usize].push(cell));
        cells
    }

    /// The labels of the given cells; all classes stay, a class may be left without cells.
    /// Indices past the end are left out.
    pub fn select(&self, cells: &[usize]) -> Self {
        let of_cell = cells.iter().filter_map(|&cell| self.of_cell.get(cell).copied()).collect();
        Self { of_cell: Arc::new(of_cell), ..self.clone() }
    }
}

impl<Stage> Cells<Stage> {
    /// The classes of an `obs` column: text, categories, integers or booleans.
    ///
    /// # Errors
    /// When there is no such column (the error lists those that are), when cells have no label (null, NaN or
    /// empty text; see [`drop_missing`](Self::drop_missing)), when there is one class only, and when a column of
    /// numbers has a different value for more than half of the cells.
    ///
    /// ```
    /// let cells = scdd::simulate().cells(60).genes(30).classes(3).run()?;
    /// assert_eq!(cells.labels("cell_type")?.classes.len(), 3);
    /// let error = cells.labels("celltype").unwrap_err().to_string();
    /// assert!(error.contains("'cell_type', 'batch'"), "{error}");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn labels(&self, column: &str) -> Result<Labels> {
        let names = self.obs_values(column)?;
        let labels = Labels::from_names(column, &names);
        let classes = labels.classes.len();
        if classes < 2 {
            let class = names.first().cloned().unwrap_or_default();
            let (column, columns) = (column.to_owned(), self.column_names());
            return Err(CellsError::OneClass { column, class, cells: self.cells(), columns }.into());
        }
        if self.obs_column(column)?.dtype().is_primitive_numeric() && classes * 2 > self.cells() {
            let (column, columns) = (column.to_owned(), self.column_names());
            return Err(CellsError::Measurement { column, values: classes, cells: self.cells(), columns }.into());
        }
        Ok(labels)
    }

    /// The value of every cell in an `obs` column, as text.
    ///
    /// # Errors
    /// When there is no such column, or cells have no value in it.
    pub(crate) fn obs_values(&self, column: &str) -> Result<Vec<String>> {
        let text = as_text(self.obs_column(column)?)?;
        let missing: Vec<usize> = missing_cells(&text);
        if let Some(&first) = missing.first() {
            return Err(CellsError::MissingLabels {
                column: column.to_owned(),
                missing: missing.len(),
                cells: self.cells(),
                first,
                name: self.cell_names[first].clone(),
            }
            .into());
        }
        Ok(text.iter().flatten().map(str::to_owned).collect())
    }

    /// The cells with one of these values in an `obs` column: `cells.only("tissue", &["blood"])`.
    ///
    /// ```
    /// let cells = scdd::simulate().cells(60).genes(30).classes(3).run()?;
    /// let class = cells.labels("cell_type")?.classes[0].clone();
    /// let others = cells.without("cell_type", &[&class])?;
    /// assert_eq!(others.cells() + cells.only("cell_type", &[&class])?.cells(), 60);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such column, a value is in no cell, or cells have no value.
    pub fn only(&self, column: &str, values: &[&str]) -> Result<Self> {
        self.by_value(column, values, true)
    }

    /// The cells with none of these values in an `obs` column; errors as [`only`](Self::only), and when none is left.
    pub fn without(&self, column: &str, values: &[&str]) -> Result<Self> {
        self.by_value(column, values, false)
    }

    fn by_value(&self, column: &str, values: &[&str], keep: bool) -> Result<Self> {
        let of_cells = self.obs_values(column)?;
        if let Some(unknown) = values.iter().find(|value| !of_cells.iter().any(|of_cell| of_cell == *value)) {
            let values = Labels::from_names(column, &of_cells).classes.to_vec();
            let (column, value) = (column.to_owned(), (*unknown).to_owned());
            return Err(CellsError::NoValue { column, value, values }.into());
        }
        let kept: Vec<usize> =
            (0..self.cells()).filter(|&cell| values.contains(&of_cells[cell].as_str()) == keep).collect();
        if kept.is_empty() {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            return Err(CellsError::NoneLeft { column: column.to_owned(), values, cells: self.cells() }.into());
        }
        let what = if keep { "only" } else { "without" };
        let (all, left) = (grouped(self.cells()), grouped(kept.len()));
        let step = format!("{what} {} in '{column}': {all} -> {left} cells", first_few(values));
        Ok(self.select_cells(&kept)?.with_step(step))
    }

    /// The cells that have a value in an `obs` column (not null, NaN or empty text).
    ///
    /// # Errors
    /// When there is no such column, or no cell has a value.
    pub fn drop_missing(&self, column: &str) -> Result<Self> {
        let missing = missing_cells(&as_text(self.obs_column(column)?)?);
        if missing.len() == self.cells() {
            return Err(self.no_labels(column).into());
        }
        let mut keep = vec![true; self.cells()];
        missing.iter().for_each(|&cell| keep[cell] = false);
        let kept: Vec<usize> = (0..self.cells()).filter(|&cell| keep[cell]).collect();
        let step =
            format!("without label '{column}' dropped: {} -> {} cells", grouped(self.cells()), grouped(kept.len()));
        Ok(self.select_cells(&kept)?.with_step(step))
    }

    /// Cells with a label in an `obs` column, each with its label.
    ///
    /// # Errors
    /// When there is no such column, or no cell has a label.
    pub(crate) fn known_labels(&self, column: &str) -> Result<Vec<(usize, String)>> {
        let text = as_text(self.obs_column(column)?)?;
        let mut missing = missing_cells(&text).into_iter().peekable();
        let present = text.iter().enumerate().filter(|(cell, _)| missing.next_if_eq(cell).is_none());
        let known: Vec<_> = present.map(|(cell, name)| (cell, name.unwrap_or_default().to_owned())).collect();
        if known.is_empty() {
            return Err(self.no_labels(column).into());
        }
        Ok(known)
    }

    pub(super) fn obs_column(&self, column: &str) -> Result<&Column, CellsError> {
        let found = self.obs.column(column);
        found.map_err(|_| CellsError::NoColumn { column: column.to_owned(), columns: self.column_names() })
    }

    fn no_labels(&self, column: &str) -> CellsError {
        CellsError::NoLabels { column: column.to_owned(), cells: self.cells(), columns: self.column_names() }
    }

    fn column_names(&self) -> Vec<String> {
        self.obs.get_column_names().iter().map(|name| name.to_string()).collect()
    }
}

fn as_text(column: &Column) -> Result<StringChunked, CellsError> {
    let text = column.cast(&DataType::String).and_then(|text| text.str().cloned());
    text.map_err(|problem| {
        let (column, kind) = (column.name().to_string(), column.dtype().to_string());
        CellsError::ColumnType { column, kind, problem }
    })
}

/// pandas writes a missing label as null (category code -1), but `astype(str)` makes it "nan".
fn missing_cells(text: &StringChunked) -> Vec<usize> {
    let missing = |name: Option<&str>| matches!(name, None | Some("" | "nan" | "NaN"));
    text.iter().enumerate().filter(|(_, name)| missing(*name)).map(|(cell, _)| cell).collect()
}
