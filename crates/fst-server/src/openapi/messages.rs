//! Messages and their fields, as tables.

use serde_json::{Map, Value, json};

use super::{number, reference};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// An unsigned number of at most 64 bits.
    Number,
    /// A byte string of any length.
    Bytes,
    /// A byte string of this length.
    Exactly(usize),
    /// Another message.
    Of(&'static str),
    /// An array of another message.
    Many(&'static str),
    /// An array of byte strings of this length.
    ManyExactly(usize),
}

impl Kind {
    fn schema(self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Number => number(),
            Self::Bytes => json!({ "type": "string", "format": "cbor-bytes" }),
            Self::Exactly(n) => json!({ "type": "string", "format": format!("cbor-bytes-{n}") }),
            Self::Of(name) => reference(name),
            Self::Many(name) => json!({ "type": "array", "items": reference(name) }),
            Self::ManyExactly(n) => json!({ "type": "array", "items": Self::Exactly(n).schema() }),
        }
    }
}

/// A message: its name in [`fst_proto::wire`], and its fields in the order of their keys.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Name of the type.
    pub name: &'static str,
    /// Names and contents of the fields; the key is the place, from 0 on. A `?` in front: may be absent.
    pub fields: &'static [(&'static str, Kind)],
    /// True when it is an array instead of a map.
    pub is_array: bool,
}

impl Message {
    pub(super) fn schema(&self) -> Value {
        if self.is_array {
            let items: Vec<Value> = self.fields.iter().map(|field| titled(*field)).collect();
            let n = items.len();
            return json!({ "type": "array", "prefixItems": items, "minItems": n, "maxItems": n });
        }
        let named =
            |(key, field): (usize, &(&'static str, Kind))| (key.to_string(), titled(*field));
        let properties: Map<_, _> = self.fields.iter().enumerate().map(named).collect();
        let fields = self.fields.iter().enumerate();
        let required: Vec<String> = fields
            .filter(|(_, (name, _))| !name.starts_with('?'))
            .map(|(key, _)| key.to_string())
            .collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }
}

fn titled((name, kind): (&'static str, Kind)) -> Value {
    let mut schema = kind.schema();
    schema["title"] = Value::from(name.trim_start_matches('?'));
    schema
}

const fn map(name: &'static str, fields: &'static [(&'static str, Kind)]) -> Message {
    Message {
        name,
        fields,
        is_array: false,
    }
}

const fn array(name: &'static str, fields: &'static [(&'static str, Kind)]) -> Message {
    Message {
        name,
        fields,
        is_array: true,
    }
}

/// Every message of the routes.
#[rustfmt::skip]
pub const MESSAGES: &[Message] = &[
    map("ServerInfo", &[
        ("product", Kind::Text), ("version", Kind::Text), ("receipt_key", Kind::Exactly(32)), ("time_ms", Kind::Number),
    ]),
    array("AccountEntry", &[("header", Kind::Bytes), ("sig", Kind::Exactly(64))]),
    array("Head", &[("size", Kind::Number), ("root", Kind::Exactly(32))]),
    map("CreateAccount", &[
        ("setup_code", Kind::Text), ("genesis", Kind::Of("AccountEntry")), ("recovery", Kind::Of("SealedSlot")),
    ]),
    map("SealedSlot", &[("slot", Kind::Exactly(16)), ("sealed", Kind::Bytes)]),
    map("SlotReply", &[("account", Kind::Exactly(16)), ("sealed", Kind::Bytes), ("chain", Kind::Many("AccountEntry"))]),
    map("Join", &[("entry", Kind::Of("AccountEntry"))]),
    map("AppendAccount", &[("entry", Kind::Of("AccountEntry")), ("?slot", Kind::Of("SealedSlot"))]),
    map("AccountEntries", &[("entries", Kind::Many("AccountEntry"))]),
    map("ChallengeRequest", &[("device", Kind::Exactly(16))]),
    map("Challenge", &[("nonce", Kind::Bytes)]),
    map("TokenRequest", &[("device", Kind::Exactly(16)), ("nonce", Kind::Bytes), ("sig", Kind::Exactly(64))]),
    map("Token", &[("token", Kind::Text), ("expires_in", Kind::Number)]),
    map("CreateSpace", &[("tag", Kind::Exactly(16)), ("commit", Kind::Of("Commit"))]),
    map("SpaceInfo", &[("space", Kind::Exactly(16)), ("tag", Kind::Exactly(16)), ("head", Kind::Of("Head"))]),
    map("Spaces", &[("spaces", Kind::Many("SpaceInfo"))]),
    map("Commit", &[
        ("header", Kind::Bytes), ("sig", Kind::Exactly(64)), ("payload", Kind::Bytes), ("objects", Kind::Bytes),
    ]),
    map("Receipt", &[("head", Kind::Of("Head")), ("time_ms", Kind::Number), ("sig", Kind::Exactly(64))]),
    map("Entry", &[
        ("header", Kind::Bytes), ("sig", Kind::Exactly(64)), ("time_ms", Kind::Number), ("?payload", Kind::Bytes),
    ]),
    map("Changes", &[("receipt", Kind::Of("Receipt")), ("entries", Kind::Many("Entry"))]),
    map("ObjectIds", &[("ids", Kind::ManyExactly(32))]),
];
