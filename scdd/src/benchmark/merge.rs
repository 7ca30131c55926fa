//! Merges the result files of several processes: each row once, in grid order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use super::row::Key;
use super::{BenchmarkError, BenchmarkResults, BenchmarkRow, journal};

/// Joins the result files of the shards of a grid. Half a line at the end of a file is skipped.
///
/// # Errors
/// When a file can't be read or has a line that is no row; when two files differ in a row; when no file has
/// some rows of the grid, which the error names.
///
/// ```no_run
/// let results = scdd::benchmark::merge(["rows-1.jsonl", "rows-2.jsonl"])?;
/// results.write("rows.jsonl")?;
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn merge<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> crate::Result<BenchmarkResults> {
    let mut rows = Vec::new();
    for file in files {
        rows.extend(journal::read(file.as_ref())?.into_iter().map(|(_, row)| row));
    }
    let joined = join(rows)?;
    complete(&joined)?;
    Ok(BenchmarkResults::new(joined))
}

/// Each row once, by its number in the grid.
fn join(rows: Vec<BenchmarkRow>) -> Result<Vec<BenchmarkRow>, BenchmarkError> {
    let mut joined: BTreeMap<Key, BenchmarkRow> = BTreeMap::new();
    for row in rows {
        match joined.entry(row.key()) {
            Entry::Vacant(entry) => {
                entry.insert(row);
            }
            Entry::Occupied(mut entry) => {
                if let Some(difference) = entry.get().difference(&row) {
                    return Err(BenchmarkError::Conflict { row: entry.key().to_string(), difference });
                }
                // The numbers of a grid that has grown.
                if entry.get().of < row.of {
                    entry.insert(row);
                }
            }
        }
    }
    let mut rows: Vec<BenchmarkRow> = joined.into_values().collect();
    if rows.is_empty() {
        return Err(BenchmarkError::Empty);
    }
    rows.sort_by_key(|row| row.row);
    Ok(rows)
}

/// Refuses a grid with missing rows. Every row holds the size of its grid, which also distinguishes several grids.
fn complete(rows: &[BenchmarkRow]) -> Result<(), BenchmarkError> {
    let mut grids: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in rows {
        grids.entry(row.of).or_default().push(row.row);
    }
    for (of, mut found) in grids {
        found.sort_unstable();
        let mut missing: Vec<(usize, usize)> = Vec::new();
        let mut next = 0;
        for number in found.into_iter().chain([of]) {
            if number > next {
                missing.push((next, number - 1));
            }
            next = next.max(number + 1);
        }
        if !missing.is_empty() {
            let count = missing.iter().map(|(first, last)| last - first + 1).sum();
            let missing = missing.iter().map(|&(first, last)| named(rows, of, first, last)).collect();
            return Err(BenchmarkError::Missing { missing, count, of });
        }
    }
    Ok(())
}

/// Names a range of missing rows by the row before it.
fn named(rows: &[BenchmarkRow], of: usize, first: usize, last: usize) -> String {
    let before = rows.iter().rev().find(|row| row.of == of && row.row < first);
    let after = before.map_or(String::new(), |row| format!(" after {}", row.key()));
    if first == last { format!("row {first}{after}") } else { format!("rows {first} to {last}{after}") }
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::row;
    use super::*;

    fn grid() -> Vec<BenchmarkRow> {
        let methods = ["all training cells", "DC", "DM"];
        let rows = methods.into_iter().enumerate().flat_map(|(i, method)| [(2 * i, method, 1), (2 * i + 1, method, 2)]);
        rows.map(|(number, method, seed)| BenchmarkRow { row: number, of: 6, ..row(method, "MLP", seed, 0.5) })
            .collect()
    }

    fn merged(files: &[&[BenchmarkRow]]) -> crate::Result<BenchmarkResults> {
        let folder = tempfile::tempdir().unwrap();
        let paths = files.iter().enumerate().map(|(i, rows)| {
            let path = folder.path().join(format!("{i}.jsonl"));
            journal::write(&path, rows).unwrap();
            path
        });
        let paths = paths.collect::<Vec<_>>();
        merge(&paths)
    }

    #[test]
    fn parts_become_the_whole_in_its_order_and_what_is_there_twice_comes_once() {
        let rows = grid();
        let slower = BenchmarkRow { seconds: Some(9.0), ..rows[2].clone() };
        let back = merged(&[&rows[3..], &[slower], &rows[..3]]).unwrap();
        let without = |rows: &[BenchmarkRow]| rows.iter().map(BenchmarkRow::without_cost).collect::<Vec<_>>();
        assert_eq!(without(back.rows()), without(&rows));
    }

    #[test]
    fn a_row_that_differs_or_is_missing_is_refused_by_name() {
        let rows = grid();
        let other = BenchmarkRow { accuracy: Some(0.6), ..rows[2].clone() };
        let message = merged(&[&rows, &[other]]).unwrap_err().to_string();
        assert!(message.contains("seed 1: DC") && message.contains("accuracy is 0.5 and 0.6"), "{message}");
        let message = merged(&[&rows[..2], &rows[4..5]]).unwrap_err().to_string();
        assert!(message.contains("3 of 6 rows are missing") && message.contains("rows 2 to 3"), "{message}");
        assert!(message.contains("row 5 after 'cells' by 'cell_type', seed 1: DM"), "{message}");
        assert!(merged(&[&[]]).unwrap_err().to_string().contains("no rows"));
    }
}
