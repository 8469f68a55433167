//! [`KeyPin`]: the TLS key of a server, known by its hash.
//!
//! A server prints it, a client keeps it. Invariant: with a pin the pinned key must have signed the handshake, and
//! nothing else is asked of the certificate: no name, no date, no root. Not here: sockets, files.
//! Source: docs/adr/0040-tls.md.

use std::fmt;
use std::str::FromStr;

use crate::hash::sha256;
use crate::ids::Hash32;

#[cfg(feature = "tls")]
mod verify;

#[cfg(feature = "tls")]
pub use verify::{ALPN, WrongPin, provider};

/// What a written pin begins with.
const PREFIX: &str = "sha256:";

/// SHA-256 of a public key as a certificate holds it (`SubjectPublicKeyInfo`, DER).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPin(Hash32);

impl KeyPin {
    /// The pin of a public key in DER.
    #[must_use]
    pub fn of_key(spki: &[u8]) -> Self {
        Self(sha256(&[spki]))
    }
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

/// A text that is no pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pin is sha256: and 64 hexadecimal digits, as 'fst-server start' prints it")]
pub struct NotAPin;

impl FromStr for KeyPin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let hex = text.trim().strip_prefix(PREFIX).ok_or(NotAPin)?;
        let hash = Hash32::parse(&hex.to_ascii_lowercase());
        hash.map(Self).ok_or(NotAPin)
    }
}
