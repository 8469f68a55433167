//! Text forms of bytes: hex for ids, and quoting of user-chosen names for terminals.
//!
//! Not here: localisation, tables.

use std::fmt::Write as _;

/// Lower-case hex of `bytes`.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Bytes of lower-case hex, or `None` when it is not.
#[must_use]
pub fn from_hex(hex: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()
}

/// Renders bytes of a name so that no terminal is moved, coloured or deceived by it.
///
/// Printable UTF-8 stays; control characters, bidirectional overrides and invalid bytes become `\xNN`
/// or `\u{…}`.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || is_bidi_control(c) {
                for escaped in c.escape_default() {
                    out.push(escaped);
                }
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            write!(out, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    out
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
