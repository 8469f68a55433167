//! The table of keys as a JSON Schema, for editors and for checking files elsewhere.
//!
//! Made from [`super::keys::KEYS`] alone. Invariant: what the schema takes and what the reader takes differ only where
//! a schema cannot say it (ranges of sizes, overlap of folders). Source: docs/design/configuration.md §6.

use serde_json::{Map, Value, json};

use super::keys::{Effect, KEYS, Key, Kind};

/// The JSON Schema of `config.yaml`.
#[must_use]
pub fn json_schema() -> Value {
    let mut root = section();
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["$id"] = json!("https://docs.filesynctool.io/schema/client.json");
    root["title"] = json!("FileSyncTool client configuration, config.yaml");
    for key in KEYS {
        let mut parts: Vec<&str> = key.path.split('.').collect();
        let leaf = parts.pop().unwrap_or_default();
        let parent = parts
            .into_iter()
            .fold(&mut root, |at, part| enter(at, part));
        properties(parent).insert(leaf.to_owned(), property(key));
    }
    for (list, required) in [("sync_folders", "path"), ("schedules", "name")] {
        root["properties"][list]["items"]["required"] = json!([required]);
    }
    root
}

fn section() -> Value {
    json!({ "type": ["object", "null"], "properties": {}, "additionalProperties": false })
}

fn properties(at: &mut Value) -> &mut Map<String, Value> {
    at["properties"]
        .as_object_mut()
        .expect("every section has properties")
}

/// The section or list of sections of this name, made when it is not there.
fn enter<'v>(at: &'v mut Value, part: &str) -> &'v mut Value {
    let (name, is_list) = match part.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (part, false),
    };
    let new = || {
        if is_list {
            json!({ "type": ["array", "null"], "items": section() })
        } else {
            section()
        }
    };
    let inside = properties(at).entry(name.to_owned()).or_insert_with(new);
    if is_list {
        &mut inside["items"]
    } else {
        inside
    }
}

/// Rates and sizes in all spellings; bounds are checked by the reader.
const SIZE: &str = r"^[0-9]+(\.[0-9]{1,6})? ?([kKmMgGtT]?[iI]?[bB]|[kKmMgGtT])?$";
const RATE: &str = r"^([0-9]+(\.[0-9]{1,6})? ?([kKmMgG]?[bB]ps|[kKmMgG]?[iI]?[bB]/s)|0|unlimited)$";
const VARIABLE: &str = r"\$\{[^}]+\}";

fn property(key: &Key) -> Value {
    let mut property = match key.kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Number { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Url => text(r"^https?://\S+$"),
        Kind::Pin => text(r"^sha256:[0-9a-fA-F]{64}$"),
        Kind::Path => text(r"^(/|~$|~/)"),
        Kind::Remote => text(r"^/[^/]"),
        Kind::Size { .. } => {
            let mut size = text(&format!("{SIZE}|^unlimited$"));
            size["type"] = json!(["string", "integer"]);
            size
        },
        Kind::Rate => {
            let mut rate = text(RATE);
            rate["type"] = json!(["string", "integer"]);
            rate
        },
        Kind::Window => text(r"^[0-2][0-9]:[0-5][0-9] ?- ?[0-2][0-9]:[0-5][0-9]$"),
        Kind::Secret | Kind::Text | Kind::Days => json!({ "type": "string" }),
    };
    property["description"] = json!(description(key));
    if !key.default.is_empty() {
        property["default"] = match key.kind {
            Kind::Bool => json!(key.default == "true"),
            Kind::Number { .. } => json!(key.default.parse::<u64>().unwrap_or_default()),
            _ => json!(key.default),
        };
    }
    property
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("{pattern}|{VARIABLE}") })
}

fn description(key: &Key) -> String {
    let when = match key.effect {
        Effect::Now => String::new(),
        Effect::NewSpaces => "; for folders that are new on the server".to_owned(),
        Effect::Restart => "; takes effect when the daemon starts anew".to_owned(),
        Effect::Later(part) => format!("; kept, takes effect with {part}"),
    };
    format!("{}{when}", key.about.replace('`', ""))
}
