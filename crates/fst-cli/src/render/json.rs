//! JSON for programs: one document per command, on one line.
//!
//! Envelopes are [`crate::report`]'s; here is only how they are written. Invariant: field names of contract
//! types come from `fst-proto` and `fst-client`, never from here.

use serde::Serialize;
use serde_json::Value;

/// A document with its closing newline.
pub(crate) fn document(value: &Value) -> String {
    format!("{value}\n")
}

/// Any of our types as a JSON value.
pub(crate) fn value(data: &impl Serialize) -> Value {
    // Our types have string keys and no custom serialisers, so this cannot fail.
    serde_json::to_value(data).unwrap_or_default()
}
