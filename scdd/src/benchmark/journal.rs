//! Result files in JSON Lines: each row is appended and flushed as soon as it is made.
//!
//! A killed process may leave half a line at the end, which is cut when the file is opened again. Any other line that is no row
//! is refused with its number, and the file stays unchanged.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::row::Key;
use super::{BenchmarkError, BenchmarkRow};
use crate::atomic_file;

/// The beginning of every line.
const START: &[u8] = b"{\"file\":";

/// A result file that is open for more rows.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

/// A row and its line, from 1.
pub(super) type Numbered = (usize, BenchmarkRow);

impl Journal {
    /// Opens or creates the file, and reads its rows.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Numbered>), BenchmarkError> {
        let failed = |problem: std::io::Error| {
            BenchmarkError::file(path, format!("can't be opened ({problem}); the folder must exist and be writable"))
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        // Some network file systems have no locks; there, two processes must not be given one file.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(BenchmarkError::Locked(path.to_owned()));
        }
        let mut journal = Self { path: path.to_owned(), file };
        let mut bytes = Vec::new();
        journal.file.read_to_end(&mut bytes).map_err(failed)?;
        let (rows, whole) = parse(path, &bytes)?;
        if whole < bytes.len() {
            journal.file.set_len(whole as u64).map_err(failed)?;
        }
        journal.file.seek(SeekFrom::Start(whole as u64)).map_err(failed)?;
        Ok((journal, rows))
    }

    /// Appends a row in one piece.
    pub(super) fn append(&mut self, row: &BenchmarkRow) -> Result<(), BenchmarkError> {
        let failed = |problem: &dyn std::fmt::Display| {
            BenchmarkError::file(&self.path, format!("can't be written ({problem}); rows so far are whole"))
        };
        let line = serde_json::to_string(row).map_err(|problem| failed(&problem))? + "\n";
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|problem| failed(&problem))
    }
}

/// The rows of a file, read only; half a line at its end is skipped.
pub(super) fn read(path: &Path) -> Result<Vec<Numbered>, BenchmarkError> {
    let bytes = std::fs::read(path).map_err(|problem| match problem.kind() {
        std::io::ErrorKind::NotFound => BenchmarkError::file(path, "there is no such file; check the path"),
        _ => BenchmarkError::file(path, format!("can't be read: {problem}")),
    })?;
    Ok(parse(path, &bytes)?.0)
}

/// The rows, and the length of the whole lines.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Numbered>, usize), BenchmarkError> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let broken = |line, problem| BenchmarkError::Line { path: path.to_owned(), line, problem };
    let mut rows: Vec<Numbered> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n');
    for (number, line) in lines.enumerate().map(|(index, line)| (index + 1, line)) {
        let row: BenchmarkRow = serde_json::from_slice(line).map_err(|problem| {
            // serde counts lines within this one.
            let problem = problem.to_string();
            let problem = problem.split(" at line").next().unwrap_or(&problem).to_owned();
            broken(number, format!("it is no row ({problem})"))
        })?;
        match known.get(&row.key()).copied() {
            None => {
                known.insert(row.key(), rows.len());
                rows.push((number, row));
            }
            // A grid that has grown numbers its rows anew.
            Some(index) if rows[index].1.of < row.of && rows[index].1.difference(&row).is_none() => {
                rows[index] = (number, row);
            }
            Some(index) => {
                let first = rows[index].0;
                return Err(broken(number, format!("{} stands in line {first} already", row.key())));
            }
        }
    }
    let lines = bytes[..whole].iter().filter(|&&byte| byte == b'\n').count();
    let rest = &bytes[whole..];
    let ours = rest.iter().zip(START).all(|(found, expected)| found == expected);
    if !rest.is_empty() && !ours {
        return Err(broken(lines + 1, "it is not what is left of a row".to_owned()));
    }
    Ok((rows, whole))
}

/// Writes all rows to a file, atomically.
pub(super) fn write(path: &Path, rows: &[BenchmarkRow]) -> Result<(), BenchmarkError> {
    let failed = |problem: &dyn std::fmt::Display| {
        BenchmarkError::file(path, format!("can't be written ({problem}); the folder must exist and be writable"))
    };
    let mut text = String::new();
    for row in rows {
        text += &serde_json::to_string(row).map_err(|problem| failed(&problem))?;
        text.push('\n');
    }
    write_whole(path, &text).map_err(|problem| failed(&problem))
}

/// Writes a text to a file, atomically.
pub(super) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    atomic_file::write(path, ".part", |file| file.write_all(text.as_bytes()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A row with scores.
    pub(in crate::benchmark) fn row(method: &str, model: &str, seed: u64, accuracy: f64) -> BenchmarkRow {
        BenchmarkRow {
            file: "cells".into(),
            label: "cell_type".into(),
            per_class: (method != "all training cells").then_some(1),
            method: method.into(),
            model: model.into(),
            seed,
            status: "ok".into(),
            accuracy: Some(accuracy),
            macro_f1: Some(accuracy - 0.1),
            balanced_accuracy: Some(accuracy - 0.05),
            rare_recall: None,
            recall: [("B".to_owned(), accuracy), ("T".to_owned(), 1.0)].into(),
            loss: None,
            seconds: Some(1.5),
            model_seconds: Some(0.5),
            peak_mb: Some(100),
            cells: Some(10),
            permille: Some(4.0),
            scored: Some(400),
            note: String::new(),
            row: 0,
            of: 1,
            config: serde_json::json!({ "steps": 50 }),
        }
    }

    #[test]
    fn rows_come_back_as_they_were_and_half_a_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let rows = [row("DC", "MLP", 1, 0.812345), row("DM", "MLP", 1, 0.1 + 0.2)].map(|row| BenchmarkRow {
            accuracy: row.accuracy.map(crate::benchmark::row::rounded),
            macro_f1: row.macro_f1.map(crate::benchmark::row::rounded),
            balanced_accuracy: row.balanced_accuracy.map(crate::benchmark::row::rounded),
            recall: Default::default(),
            ..row
        });
        let (mut journal, before) = Journal::open(&path).unwrap();
        assert!(before.is_empty());
        rows.iter().for_each(|row| journal.append(row).unwrap());
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let end = whole.len();
        for cut in [1, 5, 40] {
            std::fs::write(&path, [&whole[..], &whole[..cut]].concat()).unwrap();
            assert_eq!(read(&path).unwrap().len(), 2, "reading leaves it alone");
            assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, end + cut);
            let (mut journal, found) = Journal::open(&path).unwrap();
            assert_eq!(found, [(1, rows[0].clone()), (2, rows[1].clone())]);
            assert_eq!(std::fs::metadata(&path).unwrap().len() as usize, end);
            journal.append(&row("class mean", "MLP", 1, 0.5)).unwrap();
            drop(journal);
            assert_eq!(read(&path).unwrap()[2].1.method, "class mean");
        }
    }

    #[test]
    fn a_broken_or_foreign_file_is_refused_with_its_line_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let line = serde_json::to_string(&row("DC", "MLP", 1, 0.5)).unwrap();
        let cases = [
            (format!("{line}\n{{\"a\": 1}}\n"), "line 2: it is no row (unknown field `a`"),
            (format!("{line}\nhello"), "line 2: it is not what is left of a row"),
            ("name,score\nDC,0.5\n".to_owned(), "line 1: it is no row"),
            (format!("{line}\n\n"), "line 2: it is no row"),
            (
                format!("{line}\n{line}\n"),
                "line 2: 'cells' by 'cell_type', seed 1: DC, 1 per class, MLP stands in line 1",
            ),
        ];
        for (content, expected) in cases {
            std::fs::write(&path, &content).unwrap();
            for message in [Journal::open(&path).err().unwrap().to_string(), read(&path).unwrap_err().to_string()] {
                assert!(message.contains(expected), "{message}");
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_row_that_a_larger_grid_numbers_anew_stands_for_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let first = row("DC", "MLP", 1, 0.5);
        let grown = BenchmarkRow { row: 3, of: 8, ..first.clone() };
        write(&path, &[first.clone(), row("DM", "MLP", 1, 0.5), grown.clone()]).unwrap();
        let found = read(&path).unwrap();
        assert_eq!((found.len(), &found[0]), (2, &(3, grown.clone())));
        for other in [BenchmarkRow { of: 1, ..grown.clone() }, BenchmarkRow { accuracy: Some(0.6), ..grown }] {
            write(&path, &[first.clone(), other]).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("stands in line 1 already"));
        }
    }

    #[test]
    fn two_processes_do_not_write_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        let first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path).err(), Some(BenchmarkError::Locked(_))));
        drop(first);
        assert!(Journal::open(&path).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let message = Journal::open(Path::new("/nowhere/rows.jsonl")).err().unwrap().to_string();
        assert!(message.contains("/nowhere/rows.jsonl") && message.contains("folder must exist"), "{message}");
    }
}
