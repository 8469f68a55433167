//! Reads the text of `server.yaml` and names everything that is wrong with it at once.
//!
//! Called by [`super::resolve`]. Each setting is tried on its own against the shape in [`super::file`], so one mistake
//! hides no other. Invariant: no text says what a secret is. Not here: which settings there are.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::file::File;

/// Most mistakes named at once: more are of one cause, such as a file of another program.
const PROBLEMS_MAX: usize = 20;

/// Least likeness, from 0 to 1, of a word that was probably meant.
const LIKENESS_MIN: f64 = 0.75;

/// Reads a file, or says line, column and reason of each mistake.
pub(super) fn read(text: &str) -> Result<File, String> {
    // No snippet of the file: it may hold secrets.
    let how = serde_saphyr::options! { with_snippet: false };
    let root: Spanned<Node> =
        serde_saphyr::from_str_with_options(text, how).map_err(|error| error.to_string())?;
    let mut leaves = Vec::new();
    root.value
        .leaves(&mut Vec::new(), Place::FIRST, &mut leaves);
    let problems: Vec<String> = leaves.iter().filter_map(Leaf::problem).collect();
    if problems.is_empty() {
        let mut whole = Value::Object(Map::new());
        leaves.iter().for_each(|leaf| leaf.put_into(&mut whole));
        return serde_json::from_value(whole).map_err(|error| error.to_string());
    }
    let more = problems.len().saturating_sub(PROBLEMS_MAX);
    let mut lines = problems[..problems.len() - more].to_vec();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Err(lines.join("\n  "))
}

/// Where something stands, from 1.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    column: u64,
}

impl Place {
    const FIRST: Self = Self { line: 1, column: 1 };
}

/// A map with the places of its keys, or anything else.
enum Node {
    Map(Vec<(Spanned<String>, Self)>),
    Value(Value),
}

impl Node {
    /// Adds every setting below, with its path; a setting without a value is none.
    fn leaves<'n>(&'n self, path: &mut Vec<&'n str>, place: Place, into: &mut Vec<Leaf<'n>>) {
        match self {
            Self::Value(Value::Null) => {},
            Self::Value(value) => into.push(Leaf {
                path: path.clone(),
                place,
                value,
            }),
            Self::Map(entries) => {
                for (key, node) in entries {
                    let place = Place {
                        line: key.defined.line(),
                        column: key.defined.column(),
                    };
                    path.push(&key.value);
                    node.leaves(path, place, into);
                    path.pop();
                }
            },
        }
    }
}

/// A setting.
struct Leaf<'n> {
    path: Vec<&'n str>,
    place: Place,
    value: &'n Value,
}

impl Leaf<'_> {
    /// What is wrong with this setting, if anything.
    fn problem(&self) -> Option<String> {
        let mut alone = Value::Object(Map::new());
        self.put_into(&mut alone);
        let error = serde_json::from_value::<File>(alone).err()?.to_string();
        let Place { line, column } = self.place;
        Some(format!(
            "line {line}, column {column}: {}",
            self.say(&error)
        ))
    }

    fn put_into(&self, whole: &mut Value) {
        let Some((last, sections)) = self.path.split_last() else {
            *whole = self.value.clone();
            return;
        };
        let mut at = whole;
        for section in sections {
            at = at
                .as_object_mut()
                .expect("a key stands once, so a section is no value")
                .entry(*section)
                .or_insert_with(|| Value::Object(Map::new()));
        }
        if let Some(section) = at.as_object_mut() {
            section.insert((*last).to_owned(), self.value.clone());
        }
    }

    /// The error of serde in our words.
    fn say(&self, error: &str) -> String {
        let path = self.path.join(".");
        // `unknown field `prot`, expected one of `host`, `port``, in serde's words.
        if let Some(rest) = error.strip_prefix("unknown field ") {
            let words: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            let (Some(&wrong), known) = (words.first(), words.get(1..).unwrap_or_default()) else {
                return error.to_owned();
            };
            let depth = self.path.iter().position(|name| *name == wrong);
            let named = self.path[..depth.map_or(0, |depth| depth + 1)].join(".");
            let hint = meant(wrong, known)
                .map_or_else(String::new, |word| format!(" did you mean `{word}`?"));
            return format!(
                "there is no setting `{named}`:{hint} known here: {}",
                known.join(", ")
            );
        }
        // The value stays unsaid: it may be a secret.
        if error.starts_with("invalid type: ") && error.ends_with("expected a string") {
            return format!("`{path}` is a text: put it in quotes");
        }
        format!("`{path}`: {error}")
    }
}

/// The known word that is most like this one.
fn meant<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let likeness = |known: &str| strsim::jaro_winkler(word, known);
    let best = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= LIKENESS_MIN).then_some(best)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Value(Value::Array(items)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Value(text.into()))
    }

    fn visit_bool<E: de::Error>(self, is: bool) -> Result<Node, E> {
        Ok(Node::Value(is.into()))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Node, E> {
        Ok(Node::Value(n.into()))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Node, E> {
        Ok(Node::Value(n.into()))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Node, E> {
        Ok(Node::Value(n.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Value(Value::Null))
    }
}
