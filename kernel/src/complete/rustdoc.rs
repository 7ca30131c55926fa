//! rustdoc's JSON of a crate, shortened to what suggestions need. The format is not stable, so it is read leniently: what is
//! not found is left out.

use serde_json::Value;

use super::render;
use super::table::{Entry, Item, Member, Piece};

/// A doc comment is cut after this many characters.
const DOCS: usize = 4_000;
/// Traits whose methods nobody looks for behind a dot.
const SILENT: [&str; 6] = ["serde", "serde_core", "erased_serde", "bincode", "rayon", "rkyv"];
const OF_STD: [&str; 3] = ["core", "alloc", "std"];
/// Thousands of names for single instructions.
const LEFT_OUT: [&str; 4] = ["core::core_arch", "core::core_simd", "core::intrinsics", "core::arch"];
/// Of std's traits, those that are worth suggesting.
const LOUD: [&str; 3] = ["Iterator", "Default", "Clone"];

/// Shortens what rustdoc wrote.
pub fn piece(json: &Value) -> Piece {
    let reader = Reader { json };
    let mut piece = Piece::default();
    for (id, item) in json["index"].as_object().into_iter().flatten() {
        reader.read(id, item, &mut piece);
    }
    piece
}

struct Reader<'a> {
    json: &'a Value,
}

impl<'a> Reader<'a> {
    fn read(&self, id: &str, item: &Value, piece: &mut Piece) {
        let Some((kind, inner)) = item["inner"].as_object().and_then(|object| object.iter().next()) else { return };
        let name = item["name"].as_str().unwrap_or_default();
        let Some(path) = self.path(id).filter(|path| !LEFT_OUT.iter().any(|begin| path.starts_with(begin))) else {
            return;
        };
        let docs = docs(item);
        let params = || {
            let params = inner["generics"]["params"].as_array().into_iter().flatten();
            params.filter(|param| param["kind"].get("lifetime").is_none())
        };
        let head = |word: &str| format!("{word} {name}{}", render::generics(&inner["generics"]));
        let params = || params().filter_map(|param| Some(param["name"].as_str()?.to_owned())).collect();
        match kind.as_str() {
            "module" => {
                let entries = self.list(&inner["items"]).filter_map(|id| self.entry(&id)).collect();
                piece.modules.insert(path, entries);
            }
            "struct" | "union" | "enum" | "primitive" => {
                let mut found =
                    Item { kind: kind.clone(), signature: head(kind), docs, params: params(), ..Item::default() };
                let fields = &inner["kind"]["plain"]["fields"];
                let fields = if fields.is_null() { &inner["fields"] } else { fields };
                found.members.extend(self.list(fields).filter_map(|id| self.field(&id)));
                found.members.extend(self.list(&inner["variants"]).filter_map(|id| self.variant(&id, name)));
                for id in self.list(&inner["impls"]) {
                    self.add_impl(&self.json["index"][&id]["inner"]["impl"], &mut found);
                }
                piece.items.insert(path, found);
            }
            "trait" => {
                let members = self.list(&inner["items"]).filter_map(|id| self.function(&id)).collect();
                let found = Item {
                    kind: "trait".into(),
                    signature: head("trait"),
                    docs,
                    params: params(),
                    members,
                    ..Item::default()
                };
                for id in self.list(&inner["implementations"]) {
                    let of = &self.json["index"][&id]["inner"]["impl"]["for"]["resolved_path"]["id"];
                    // Those of the crate's own types are found there.
                    if let Some(of) = self.id(of)
                        && self.json["index"].get(&of).is_none()
                        && let Some(of) = self.path(&of)
                    {
                        piece.implemented.push((of, path.clone()));
                    }
                }
                piece.items.insert(path, found);
            }
            "function" => {
                let (signature, returns) = render::of_function(name, inner);
                piece.items.insert(path, Item { kind: "function".into(), signature, returns, docs, ..Item::default() });
            }
            "type_alias" => {
                let returns = render::of_type(&inner["type"]);
                let signature = format!("{} = {returns}", head("type"));
                let found = Item { kind: "type".into(), signature, returns, docs, params: params(), ..Item::default() };
                piece.items.insert(path, found);
            }
            "constant" | "static" => {
                let returns = render::of_type(&inner["type"]);
                let signature = format!("const {name}: {returns}");
                piece.items.insert(path, Item { kind: "constant".into(), signature, returns, docs, ..Item::default() });
            }
            "macro" => {
                let found = Item { kind: "macro".into(), signature: format!("{name}!"), docs, ..Item::default() };
                piece.items.insert(path, found);
            }
            _ => {}
        }
    }

    fn add_impl(&self, inner: &Value, found: &mut Item) {
        let is = |key: &str| inner[key].as_bool() == Some(true);
        if !inner["blanket_impl"].is_null() || is("is_synthetic") || is("is_negative") {
            return;
        }
        if inner["trait"].is_null() {
            found.members.extend(self.list(&inner["items"]).filter_map(|id| self.function(&id)));
            return;
        }
        let name = render::of_trait(&inner["trait"]);
        if name == "Deref" {
            let target =
                |id: String| self.json["index"][&id]["inner"].get("assoc_type").map(|of| render::of_type(&of["type"]));
            found.deref = self.list(&inner["items"]).find_map(target).unwrap_or_default();
        }
        let Some(path) = self.id(&inner["trait"]["id"]).and_then(|id| self.path(&id)) else { return };
        let of = path.split("::").next().unwrap_or_default();
        let word = path.rsplit("::").next().unwrap_or_default();
        if !(SILENT.contains(&of) || OF_STD.contains(&of) && !LOUD.contains(&word)) {
            found.traits.push(path);
        }
    }

    fn entry(&self, id: &str) -> Option<Entry> {
        let item = &self.json["index"][id];
        let Some(used) = item["inner"].get("use") else {
            return Some(Entry { name: item["name"].as_str()?.to_owned(), target: self.path(id)? });
        };
        let target = self.id(&used["id"]).and_then(|id| self.path(&id));
        let target = target.or_else(|| Some(used["source"].as_str()?.trim_start_matches("::").to_owned()))?;
        let name = if used["is_glob"].as_bool() == Some(true) { "" } else { used["name"].as_str()? };
        Some(Entry { name: name.to_owned(), target })
    }

    fn function(&self, id: &str) -> Option<Member> {
        let item = &self.json["index"][id];
        let name = item["name"].as_str()?;
        if let Some(of) = item["inner"].get("assoc_const") {
            let returns = render::of_type(&of["type"]);
            let signature = format!("const {name}: {returns}");
            return Some(Member {
                name: name.into(),
                kind: "constant".into(),
                signature,
                returns,
                docs: docs(item),
                of_self: false,
            });
        }
        let function = item["inner"].get("function")?;
        let (signature, returns) = render::of_function(name, function);
        let of_self = function["sig"]["inputs"][0][0].as_str() == Some("self");
        let kind = if of_self { "method" } else { "function" };
        Some(Member { name: name.into(), kind: kind.into(), signature, returns, docs: docs(item), of_self })
    }

    fn field(&self, id: &str) -> Option<Member> {
        let item = &self.json["index"][id];
        let (name, returns) = (item["name"].as_str()?, render::of_type(item["inner"].get("struct_field")?));
        let signature = format!("{name}: {returns}");
        Some(Member { name: name.into(), kind: "field".into(), signature, returns, docs: docs(item), of_self: true })
    }

    fn variant(&self, id: &str, of: &str) -> Option<Member> {
        let item = &self.json["index"][id];
        let (name, kind) = (item["name"].as_str()?, &item["inner"].get("variant")?["kind"]);
        let inside = |list: &Value| {
            let fields = self.list(list).map(|id| render::of_type(&self.json["index"][&id]["inner"]["struct_field"]));
            fields.collect::<Vec<_>>().join(", ")
        };
        let shape = match (kind.get("tuple"), kind.get("struct")) {
            (Some(fields), _) => format!("({})", inside(fields)),
            (_, Some(_)) => " { .. }".to_owned(),
            _ => String::new(),
        };
        let signature = format!("{of}::{name}{shape}");
        Some(Member {
            name: name.into(),
            kind: "variant".into(),
            signature,
            returns: of.into(),
            docs: docs(item),
            of_self: false,
        })
    }

    /// Where an item is defined.
    fn path(&self, id: &str) -> Option<String> {
        let Some(parts) = self.json["paths"][id]["path"].as_array() else {
            // A private module whose names are taken over has no path, but needs a name here.
            let is_module = self.json["index"][id]["inner"].get("module").is_some();
            let root = self.id(&self.json["root"]).and_then(|root| self.json["index"][&root]["name"].as_str());
            return root.filter(|_| is_module).map(|root| format!("{root}::private {id}"));
        };
        Some(parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("::"))
    }

    fn id(&self, value: &Value) -> Option<String> {
        value.as_u64().map(|id| id.to_string()).or_else(|| value.as_str().map(str::to_owned))
    }

    fn list(&self, value: &'a Value) -> impl Iterator<Item = String> + use<'a, '_> {
        value.as_array().into_iter().flatten().filter_map(|id| self.id(id))
    }
}

fn docs(item: &Value) -> String {
    let text = item["docs"].as_str().unwrap_or_default();
    text.char_indices().nth(DOCS).map_or(text, |(at, _)| &text[..at]).to_owned()
}
