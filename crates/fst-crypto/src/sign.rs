//! Ed25519 signing keys and what they sign.
//!
//! Devices, invitations and the 24 words each have one. Invariant: every message begins with its own
//! domain text (`fst-proto` builds it), so a signature for one purpose says nothing for another.
//! Not here: verification (`fst-proto::hash`), receipts (the server's business).
//! Source: docs/design/crypto-format.md §3.2, §4.1; RFC 8032.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use fst_proto::account;
use fst_proto::ids::{DeviceId, Signature, VerifyKey};
use fst_proto::log;
use fst_proto::wire;

/// A signing key; the library wipes it when it is dropped.
pub struct DeviceKey {
    pair: Ed25519KeyPair,
    public: VerifyKey,
}

impl DeviceKey {
    /// The key of a 32-byte seed (RFC 8032).
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self {
            pair,
            public: VerifyKey(public),
        }
    }

    /// Public half.
    #[must_use]
    pub fn public(&self) -> VerifyKey {
        self.public
    }

    /// Signs a message that already carries its domain text.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut sig = [0; 64];
        sig.copy_from_slice(self.pair.sign(message).as_ref());
        Signature(sig)
    }

    /// Signs the header of a log entry.
    #[must_use]
    pub fn sign_entry(&self, header: &[u8]) -> Signature {
        self.sign(&log::entry_message(header))
    }

    /// Signs the header of an account entry.
    #[must_use]
    pub fn sign_account(&self, header: &[u8]) -> Signature {
        self.sign(&account::message(header))
    }

    /// Signs a login challenge of the server with receipt key `origin`.
    #[must_use]
    pub fn sign_login(&self, device: DeviceId, origin: &VerifyKey, nonce: &[u8]) -> Signature {
        self.sign(&wire::login_message(device, origin, nonce))
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({:?})", self.public)
    }
}
