//! Gene sets of tokens: of a .gmt file, or random ones.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;

use crate::error::SettingError;
use crate::evaluate::EvaluateError;
use crate::seed;

/// A set of more genes than this says little and is left out (TOSICA's `max_g`).
const LARGEST: usize = 300;
/// A set must have more than this many of the genes (TOSICA).
const FEWEST: usize = 4;

/// Gene sets, one token each.
#[derive(Clone, Debug, PartialEq)]
pub enum GeneSets {
    /// So many sets, each gene in each with a probability (TOSICA's mask without a file: 300 sets, 0.015).
    Random {
        /// How many.
        sets: usize,
        /// Fraction of the genes in each.
        density: f64,
    },
    /// Named sets, such as pathways: those of at most 300 genes of which more than 4 are among the cells' genes, the largest
    /// ones first, and one more token of all genes (TOSICA).
    Named {
        /// Name and genes of each.
        sets: Arc<Vec<(String, Vec<String>)>>,
        /// How many are used at most: 300 (TOSICA).
        most: usize,
    },
}

impl GeneSets {
    /// Sets of a .gmt file: a line each, of name, description and genes with tabulators between.
    ///
    /// ```
    /// use scdd::evaluate::GeneSets;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sets.gmt");
    /// std::fs::write(&path, "T_CELLS\thttps://example.org\tCD3D\tCD3E\tCD2\nB_CELLS\t-\tCD79A\tMS4A1\n")?;
    /// let GeneSets::Named { sets, most: 300 } = GeneSets::read_gmt(&path)? else { panic!() };
    /// assert_eq!(sets[1], ("B_CELLS".to_owned(), vec!["CD79A".to_owned(), "MS4A1".to_owned()]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file can't be read, or a line has no genes.
    pub fn read_gmt(path: impl AsRef<Path>) -> Result<Self, EvaluateError> {
        let path = path.as_ref();
        let failed = |problem: String| EvaluateError::GeneSets { problem: format!("{}: {problem}", path.display()) };
        let text = std::fs::read_to_string(path).map_err(|problem| failed(problem.to_string()))?;
        let mut sets = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut fields = line.split('\t').map(str::trim);
            let name = fields.next().unwrap_or_default().to_owned();
            let genes: Vec<String> = fields.skip(1).filter(|gene| !gene.is_empty()).map(str::to_owned).collect();
            if name.is_empty() || genes.is_empty() {
                let expected = "name, description and genes with tabulators between were expected";
                return Err(failed(format!("line {} has no set: {expected}", number + 1)));
            }
            sets.push((name, genes));
        }
        Ok(Self::Named { sets: Arc::new(sets), most: 300 })
    }
}

/// Which tokens a gene belongs to, and what tokens are called.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mask {
    pub(super) names: Vec<String>,
    /// Pairs of gene `i` are `pointers[i]..pointers[i + 1]`.
    pub(super) pointers: Vec<u64>,
    /// The token of each pair.
    pub(super) tokens: Vec<u32>,
}

impl Mask {
    /// Of sets, for cells of so many genes.
    pub(super) fn new(
        sets: &GeneSets,
        genes: usize,
        names: Option<&[String]>,
        seed: u64,
    ) -> Result<Self, EvaluateError> {
        match sets {
            GeneSets::Random { sets, density } => {
                let holds = *sets > 0 && *density > 0.0 && *density <= 1.0;
                if !holds {
                    let value = format!("{sets} sets of density {density}");
                    let expected = "one set or more, of a density above 0 and up to 1";
                    return Err(EvaluateError::Setting(SettingError::new("gene_sets", value, expected)));
                }
                let mut random = seed::stream(seed, "TOSICA: random gene sets");
                let of_gene = |_| (0..*sets as u32).filter(|_| random.random::<f64>() < *density).collect();
                let of_genes: Vec<Vec<u32>> = (0..genes).map(of_gene).collect();
                Ok(Self::of(of_genes, (1..=*sets).map(|set| format!("random set {set}")).collect()))
            }
            GeneSets::Named { sets, most } => {
                let Some(known) = names else {
                    let problem = "cells without gene names; give them with ModelInput::with_gene_names".to_owned();
                    return Err(EvaluateError::GeneSets { problem });
                };
                Self::named(sets, *most, known)
            }
        }
    }

    fn named(sets: &[(String, Vec<String>)], most: usize, known: &[String]) -> Result<Self, EvaluateError> {
        let positions: HashMap<&str, u32> = known.iter().map(String::as_str).zip(0..).collect();
        let present = |genes: &Vec<String>| -> HashSet<u32> {
            genes.iter().filter_map(|gene| positions.get(gene.as_str()).copied()).collect()
        };
        let mut found: Vec<(usize, HashSet<u32>)> = sets
            .iter()
            .enumerate()
            .filter(|(_, (_, genes))| genes.len() <= LARGEST)
            .map(|(number, (_, genes))| (number, present(genes)))
            .filter(|(_, genes)| genes.len() > FEWEST)
            .collect();
        if found.is_empty() || most == 0 {
            let problem = format!(
                "none of {} sets has more than {FEWEST} of the {} genes of the cells, and {LARGEST} or fewer in all; \
                 the genes are named like '{}', those of the sets like '{}'",
                sets.len(),
                known.len(),
                known.first().map_or("", |gene| gene),
                sets.iter().flat_map(|(_, genes)| genes).next().map_or("", |gene| gene),
            );
            return Err(EvaluateError::GeneSets { problem });
        }
        found.sort_by_key(|(number, genes)| (std::cmp::Reverse(genes.len()), *number));
        found.truncate(most);
        found.sort_by_key(|(number, _)| *number);
        let mut of_genes = vec![Vec::new(); known.len()];
        for (token, (_, genes)) in (0..).zip(&found) {
            genes.iter().for_each(|&gene| of_genes[gene as usize].push(token));
        }
        let all = found.len() as u32;
        of_genes.iter_mut().for_each(|tokens| tokens.push(all));
        let names = found.iter().map(|(number, _)| sets[*number].0.clone());
        Ok(Self::of(of_genes, names.chain(["all genes".to_owned()]).collect()))
    }

    fn of(of_genes: Vec<Vec<u32>>, names: Vec<String>) -> Self {
        let mut end = 0;
        let ends = of_genes.iter().map(|tokens| {
            end += tokens.len() as u64;
            end
        });
        Self { pointers: std::iter::once(0).chain(ends).collect(), tokens: of_genes.concat(), names }
    }

    pub(super) fn genes(&self) -> usize {
        self.pointers.len() - 1
    }

    /// Whether its indices are in bounds, as those of a file may not be.
    pub(super) fn is_whole(&self) -> bool {
        let tokens = self.names.len() as u32;
        self.pointers.first() == Some(&0)
            && self.pointers.last() == Some(&(self.tokens.len() as u64))
            && self.pointers.windows(2).all(|pair| pair[0] <= pair[1])
            && self.tokens.iter().all(|token| *token < tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_too_few_or_too_many_genes_are_left_out_and_the_largest_are_taken() {
        let known: Vec<String> = (0..40).map(|gene| format!("G{gene}")).collect();
        let set = |name: &str, genes: std::ops::Range<usize>| {
            (name.to_owned(), genes.map(|gene| format!("G{gene}")).collect::<Vec<_>>())
        };
        // Five are enough, four are not; the fifth set has one gene too many, most of them unknown.
        let sets =
            [set("a", 0..5), set("few", 36..60), set("b", 3..20), set("c", 10..18), set("many", 0..301)].to_vec();
        let mask = Mask::named(&sets, 2, &known).unwrap();
        assert_eq!(mask.names, ["b", "c", "all genes"]);
        let of = |gene: usize| &mask.tokens[mask.pointers[gene] as usize..mask.pointers[gene + 1] as usize];
        assert_eq!((of(0), of(3), of(12)), (&[2][..], &[0, 2][..], &[0, 1, 2][..]));
        assert!(mask.is_whole());
        let problem = Mask::named(&sets[1..2], 2, &known).unwrap_err().to_string();
        assert!(problem.contains("none of 1 sets") && problem.contains("'G36'"), "{problem}");
        let named = GeneSets::Named { sets: Arc::new(sets), most: 2 };
        assert!(Mask::new(&named, 40, None, 1).unwrap_err().to_string().contains("without gene names"));
    }

    #[test]
    fn random_sets_have_their_density_and_one_seed_gives_one_mask() {
        let sets = GeneSets::Random { sets: 100, density: 0.05 };
        let mask = Mask::new(&sets, 400, None, 7).unwrap();
        assert!((mask.tokens.len() as f64 / 40_000.0 - 0.05).abs() < 0.01);
        assert_eq!(mask, Mask::new(&sets, 400, None, 7).unwrap());
        assert_ne!(mask, Mask::new(&sets, 400, None, 8).unwrap());
        assert!(Mask::new(&GeneSets::Random { sets: 0, density: 0.05 }, 400, None, 7).is_err());
    }
}
