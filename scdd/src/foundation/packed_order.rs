//! Stored values of a few hundred cells, tile by tile of genes: the order in which the kernel of packed weights takes them.
//!
//! A tile's weights serve all cells before the next tile comes, so the values of each cell in a tile ("a run") lie together
//! here, one run after the other: memory is read in order, as often as there are column tiles. Runs of one length follow
//! one another, so that the processor foresees the end of each, and two of them can be added at once.

use super::sparse_kernel::Rows;

/// Genes of a tile: 128 rows of 256 bytes fit the first cache. Of sparser cells twice as many, since the sums of a cell are
/// loaded and stored for each tile, however few values it has there.
const TILE: [usize; 2] = [128, 256];
/// Values of a cell in the smaller tile, on average, from which on that is used.
const DENSE_RUN: usize = 9;
/// Genes that are put in order at a time.
const STRETCH: usize = 2048;
/// Values that are put in order at a time, about: 2 MB.
const VALUES: usize = 1 << 18;
/// Cells between the one that is looked at and the one whose values are asked of memory.
const AHEAD: usize = 6;
/// Numbers of 4 bytes in a cache line.
const LINE: usize = 16;

/// A stored value, and the row of its weights within the tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) value: f32,
}

/// So many entries are one cell's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) cell: u32,
    pub(super) count: u32,
}

/// What is there of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile<'a> {
    /// First gene.
    pub(super) gene: usize,
    pub(super) genes: usize,
    pub(super) runs: &'a [Run],
    pub(super) entries: &'a [Entry],
}

/// Entries of a stretch of genes, tile by tile.
#[derive(Debug)]
pub(super) struct Order<'a> {
    rows: Rows<'a>,
    genes: usize,
    /// Genes of a tile, and tiles of a stretch.
    tile: usize,
    tiles: usize,
    /// First gene of the stretch, and of the next one.
    begin: usize,
    end: usize,
    /// For each cell, where its values of the next stretch begin.
    next: Vec<usize>,
    /// For each cell, where its values of each tile end, from the first of the stretch on.
    ends: Vec<u32>,
    runs: Vec<Run>,
    entries: Vec<Entry>,
    /// Runs and entries before each tile, and all of them.
    begins: Vec<(usize, usize)>,
}

impl<'a> Order<'a> {
    /// Of cells, as compressed rows of so many genes. Nothing is in order yet.
    pub(super) fn new(rows: Rows<'a>, genes: usize) -> Self {
        let next: Vec<usize> = rows.pointers[..rows.pointers.len() - 1].iter().map(|&start| start as usize).collect();
        let values = rows.pointers.last().map_or(0, |&end| end as usize) - next.first().map_or(0, |&start| start);
        let places = (next.len() * genes).max(1);
        let tile = TILE[usize::from(values * TILE[0] < DENSE_RUN * places)];
        let stretch = (VALUES * genes / values.max(1)).min(STRETCH);
        let tiles = (stretch / tile).max(1);
        let ends = vec![0; next.len() * (tiles + 1)];
        let (runs, entries, begins) = (Vec::new(), Vec::new(), Vec::new());
        Self { rows, genes, tile, tiles, begin: 0, end: 0, next, ends, runs, entries, begins }
    }

    /// Puts the next stretch in order; false when there is none.
    pub(super) fn advance(&mut self) -> bool {
        self.begin = self.end;
        self.end = (self.begin + self.tile * self.tiles).min(self.genes);
        self.runs.clear();
        self.entries.clear();
        self.begins = vec![(0, 0)];
        if self.begin == self.end {
            return false;
        }
        self.find_ends();
        let mut before = Vec::new();
        for tile in 0..self.len() {
            self.sort_runs(tile, &mut before);
        }
        true
    }

    /// Tiles of the stretch.
    pub(super) fn len(&self) -> usize {
        (self.end - self.begin).div_ceil(self.tile)
    }

    /// One of them.
    pub(super) fn tile(&self, number: usize) -> Tile<'_> {
        let ((first, entry), (last, end)) = (self.begins[number], self.begins[number + 1]);
        let gene = self.begin + number * self.tile;
        let genes = self.tile.min(self.end - gene);
        Tile { gene, genes, runs: &self.runs[first..last], entries: &self.entries[entry..end] }
    }

    /// Where a cell's values of each tile end. No value waits for another one: where several are in a tile, the last stays.
    fn find_ends(&mut self) {
        let (indices, values) = (self.rows.indices, self.rows.values);
        let shift = self.tile.trailing_zeros();
        let mean = self.rows.pointers.last().map_or(0, |&end| end as usize) - self.rows.pointers[0] as usize;
        let mean = mean * (self.end - self.begin) / (self.next.len() * self.genes).max(1);
        for cell in 0..self.next.len() {
            if let Some(&next) = self.next.get(cell + AHEAD) {
                let end = (next + mean + mean / 4 + LINE).min(values.len());
                indices[next..end].iter().step_by(LINE).for_each(prefetch);
                values[next..end].iter().step_by(LINE).for_each(prefetch);
            }
            let rest = self.next[cell]..self.rows.pointers[cell + 1] as usize;
            let ends = &mut self.ends[cell * (self.tiles + 1)..][..=self.tiles];
            ends.fill(0);
            let mut count = 0;
            for &index in indices[rest].iter().take_while(|&&index| (index as usize) < self.end) {
                count += 1;
                ends[((index as usize - self.begin) >> shift) + 1] = count;
            }
            for tile in 0..self.tiles {
                ends[tile + 1] = ends[tile + 1].max(ends[tile]);
            }
            self.next[cell] += count as usize;
        }
    }

    /// A tile's runs by their length (a counting sort), and their entries.
    fn sort_runs(&mut self, tile: usize, before: &mut Vec<usize>) {
        let width = self.tiles + 1;
        let ends = || self.ends.chunks_exact(width).map(|ends| (ends[tile], ends[tile + 1]));
        let length = |(start, end): (u32, u32)| (end - start) as usize;
        before.clear();
        before.resize(self.tile + 2, 0);
        for ends in ends() {
            before[length(ends).min(self.tile) + 1] += 1;
        }
        // Cells without a value have no run.
        before[1] = 0;
        let first = self.runs.len();
        before[0] = first;
        for length in 1..before.len() {
            before[length] += before[length - 1];
        }
        self.runs.resize(before[before.len() - 1], Run { cell: 0, count: 0 });
        for (cell, ends) in ends().enumerate().filter(|(_, ends)| ends.0 < ends.1) {
            let place = &mut before[length(ends).min(self.tile)];
            self.runs[*place] = Run { cell: cell as u32, count: ends.1 - ends.0 };
            *place += 1;
        }
        let gene = (self.begin + tile * self.tile) as u32;
        for run in &self.runs[first..] {
            let cell = run.cell as usize;
            // `next` is the end of the stretch by now.
            let stretch = self.next[cell] - self.ends[cell * width + self.tiles] as usize;
            let start = stretch + self.ends[cell * width + tile] as usize;
            let places = start..start + run.count as usize;
            let (indices, values) = (&self.rows.indices[places.clone()], &self.rows.values[places]);
            self.entries.extend(indices.iter().zip(values).map(|(&index, &value)| Entry { row: index - gene, value }));
        }
        self.begins.push((self.runs.len(), self.entries.len()));
    }
}

/// Asks for the cache line of a value. Does nothing but that, and nothing where there is no such instruction.
#[inline(always)]
pub(super) fn prefetch<Value>(value: &Value) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it changes nothing that the program sees.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All values of a tile of each cell, as (cell, gene, value).
    fn put_in_order(rows: Rows, genes: usize) -> Vec<(u32, u32, f32)> {
        let mut found = Vec::new();
        let mut order = Order::new(rows, genes);
        while order.advance() {
            for tile in (0..order.len()).map(|tile| order.tile(tile)) {
                assert!(tile.runs.is_sorted_by_key(|run| run.count), "runs of one length follow one another");
                assert!(tile.runs.iter().all(|run| run.count > 0));
                let mut entries = tile.entries.iter();
                for run in tile.runs {
                    let run_entries = entries.by_ref().take(run.count as usize);
                    found.extend(run_entries.map(|entry| (run.cell, tile.gene as u32 + entry.row, entry.value)));
                }
                assert_eq!(entries.len(), 0);
            }
        }
        found
    }

    #[test]
    fn every_value_is_there_once_and_in_the_order_of_a_cells_genes() {
        for (cells, genes, every) in [(1, 1, 1), (5, 5000, 3), (40, 700, 1), (300, 3000, 40), (3, 0, 1), (0, 10, 1)] {
            let (mut pointers, mut indices) = (vec![0], Vec::new());
            for cell in 0..cells {
                // Some cells have all, some none.
                let step = [1, every, 10_000][cell % 3];
                indices.extend((0..genes as u32).filter(|gene| (*gene as usize + cell + 1).is_multiple_of(step)));
                pointers.push(indices.len() as u64);
            }
            let values: Vec<f32> = (0..indices.len()).map(|place| place as f32).collect();
            let rows = Rows { pointers: &pointers, indices: &indices, values: &values };
            let mut found = put_in_order(rows, genes);
            // Stable, so that a cell's genes stay in the order in which the kernel adds them.
            found.sort_by_key(|(cell, ..)| *cell);
            let expected = pointers.windows(2).enumerate().flat_map(|(cell, ends)| {
                let places = ends[0] as usize..ends[1] as usize;
                places.map(move |place| (cell as u32, place)).collect::<Vec<_>>()
            });
            let expected: Vec<_> = expected.map(|(cell, place)| (cell, indices[place], values[place])).collect();
            assert_eq!(found, expected, "{cells} cells, {genes} genes");
        }
    }
}
