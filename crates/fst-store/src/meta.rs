//! Metadata: accounts, devices, spaces, the ordered log, who references which object.
//!
//! `fst-server` checks signatures and access, then calls one method per request. Invariant: a method is one
//! transaction, durable when it returns, and all or nothing; every method may be called again with the same
//! arguments and then gives the same answer. After [`crate::error::StoreError::Backend`] it is unknown whether
//! the change happened. Not here: signatures, clocks (time is an argument), bytes of objects ([`crate::blob`]).
//! Source: docs/design/crypto-format.md §3.1–3.4.

use fst_proto::account::AccountEntry;
use fst_proto::ids::{AccountId, DeviceId, Hash32, NameTag, ObjectId, Signature, SlotId, SpaceId};
use fst_proto::log::{Header, OrderClass};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;
use fst_proto::wire::SpaceInfo;

use crate::blob::BlobKey;
use crate::error::StoreResult;

mod access;
pub mod audit;
mod lead;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
mod quota;
pub mod sqlite;

pub use access::Subject;
pub use audit::{Actor, AuditEvent, AuditKind, AuditRecord};
pub use lead::{Held, Lead};
pub use quota::{Bounds, Counted, Quota, Usage};
pub(crate) use quota::{needed_by_commit, needed_by_pack};

/// Payloads up to this size stay with the metadata; larger ones go to a pack, so that the write-ahead log
/// of the database stays small.
pub const PAYLOAD_INLINE_MAX: usize = 64 << 10;

/// How long an uploaded object is kept although nothing references it, milliseconds: three days.
pub const LEASE_MS: u64 = 72 * 60 * 60 * 1000;

/// Kind of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// Opened by the 24 words, again and again.
    Recovery,
    /// Opened once by the holder of an invitation, until its end.
    Invite {
        /// When it ends.
        ends: UnixMillis,
    },
}

/// A sealed bundle in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its id.
    pub slot: SlotId,
    /// Kind.
    pub kind: SlotKind,
    /// Sealed bundle.
    pub sealed: Vec<u8>,
}

/// A slot as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSlot {
    /// Account it belongs to.
    pub account: AccountId,
    /// The slot.
    pub slot: Slot,
    /// Whether a device has joined by it.
    pub is_used: bool,
}

/// A new account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAccountTx {
    /// Hash of the set-up code, which is used up.
    pub setup_code: Hash32,
    /// Time now.
    pub now: UnixMillis,
    /// The account that `genesis` certifies.
    pub account: AccountId,
    /// Its first device.
    pub device: DeviceId,
    /// First entry of its chain.
    pub genesis: AccountEntry,
    /// Its recovery slot.
    pub recovery: Slot,
}

/// One more entry of an account's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendAccountTx {
    /// The account.
    pub account: AccountId,
    /// Length that the chain has before.
    pub expected_len: u64,
    /// The entry.
    pub entry: AccountEntry,
    /// Device that it adds.
    pub adds: Option<DeviceId>,
    /// Device that it revokes.
    pub revokes: Option<DeviceId>,
    /// Device that sends it; none when one joins.
    pub by: Option<DeviceId>,
    /// Slot that it opens.
    pub opens: Option<Slot>,
    /// Slot by which a device joins; an invitation is used up.
    pub joins_by: Option<SlotId>,
    /// Time now.
    pub now: UnixMillis,
}

/// Where a payload lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// With the metadata.
    Inline(Vec<u8>),
    /// In a blob that is durable already.
    Pack {
        /// The blob.
        key: BlobKey,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
}

/// One object of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackItem {
    /// Its id.
    pub id: ObjectId,
    /// First byte of the envelope.
    pub offset: u64,
    /// Length of the envelope.
    pub len: u64,
}

/// A blob full of objects, durable already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackTx {
    /// Space of the objects.
    pub space: SpaceId,
    /// The blob.
    pub key: BlobKey,
    /// Its length.
    pub bytes: u64,
    /// Who sent it.
    pub uploader: DeviceId,
    /// Time now.
    pub now: UnixMillis,
    /// Its objects.
    pub items: Vec<PackItem>,
    /// What the server allows; of a pack that comes with an entry, that of the entry counts.
    pub bounds: Bounds,
}

/// One entry to commit; its signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitTx {
    /// Decoded header; `header_bytes` decode to it.
    pub header: Header,
    /// Canonical header bytes as signed.
    pub header_bytes: Vec<u8>,
    /// Author's signature.
    pub sig: Signature,
    /// Payload.
    pub payload: Payload,
    /// Objects that came with it, registered in the same transaction.
    pub pack: Option<PackTx>,
    /// What the server allows.
    pub bounds: Bounds,
    /// Time now.
    pub now: UnixMillis,
}

/// A new space, which begins with its first commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSpaceTx {
    /// Owner.
    pub account: AccountId,
    /// Tag of its name, unique in the account.
    pub tag: NameTag,
    /// Genesis entry.
    pub commit: CommitTx,
}

/// A committed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Head including the entry; its position is `head.size - 1`.
    pub head: Head,
    /// Server time of the entry.
    pub time: UnixMillis,
    /// Whether this call committed it, or an earlier one.
    pub outcome: Outcome,
}

/// Whether a call changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// This call did it.
    New,
    /// An earlier call had done it.
    Repeated,
}

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Canonical header bytes.
    pub header: Vec<u8>,
    /// Author's signature.
    pub sig: Signature,
    /// Server time.
    pub time: UnixMillis,
    /// Payload.
    pub payload: Payload,
    /// Number of files whose contents it carries.
    pub n_files: u64,
}

/// Bounds of a page of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// Most entries.
    pub entries: usize,
    /// Bytes of headers and payloads at which the page is closed; one entry is always given.
    pub bytes: usize,
}

/// A page of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest head.
    pub head: Head,
    /// Server time of its last entry.
    pub time: UnixMillis,
    /// Entries from the asked position on, in order.
    pub entries: Vec<StoredEntry>,
}

/// Objects that no kept revision references, by a plan made from the whole log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetTx {
    /// The space.
    pub space: SpaceId,
    /// Length of the log that the plan was made from.
    pub size: u64,
    /// The objects.
    pub ids: Vec<ObjectId>,
    /// Time now.
    pub now: UnixMillis,
}

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// The object.
    pub id: ObjectId,
    /// The pack.
    pub pack: BlobKey,
    /// First byte of its envelope.
    pub offset: u64,
    /// Length of its envelope.
    pub len: u64,
}

/// Totals for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Accounts.
    pub accounts: u64,
    /// Devices, revoked ones too.
    pub devices: u64,
    /// Spaces.
    pub spaces: u64,
    /// Entries of all logs.
    pub entries: u64,
    /// Bytes of packs, headers and payloads.
    pub bytes: u64,
}

/// Stores metadata in transactions.
#[async_trait::async_trait]
pub trait MetaStore: Send + Sync + std::fmt::Debug {
    /// Returns the secret of this name, after storing `fresh` when there is none.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn get_or_create_secret(&self, name: &str, fresh: [u8; 32]) -> StoreResult<[u8; 32]>;

    /// Opens a set-up code by its hash; earlier unused ones end.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn create_setup_code(
        &self,
        code: Hash32,
        ends: UnixMillis,
        now: UnixMillis,
    ) -> StoreResult<()>;

    /// Tells whether a set-up code could be used now.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn is_setup_code_open(&self, code: Hash32, now: UnixMillis) -> StoreResult<bool>;

    /// Creates an account: uses up the code, stores genesis, device and recovery slot.
    ///
    /// An account that exists with the same genesis is [`Outcome::Repeated`], whatever the code.
    /// # Errors
    /// [`crate::error::Refused::SetupCode`]; `Conflict::Exists` when the device or slot id is taken.
    async fn create_account(&self, tx: CreateAccountTx) -> StoreResult<Outcome>;

    /// Entries of an account's chain from `since` on; empty when there is no such account.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn account_entries(
        &self,
        account: AccountId,
        since: u64,
    ) -> StoreResult<Vec<AccountEntry>>;

    /// Length of an account's chain; 0 when there is no such account.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn account_len(&self, account: AccountId) -> StoreResult<u64>;

    /// Appends to an account's chain, opens or uses up a slot, registers a device.
    ///
    /// The same entry at the same position again is [`Outcome::Repeated`].
    /// # Errors
    /// [`crate::error::Refused::NoAccount`], [`crate::error::Refused::Slot`] when `joins_by` is unknown, of
    /// another account, used or ended; `Conflict::Exists` when the chain has another length, or a device or
    /// slot id is taken.
    async fn append_account(&self, tx: AppendAccountTx) -> StoreResult<Outcome>;

    /// Reads a slot, used or not.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn slot(&self, slot: SlotId) -> StoreResult<Option<StoredSlot>>;

    /// The account of a device, revoked or not.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn device_account(&self, device: DeviceId) -> StoreResult<Option<AccountId>>;

    /// Accounts in the order of their ids, those after `after`, at most `n_max`.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn accounts(&self, after: Option<AccountId>, n_max: usize)
    -> StoreResult<Vec<AccountId>>;

    /// Bars an account or device; nothing of it is deleted. Who is barred already stays so since then.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn bar(&self, subject: Subject, since: UnixMillis) -> StoreResult<Outcome>;

    /// Ends that; [`Outcome::Repeated`] when it was not barred.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn unbar(&self, subject: Subject, now: UnixMillis) -> StoreResult<Outcome>;

    /// Since when it is barred, if it is.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn barred_since(&self, subject: Subject) -> StoreResult<Option<UnixMillis>>;

    /// Gives an account a quota of its own, or takes it away.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn set_quota(
        &self,
        account: AccountId,
        quota: Option<Quota>,
        now: UnixMillis,
    ) -> StoreResult<Outcome>;

    /// The quota that an account has of its own.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn quota(&self, account: AccountId) -> StoreResult<Option<Quota>>;

    /// What an account keeps.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn usage(&self, account: AccountId) -> StoreResult<Usage>;

    /// Creates a space with its first entry.
    ///
    /// # Errors
    /// `Conflict::Exists` when the space or the tag is taken, and what [`MetaStore::commit`] says.
    async fn create_space(&self, tx: CreateSpaceTx) -> StoreResult<Committed>;

    /// Spaces of an account, in the order in which they were made.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn spaces(&self, account: AccountId) -> StoreResult<Vec<SpaceInfo>>;

    /// Owner of a space.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn space_owner(&self, space: SpaceId) -> StoreResult<Option<AccountId>>;

    /// Commits one entry, all or nothing, by the rules of [`crate::rules`].
    ///
    /// An entry with the same header and signature again is [`Outcome::Repeated`] with its first position
    /// and time.
    /// # Errors
    /// [`crate::error::Refused::NoSpace`], [`crate::error::Refused::Conflict`], [`crate::error::Refused::Quota`].
    async fn commit(&self, tx: CommitTx) -> StoreResult<Committed>;

    /// Entries of a space from position `since` on.
    ///
    /// # Errors
    /// [`crate::error::Refused::NoSpace`].
    async fn changes(&self, space: SpaceId, since: u64, limit: PageLimit) -> StoreResult<Page>;

    /// The head that a log had at a size, and the server time of its last entry; `None` when it has not
    /// been that long.
    ///
    /// # Errors
    /// [`crate::error::Refused::NoSpace`].
    async fn head_at(&self, space: SpaceId, size: u64) -> StoreResult<Option<(Head, UnixMillis)>>;

    /// Those of `ids` that are not stored, in the order given.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn missing_objects(
        &self,
        space: SpaceId,
        ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<ObjectId>>;

    /// Places of those of `ids` that are stored, in the order given.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn locate_objects(&self, space: SpaceId, ids: Vec<ObjectId>)
    -> StoreResult<Vec<Located>>;

    /// Registers a pack and returns those of its objects that were new; objects that are stored already stay
    /// where they are. When none was new the pack is not registered and its blob may be deleted.
    ///
    /// # Errors
    /// [`crate::error::Refused::NoSpace`], [`crate::error::Refused::Quota`].
    async fn register_pack(&self, pack: PackTx) -> StoreResult<Vec<ObjectId>>;

    /// All spaces, in the order in which they were made.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn all_spaces(&self) -> StoreResult<Vec<SpaceId>>;

    /// Forgets objects, and packs that have none left; returns the packs, whose blobs may be deleted now.
    ///
    /// Objects of packs whose lease still runs stay. A pack that also holds a payload is kept. `None`, with nothing
    /// changed, when the log has another length than the plan was made from: an entry that came since may reference
    /// what the plan gives up.
    /// # Errors
    /// [`crate::error::Refused::NoSpace`].
    async fn forget_objects(&self, tx: ForgetTx) -> StoreResult<Option<Vec<BlobKey>>>;

    /// Becomes the only one of all workers on this database that has `role`, until the [`Lead`] is dropped or its
    /// [`Lead::is_held`] turns false; `None` when another one has it.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn lead(&self, role: &str) -> StoreResult<Option<Lead>>;

    /// Appends a record of something that no other method does; what they do they record themselves, all or nothing.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn tell_audit(&self, event: AuditEvent) -> StoreResult<()>;

    /// Records with numbers above `after`, in order, at most `n_max`.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn audit_records(&self, after: u64, n_max: usize) -> StoreResult<Vec<AuditRecord>>;

    /// Totals for metrics.
    ///
    /// # Errors
    /// Failures of the backend.
    async fn totals(&self) -> StoreResult<Totals>;
}

impl Outcome {
    /// What a statement did that changed `n` rows.
    fn of(n: usize) -> Self {
        if n == 0 { Self::Repeated } else { Self::New }
    }
}

impl Payload {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Pack { len, .. } => *len,
        }
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl StoredSlot {
    /// True when a device may join by it now.
    #[must_use]
    pub fn is_open(&self, now: UnixMillis) -> bool {
        match self.slot.kind {
            SlotKind::Recovery => true,
            SlotKind::Invite { ends } => !self.is_used && now < ends,
        }
    }
}

impl CommitTx {
    /// Order class of the entry.
    #[must_use]
    pub fn class(&self) -> OrderClass {
        self.header.order_class()
    }

    /// Hash of the entry.
    #[must_use]
    pub fn entry_hash(&self) -> Hash32 {
        fst_proto::log::entry_hash(&self.header_bytes, &self.sig)
    }

    /// Bytes that the entry adds to what is stored: header, payload and the pack it came with.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        let pack = self.pack.as_ref();
        let is_in_pack = matches!(&self.payload, Payload::Pack { key, .. }
            if pack.is_some_and(|pack| pack.key == *key));
        let payload = if is_in_pack { 0 } else { self.payload.len() };
        self.header_bytes.len() as u64 + payload + pack.map_or(0, |pack| pack.bytes)
    }

    /// Number of operations that bring file contents.
    #[must_use]
    pub fn n_files(&self) -> u64 {
        let brings = |op: &&fst_proto::log::Op| op.flags.has(fst_proto::log::Flags::CONTENT);
        self.header.ops.iter().filter(brings).count() as u64
    }
}
