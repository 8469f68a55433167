//! The account's sigchain: who its devices are. FROZEN v1.
//!
//! Append-only; each entry names the hash of the one before. Clients replay it ([`Chain`]) and trust no
//! key that is not in it; the server replays it too, to know whom to let in. Invariant: a signer must be
//! valid at the position where it signs; an invitation is used once, and ends with its author. Not here: secrets, sealing.
//! Source: docs/design/crypto-format.md §2.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::hash::{is_signed_by, sha256};
use crate::ids::{AccountId, DeviceId, Hash32, KemKey, Signature, SlotId, VerifyKey};
use crate::wire;

/// HPKE KEM id of DHKEM(X25519, HKDF-SHA256).
pub const KEM_X25519: u16 = 0x0020;

/// Public half of a device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeviceRecord {
    /// Its id, random.
    #[n(0)]
    pub device: DeviceId,
    /// Key that verifies its signatures.
    #[n(1)]
    pub sign_key: VerifyKey,
    /// Kind of its KEM key.
    #[n(2)]
    pub kem_id: u16,
    /// Its KEM key.
    #[n(3)]
    pub kem_key: KemKey,
    /// Its name, sealed for the account's devices.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub name_sealed: Vec<u8>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Body {
    /// The account begins, with its first device.
    #[n(0)]
    Genesis {
        /// First device.
        #[n(0)]
        device: DeviceRecord,
        /// Key that verifies signatures made from the 24 words.
        #[n(1)]
        recovery_key: VerifyKey,
        /// Kind of the account's KEM key.
        #[n(2)]
        kem_id: u16,
        /// Public half of the account's KEM key, generation 1.
        #[n(3)]
        kem_key: KemKey,
    },
    /// A device joins.
    #[n(1)]
    DeviceAdd(#[n(0)] DeviceRecord),
    /// A device may join once by the secret behind `key`.
    #[n(2)]
    InviteAdd {
        /// The invitation.
        #[n(0)]
        slot: SlotId,
        /// Key that verifies the joining signature.
        #[n(1)]
        key: VerifyKey,
        /// When it ends, Unix milliseconds; the server's clock decides.
        #[n(2)]
        expires_ms: u64,
    },
    /// A device is no longer trusted.
    #[n(3)]
    DeviceRevoke(#[n(0)] DeviceId),
}

/// Who signs an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Signer {
    /// A device of the account.
    #[n(0)]
    Device(#[n(0)] DeviceId),
    /// The holder of an unused invitation.
    #[n(1)]
    Invite(#[n(0)] SlotId),
    /// The holder of the 24 words.
    #[n(2)]
    Recovery,
}

/// Signed part of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountHeader {
    /// Format version, 1.
    #[n(0)]
    pub version: u8,
    /// The account; zero in genesis, whose hash it is.
    #[n(1)]
    pub account: AccountId,
    /// Position from 0.
    #[n(2)]
    pub index: u64,
    /// Hash of the entry before; zero in genesis.
    #[n(3)]
    pub prev: Hash32,
    /// Who signs.
    #[n(4)]
    pub signer: Signer,
    /// What is said.
    #[n(5)]
    pub body: Body,
}

/// An entry as stored and sent: exact header bytes and signature.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AccountEntry {
    /// Canonical bytes of an [`AccountHeader`].
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// Signature over [`message`].
    #[n(1)]
    pub sig: Signature,
}

/// What a signer signs.
#[must_use]
pub fn message(header: &[u8]) -> Vec<u8> {
    [
        b"fst/v1/account-entry\0".as_slice(),
        sha256(&[header]).as_bytes(),
    ]
    .concat()
}

/// Hash that the next entry names.
#[must_use]
pub fn entry_hash(entry: &AccountEntry) -> Hash32 {
    sha256(&[
        b"fst/v1/account-hash\0",
        &entry.header,
        entry.sig.as_bytes(),
    ])
}

/// The id that a genesis header certifies.
#[must_use]
pub fn account_id(genesis_header: &[u8]) -> AccountId {
    let hash = sha256(&[b"fst/v1/account\0", genesis_header]);
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    AccountId(id)
}

/// Why an entry does not continue a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChain {
    /// Not canonical bytes of a known version.
    #[error("account entry {index} is malformed")]
    Malformed {
        /// Position.
        index: u64,
    },
    /// Wrong account, position or link.
    #[error("account entry {index} does not continue the chain")]
    Link {
        /// Position.
        index: u64,
    },
    /// It says what cannot be: a second genesis, an id twice, an unknown device, an unknown kind of key.
    #[error("account entry {index} says what cannot be")]
    Claim {
        /// Position.
        index: u64,
    },
    /// The signer is unknown, revoked, used up, or may not say this.
    #[error("account entry {index} is signed by someone who may not")]
    Signer {
        /// Position.
        index: u64,
    },
    /// The signature is wrong.
    #[error("account entry {index} has a wrong signature")]
    Signature {
        /// Position.
        index: u64,
    },
}

/// A device as the chain knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceState {
    /// Its record.
    pub record: DeviceRecord,
    /// Chain length from which it was valid.
    pub added_at: u64,
    /// Chain length from which it no longer was.
    pub revoked_at: Option<u64>,
}

/// An invitation as the chain knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteState {
    /// Key of its holder.
    pub key: VerifyKey,
    /// Device that made it; the invitation ends with that device.
    pub author: DeviceId,
    /// When it ends.
    pub expires_ms: u64,
    /// Whether nobody can join by it any more: it was used, or its author was revoked.
    pub is_spent: bool,
}

/// A verified chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The account it certifies.
    pub account: AccountId,
    /// Number of entries.
    pub len: u64,
    /// Hash of each entry, in order.
    pub hashes: Vec<Hash32>,
    /// Devices by id.
    pub devices: BTreeMap<DeviceId, DeviceState>,
    /// Invitations by id.
    pub invites: BTreeMap<SlotId, InviteState>,
    /// Key of the 24 words.
    pub recovery_key: VerifyKey,
    /// Account KEM key, generation 1.
    pub kem_key: KemKey,
}

impl Chain {
    /// Begins a chain with its genesis entry.
    ///
    /// # Errors
    /// [`BadChain`] when it is not a well-signed genesis.
    pub fn start(genesis: &AccountEntry) -> Result<Self, BadChain> {
        let header = read_header(genesis, 0)?;
        let is_first =
            header.index == 0 && header.prev == Hash32::ZERO && header.account == AccountId::ZERO;
        let Body::Genesis {
            device,
            recovery_key,
            kem_id,
            kem_key,
        } = header.body
        else {
            return Err(BadChain::Link { index: 0 });
        };
        if !is_first {
            return Err(BadChain::Link { index: 0 });
        }
        if kem_id != KEM_X25519 || device.kem_id != KEM_X25519 {
            return Err(BadChain::Claim { index: 0 });
        }
        if header.signer != Signer::Device(device.device) {
            return Err(BadChain::Signer { index: 0 });
        }
        check_signature(&device.sign_key, genesis, 0)?;
        let id = device.device;
        let state = DeviceState {
            record: device,
            added_at: 0,
            revoked_at: None,
        };
        Ok(Self {
            account: account_id(&genesis.header),
            len: 1,
            hashes: vec![entry_hash(genesis)],
            devices: BTreeMap::from([(id, state)]),
            invites: BTreeMap::new(),
            recovery_key,
            kem_key,
        })
    }

    /// Replays a whole chain.
    ///
    /// # Errors
    /// [`BadChain`] of the first entry that does not fit.
    pub fn replay(entries: &[AccountEntry]) -> Result<Self, BadChain> {
        let (first, rest) = entries.split_first().ok_or(BadChain::Link { index: 0 })?;
        let mut chain = Self::start(first)?;
        for entry in rest {
            chain.append(entry)?;
        }
        Ok(chain)
    }

    /// Adds the next entry, or leaves the chain as it was.
    ///
    /// # Errors
    /// [`BadChain`] when it does not fit.
    pub fn append(&mut self, entry: &AccountEntry) -> Result<(), BadChain> {
        let index = self.len;
        let header = read_header(entry, index)?;
        if header.account != self.account
            || header.index != index
            || Some(&header.prev) != self.hashes.last()
        {
            return Err(BadChain::Link { index });
        }
        let key = self
            .signer_key(&header.signer)
            .ok_or(BadChain::Signer { index })?;
        check_signature(&key, entry, index)?;
        self.apply(header, index)?;
        self.hashes.push(entry_hash(entry));
        self.len += 1;
        Ok(())
    }

    /// Hash of the newest entry.
    #[must_use]
    pub fn head(&self) -> Hash32 {
        self.hashes.last().copied().unwrap_or(Hash32::ZERO)
    }

    /// The verification key of `device` when its chain had `account_len` entries, if it was valid then.
    #[must_use]
    pub fn device_key_at(&self, device: DeviceId, account_len: u64) -> Option<VerifyKey> {
        let state = self.devices.get(&device)?;
        let is_valid = state.added_at < account_len
            && state
                .revoked_at
                .is_none_or(|revoked| account_len <= revoked);
        is_valid.then_some(state.record.sign_key)
    }

    fn signer_key(&self, signer: &Signer) -> Option<VerifyKey> {
        match signer {
            Signer::Device(device) => {
                let state = self.devices.get(device)?;
                state.revoked_at.is_none().then_some(state.record.sign_key)
            },
            Signer::Invite(slot) => {
                let invite = self.invites.get(slot)?;
                (!invite.is_spent).then_some(invite.key)
            },
            Signer::Recovery => Some(self.recovery_key),
        }
    }

    fn apply(&mut self, header: AccountHeader, index: u64) -> Result<(), BadChain> {
        match (header.body, header.signer) {
            (Body::DeviceAdd(record), signer) => {
                if self.devices.contains_key(&record.device) || record.kem_id != KEM_X25519 {
                    return Err(BadChain::Claim { index });
                }
                if let Signer::Invite(slot) = signer
                    && let Some(invite) = self.invites.get_mut(&slot)
                {
                    invite.is_spent = true;
                }
                let state = DeviceState {
                    added_at: index,
                    record,
                    revoked_at: None,
                };
                self.devices.insert(state.record.device, state);
            },
            (
                Body::InviteAdd {
                    slot,
                    key,
                    expires_ms,
                },
                Signer::Device(author),
            ) => {
                if self.invites.contains_key(&slot) {
                    return Err(BadChain::Claim { index });
                }
                self.invites.insert(
                    slot,
                    InviteState {
                        key,
                        author,
                        expires_ms,
                        is_spent: false,
                    },
                );
            },
            (Body::DeviceRevoke(device), Signer::Device(_) | Signer::Recovery) => {
                let state = self
                    .devices
                    .get_mut(&device)
                    .ok_or(BadChain::Claim { index })?;
                state.revoked_at.get_or_insert(index);
                let invites = self.invites.values_mut();
                let made_by_it = invites.filter(|invite| invite.author == device);
                made_by_it.for_each(|invite| invite.is_spent = true);
            },
            (Body::Genesis { .. }, _) => return Err(BadChain::Claim { index }),
            (Body::InviteAdd { .. } | Body::DeviceRevoke(_), _) => {
                return Err(BadChain::Signer { index });
            },
        }
        Ok(())
    }
}

fn read_header(entry: &AccountEntry, index: u64) -> Result<AccountHeader, BadChain> {
    let header: AccountHeader =
        wire::from_canonical(&entry.header).map_err(|_| BadChain::Malformed { index })?;
    if header.version == 1 {
        Ok(header)
    } else {
        Err(BadChain::Malformed { index })
    }
}

fn check_signature(key: &VerifyKey, entry: &AccountEntry, index: u64) -> Result<(), BadChain> {
    if is_signed_by(key, &message(&entry.header), &entry.sig) {
        Ok(())
    } else {
        Err(BadChain::Signature { index })
    }
}
