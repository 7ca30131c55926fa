//! Pages of Markdown: links lead somewhere, no page is lost, and Rust examples are compiled.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The clone.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above tests/").to_owned()
}

/// All files below a folder whose names end in one of these, but for hidden folders and what was built.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("an entry");
        let name = name.to_string_lossy().into_owned();
        if path.is_symlink() || name.starts_with('.') || name.starts_with("target") {
            continue;
        }
        match path.is_dir() {
            true => found.extend(files(&path, endings)),
            false if endings.iter().any(|ending| name.ends_with(ending)) => found.push(path),
            false => {}
        }
    }
    found
}

fn pages() -> Vec<PathBuf> {
    files(&root(), &[".md"])
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A page's lines that are prose: neither in fences nor indented as code.
fn prose(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let lines = page.lines().filter(|line| {
        fenced ^= line.starts_with("```");
        !fenced && !line.starts_with("```") && !line.starts_with("    ")
    });
    lines.collect()
}

/// Targets of a page's links that are no addresses: `[text](target)`.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        // Every second piece between backticks is code.
        let without_code: String = line.split('`').step_by(2).collect();
        for rest in without_code.split("](").skip(1) {
            let target = rest.split(')').next().expect("a first piece");
            if !target.contains("://") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// A link's file, and its place in that file.
fn resolve(page: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (file, place) = link.split_once('#').map_or((link, None), |(file, place)| (file, Some(place.to_owned())));
    let file = if file.is_empty() { page.to_owned() } else { page.parent().expect("a folder").join(file) };
    (file.canonicalize().unwrap_or(file), place)
}

/// What GitHub calls the headings of a page.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = prose(page).into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let (mut count, mut broken) = (0, Vec::new());
    for page in pages() {
        for link in links(&text(&page)) {
            count += 1;
            let (file, place) = resolve(&page, &link);
            let heading_is_there = |place: String| anchors(&text(&file)).contains(&place);
            if !file.exists() || !place.is_none_or(heading_is_there) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 50, "{count} links were found");
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_of_docs_is_reached_from_the_index_and_the_index_from_readme() {
    let index = root().join("docs/README.md").canonicalize().expect("an index");
    let readme = root().join("README.md");
    assert!(
        links(&text(&readme)).iter().any(|link| resolve(&readme, link).0 == index),
        "README links no docs/README.md"
    );
    let (mut reached, mut open) = (BTreeSet::new(), vec![index]);
    while let Some(page) = open.pop() {
        if page.extension().is_some_and(|ending| ending == "md") && reached.insert(page.clone()) {
            open.extend(links(&text(&page)).iter().map(|link| resolve(&page, link).0).filter(|file| file.is_file()));
        }
    }
    let all = files(&root().join("docs"), &[".md"]);
    assert!(all.len() > 20, "{} pages were found", all.len());
    for page in all {
        assert!(reached.contains(&page.canonicalize().expect("a page")), "no link leads to {}", page.display());
    }
}

#[test]
fn pages_that_code_and_notebooks_name_are_there() {
    let (mut count, mut missing) = (0, Vec::new());
    for file in files(&root(), &[".rs", ".toml", ".py", ".ipynb"]) {
        for rest in text(&file).split("docs/").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_/.".contains(*c)).collect();
            if let Some(end) = name.find(".md") {
                count += 1;
                let name = &name[..end + 3];
                if !root().join("docs").join(name).is_file() {
                    missing.push(format!("{} names docs/{name}", file.display()));
                }
            }
        }
    }
    assert!(count > 5, "{count} pages were named");
    assert!(missing.is_empty(), "pages that are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_example_in_rust_is_compiled() {
    let compiled = text(&root().join("tests/src/docs.rs"));
    let mut count = 0;
    for page in pages() {
        let (name, text_of_page) = (page.strip_prefix(root()).expect("a page of the clone"), text(&page));
        let examples: Vec<_> = text_of_page.lines().filter(|line| line.starts_with("```rust")).collect();
        if examples.is_empty() {
            continue;
        }
        count += examples.len();
        // A package's own page is documentation of its crate.
        let library = page.with_file_name("src/lib.rs");
        let included = match library.is_file() {
            true => text(&library).contains("include_str!(\"../README.md\")"),
            false => compiled.contains(&format!("\"../../{}\"", name.display())),
        };
        assert!(included, "no doctest includes {}: name it in tests/src/docs.rs", name.display());
        assert!(!examples.iter().any(|example| example.contains("ignore")), "{} ignores an example", name.display());
    }
    assert!(count > 5, "{count} examples were found");
}
