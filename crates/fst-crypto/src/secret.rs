//! Carriers of secret bytes: no copies by accident, nothing printed, wiped when dropped.
//!
//! Every key type of this crate is made by the `secrets!` macro; texts and buffers that hold secrets travel in
//! [`SecretText`] and [`SecretBytes`]. Invariant: the only way to the bytes is called `expose_secret`.
//! Not here: what the keys are for ([`crate::key`]).
//! Source: docs/design/crypto-format.md §1.

use zeroize::Zeroizing;

/// Declares 32-byte secrets: no `Clone`, no `Serialize`, redacted `Debug`, wiped on drop.
macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name(zeroize::Zeroizing<[u8; 32]>);

        impl $name {
            /// Takes the bytes over.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(zeroize::Zeroizing::new(bytes))
            }

            /// The secret itself.
            #[must_use]
            pub fn expose_secret(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
pub(crate) use secrets;

/// A text that opens something: a join string, the recovery words.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: print it once, keep it nowhere.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Encoded secrets on their way to or from the keystore or a seal.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}
