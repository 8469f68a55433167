//! One space as this device works on it: its keys, its members, and what this device signs.
//!
//! Held by [`super::Folder`]. Invariant: what is signed continues the log as far as it is verified here.
//! Source: docs/design/crypto-format.md §3.

use std::sync::Arc;

use fst_crypto::device::HedgeKey;
use fst_crypto::envelope::SaltSource;
use fst_crypto::key::SpaceKeys;
use fst_crypto::random::SecureRandom;
use fst_crypto::sign::DeviceKey;
use fst_proto::control::{Control, Policy};
use fst_proto::entry::Place;
use fst_proto::hash::sha256;
use fst_proto::ids::{DeviceId, Hash32, NameTag, SpaceId, VerifyKey};
use fst_proto::log::{self, EntryKind, Header, Op};
use fst_proto::time::UnixMillis;
use fst_proto::wire::{self, Commit};

use super::Members;
use crate::db::Loaded;
use crate::log::Verifier;
use crate::marker::{self, Found};

/// Keys and ids of one space on this device.
pub struct Space {
    /// The space.
    pub id: SpaceId,
    /// This device.
    pub device: DeviceId,
    /// Epoch and generation keys.
    pub keys: Arc<SpaceKeys>,
    /// Signing key of this device.
    pub sign_key: DeviceKey,
    /// Hedges this device's salts.
    pub hedge: Arc<HedgeKey>,
    /// Randomness for sealing.
    pub random: Arc<dyn SecureRandom>,
    /// The account's devices.
    pub members: Members,
    /// Key that verifies the server's receipts.
    pub receipt_key: VerifyKey,
    /// Rules of the space.
    pub policy: Policy,
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Space")
            .field("id", &self.id)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Space {
    /// The checks of this space's log.
    #[must_use]
    pub fn verifier(&self, now: UnixMillis) -> Verifier<'_> {
        Verifier {
            space: self.id,
            device: self.device,
            chain: &self.members.chain,
            keys: &self.keys,
            receipt_key: self.receipt_key,
            now,
        }
    }

    /// Header of this device's next entry, on top of all that it has verified.
    #[must_use]
    pub fn header(&self, state: &Loaded, dev_ctr: u64, kind: EntryKind, ops: Vec<Op>) -> Header {
        let own = state.chains.get(&self.device);
        Header {
            version: log::VERSION,
            space: self.id,
            epoch: self.keys.epoch(),
            generation: self.keys.generation(),
            account: self.members.chain.account,
            device: self.device,
            account_len: self.members.chain.len,
            account_hash: self.members.chain.head(),
            dev_ctr,
            dev_prev: own.map_or(Hash32::ZERO, |(_, hash)| *hash),
            seen: state.range.head(),
            kind,
            ops,
        }
    }

    /// Signs a change of the space's rules.
    #[must_use]
    pub fn control(&self, state: &Loaded, control: &Control) -> Commit {
        let payload = wire::to_cbor(control);
        let last = state.chains.get(&self.device).map_or(0, |(ctr, _)| *ctr);
        let ops = vec![Op::control(sha256(&[&payload]))];
        let header = log::encode_header(&self.header(state, last + 1, EntryKind::Control, ops));
        Commit {
            sig: self.sign_key.sign_entry(&header),
            header,
            payload,
            objects: Vec::new(),
        }
    }

    /// The marker that a folder of this space carries on this device.
    #[must_use]
    pub fn marker(&self) -> Vec<u8> {
        marker::write(self.id, self.device, &self.sign_key)
    }

    /// What the marker of a folder says.
    #[must_use]
    pub fn read_marker(&self, marker: Option<&[u8]>) -> Found {
        marker::read(marker, self.id, self.device, &self.sign_key)
    }

    /// Where salts for sealing come from.
    #[must_use]
    pub fn salts(&self) -> SaltSource<'_> {
        SaltSource {
            hedge: &self.hedge,
            random: self.random.as_ref(),
        }
    }

    /// Uniqueness tag of a place, when the policy asks for one.
    #[must_use]
    pub fn name_tag(&self, place: &Place) -> Option<NameTag> {
        let is_on = self.policy.name_tags;
        is_on.then(|| fst_crypto::ids::name_tag(&self.keys, place.parent, &place.name))
    }
}
