//! Secrets by which a device joins: a one-time join string, or the 24 recovery words. FROZEN v1.
//!
//! `fst devices invite` and `fst init` make them, people carry them, a new device types them in. Invariant:
//! slot id, seal key and signing key are independent derivations, so the server, which sees slot id and
//! public key, learns nothing that opens the bundle; a mistyped text is refused before any network.
//! Not here: the bundle ([`crate::bundle`]), the chain entries ([`crate::enrol`]).
//! Source: docs/design/crypto-format.md §1.5.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bip39::{Language, Mnemonic};
use data_encoding::{Encoding, Specification};
use fst_proto::account::Signer;
use fst_proto::ids::{AccountId, SlotId};
use zeroize::Zeroizing;

use crate::kdf::kdf;
use crate::random::{self, SecureRandom};
use crate::secret::SecretText;
use crate::sign::DeviceKey;

/// What every join string begins with.
pub const JOIN_PREFIX: &str = "fst-join:v1:";

/// Number of recovery words.
pub const RECOVERY_WORDS: usize = 24;

/// Whose secret it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Somebody who was invited into this account.
    Invite(AccountId),
    /// Somebody who has the 24 words.
    Recovery,
}

/// 32 bytes that find, open and sign for one slot.
#[derive(Debug)]
pub struct EnrolSecret {
    holder: Holder,
    secret: SlotSecret,
}

crate::secret::secrets! {
    /// The bytes behind a join string or recovery words.
    SlotSecret;
    /// Seals a slot's bundle.
    SlotKey;
}

/// A text that is not a join string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadJoinString {
    /// Does not begin like one.
    #[error("a join string begins with {JOIN_PREFIX}")]
    Prefix,
    /// Wrong characters or length.
    #[error("the join string is incomplete or has a wrong character")]
    Encoding,
    /// Mistyped.
    #[error("the join string has a typing error")]
    Checksum,
}

/// Words that are not a recovery phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWords {
    /// Too few or too many.
    #[error("{got} recovery words given, {RECOVERY_WORDS} needed")]
    Count {
        /// Number found.
        got: usize,
    },
    /// Not in the list.
    #[error("recovery word {number} is not in the word list")]
    Unknown {
        /// Position from 1.
        number: usize,
    },
    /// Words in the list, but one is wrong or two are swapped.
    #[error("the recovery words do not fit together: a word is wrong or out of order")]
    Checksum,
}

impl EnrolSecret {
    /// Draws the secret of a new invitation.
    #[must_use]
    pub fn new_invite(random: &dyn SecureRandom, account: AccountId) -> Self {
        let secret = SlotSecret::from_bytes(random::bytes(random));
        Self {
            holder: Holder::Invite(account),
            secret,
        }
    }

    /// Draws the secret behind new recovery words.
    #[must_use]
    pub fn new_recovery(random: &dyn SecureRandom) -> Self {
        Self {
            holder: Holder::Recovery,
            secret: SlotSecret::from_bytes(random::bytes(random)),
        }
    }

    /// Reads a join string: prefix, then base32 of `account 16 ‖ secret 32 ‖ crc32be 4`.
    ///
    /// # Errors
    /// [`BadJoinString`] says what is wrong; nothing was sent anywhere.
    pub fn parse_join(text: &str) -> Result<Self, BadJoinString> {
        let text = Zeroizing::new(text.trim().to_ascii_lowercase());
        let encoded = text
            .strip_prefix(JOIN_PREFIX)
            .ok_or(BadJoinString::Prefix)?;
        let decoded = base32().decode(encoded.as_bytes());
        let bytes = Zeroizing::new(decoded.map_err(|_| BadJoinString::Encoding)?);
        let (body, &crc) = bytes.split_last_chunk().ok_or(BadJoinString::Encoding)?;
        let (&account, secret) = body.split_first_chunk().ok_or(BadJoinString::Encoding)?;
        let secret: [u8; 32] = secret.try_into().map_err(|_| BadJoinString::Encoding)?;
        if crc32fast::hash(body) != u32::from_be_bytes(crc) {
            return Err(BadJoinString::Checksum);
        }
        let secret = SlotSecret::from_bytes(secret);
        Ok(Self {
            holder: Holder::Invite(AccountId(account)),
            secret,
        })
    }

    /// Reads 24 words of the BIP-39 English list; case and spacing do not matter.
    ///
    /// # Errors
    /// [`BadWords`] says which word is wrong; nothing was sent anywhere.
    pub fn parse_words(text: &str) -> Result<Self, BadWords> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != RECOVERY_WORDS {
            return Err(BadWords::Count { got: words.len() });
        }
        let phrase = Zeroizing::new(words.join(" ").to_lowercase());
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &phrase).map_err(
            |error| match error {
                bip39::Error::UnknownWord(at) => BadWords::Unknown {
                    number: at.saturating_add(1),
                },
                bip39::Error::BadWordCount(got) => BadWords::Count { got },
                bip39::Error::BadEntropyBitCount(_)
                | bip39::Error::InvalidChecksum
                | bip39::Error::AmbiguousLanguages(_) => BadWords::Checksum,
            },
        )?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let secret = entropy
            .as_slice()
            .try_into()
            .map_err(|_| BadWords::Checksum)?;
        Ok(Self {
            holder: Holder::Recovery,
            secret: SlotSecret::from_bytes(secret),
        })
    }

    /// The text that a person carries: a join string, or 24 words.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let secret = self.secret.expose_secret();
        match self.holder {
            Holder::Invite(account) => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(52));
                bytes.extend_from_slice(account.as_bytes());
                bytes.extend_from_slice(secret);
                let crc = crc32fast::hash(&bytes);
                bytes.extend_from_slice(&crc.to_be_bytes());
                SecretText::new(format!("{JOIN_PREFIX}{}", base32().encode(&bytes)))
            },
            Holder::Recovery => SecretText::new(words(secret)),
        }
    }

    /// Whose secret it is.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.holder
    }

    /// Id under which the server keeps the bundle.
    #[must_use]
    pub fn slot(&self) -> SlotId {
        SlotId(self.derive("slot/id"))
    }

    /// Key that signs the joining entry.
    #[must_use]
    pub fn sign_key(&self) -> DeviceKey {
        DeviceKey::from_seed(&Zeroizing::new(self.derive("slot/sign")))
    }

    /// How the chain knows the holder.
    #[must_use]
    pub fn signer(&self) -> Signer {
        match self.holder {
            Holder::Invite(_) => Signer::Invite(self.slot()),
            Holder::Recovery => Signer::Recovery,
        }
    }

    /// Key that seals the bundle.
    pub(crate) fn seal_key(&self) -> SlotKey {
        SlotKey::from_bytes(self.derive("slot/seal"))
    }

    /// Account in the bundle's context; the words do not know theirs.
    pub(crate) fn account(&self) -> AccountId {
        match self.holder {
            Holder::Invite(account) => account,
            Holder::Recovery => AccountId::ZERO,
        }
    }

    fn derive<const N: usize>(&self, label: &str) -> [u8; N] {
        match self.holder {
            Holder::Invite(account) => kdf(self.secret.expose_secret(), label, account.as_bytes()),
            Holder::Recovery => kdf(self.secret.expose_secret(), label, b"recovery"),
        }
    }
}

/// The words of 256 bits.
fn words(secret: &[u8; 32]) -> String {
    let mnemonic =
        Mnemonic::from_entropy_in(Language::English, secret).expect("256 bits make 24 words");
    let mut text = String::with_capacity(256);
    for word in mnemonic.words() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// RFC 4648 base32 in lower case without padding.
fn base32() -> Encoding {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("thirty-two distinct symbols")
}
