//! Why something did not seal or open.
//!
//! Returned by every module of this crate; `fst-client` turns an [`OpenError`] into a stop of the space or a
//! report about one object. Invariant: equal inputs give the equal error, and no error carries plaintext.
//! Not here: errors of texts that people type ([`crate::slot`]).
//! Source: docs/design/crypto-format.md §2.2.

/// Sealed bytes that do not open. None of these is worth a retry with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not of the format, before or after decryption.
    #[error("sealed bytes are malformed: {what}")]
    Malformed {
        /// Rule that is broken.
        what: &'static str,
    },
    /// A version, suite, kind or encoding that this program does not know.
    #[error("sealed bytes need a newer program: unknown {what} {value}")]
    Unsupported {
        /// Which field.
        what: &'static str,
        /// What it says.
        value: u8,
    },
    /// Sealed under another key, epoch, kind or context: the commitment differs.
    #[error("sealed bytes belong to another key or context")]
    WrongContext,
    /// The key is right and the bytes were changed.
    #[error("sealed bytes were altered")]
    Tampered,
    /// Says it is larger than anything of its kind may be.
    #[error("sealed bytes claim {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// Size claimed.
        len: usize,
        /// Limit.
        max: usize,
    },
    /// The plain bytes are not those that the id names.
    #[error("opened bytes do not match their id")]
    WrongId,
    /// A slot is not the one that the signed header names.
    #[error("slot of operation {op} is not the one that was signed")]
    SlotHash {
        /// Index of the operation.
        op: usize,
    },
    /// A node's description contradicts itself.
    #[error("operation {op} describes an impossible node: {what}")]
    BadMeta {
        /// Index of the operation.
        op: usize,
        /// Rule that is broken.
        what: &'static str,
    },
    /// Nothing in it is addressed to this account.
    #[error("no key is wrapped for this account")]
    NotForUs,
    /// The wrapped secret is not the one that was committed to.
    #[error("wrapped key does not match its commitment")]
    WrongCommitment,
}

/// Something that may not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Larger than anything of its kind may be.
    #[error("{len} bytes to seal, at most {max} are allowed")]
    TooLarge {
        /// Size given.
        len: usize,
        /// Limit.
        max: usize,
    },
    /// Only data chunks may be compressed; batches have a format of their own.
    #[error("this kind of envelope cannot hold that payload")]
    WrongKind,
    /// A node's description contradicts itself.
    #[error("operation {op} describes an impossible node: {what}")]
    BadMeta {
        /// Index of the operation.
        op: usize,
        /// Rule that is broken.
        what: &'static str,
    },
    /// Operations must be added in their order.
    #[error("operation {op} is out of order")]
    Order {
        /// Index of the operation.
        op: usize,
    },
    /// A public key that no one can receive at.
    #[error("recipient key is not valid")]
    BadRecipient,
}
