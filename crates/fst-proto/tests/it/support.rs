//! Reading vector files.

use fst_proto::text::from_hex;
use serde_json::Value;

pub(crate) fn path(name: &str) -> String {
    format!(
        "{}/../../testdata/vectors/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    )
}

pub(crate) fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

pub(crate) fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap()).unwrap()
}

/// Reads an id, hash, key or signature.
pub(crate) fn id<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}
