//! The server's two secrets: the key that signs receipts and the key of access tokens.
//!
//! Invariant: neither leaves this file except as a signature; `Debug` prints nothing of them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use fst_proto::ids::{AccountId, DeviceId, Signature, VerifyKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Claims {
    /// Device.
    pub(super) sub: DeviceId,
    /// Account.
    pub(super) acc: AccountId,
    /// Issued, Unix seconds.
    pub(super) iat: u64,
    /// Ends, Unix seconds.
    pub(super) exp: u64,
    /// Random, hex.
    pub(super) jti: String,
}

/// The secrets, ready for use.
pub(super) struct Keys {
    receipt: Ed25519KeyPair,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    pub(super) fn new(receipt: &[u8; 32], token: &[u8; 32]) -> Self {
        // The algorithm is pinned here and never read from a token. Time is checked against our own clock.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            receipt: Ed25519KeyPair::from_seed_unchecked(receipt)
                .expect("32 bytes are an Ed25519 seed"),
            encoding: EncodingKey::from_secret(token),
            decoding: DecodingKey::from_secret(token),
            validation,
        }
    }

    pub(super) fn receipt_key(&self) -> VerifyKey {
        VerifyKey::from_slice(self.receipt.public_key().as_ref())
            .expect("an Ed25519 public key has 32 bytes")
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_slice(self.receipt.sign(message).as_ref())
            .expect("an Ed25519 signature has 64 bytes")
    }

    pub(super) fn encode(&self, claims: &Claims) -> Option<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding).ok()
    }

    pub(super) fn decode(&self, token: &str) -> Option<Claims> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        data.ok().map(|data| data.claims)
    }
}
