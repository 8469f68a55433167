//! The account: one seed shared by its devices, and the entry it begins with. FROZEN v1.
//!
//! `fst init` creates it; every enrolled device gets the seed and derives [`AccountKeys`]. Invariant: the
//! seed never leaves sealed or wrapped form except on an enrolled device; the account id is the hash of the
//! genesis header, so no one can swap keys under it.
//! Not here: enrolling further devices ([`crate::enrol`]), replaying the chain (`fst-proto::account`).
//! Source: docs/design/crypto-format.md §1.2, §1.4.

use fst_proto::account::{
    self, AccountEntry, AccountHeader, Body, Chain, DeviceState, KEM_X25519, Signer,
};
use fst_proto::ids::{AccountId, DeviceId, Hash32, NameTag, VerifyKey};
use fst_proto::wire::{self, SealedSlot};

use crate::bundle::{self, Bundle};
use crate::device::DeviceSecrets;
use crate::envelope::{self, Kind, Payload, SaltSource, Scope};
use crate::error::{OpenError, SealError};
use crate::ids;
use crate::kdf::kdf;
use crate::random::{self, SecureRandom};
use crate::secret::{SecretText, secrets};
use crate::sign::DeviceKey;
use crate::slot::EnrolSecret;
use crate::wrap::KemPair;

/// Generation of the account seed; it rises when a device is revoked.
pub const SEED_GENERATION: u32 = 1;

secrets! {
    /// Secret that all full devices of an account share.
    AccountSeed;
    /// Seals the account's private blobs.
    BoxKey;
    /// Makes tags of space names.
    SpaceTagKey;
}

/// Keys derived from the account seed.
#[derive(Debug)]
pub struct AccountKeys {
    account: AccountId,
    kem: KemPair,
    private_box: BoxKey,
    space_tag: SpaceTagKey,
}

/// A new account with everything that its first device must keep, show or send.
#[derive(Debug)]
pub struct NewAccount {
    /// Its id.
    pub account: AccountId,
    /// First entry of its chain: to the server.
    pub genesis: AccountEntry,
    /// Secrets of the first device: to the keystore.
    pub device: DeviceSecrets,
    /// Shared seed: to the keystore.
    pub seed: AccountSeed,
    /// The 24 words: shown once.
    pub words: SecretText,
    /// What the words open: to the server.
    pub recovery: SealedSlot,
}

/// Creates an account whose first device is called `device_name`; `receipt_key` is the server's, pinned in
/// the recovery bundle.
///
/// # Errors
/// [`SealError::TooLarge`] when the name is beyond all measure.
/// Source: docs/design/crypto-format.md §1.4.
pub fn create_account(
    random: &dyn SecureRandom,
    device_name: &str,
    receipt_key: VerifyKey,
) -> Result<NewAccount, SealError> {
    let device = DeviceSecrets::generate(random);
    let seed = AccountSeed::from_bytes(random::bytes(random));
    let recovery = EnrolSecret::new_recovery(random);
    let hedge = device.hedge_key();
    let salts = SaltSource {
        hedge: &hedge,
        random,
    };
    let name_sealed = seal_device_name(&salts, &seed, AccountId::ZERO, device.device, device_name)?;
    let body = Body::Genesis {
        device: device.record(name_sealed),
        recovery_key: recovery.sign_key().public(),
        kem_id: KEM_X25519,
        kem_key: kem_pair(&seed).public(),
    };
    let header = AccountHeader {
        version: 1,
        account: AccountId::ZERO,
        index: 0,
        prev: Hash32::ZERO,
        signer: Signer::Device(device.device),
        body,
    };
    let genesis = sign_header(&header, &device.sign_key());
    let bundle = Bundle {
        seed,
        chain_len: 1,
        chain_head: account::entry_hash(&genesis),
        heads: Vec::new(),
        receipt_key,
    };
    let sealed = bundle::seal_bundle(&salts, &recovery, &bundle)?;
    Ok(NewAccount {
        account: account::account_id(&genesis.header),
        genesis,
        device,
        seed: bundle.seed,
        words: recovery.to_text(),
        recovery: sealed,
    })
}

/// Signs the next entry of `chain`.
#[must_use]
pub fn sign_entry(chain: &Chain, signer: Signer, key: &DeviceKey, body: Body) -> AccountEntry {
    let header = AccountHeader {
        version: 1,
        account: chain.account,
        index: chain.len,
        prev: chain.head(),
        signer,
        body,
    };
    sign_header(&header, key)
}

/// Entry by which `by` revokes `device`.
#[must_use]
pub fn make_revoke_entry(chain: &Chain, by: &DeviceSecrets, device: DeviceId) -> AccountEntry {
    sign_entry(
        chain,
        Signer::Device(by.device),
        &by.sign_key(),
        Body::DeviceRevoke(device),
    )
}

impl AccountKeys {
    /// Derives the keys of `account` from its seed.
    #[must_use]
    pub fn derive(account: AccountId, seed: &AccountSeed) -> Self {
        let secret = seed.expose_secret();
        Self {
            account,
            kem: kem_pair(seed),
            private_box: box_key(seed),
            space_tag: SpaceTagKey::from_bytes(kdf(secret, "acct/space-tag", account.as_bytes())),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Key pair that space secrets are wrapped to.
    #[must_use]
    pub fn kem(&self) -> &KemPair {
        &self.kem
    }

    /// Tag that keeps a space's remote name unique in the account:
    /// `HMAC-SHA-256(K_space_tag, canon(name))[0..16]`.
    #[must_use]
    pub fn space_tag(&self, remote_name: &str) -> NameTag {
        let name = ids::canon(remote_name.as_bytes());
        NameTag(ids::hmac16(self.space_tag.expose_secret(), &[&name]))
    }

    /// Name of a device as it was sealed when it joined.
    ///
    /// # Errors
    /// [`OpenError`] when it was not sealed for this device of this account.
    pub fn open_device_name(&self, device: &DeviceState) -> Result<String, OpenError> {
        // The genesis entry makes the account's id, so the id inside its context is still zero.
        let is_first = device.added_at == 0;
        let account = if is_first {
            AccountId::ZERO
        } else {
            self.account
        };
        let ctx = device_name_ctx(account, device.record.device);
        let key = self.private_box.expose_secret();
        let opened = envelope::open(key, Kind::Blob, &ctx, &device.record.name_sealed)?;
        String::from_utf8(opened.payload).map_err(|_| OpenError::Malformed {
            what: "device name is not text",
        })
    }
}

/// Seals a device's name for the account's devices; `account` is as in the header of the entry that adds it.
pub(crate) fn seal_device_name(
    salts: &SaltSource<'_>,
    seed: &AccountSeed,
    account: AccountId,
    device: DeviceId,
    name: &str,
) -> Result<Vec<u8>, SealError> {
    let ctx = device_name_ctx(account, device);
    let scope = Scope {
        kind: Kind::Blob,
        epoch: SEED_GENERATION,
        ctx: &ctx,
    };
    let payload = Payload::raw(name.as_bytes());
    envelope::seal(salts, box_key(seed).expose_secret(), &scope, &payload)
}

fn sign_header(header: &AccountHeader, key: &DeviceKey) -> AccountEntry {
    let header = wire::to_cbor(header);
    let sig = key.sign_account(&header);
    AccountEntry { header, sig }
}

fn kem_pair(seed: &AccountSeed) -> KemPair {
    let ikm = zeroize::Zeroizing::new(of_seed(seed, "acct/kem"));
    KemPair::derive(&ikm)
}

fn box_key(seed: &AccountSeed) -> BoxKey {
    BoxKey::from_bytes(of_seed(seed, "acct/box"))
}

/// Keys that genesis needs before the account has an id: their context is the generation alone.
fn of_seed(seed: &AccountSeed, label: &str) -> [u8; 32] {
    kdf(seed.expose_secret(), label, &SEED_GENERATION.to_be_bytes())
}

/// `account ‖ "device-name" ‖ device`.
fn device_name_ctx(account: AccountId, device: DeviceId) -> Vec<u8> {
    [account.as_bytes(), b"device-name", device.as_bytes()].concat()
}
