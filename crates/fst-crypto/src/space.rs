//! How a space begins and how a member gets its keys. FROZEN v1.
//!
//! `fst add` calls [`create_space`] once; every device calls [`open_space`] on the genesis payload it has
//! verified. Invariant: the wrapped secrets match the commitments that the owner signed, so no two members
//! can be given different keys and no wrap of another space passes.
//! Not here: further epochs and members, the log's checks (`fst-client`).
//! Source: docs/design/crypto-format.md §1.7, §3.3.

use fst_proto::account::KEM_X25519;
use fst_proto::control::{Control, IgnorePolicy, Policy, SpaceGenesis, Wrap};
use fst_proto::hash::sha256;
use fst_proto::ids::{AccountId, DeviceId, Hash32, KemKey, SpaceId};
use fst_proto::log::{self, EntryKind, Header, Op};
use fst_proto::merkle::Head;
use fst_proto::note::Note;
use fst_proto::wire::{self, Commit, CreateSpace};
use zeroize::Zeroizing;

use crate::account::AccountKeys;
use crate::device::DeviceSecrets;
use crate::envelope::{self, Kind, Payload, SaltSource, Scope};
use crate::error::{OpenError, SealError};
use crate::key::{EpochSecret, GenerationSecret, SpaceKeys, new_space_secrets};
use crate::random::{self, SecureRandom};
use crate::wrap::{self, Wrapped};

/// Number of a new space's first epoch and generation.
pub const FIRST: u32 = 1;

/// Who creates a space.
#[derive(Debug)]
pub struct Owner<'a> {
    /// Keys of the account.
    pub keys: &'a AccountKeys,
    /// Its device that signs.
    pub device: &'a DeviceSecrets,
    /// Length of the account chain as the device knows it.
    pub chain_len: u64,
    /// Hash of its last entry.
    pub chain_head: Hash32,
}

/// A new space and the request that announces it.
#[derive(Debug)]
pub struct NewSpace {
    /// Its id.
    pub space: SpaceId,
    /// Its keys.
    pub keys: SpaceKeys,
    /// Tag of its name, signed genesis entry and payload: to the server as it is.
    pub create: CreateSpace,
}

/// Creates a space with remote name `remote_name` (`/Documents`) and rules `policy`.
///
/// # Errors
/// [`SealError::TooLarge`] when the name is beyond all measure.
/// Source: docs/design/crypto-format.md §1.7.
pub fn create_space(
    random: &dyn SecureRandom,
    owner: &Owner<'_>,
    remote_name: &str,
    policy: Policy,
) -> Result<NewSpace, SealError> {
    let space = SpaceId(random::bytes(random));
    let (epoch, generation) = new_space_secrets(random);
    let keys = SpaceKeys::derive(space, FIRST, &epoch, FIRST, &generation);
    let hedge = owner.device.hedge_key();
    let salts = SaltSource {
        hedge: &hedge,
        random,
    };
    let genesis = SpaceGenesis {
        space,
        owner: owner.keys.account(),
        policy,
        commit_epoch: epoch.commitment(space, FIRST),
        commit_generation: generation.commitment(space, FIRST),
        wraps: vec![wrap_for(random, owner.keys, space, (&epoch, &generation))?],
        name_sealed: seal_space_name(&salts, &keys, remote_name)?,
    };
    let payload = wire::to_cbor(&Control::Genesis(genesis));
    let header = log::encode_header(&genesis_header(owner, space, sha256(&[&payload])));
    let sig = owner.device.sign_key().sign_entry(&header);
    let commit = Commit {
        header,
        sig,
        payload,
        objects: Vec::new(),
    };
    let create = CreateSpace {
        tag: owner.keys.space_tag(remote_name),
        commit,
    };
    Ok(NewSpace {
        space,
        keys,
        create,
    })
}

/// Unwraps the keys of a space for an account.
///
/// # Errors
/// [`OpenError::NotForUs`] when no wrap names the account, [`OpenError::Tampered`] when it does not open,
/// [`OpenError::WrongCommitment`] when it holds other secrets than the owner signed for.
/// Source: docs/design/crypto-format.md §1.7.
pub fn open_space(account: &AccountKeys, genesis: &SpaceGenesis) -> Result<SpaceKeys, OpenError> {
    let wrap = genesis
        .wraps
        .iter()
        .find(|wrap| wrap.account == account.account())
        .ok_or(OpenError::NotForUs)?;
    if wrap.kem_id != KEM_X25519 {
        return Err(OpenError::Malformed {
            what: "wrap has an unknown kem",
        });
    }
    let commitments = (genesis.commit_epoch, genesis.commit_generation);
    let public = account.kem().public();
    let info = wrap_info(genesis.space, wrap.account, &public);
    let secrets = account
        .kem()
        .open(&wrap.enc, &info, &wrap_aad(commitments), &wrap.sealed)?;
    let wrong_len = OpenError::Malformed {
        what: "wrapped secrets have the wrong length",
    };
    let (&epoch, rest) = secrets
        .expose_secret()
        .split_first_chunk()
        .ok_or(wrong_len)?;
    let generation: [u8; 32] = rest.try_into().map_err(|_| wrong_len)?;
    let epoch = EpochSecret::from_bytes(epoch);
    let generation = GenerationSecret::from_bytes(generation);
    let space = genesis.space;
    let found = (
        epoch.commitment(space, FIRST),
        generation.commitment(space, FIRST),
    );
    if found != commitments {
        return Err(OpenError::WrongCommitment);
    }
    Ok(SpaceKeys::derive(space, FIRST, &epoch, FIRST, &generation))
}

/// Opens a space's remote name.
///
/// # Errors
/// [`OpenError`] when it was not sealed for this space under these keys.
pub fn open_space_name(keys: &SpaceKeys, genesis: &SpaceGenesis) -> Result<String, OpenError> {
    open_text(
        keys,
        &name_ctx(keys.space()),
        &genesis.name_sealed,
        "space name is not text",
    )
}

/// Seals the text of a space's ignore policy.
///
/// # Errors
/// [`SealError`] when the system gives no randomness.
pub fn seal_ignore_policy(
    salts: &SaltSource<'_>,
    keys: &SpaceKeys,
    text: &str,
) -> Result<IgnorePolicy, SealError> {
    let ctx = ignore_ctx(keys.space());
    let sealed = seal_blob(salts, keys, &ctx, text.as_bytes())?;
    Ok(IgnorePolicy { sealed })
}

/// Opens the text of a space's ignore policy.
///
/// # Errors
/// [`OpenError`] when it was not sealed for this space under these keys.
pub fn open_ignore_policy(keys: &SpaceKeys, policy: &IgnorePolicy) -> Result<String, OpenError> {
    open_text(
        keys,
        &ignore_ctx(keys.space()),
        &policy.sealed,
        "ignore policy is not text",
    )
}

/// Seals a note of `device` to the others of the space.
///
/// # Errors
/// [`SealError`] when it is too large.
/// Source: docs/design/crypto-format.md §2.2.
pub fn seal_note(
    salts: &SaltSource<'_>,
    keys: &SpaceKeys,
    device: DeviceId,
    note: &Note,
) -> Result<Vec<u8>, SealError> {
    let ctx = note_ctx(keys.space(), device);
    seal_blob(salts, keys, &ctx, &wire::to_cbor(note))
}

/// Opens a note of `device`.
///
/// # Errors
/// [`OpenError`] when it was not sealed by a member of this space as one of that device, or is beyond the limits.
pub fn open_note(keys: &SpaceKeys, device: DeviceId, sealed: &[u8]) -> Result<Note, OpenError> {
    let ctx = note_ctx(keys.space(), device);
    let note = wire::from_cbor(&open_blob(keys, &ctx, sealed)?).ok();
    note.filter(Note::is_bounded).ok_or(OpenError::Malformed {
        what: "note is malformed",
    })
}

fn genesis_header(owner: &Owner<'_>, space: SpaceId, payload_hash: Hash32) -> Header {
    let op = Op::control(payload_hash);
    let device: DeviceId = owner.device.device;
    Header {
        version: log::VERSION,
        space,
        epoch: FIRST,
        generation: FIRST,
        account: owner.keys.account(),
        device,
        account_len: owner.chain_len,
        account_hash: owner.chain_head,
        dev_ctr: 1,
        dev_prev: Hash32::ZERO,
        seen: Head::empty(),
        kind: EntryKind::Control,
        ops: vec![op],
    }
}

fn wrap_for(
    random: &dyn SecureRandom,
    account: &AccountKeys,
    space: SpaceId,
    (epoch, generation): (&EpochSecret, &GenerationSecret),
) -> Result<Wrap, SealError> {
    let public = account.kem().public();
    let info = wrap_info(space, account.account(), &public);
    let commitments = (
        epoch.commitment(space, FIRST),
        generation.commitment(space, FIRST),
    );
    let secrets =
        Zeroizing::new([epoch.expose_secret().as_slice(), generation.expose_secret()].concat());
    let Wrapped { enc, sealed } =
        wrap::seal_to(random, &public, &info, &wrap_aad(commitments), &secrets)?;
    Ok(Wrap {
        account: account.account(),
        kem_id: KEM_X25519,
        enc,
        sealed,
    })
}

/// `"fst/v1/space-key" ‖ space ‖ u32be epoch ‖ u32be generation ‖ account ‖ SHA-256(public key)`.
fn wrap_info(space: SpaceId, account: AccountId, public: &KemKey) -> Vec<u8> {
    [
        b"fst/v1/space-key".as_slice(),
        space.as_bytes(),
        &FIRST.to_be_bytes(),
        &FIRST.to_be_bytes(),
        account.as_bytes(),
        sha256(&[public.as_bytes()]).as_bytes(),
    ]
    .concat()
}

/// `commit_E ‖ commit_G`.
fn wrap_aad((epoch, generation): (Hash32, Hash32)) -> Vec<u8> {
    [epoch.as_bytes(), generation.as_bytes()].concat()
}

fn seal_space_name(
    salts: &SaltSource<'_>,
    keys: &SpaceKeys,
    name: &str,
) -> Result<Vec<u8>, SealError> {
    seal_blob(salts, keys, &name_ctx(keys.space()), name.as_bytes())
}

fn seal_blob(
    salts: &SaltSource<'_>,
    keys: &SpaceKeys,
    ctx: &[u8],
    bytes: &[u8],
) -> Result<Vec<u8>, SealError> {
    let scope = Scope {
        kind: Kind::Blob,
        epoch: keys.epoch(),
        ctx,
    };
    envelope::seal(
        salts,
        keys.meta.expose_secret(),
        &scope,
        &Payload::raw(bytes),
    )
}

fn open_blob(keys: &SpaceKeys, ctx: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    Ok(envelope::open(keys.meta.expose_secret(), Kind::Blob, ctx, sealed)?.payload)
}

fn open_text(
    keys: &SpaceKeys,
    ctx: &[u8],
    sealed: &[u8],
    what: &'static str,
) -> Result<String, OpenError> {
    let bytes = open_blob(keys, ctx, sealed)?;
    String::from_utf8(bytes).map_err(|_| OpenError::Malformed { what })
}

/// `space ‖ "name"`.
fn name_ctx(space: SpaceId) -> Vec<u8> {
    [space.as_bytes(), b"name"].concat()
}

/// `space ‖ "ignore"`.
fn ignore_ctx(space: SpaceId) -> Vec<u8> {
    [space.as_bytes(), b"ignore"].concat()
}

/// `space ‖ "note" ‖ device`.
fn note_ctx(space: SpaceId, device: DeviceId) -> Vec<u8> {
    [space.as_bytes(), &b"note"[..], device.as_bytes()].concat()
}
