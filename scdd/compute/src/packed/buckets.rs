//! CSR entries of a few hundred rows, bucket by bucket of columns: the order in which SpMM with packed weights takes them.
//!
//! The weights of a bucket serve all sparse rows before the next bucket comes. So the entries of each row in a bucket (a run)
//! lie together here, run after run: memory is read in order, once for each panel of weights. Runs of one length follow one
//! another (a counting sort), so that the processor predicts where each ends, and two of them can be added at once.

use crate::aligned::{LINE_VALUES, prefetch};
use crate::csr::CsrView;

/// Columns of a bucket: 128 rows of a weight panel fit L1. Sparser rows take twice as many, since the sums of a row are loaded
/// and stored once a bucket, however few entries it has there.
const BUCKET: [usize; 2] = [128, 256];
/// Entries of a row in the smaller bucket, on average, from which on that is used.
const DENSE_RUN: usize = 9;
/// Columns that are bucketed at a time.
const STRETCH: usize = 2048;
/// Entries that are bucketed at a time, about: 2 MB.
const ENTRIES: usize = 1 << 18;
/// Rows between the one whose entries are counted and the one whose entries are prefetched.
const AHEAD: usize = 6;

/// A value, and the row of its weights within the bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) weights: u32,
    pub(super) value: f32,
}

/// The entries of one sparse row in a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) row: u32,
    pub(super) count: u32,
}

/// The runs of a bucket, and their entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket<'a> {
    pub(super) first_column: usize,
    pub(super) columns: usize,
    pub(super) runs: &'a [Run],
    pub(super) entries: &'a [Entry],
}

/// Buckets of sparse rows, a stretch of columns at a time.
#[derive(Debug)]
pub(super) struct Buckets<'a> {
    rows: CsrView<'a>,
    /// Columns of a bucket, and buckets of a stretch.
    width: usize,
    stretch: usize,
    /// First column of the stretch, and of the next one.
    begin: usize,
    end: usize,
    /// For each row, where its entries of the next stretch begin.
    next: Vec<usize>,
    /// For each row, how many entries of the stretch lie before the end of each bucket; a 0 comes first.
    ends: Vec<u32>,
    runs: Vec<Run>,
    entries: Vec<Entry>,
    /// Runs and entries before each bucket, and all of them.
    begins: Vec<(usize, usize)>,
}

impl<'a> Buckets<'a> {
    /// Buckets of some rows; [`advance`](Self::advance) fills the first stretch.
    pub(super) fn new(rows: CsrView<'a>) -> Self {
        let columns = rows.columns();
        let next: Vec<usize> = (0..rows.rows()).map(|row| rows.entries(row).start).collect();
        let nnz = rows.nnz();
        let cells = (next.len() * columns).max(1);
        let width = BUCKET[usize::from(nnz * BUCKET[0] < DENSE_RUN * cells)];
        let stretch = ((ENTRIES * columns / nnz.max(1)).min(STRETCH) / width).max(1);
        let ends = vec![0; next.len() * (stretch + 1)];
        let (runs, entries, begins) = (Vec::new(), Vec::new(), Vec::new());
        Self { rows, width, stretch, begin: 0, end: 0, next, ends, runs, entries, begins }
    }

    /// Fills the next stretch; false when there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.begin = self.end;
        self.end = (self.begin + self.width * self.stretch).min(self.rows.columns());
        self.runs.clear();
        self.entries.clear();
        self.begins = vec![(0, 0)];
        if self.begin == self.end {
            return false;
        }
        self.count_entries();
        let mut before = Vec::new();
        for bucket in 0..self.len() {
            self.sort_runs(bucket, &mut before);
        }
        true
    }

    /// Buckets of the stretch.
    pub(super) fn len(&self) -> usize {
        (self.end - self.begin).div_ceil(self.width)
    }

    /// One of them.
    pub(super) fn bucket(&self, number: usize) -> Bucket<'_> {
        let ((first, entry), (last, end)) = (self.begins[number], self.begins[number + 1]);
        let first_column = self.begin + number * self.width;
        let columns = self.width.min(self.end - first_column);
        Bucket { first_column, columns, runs: &self.runs[first..last], entries: &self.entries[entry..end] }
    }

    /// Counts the entries of each row before the end of each bucket. No store waits for another: where several entries are in
    /// a bucket, the last count stays.
    fn count_entries(&mut self) {
        let (indices, values) = (self.rows.indices(), self.rows.values());
        let shift = self.width.trailing_zeros();
        let mean = self.rows.indptr().last().map_or(0, |&end| end as usize) - self.rows.indptr()[0] as usize;
        let mean = mean * (self.end - self.begin) / (self.next.len() * self.rows.columns()).max(1);
        for row in 0..self.next.len() {
            if let Some(&next) = self.next.get(row + AHEAD) {
                let end = (next + mean + mean / 4 + LINE_VALUES).min(values.len());
                indices[next..end].iter().step_by(LINE_VALUES).for_each(prefetch);
                values[next..end].iter().step_by(LINE_VALUES).for_each(prefetch);
            }
            let rest = self.next[row]..self.rows.entries(row).end;
            let ends = &mut self.ends[row * (self.stretch + 1)..][..=self.stretch];
            ends.fill(0);
            let mut count = 0;
            for &index in indices[rest].iter().take_while(|&&index| (index as usize) < self.end) {
                count += 1;
                ends[((index as usize - self.begin) >> shift) + 1] = count;
            }
            for bucket in 0..self.stretch {
                ends[bucket + 1] = ends[bucket + 1].max(ends[bucket]);
            }
            self.next[row] += count as usize;
        }
    }

    /// Sorts a bucket's runs by length (a counting sort), and appends their entries.
    fn sort_runs(&mut self, bucket: usize, before: &mut Vec<usize>) {
        let width = self.stretch + 1;
        let ends = || self.ends.chunks_exact(width).map(|ends| (ends[bucket], ends[bucket + 1]));
        let length = |(start, end): (u32, u32)| (end - start) as usize;
        before.clear();
        before.resize(self.width + 2, 0);
        for ends in ends() {
            before[length(ends).min(self.width) + 1] += 1;
        }
        // Rows without an entry have no run.
        before[1] = 0;
        let first = self.runs.len();
        before[0] = first;
        for length in 1..before.len() {
            before[length] += before[length - 1];
        }
        self.runs.resize(before[before.len() - 1], Run { row: 0, count: 0 });
        for (row, ends) in ends().enumerate().filter(|(_, ends)| ends.0 < ends.1) {
            let position = &mut before[length(ends).min(self.width)];
            self.runs[*position] = Run { row: row as u32, count: ends.1 - ends.0 };
            *position += 1;
        }
        let first_column = (self.begin + bucket * self.width) as u32;
        for run in &self.runs[first..] {
            let row = run.row as usize;
            // `next` is the end of the stretch by now.
            let stretch = self.next[row] - self.ends[row * width + self.stretch] as usize;
            let start = stretch + self.ends[row * width + bucket] as usize;
            let range = start..start + run.count as usize;
            let (indices, values) = (&self.rows.indices()[range.clone()], &self.rows.values()[range]);
            let entries = indices.iter().zip(values);
            self.entries.extend(entries.map(|(&index, &value)| Entry { weights: index - first_column, value }));
        }
        self.begins.push((self.runs.len(), self.entries.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;

    /// All entries, bucket by bucket, as (row, column, value).
    fn bucketed(rows: CsrView) -> Vec<(u32, u32, f32)> {
        let mut found = Vec::new();
        let mut buckets = Buckets::new(rows);
        while buckets.advance() {
            for bucket in (0..buckets.len()).map(|bucket| buckets.bucket(bucket)) {
                assert!(bucket.runs.is_sorted_by_key(|run| run.count), "runs of one length follow one another");
                assert!(bucket.runs.iter().all(|run| run.count > 0));
                let mut entries = bucket.entries.iter();
                for run in bucket.runs {
                    let of_run = entries.by_ref().take(run.count as usize);
                    found
                        .extend(of_run.map(|entry| (run.row, bucket.first_column as u32 + entry.weights, entry.value)));
                }
                assert_eq!(entries.len(), 0);
            }
        }
        found
    }

    #[test]
    fn every_value_is_there_once_and_in_the_order_of_a_rows_columns() {
        for (rows, columns, every) in
            cases([(1, 1, 1), (5, 5000, 3), (40, 700, 1), (300, 3000, 40), (3, 0, 1), (0, 10, 1)], 2)
        {
            let (mut indptr, mut indices) = (vec![0], Vec::new());
            for row in 0..rows {
                // Some rows have all, some none.
                let step = [1, every, 10_000][row % 3];
                indices.extend((0..columns as u32).filter(|column| (*column as usize + row + 1).is_multiple_of(step)));
                indptr.push(indices.len() as u64);
            }
            let values: Vec<f32> = (0..indices.len()).map(|entry| entry as f32).collect();
            let view = CsrView::new(columns, &indptr, &indices, &values);
            let mut found = bucketed(view);
            // Stable, so that a row's columns stay in the order in which the kernel adds them.
            found.sort_by_key(|(row, ..)| *row);
            let expected: Vec<_> = (0..rows)
                .flat_map(|row| view.entries(row).map(move |entry| (row as u32, entry)))
                .map(|(row, entry)| (row, indices[entry], values[entry]))
                .collect();
            assert_eq!(found, expected, "{rows} rows, {columns} columns");
        }
    }
}
