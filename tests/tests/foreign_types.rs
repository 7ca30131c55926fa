//! Types of other crates in scdd's public signatures: each is on a list, with the reason why users should meet it.
//!
//! The sources are parsed: public functions, fields, variants, type aliases and the methods of public traits. A type is known by
//! its crate and its last name, wherever that crate has it. What macros make is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Field, Fields, ImplItem, Item, TraitItem, UseTree, Visibility};

/// The crate, its type, and why it is there.
const ALLOWED: [(&str, &str, &str); 12] = [
    ("burn", "Device", "where a model computes"),
    ("burn", "Tensor", "what objectives and foundation models of one's own compute with"),
    ("burn", "Int", "the kind of a tensor of class numbers"),
    ("ndarray", "Array2", "dense expression and embeddings"),
    ("plotly", "Plot", "a figure, to change or to add to"),
    ("polars", "Column", "a column that is added to obs or var"),
    ("polars", "DataFrame", "obs, var and every table of results"),
    ("polars", "PolarsError", "what polars says of a frame, inside an error"),
    ("scdd_compute", "CsrError", "what is wrong with a sparse matrix, inside an error"),
    ("scdd_learn", "LearnError", "what a classical method refuses, inside an error"),
    ("scdd_learn", "Scores", "accuracy, macro-F1 and the others of one model"),
    ("serde_json", "Value", "recipes: settings of any objective and model"),
];

#[test]
fn only_types_on_the_list_stand_in_public_signatures() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scdd");
    let crates = dependencies(&source.join("Cargo.toml"));
    assert!(crates.contains("burn") && crates.contains("polars"), "{crates:?}");
    let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for file in rust_files(&source.join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut signatures = Signatures { imports: imports(&parsed.items), crates: &crates, found: BTreeSet::new() };
        signatures.items(&parsed.items);
        for name in signatures.found {
            found.entry(name).or_default().insert(file.strip_prefix(&source).unwrap().display().to_string());
        }
    }
    let allowed: BTreeSet<_> = ALLOWED.iter().map(|(of, name, _)| (of.to_string(), name.to_string())).collect();
    let new: Vec<_> = found.iter().filter(|(name, _)| !allowed.contains(name)).collect();
    assert!(new.is_empty(), "hide these, or put them on the list with a reason: {new:#?}");
    let lib = std::fs::read_to_string(source.join("src/lib.rs")).unwrap();
    for (of, name, _) in ALLOWED {
        let ours = of.starts_with("scdd_");
        assert!(
            ours || lib.contains(&format!("pub use {of};")),
            "users can't name {name}: lib.rs doesn't re-export {of}"
        );
    }
    let gone: Vec<_> = allowed.iter().filter(|name| !found.contains_key(name)).collect();
    assert!(gone.is_empty(), "no signature has these any more: {gone:?}");
}

/// Names of the crates that a manifest depends on, as code spells them.
fn dependencies(manifest: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(manifest).unwrap();
    let after = text.split("dependencies]").nth(1).expect("dependencies");
    let lines = after.lines().skip(1).take_while(|line| !line.starts_with('['));
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().replace('-', "_");
    lines.map(name).filter(|name| !name.is_empty()).collect()
}

/// All files of Rust but tests, which users never see.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        match path.is_dir() {
            true if name != "tests" => found.extend(rust_files(&path)),
            false if name.ends_with(".rs") && !name.contains("test") => found.push(path),
            _ => {}
        }
    }
    found
}

/// What names in a file stand for: the path that a `use` brought each from.
fn imports(items: &[Item]) -> BTreeMap<String, Vec<String>> {
    fn collect(tree: &UseTree, path: &[String], into: &mut BTreeMap<String, Vec<String>>) {
        let with = |name: String| [path, &[name]].concat();
        match tree {
            UseTree::Path(inner) => collect(&inner.tree, &with(inner.ident.to_string()), into),
            UseTree::Name(name) if name.ident == "self" => {
                into.insert(path.last().cloned().unwrap_or_default(), path.to_vec());
            }
            UseTree::Name(name) => {
                into.insert(name.ident.to_string(), with(name.ident.to_string()));
            }
            UseTree::Rename(name) => {
                into.insert(name.rename.to_string(), with(name.ident.to_string()));
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, path, into)),
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    for item in items {
        if let Item::Use(import) = item {
            collect(&import.tree, &[], &mut found);
        }
    }
    found
}

struct Signatures<'a> {
    imports: BTreeMap<String, Vec<String>>,
    crates: &'a BTreeSet<String>,
    found: BTreeSet<(String, String)>,
}

impl Signatures<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(function) if public(&function.vis) => self.visit_signature(&function.sig),
                Item::Impl(block) if block.trait_.is_none() => {
                    for item in &block.items {
                        if let ImplItem::Fn(method) = item
                            && public(&method.vis)
                        {
                            self.visit_signature(&method.sig);
                        }
                    }
                }
                Item::Trait(shape) if public(&shape.vis) => {
                    for item in &shape.items {
                        if let TraitItem::Fn(method) = item {
                            self.visit_signature(&method.sig);
                        }
                    }
                }
                Item::Struct(shape) if public(&shape.vis) => {
                    shape.fields.iter().filter(|field| public(&field.vis)).for_each(|field| self.field(field));
                }
                Item::Enum(shape) if public(&shape.vis) => {
                    let fields = shape.variants.iter().map(|variant: &syn::Variant| &variant.fields);
                    fields.flat_map(Fields::iter).for_each(|field| self.field(field));
                }
                Item::Type(alias) if public(&alias.vis) => self.visit_type(&alias.ty),
                _ => {}
            }
        }
    }

    fn field(&mut self, field: &Field) {
        self.visit_type(&field.ty);
    }
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

impl<'ast> Visit<'ast> for Signatures<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let first = self.imports.get(&names[0]).cloned().unwrap_or_else(|| vec![names[0].clone()]);
        let whole = [&first[..], &names[1..]].concat();
        if let [of, .., name] = &whole[..]
            && self.crates.contains(of)
        {
            self.found.insert((of.clone(), name.clone()));
        }
        visit::visit_path(self, path);
    }
}
