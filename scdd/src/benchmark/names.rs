//! Finds methods, models and measures by the names that tables print.
//!
//! Names hold commas themselves ("scDD+SCDG, DC"), so a list is not cut at each comma: from left to right, the longest known
//! name takes as many of the pieces between commas as it has. Case, spaces and punctuation don't matter.

use super::BenchmarkError;

/// Names that are suggested at most.
const SUGGESTED: usize = 5;

/// Positions in `known` of all names in `texts`, each once and in their order; each text is a name or a list of names between
/// commas or semicolons.
pub(super) fn find_all<S: AsRef<str>>(
    kind: &'static str,
    texts: impl IntoIterator<Item = S>,
    known: &[String],
) -> Result<Vec<usize>, BenchmarkError> {
    let plain_known: Vec<String> = known.iter().map(|name| plain(name)).collect();
    let mut found: Vec<usize> = Vec::new();
    for text in texts {
        let text = text.as_ref().trim();
        if let Some(position) = known.iter().position(|name| name == text) {
            found.push(position);
            continue;
        }
        let pieces: Vec<&str> =
            text.split([',', ';']).map(str::trim).filter(|piece| !plain(piece).is_empty()).collect();
        let mut left = &pieces[..];
        while !left.is_empty() {
            let Some((length, position)) = longest(left, &plain_known) else {
                let next = (1..left.len()).find(|&first| longest(&left[first..], &plain_known).is_some());
                return Err(unknown(kind, &left[..next.unwrap_or(left.len())].join(", "), known));
            };
            found.push(position);
            left = &left[length..];
        }
    }
    let mut once = Vec::with_capacity(found.len());
    found.into_iter().for_each(|position| {
        if !once.contains(&position) {
            once.push(position);
        }
    });
    Ok(once)
}

/// The position in `known` of one name.
pub(super) fn find(kind: &'static str, text: &str, known: &[String]) -> Result<usize, BenchmarkError> {
    match find_all(kind, [text], known)?[..] {
        [position] => Ok(position),
        _ => Err(unknown(kind, text, known)),
    }
}

/// The known name that begins the pieces and takes most of them: how many it takes, and its position.
fn longest(pieces: &[&str], plain_known: &[String]) -> Option<(usize, usize)> {
    (1..=pieces.len()).rev().find_map(|length| {
        let joined = plain(&pieces[..length].concat());
        plain_known.iter().position(|name| *name == joined).map(|position| (length, position))
    })
}

/// A name without case, spaces and punctuation.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn unknown(kind: &'static str, name: &str, known: &[String]) -> BenchmarkError {
    BenchmarkError::Unknown { kind, name: name.to_owned(), near: near(name, known), known: known.to_vec() }
}

/// Known names that differ, or begin, from the name by at most a third of its letters.
fn near(name: &str, known: &[String]) -> Vec<String> {
    let wanted: Vec<char> = plain(name).chars().collect();
    let distance = |other: &String| {
        let other: Vec<char> = plain(other).chars().collect();
        let whole = edits(&wanted, &other);
        let beginning = edits(&wanted, &other[..other.len().min(wanted.len())]);
        (whole.min(beginning) <= wanted.len() / 3).then_some(whole)
    };
    let mut near: Vec<(usize, &String)> = known.iter().filter_map(|other| Some((distance(other)?, other))).collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().take(SUGGESTED).map(|(_, other)| other.clone()).collect()
}

/// Levenshtein distance.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::{Measure, Method, all_methods, benchmark, methods_named, models_named};
    use crate::evaluate::all_models;

    fn known(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// Each name alone, and all of them in one text and in several.
    fn check(names: &[String], found: impl Fn(&[String]) -> Vec<String>) {
        assert!(!names.is_empty());
        for name in names {
            for written in [name.clone(), name.to_uppercase(), name.replace([' ', '+'], "-"), format!(" {name},")] {
                assert_eq!(found(&[written]), std::slice::from_ref(name));
            }
        }
        for separator in [",", ", ", ";", "; "] {
            assert_eq!(found(&[names.join(separator)]), names);
            let backwards: Vec<String> = names.iter().rev().cloned().collect();
            assert_eq!(found(&[backwards.join(separator)]), backwards);
        }
        assert_eq!(found(names), names);
    }

    #[test]
    fn methods_are_found_under_every_name_that_tables_figures_and_curves_print() {
        let mut names: Vec<String> = all_methods().iter().map(|method| method.name().to_owned()).collect();
        let grids = (2..=7).map(|table| benchmark().table(table).unwrap()).chain([benchmark().figure(4).unwrap()]);
        for method in grids.flat_map(|grid| grid.methods) {
            if !names.iter().any(|name| name == method.name()) {
                names.push(method.name().to_owned());
            }
        }
        names.push("scDD+SCDG, DC (unfrozen)".to_owned());
        check(&names, |texts| methods_named(texts).unwrap().iter().map(|method| method.name().to_owned()).collect());
        for name in &names {
            assert_eq!(Method::named(name).unwrap().name(), name);
        }
        assert!(Method::named("DC, DM").is_err() && Method::named("").is_err());
    }

    #[test]
    fn models_and_measures_are_found_under_every_name_that_tables_print() {
        let names: Vec<String> = all_models().iter().map(|model| model.name()).collect();
        check(&names, |texts| models_named(texts).unwrap().iter().map(|model| model.name()).collect());
        let names: Vec<String> = Measure::ALL.iter().map(|measure| measure.name().to_owned()).collect();
        check(&names, |texts| {
            let found = find_all("measure", texts, &names).unwrap();
            found.into_iter().map(|position| names[position].clone()).collect()
        });
        for measure in Measure::ALL {
            assert_eq!(Measure::named(measure.name()).unwrap(), measure);
        }
    }

    #[test]
    fn groups_stand_among_names_and_nothing_comes_twice() {
        let names = |texts: &[&str]| -> Vec<String> {
            methods_named(texts).unwrap().iter().map(|method| method.name().to_owned()).collect()
        };
        let all: Vec<String> = all_methods().iter().map(|method| method.name().to_owned()).collect();
        assert_eq!(names(&["all"]), all);
        assert_eq!(names(&["DC,scDD+SCDG,DC, DC", "scdd+scdg-dc"]), ["DC", "scDD+SCDG, DC"]);
        let baselines = names(&["baselines, DM"]);
        assert!(baselines.contains(&"class mean".to_owned()) && baselines.last().unwrap() == "DM");
        let unseen = models_named(["unseen"]).unwrap();
        assert!(unseen.len() + 1 == all_models().len() && unseen.iter().all(|model| model.name() != "linear head"));
    }

    #[test]
    fn the_longest_name_wins_and_an_exact_one_before_all() {
        let names = known(&["a", "a, b", "b", "a, b, c", "A+"]);
        assert_eq!(find_all("name", ["a, b, c, b, a"], &names).unwrap(), [3, 2, 0]);
        assert_eq!(find_all("name", ["a,b,a"], &names).unwrap(), [1, 0]);
        assert_eq!(find("name", "A+", &names).unwrap(), 4);
        assert!(find_all("name", [" , "], &names).unwrap().is_empty());
    }

    #[test]
    fn an_error_has_what_was_not_understood_and_names_near_it() {
        let message = |texts: &[&str]| methods_named(texts).err().unwrap().to_string();
        let typing = message(&["class mean, scDD+SCGD, DC"]);
        assert!(typing.contains("no method 'scDD+SCGD'. Did you mean 'scDD+SCDG, "), "{typing}");
        let foreign = message(&["scVI, other, DM"]);
        assert!(foreign.contains("no method 'scVI, other'; there are all training cells; "), "{foreign}");
        let begun = models_named(["random"]).err().unwrap().to_string();
        assert!(begun.contains("no model 'random'. Did you mean 'random forest'? There are linear head; "), "{begun}");
    }
}
