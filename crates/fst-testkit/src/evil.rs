//! A server that lies: the honest one behind it, one configured lie in front.
//!
//! Tests put an [`EvilRemote`] into a device's line ([`crate::world::Device::wrap_remote`]), sync in peace, then
//! [`EvilRemote::arm`] it. It holds the server's real signing key and signs whatever it shows, so that a lie about
//! the log is caught by the rule it breaks and not by a stale signature. Invariant: without an attack every answer
//! is the honest one; the honest server behind it is never changed by a lie.
//! Not here: how a log, a frame or a genesis is bent (`bend`, `frames`, `forge`), verdicts (`tests/it/evil.rs`).
//! Source: docs/design/crypto-format.md §4.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fst_client::remote::{Remote, RemoteError};
use fst_crypto::sign::DeviceKey;
use fst_proto::account::AccountEntry;
use fst_proto::ids::{Hash32, ObjectId, Signature, SlotId, SpaceId, VerifyKey};
use fst_proto::log;
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::wire::{self, Entry, Receipt};

mod bend;
pub mod forge;
mod frames;

/// What the server lies about. One at a time.
#[derive(Debug, Clone)]
pub enum Attack {
    /// Entries of the log, under freshly signed receipts.
    Log(LogAttack),
    /// Receipts and pages.
    Receipt(ReceiptAttack),
    /// Frames of objects.
    Object(ObjectAttack),
    /// What a joining device is shown.
    Join(JoinAttack),
    /// The account's chain.
    Account(AccountAttack),
    /// The first page of the log is asked for once with this entry in front, then answered honestly.
    ForgedGenesis(Box<Entry>),
    /// This client sees and extends a log of its own from now on.
    ForkTwoClients,
    /// Answers to changes and objects are no message at all.
    GarbageCbor,
}

/// Lies about entries. "Fresh" ones are those that came after the attack was armed.
#[derive(Debug, Clone)]
pub enum LogAttack {
    /// One bit of the last fresh header differs, in a field that no other rule binds.
    FlipEntryByte,
    /// The last fresh entry is signed by somebody else.
    ForgeSignature,
    /// The second fresh entry is left out.
    DropMiddleEntry,
    /// The last entries are left out, whether seen or not.
    DropLastEntries(usize),
    /// Two fresh entries, by their places among the fresh, change places.
    ReorderTwoEntries(usize, usize),
    /// The last seen entry comes once more at the end.
    ReplayOldEntryAsNew,
    /// The first two fresh entries have each other's payload.
    SwapPayloads,
    /// The first fresh entry has no payload.
    WithholdPayload,
    /// The last byte of the first fresh payload differs.
    FlipPayloadByte,
    /// The first fresh header is not CBOR.
    GarbageHeader,
    /// The first fresh payload is not a batch.
    GarbagePayload,
    /// The first fresh entry is older than the last seen one.
    BackwardsServerTime,
    /// The last fresh entry lies an hour ahead of every clock.
    FutureServerTime,
    /// The last entry is a moment younger.
    LaterServerTime,
    /// The server writes an entry itself, as a device that nobody knows.
    EntryOfUnknownDevice,
    /// These entries, signed and sealed by somebody with real keys, are added at the end.
    Append(Vec<Entry>),
    /// A member in league with the server signs the last fresh entry anew with another header.
    Rewrite(Rewrite, Insider),
}

/// What a member in league changes in a header.
#[derive(Debug, Clone, Copy)]
pub enum Rewrite {
    /// The epoch is the one before.
    EpochDowngrade,
    /// It is a control entry that repeats the genesis.
    ControlEntryInjected,
    /// It belongs to another space.
    OtherSpace,
    /// It saw more than there is.
    SawTheFuture,
}

/// The signing key of a member in league with the server.
#[derive(Debug, Clone)]
pub struct Insider(pub Arc<DeviceKey>);

/// Lies about receipts and pages.
#[derive(Debug, Clone, Copy)]
pub enum ReceiptAttack {
    /// Receipts are signed by another key.
    WrongSignature,
    /// Receipts are signed for another space.
    OtherSpace,
    /// The head grew, but no entry comes.
    EmptyPage,
    /// The head grows with every answer, and no entry comes.
    EndlessPages,
    /// A commit is acknowledged with a head that is not the log's.
    ForgedAcknowledgement,
    /// Commits are acknowledged, behind one entry of somebody else, and forgotten.
    ForgottenAcknowledgement,
}

/// Lies about objects. The largest ones of a frame are hit, small ones are left alone.
#[derive(Debug, Clone)]
pub enum ObjectAttack {
    /// The two largest change places.
    SwapTwoObjects,
    /// The largest one lacks its last byte.
    TruncateObject,
    /// The frame ends inside its last object.
    TruncateFrame,
    /// The largest one is this envelope of another space or kind.
    Replace(Vec<u8>),
    /// Objects come that nobody asked for, and one comes twice.
    UnknownObjectInjected,
    /// The largest one is not there.
    MissingObject,
    /// The frame says that an object is larger than any may be.
    OversizedFrame,
    /// The frame has more objects than can be asked for.
    CrowdedFrame,
}

/// Lies to a device that joins.
#[derive(Debug, Clone)]
pub enum JoinAttack {
    /// Bundle and chain are those of another account.
    OtherAccount(wire::SlotReply),
    /// The bundle is that of another account, the chain is right.
    OtherBundle(Vec<u8>),
    /// The last entries of the chain are left out.
    ShortenedChain(usize),
    /// The server names another receipt key.
    SwappedReceiptKey(VerifyKey),
}

/// Lies about the account's chain.
#[derive(Debug, Clone)]
pub enum AccountAttack {
    /// There is nothing new.
    Withheld,
    /// These entries come instead.
    Instead(Vec<AccountEntry>),
}

/// The server's signing key, in the hands of the adversary.
#[derive(Debug, Clone)]
pub struct ServerKey {
    key: Arc<DeviceKey>,
}

impl ServerKey {
    /// The key of a server that was made with this seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self {
            key: Arc::new(DeviceKey::from_seed(seed)),
        }
    }

    /// Public half.
    #[must_use]
    pub fn public(&self) -> VerifyKey {
        self.key.public()
    }

    /// Signs a head.
    #[must_use]
    pub fn receipt(&self, space: SpaceId, head: Head, time_ms: u64) -> Receipt {
        let sig = self.key.sign(&log::receipt_message(space, &head, time_ms));
        Receipt { head, time_ms, sig }
    }

    fn sign_entry(&self, header: &[u8]) -> Signature {
        self.key.sign_entry(header)
    }
}

/// Head of a log.
#[must_use]
pub fn head_of(entries: &[Entry]) -> Head {
    let mut range = CompactRange::new();
    for entry in entries {
        let hash = log::entry_hash(&entry.header, &entry.sig);
        range.append(&log::leaf(&hash, entry.time_ms));
    }
    range.head()
}

/// The whole log as `remote` shows it.
///
/// # Errors
/// [`RemoteError`].
pub fn whole_log(remote: &dyn Remote, space: SpaceId) -> Result<Vec<Entry>, RemoteError> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = remote.changes(space, entries.len() as u64)?;
        let is_last = page.entries.is_empty();
        entries.extend(page.entries);
        if is_last || entries.len() as u64 >= page.receipt.head.size {
            return Ok(entries);
        }
    }
}

#[derive(Debug, Default)]
struct State {
    attack: Option<Attack>,
    /// Entries that were shown honestly: what comes after them is fresh.
    n_seen: usize,
    /// The log of a client that was forked off.
    branch: Option<Vec<Entry>>,
}

/// A line to an adversary. Clones of the [`Arc`] are its remote control.
#[derive(Debug)]
pub struct EvilRemote {
    inner: Arc<dyn Remote>,
    key: ServerKey,
    state: Mutex<State>,
    n_requests: AtomicU64,
    n_lies: AtomicU64,
    n_object_bytes: AtomicU64,
}

impl EvilRemote {
    /// An adversary that is honest until it is armed.
    #[must_use]
    pub fn new(inner: Arc<dyn Remote>, key: ServerKey) -> Arc<Self> {
        Arc::new(Self {
            inner,
            key,
            state: Mutex::default(),
            n_requests: AtomicU64::new(0),
            n_lies: AtomicU64::new(0),
            n_object_bytes: AtomicU64::new(0),
        })
    }

    /// Lies from now on. A client that was forked off before gets its own log again.
    pub fn arm(&self, attack: Attack) {
        self.change(|state| state.attack = Some(attack));
    }

    /// Is honest from now on.
    pub fn lift(&self) {
        self.change(|state| state.attack = None);
    }

    /// The log of the client that was forked off.
    #[must_use]
    pub fn branch(&self) -> Vec<Entry> {
        self.change(|state| state.branch.clone().unwrap_or_default())
    }

    /// Requests so far.
    #[must_use]
    pub fn n_requests(&self) -> u64 {
        self.n_requests.load(Ordering::Relaxed)
    }

    /// Answers so far that were not the honest ones.
    #[must_use]
    pub fn n_lies(&self) -> u64 {
        self.n_lies.load(Ordering::Relaxed)
    }

    /// Bytes of objects that went either way so far.
    #[must_use]
    pub fn n_object_bytes(&self) -> u64 {
        self.n_object_bytes.load(Ordering::Relaxed)
    }

    fn weigh(&self, objects: &[u8]) {
        self.n_object_bytes
            .fetch_add(objects.len() as u64, Ordering::Relaxed);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a request and says how to answer it.
    fn plan(&self) -> (Option<Attack>, usize) {
        self.n_requests.fetch_add(1, Ordering::Relaxed);
        self.change(|state| (state.attack.clone(), state.n_seen))
    }

    /// Counts an answer that is not the honest one.
    fn lie<T>(&self, answer: T) -> T {
        self.n_lies.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn garbage<T>(&self, what: &'static str) -> Result<T, RemoteError> {
        self.n_lies.fetch_add(1, Ordering::Relaxed);
        Err(RemoteError::Malformed { what })
    }

    /// A page of a log that the adversary made up, under a receipt of the server.
    fn page(&self, space: SpaceId, entries: &[Entry], since: u64) -> wire::Changes {
        let from = usize::try_from(since)
            .unwrap_or(usize::MAX)
            .min(entries.len());
        let time = entries.last().map_or(0, |entry| entry.time_ms);
        let receipt = self.key.receipt(space, head_of(entries), time);
        wire::Changes {
            receipt,
            entries: entries[from..].to_vec(),
        }
    }

    /// The honest answer; what it shows counts as seen.
    fn honest_changes(&self, space: SpaceId, since: u64) -> Result<wire::Changes, RemoteError> {
        let page = self.inner.changes(space, since)?;
        let n = usize::try_from(since)
            .unwrap_or(usize::MAX)
            .saturating_add(page.entries.len());
        self.change(|state| {
            if state.attack.is_none() {
                state.n_seen = state.n_seen.max(n);
            }
        });
        Ok(page)
    }

    /// The log of the forked client; it begins as the honest one.
    fn forked(&self, space: SpaceId) -> Result<Vec<Entry>, RemoteError> {
        if let Some(branch) = self.change(|state| state.branch.clone()) {
            return Ok(branch);
        }
        let genuine = whole_log(self.inner.as_ref(), space)?;
        let n_seen = self.change(|state| state.n_seen).min(genuine.len());
        let branch = genuine[..n_seen].to_vec();
        self.change(|state| state.branch = Some(branch.clone()));
        Ok(branch)
    }

    /// Adds a commit to the forked log without asking anybody.
    fn commit_to_branch(
        &self,
        space: SpaceId,
        commit: &wire::Commit,
    ) -> Result<Receipt, RemoteError> {
        let mut branch = self.forked(space)?;
        if !commit.objects.is_empty() {
            self.inner.upload(space, commit.objects.clone())?;
        }
        let time_ms = branch.last().map_or(0, |entry| entry.time_ms) + 1;
        branch.push(Entry {
            header: commit.header.clone(),
            sig: commit.sig,
            time_ms,
            payload: Some(commit.payload.clone()),
        });
        let receipt = self.key.receipt(space, head_of(&branch), time_ms);
        self.change(|state| state.branch = Some(branch));
        Ok(self.lie(receipt))
    }

    fn bend_page(
        &self,
        space: SpaceId,
        attack: ReceiptAttack,
        mut page: wire::Changes,
    ) -> wire::Changes {
        let head = page.receipt.head;
        match attack {
            ReceiptAttack::WrongSignature | ReceiptAttack::OtherSpace => {
                page.receipt = self.bend_receipt(space, attack, page.receipt);
            },
            ReceiptAttack::EmptyPage => page.entries.clear(),
            ReceiptAttack::EndlessPages => {
                page.entries.clear();
                let n = self.n_requests();
                let head = Head {
                    size: head.size + n,
                    root: Hash32([7; 32]),
                };
                page.receipt = self.key.receipt(space, head, page.receipt.time_ms);
            },
            ReceiptAttack::ForgedAcknowledgement | ReceiptAttack::ForgottenAcknowledgement => {},
        }
        page
    }

    fn bend_receipt(&self, space: SpaceId, attack: ReceiptAttack, honest: Receipt) -> Receipt {
        let (head, time) = (honest.head, honest.time_ms);
        match attack {
            ReceiptAttack::WrongSignature => {
                ServerKey::from_seed(&[66; 32]).receipt(space, head, time)
            },
            ReceiptAttack::OtherSpace => self.key.receipt(SpaceId([66; 16]), head, time),
            ReceiptAttack::ForgedAcknowledgement => {
                let head = Head {
                    root: Hash32([7; 32]),
                    ..head
                };
                self.key.receipt(space, head, time)
            },
            ReceiptAttack::EmptyPage
            | ReceiptAttack::EndlessPages
            | ReceiptAttack::ForgottenAcknowledgement => honest,
        }
    }

    /// A promise for a commit that nobody keeps.
    fn forget(&self, space: SpaceId) -> Result<Receipt, RemoteError> {
        let log = whole_log(self.inner.as_ref(), space)?;
        let time = log.last().map_or(0, |entry| entry.time_ms);
        let head = Head {
            size: log.len() as u64 + 2,
            root: Hash32([7; 32]),
        };
        Ok(self.lie(self.key.receipt(space, head, time)))
    }
}

impl Remote for EvilRemote {
    fn server_info(&self) -> Result<wire::ServerInfo, RemoteError> {
        let info = self.inner.server_info()?;
        match self.plan().0 {
            Some(Attack::Join(JoinAttack::SwappedReceiptKey(receipt_key))) => {
                Ok(self.lie(wire::ServerInfo {
                    receipt_key,
                    ..info
                }))
            },
            _ => Ok(info),
        }
    }

    fn create_account(&self, request: &wire::CreateAccount) -> Result<(), RemoteError> {
        self.inner.create_account(request)
    }

    fn slot(&self, slot: SlotId) -> Result<wire::SlotReply, RemoteError> {
        let mut reply = self.inner.slot(slot)?;
        match self.plan().0 {
            Some(Attack::Join(JoinAttack::OtherAccount(other))) => Ok(self.lie(other)),
            Some(Attack::Join(JoinAttack::OtherBundle(sealed))) => {
                Ok(self.lie(wire::SlotReply { sealed, ..reply }))
            },
            Some(Attack::Join(JoinAttack::ShortenedChain(n))) => {
                reply.chain.truncate(reply.chain.len().saturating_sub(n));
                Ok(self.lie(reply))
            },
            _ => Ok(reply),
        }
    }

    fn join(&self, slot: SlotId, request: &wire::Join) -> Result<(), RemoteError> {
        self.inner.join(slot, request)
    }

    fn account_entries(&self, since: u64) -> Result<wire::AccountEntries, RemoteError> {
        match self.plan().0 {
            Some(Attack::Account(AccountAttack::Withheld)) => Ok(self.lie(wire::AccountEntries {
                entries: Vec::new(),
            })),
            Some(Attack::Account(AccountAttack::Instead(entries))) => {
                Ok(self.lie(wire::AccountEntries { entries }))
            },
            _ => self.inner.account_entries(since),
        }
    }

    fn append_account(&self, request: &wire::AppendAccount) -> Result<(), RemoteError> {
        self.inner.append_account(request)
    }

    fn spaces(&self) -> Result<wire::Spaces, RemoteError> {
        self.inner.spaces()
    }

    fn create_space(&self, request: &wire::CreateSpace) -> Result<Receipt, RemoteError> {
        self.inner.create_space(request)
    }

    fn commit(&self, space: SpaceId, commit: &wire::Commit) -> Result<Receipt, RemoteError> {
        self.weigh(&commit.objects);
        match self.plan().0 {
            Some(Attack::ForkTwoClients) => self.commit_to_branch(space, commit),
            Some(Attack::Receipt(ReceiptAttack::ForgottenAcknowledgement)) => self.forget(space),
            Some(Attack::Receipt(attack)) => {
                let receipt = self.inner.commit(space, commit)?;
                Ok(self.lie(self.bend_receipt(space, attack, receipt)))
            },
            _ => self.inner.commit(space, commit),
        }
    }

    fn changes(&self, space: SpaceId, since: u64) -> Result<wire::Changes, RemoteError> {
        let (attack, n_seen) = self.plan();
        match attack {
            Some(Attack::Log(attack)) => {
                let genuine = whole_log(self.inner.as_ref(), space)?;
                let bent = bend::log(&attack, genuine, n_seen, &self.key);
                Ok(self.lie(self.page(space, &bent, since)))
            },
            Some(Attack::Receipt(attack)) => {
                let page = self.inner.changes(space, since)?;
                Ok(self.lie(self.bend_page(space, attack, page)))
            },
            Some(Attack::ForkTwoClients) => {
                let branch = self.forked(space)?;
                Ok(self.lie(self.page(space, &branch, since)))
            },
            Some(Attack::ForgedGenesis(entry)) if since == 0 => {
                self.lift();
                Ok(self.lie(self.page(space, &[*entry], since)))
            },
            Some(Attack::GarbageCbor) => self.garbage("changes"),
            _ => self.honest_changes(space, since),
        }
    }

    fn upload(&self, space: SpaceId, frame: Vec<u8>) -> Result<(), RemoteError> {
        self.plan();
        self.weigh(&frame);
        self.inner.upload(space, frame)
    }

    fn missing(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<ObjectId>, RemoteError> {
        self.plan();
        self.inner.missing(space, ids)
    }

    fn objects(&self, space: SpaceId, ids: &[ObjectId]) -> Result<Vec<u8>, RemoteError> {
        let frame = self.inner.objects(space, ids)?;
        self.weigh(&frame);
        match self.plan().0 {
            Some(Attack::Object(attack)) => Ok(self.lie(frames::bend(&attack, &frame))),
            Some(Attack::GarbageCbor) => self.garbage("objects"),
            _ => Ok(frame),
        }
    }
}
