//! Metadata in memory, for simulations and tests.
//!
//! Invariant: every method takes one lock and leaves the state whole. Not here: durability.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fst_proto::account::AccountEntry;
use fst_proto::ids::{AccountId, DeviceId, Hash32, NameTag, NodeId, ObjectId, SlotId, SpaceId};
use fst_proto::log::{Op, OrderClass};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::time::UnixMillis;
use fst_proto::wire::{Conflict, SpaceInfo};

use super::audit::{Position, START, told_of_bar, told_of_code, told_of_quota};
use super::lead::{Lead, LocalRoles};
use super::{
    AppendAccountTx, AuditEvent, AuditRecord, CommitTx, Committed, CreateAccountTx, CreateSpaceTx,
    ForgetTx, LEASE_MS, Located, MetaStore, Outcome, PackItem, PackTx, Page, PageLimit, Payload,
    Quota, SlotKind, StoredEntry, StoredSlot, Subject, Totals, Usage, needed_by_commit,
    needed_by_pack,
};
use crate::blob::BlobKey;
use crate::error::{Refused, StoreResult};
use crate::rules::{self, DeviceLast, Facts, NodeFact, Plan, Verdict};

/// Metadata in maps.
#[derive(Debug, Default)]
pub struct MemoryMeta {
    state: Mutex<State>,
    roles: LocalRoles,
}

#[derive(Debug, Default, Clone)]
struct State {
    secrets: BTreeMap<String, [u8; 32]>,
    setup_code: Option<(Hash32, UnixMillis)>,
    accounts: BTreeMap<AccountId, Vec<AccountEntry>>,
    devices: BTreeMap<DeviceId, AccountId>,
    slots: BTreeMap<SlotId, StoredSlot>,
    barred: BTreeMap<Subject, UnixMillis>,
    quotas: BTreeMap<AccountId, Quota>,
    audit: Vec<AuditRecord>,
    spaces: BTreeMap<SpaceId, Space>,
    order: Vec<SpaceId>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Space {
    account: AccountId,
    tag: NameTag,
    range: CompactRange,
    last_time: UnixMillis,
    entries: Vec<LogEntry>,
    device_last: BTreeMap<DeviceId, DeviceLast>,
    by_device: BTreeMap<(DeviceId, u64), usize>,
    nodes: BTreeMap<NodeId, NodeFact>,
    tags: BTreeMap<NameTag, NodeId>,
    objects: BTreeMap<ObjectId, Located>,
    packs: BTreeMap<BlobKey, PackFact>,
    /// Objects that the present revision of a node references.
    refs: BTreeMap<NodeId, BTreeSet<ObjectId>>,
    usage: Usage,
}

#[derive(Debug, Clone, Copy)]
struct PackFact {
    lease: UnixMillis,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct LogEntry {
    device: DeviceId,
    class: OrderClass,
    hash: Hash32,
    root: Hash32,
    stored: StoredEntry,
}

impl MemoryMeta {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A second store that holds what this one holds now, as a backup does; nobody leads there.
    #[must_use]
    pub fn copied(&self) -> Self {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            state: Mutex::new(state.clone()),
            roles: LocalRoles::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl MetaStore for MemoryMeta {
    async fn get_or_create_secret(&self, name: &str, fresh: [u8; 32]) -> StoreResult<[u8; 32]> {
        Ok(*self.state().secrets.entry(name.to_owned()).or_insert(fresh))
    }

    async fn create_setup_code(
        &self,
        code: Hash32,
        ends: UnixMillis,
        now: UnixMillis,
    ) -> StoreResult<()> {
        let mut state = self.state();
        state.setup_code = Some((code, ends));
        state.tell(&told_of_code(now));
        Ok(())
    }

    async fn is_setup_code_open(&self, code: Hash32, now: UnixMillis) -> StoreResult<bool> {
        Ok(self.state().is_open(code, now))
    }

    async fn create_account(&self, tx: CreateAccountTx) -> StoreResult<Outcome> {
        let (mut state, told) = (self.state(), tx.told());
        let done = state.create_account(tx)?;
        state.tell_if(done, &told);
        Ok(done)
    }

    async fn account_entries(
        &self,
        account: AccountId,
        since: u64,
    ) -> StoreResult<Vec<AccountEntry>> {
        let skip = usize::try_from(since).unwrap_or(usize::MAX);
        let state = self.state();
        let chain = state.accounts.get(&account);
        Ok(chain.map_or_else(Vec::new, |chain| chain.iter().skip(skip).cloned().collect()))
    }

    async fn account_len(&self, account: AccountId) -> StoreResult<u64> {
        Ok(self.state().accounts.get(&account).map_or(0, Vec::len) as u64)
    }

    async fn append_account(&self, tx: AppendAccountTx) -> StoreResult<Outcome> {
        let (mut state, told) = (self.state(), tx.told());
        let done = state.append_account(tx)?;
        state.tell_if(done, &told);
        Ok(done)
    }

    async fn slot(&self, slot: SlotId) -> StoreResult<Option<StoredSlot>> {
        Ok(self.state().slots.get(&slot).cloned())
    }

    async fn device_account(&self, device: DeviceId) -> StoreResult<Option<AccountId>> {
        Ok(self.state().devices.get(&device).copied())
    }

    async fn accounts(
        &self,
        after: Option<AccountId>,
        n_max: usize,
    ) -> StoreResult<Vec<AccountId>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let ids = state.accounts.range((from, Bound::Unbounded));
        Ok(ids.map(|(account, _)| *account).take(n_max).collect())
    }

    async fn bar(&self, subject: Subject, since: UnixMillis) -> StoreResult<Outcome> {
        let mut state = self.state();
        if let Entry::Vacant(place) = state.barred.entry(subject) {
            place.insert(since);
            state.tell(&told_of_bar(subject, true, since));
            return Ok(Outcome::New);
        }
        Ok(Outcome::Repeated)
    }

    async fn unbar(&self, subject: Subject, now: UnixMillis) -> StoreResult<Outcome> {
        let mut state = self.state();
        let before = state.barred.remove(&subject);
        let done = Outcome::of(usize::from(before.is_some()));
        state.tell_if(done, &[told_of_bar(subject, false, now)]);
        Ok(done)
    }

    async fn barred_since(&self, subject: Subject) -> StoreResult<Option<UnixMillis>> {
        Ok(self.state().barred.get(&subject).copied())
    }

    async fn set_quota(
        &self,
        account: AccountId,
        quota: Option<Quota>,
        now: UnixMillis,
    ) -> StoreResult<Outcome> {
        let mut state = self.state();
        let before = match quota {
            Some(quota) => state.quotas.insert(account, quota),
            None => state.quotas.remove(&account),
        };
        let done = Outcome::of(usize::from(before != quota));
        state.tell_if(done, &[told_of_quota(account, quota, now)]);
        Ok(done)
    }

    async fn quota(&self, account: AccountId) -> StoreResult<Option<Quota>> {
        Ok(self.state().quotas.get(&account).copied())
    }

    async fn usage(&self, account: AccountId) -> StoreResult<Usage> {
        Ok(self.state().usage(account))
    }

    async fn create_space(&self, tx: CreateSpaceTx) -> StoreResult<Committed> {
        let (mut state, told) = (self.state(), tx.told());
        let made = state.create_space(tx)?;
        state.tell_if(made.outcome, &[told]);
        Ok(made)
    }

    async fn spaces(&self, account: AccountId) -> StoreResult<Vec<SpaceInfo>> {
        let state = self.state();
        let all = state
            .order
            .iter()
            .filter_map(|id| Some((id, state.spaces.get(id)?)));
        let own = all.filter(|(_, space)| space.account == account);
        Ok(own
            .map(|(id, space)| SpaceInfo {
                space: *id,
                tag: space.tag,
                head: space.range.head(),
            })
            .collect())
    }

    async fn space_owner(&self, space: SpaceId) -> StoreResult<Option<AccountId>> {
        Ok(self.state().spaces.get(&space).map(|space| space.account))
    }

    async fn commit(&self, tx: CommitTx) -> StoreResult<Committed> {
        self.state().commit(tx)
    }

    async fn changes(&self, space: SpaceId, since: u64, limit: PageLimit) -> StoreResult<Page> {
        let state = self.state();
        let space = state.spaces.get(&space).ok_or(Refused::NoSpace)?;
        let mut left = limit.bytes;
        let mut entries = Vec::new();
        let skip = usize::try_from(since).unwrap_or(usize::MAX);
        for entry in space.entries.iter().skip(skip).take(limit.entries) {
            let payload = usize::try_from(entry.stored.payload.len()).unwrap_or(usize::MAX);
            let size = payload.saturating_add(entry.stored.header.len());
            if !entries.is_empty() && size > left {
                break;
            }
            left = left.saturating_sub(size);
            entries.push(entry.stored.clone());
        }
        Ok(Page {
            head: space.range.head(),
            time: space.last_time,
            entries,
        })
    }

    async fn head_at(&self, space: SpaceId, size: u64) -> StoreResult<Option<(Head, UnixMillis)>> {
        let state = self.state();
        let space = state.spaces.get(&space).ok_or(Refused::NoSpace)?;
        let last = size.checked_sub(1).and_then(|index| space.entry(index));
        let time = last.map_or(UnixMillis(0), |entry| entry.stored.time);
        Ok(rules::head_of(size, space.root_at(size)).map(|head| (head, time)))
    }

    async fn missing_objects(
        &self,
        space: SpaceId,
        mut ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<ObjectId>> {
        if let Some(space) = self.state().spaces.get(&space) {
            ids.retain(|id| !space.objects.contains_key(id));
        }
        Ok(ids)
    }

    async fn locate_objects(
        &self,
        space: SpaceId,
        ids: Vec<ObjectId>,
    ) -> StoreResult<Vec<Located>> {
        let state = self.state();
        let Some(space) = state.spaces.get(&space) else {
            return Ok(Vec::new());
        };
        Ok(ids
            .iter()
            .filter_map(|id| space.objects.get(id).copied())
            .collect())
    }

    async fn register_pack(&self, pack: PackTx) -> StoreResult<Vec<ObjectId>> {
        let mut state = self.state();
        let space = state.spaces.get(&pack.space).ok_or(Refused::NoSpace)?;
        let is_new = |item: &PackItem| !space.objects.contains_key(&item.id);
        if !pack.items.iter().any(is_new) {
            return Ok(Vec::new());
        }
        state.check(space.account, pack.bounds.quota, needed_by_pack(&pack))?;
        state.bytes += pack.bytes;
        let space = state.spaces.get_mut(&pack.space).ok_or(Refused::NoSpace)?;
        space.usage.bytes += pack.bytes;
        Ok(space.register(&pack))
    }

    async fn all_spaces(&self) -> StoreResult<Vec<SpaceId>> {
        Ok(self.state().order.clone())
    }

    async fn forget_objects(&self, tx: ForgetTx) -> StoreResult<Option<Vec<BlobKey>>> {
        let mut state = self.state();
        let space = state.spaces.get_mut(&tx.space).ok_or(Refused::NoSpace)?;
        if space.range.size() != tx.size {
            return Ok(None);
        }
        let (packs, bytes) = space.forget(&tx);
        space.usage.bytes = space.usage.bytes.saturating_sub(bytes);
        state.bytes = state.bytes.saturating_sub(bytes);
        Ok(Some(packs))
    }

    async fn lead(&self, role: &str) -> StoreResult<Option<Lead>> {
        Ok(self.roles.lead(role))
    }

    async fn tell_audit(&self, event: AuditEvent) -> StoreResult<()> {
        self.state().tell(&event);
        Ok(())
    }

    async fn audit_records(&self, after: u64, n_max: usize) -> StoreResult<Vec<AuditRecord>> {
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let state = self.state();
        Ok(state.audit.iter().skip(skip).take(n_max).cloned().collect())
    }

    async fn totals(&self) -> StoreResult<Totals> {
        let state = self.state();
        let entries: usize = state.spaces.values().map(|space| space.entries.len()).sum();
        Ok(Totals {
            accounts: state.accounts.len() as u64,
            devices: state.devices.len() as u64,
            spaces: state.spaces.len() as u64,
            entries: entries as u64,
            bytes: state.bytes,
        })
    }
}

impl State {
    fn tell(&mut self, event: &AuditEvent) {
        let last = self.audit.last().map(|last| Position {
            no: last.no,
            hash: last.hash,
        });
        let record = AuditRecord::after(last.unwrap_or(START), event);
        self.audit.push(record);
    }

    fn tell_if(&mut self, done: Outcome, events: &[AuditEvent]) {
        if done == Outcome::New {
            events.iter().for_each(|event| self.tell(event));
        }
    }

    fn usage(&self, account: AccountId) -> Usage {
        let own = self
            .spaces
            .values()
            .filter(|space| space.account == account);
        own.fold(Usage::default(), |sum, space| Usage {
            bytes: sum.bytes + space.usage.bytes,
            files: sum.files + space.usage.files,
        })
    }

    fn check(&self, account: AccountId, default: Quota, adds: Usage) -> StoreResult<()> {
        let quota = self.quotas.get(&account).copied().unwrap_or(default);
        Ok(quota.check(self.usage(account), adds)?)
    }

    fn is_open(&self, code: Hash32, now: UnixMillis) -> bool {
        self.setup_code
            .is_some_and(|(open, ends)| open == code && now < ends)
    }

    fn create_account(&mut self, tx: CreateAccountTx) -> StoreResult<Outcome> {
        if let Some(chain) = self.accounts.get(&tx.account) {
            let is_same = chain.first() == Some(&tx.genesis);
            return if is_same {
                Ok(Outcome::Repeated)
            } else {
                Err(Conflict::Exists.into())
            };
        }
        if !self.is_open(tx.setup_code, tx.now) {
            return Err(Refused::SetupCode.into());
        }
        let slot = tx.recovery.slot;
        if self.devices.contains_key(&tx.device) || self.slots.contains_key(&slot) {
            return Err(Conflict::Exists.into());
        }
        self.setup_code = None;
        self.accounts.insert(tx.account, vec![tx.genesis]);
        self.devices.insert(tx.device, tx.account);
        self.slots.insert(
            slot,
            StoredSlot {
                account: tx.account,
                slot: tx.recovery,
                is_used: false,
            },
        );
        Ok(Outcome::New)
    }

    fn append_account(&mut self, tx: AppendAccountTx) -> StoreResult<Outcome> {
        let chain = self.accounts.get(&tx.account).ok_or(Refused::NoAccount)?;
        let at = usize::try_from(tx.expected_len).unwrap_or(usize::MAX);
        if chain.get(at) == Some(&tx.entry) {
            return Ok(Outcome::Repeated);
        }
        if let Some(slot) = tx.joins_by {
            let stored = self.slots.get(&slot).ok_or(Refused::Slot)?;
            if stored.account != tx.account || !stored.is_open(tx.now) {
                return Err(Refused::Slot.into());
            }
        }
        let is_taken = chain.len() != at
            || tx
                .adds
                .is_some_and(|device| self.devices.contains_key(&device))
            || tx
                .opens
                .as_ref()
                .is_some_and(|slot| self.slots.contains_key(&slot.slot));
        if is_taken {
            return Err(Conflict::Exists.into());
        }
        let stored = tx.joins_by.and_then(|slot| self.slots.get_mut(&slot));
        if let Some(stored) = stored {
            stored.is_used |= stored.slot.kind != SlotKind::Recovery;
        }
        self.devices
            .extend(tx.adds.map(|device| (device, tx.account)));
        let opened = tx.opens.map(|slot| {
            (
                slot.slot,
                StoredSlot {
                    account: tx.account,
                    slot,
                    is_used: false,
                },
            )
        });
        self.slots.extend(opened);
        self.accounts.entry(tx.account).or_default().push(tx.entry);
        Ok(Outcome::New)
    }

    fn create_space(&mut self, tx: CreateSpaceTx) -> StoreResult<Committed> {
        let id = tx.commit.header.space;
        if let Some(space) = self.spaces.get(&id) {
            let repeated = space.facts(&tx.commit).repeated;
            let is_same = space.account == tx.account && space.tag == tx.tag;
            return repeated
                .filter(|_| is_same)
                .ok_or_else(|| Conflict::Exists.into());
        }
        let is_taken = |space: &Space| space.account == tx.account && space.tag == tx.tag;
        if self.spaces.values().any(is_taken) {
            return Err(Conflict::Exists.into());
        }
        self.spaces.insert(id, Space::new(tx.account, tx.tag));
        let committed = self.commit(tx.commit);
        if committed.is_ok() {
            self.order.push(id);
        } else {
            self.spaces.remove(&id);
        }
        committed
    }

    fn commit(&mut self, tx: CommitTx) -> StoreResult<Committed> {
        let space = self.spaces.get(&tx.header.space).ok_or(Refused::NoSpace)?;
        let facts = space.facts(&tx);
        match rules::decide(&tx, &facts)? {
            Verdict::Repeated(committed) => Ok(committed),
            Verdict::Commit(plan) => {
                let adds = needed_by_commit(&tx, &plan);
                self.check(space.account, tx.bounds.quota, adds)?;
                space.check_files(&tx)?;
                self.bytes += tx.stored_bytes();
                let committed = plan.committed;
                let space = self.spaces.get_mut(&tx.header.space);
                space.ok_or(Refused::NoSpace)?.apply(tx, *plan);
                Ok(committed)
            },
        }
    }
}

impl Space {
    fn new(account: AccountId, tag: NameTag) -> Self {
        Self {
            account,
            tag,
            range: CompactRange::new(),
            last_time: UnixMillis(0),
            entries: Vec::new(),
            device_last: BTreeMap::new(),
            by_device: BTreeMap::new(),
            nodes: BTreeMap::new(),
            tags: BTreeMap::new(),
            objects: BTreeMap::new(),
            packs: BTreeMap::new(),
            refs: BTreeMap::new(),
            usage: Usage::default(),
        }
    }

    fn entry(&self, index: u64) -> Option<&LogEntry> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.entries.get(index))
    }

    fn root_at(&self, size: u64) -> Option<Hash32> {
        match size.checked_sub(1) {
            None => Some(Head::empty().root),
            Some(index) => self.entry(index).map(|entry| entry.root),
        }
    }

    fn facts(&self, tx: &CommitTx) -> Facts {
        let header = &tx.header;
        let hash = tx.entry_hash();
        let known = self
            .by_device
            .get(&(header.device, header.dev_ctr))
            .copied();
        let known = known.and_then(|index| Some((index, self.entries.get(index)?)));
        let repeated = known
            .filter(|(_, entry)| entry.hash == hash)
            .map(|(index, entry)| {
                let head = Head {
                    size: index as u64 + 1,
                    root: entry.root,
                };
                Committed {
                    head,
                    time: entry.stored.time,
                    outcome: Outcome::Repeated,
                }
            });
        let seen = usize::try_from(header.seen.size).unwrap_or(usize::MAX);
        let unseen = self
            .entries
            .iter()
            .skip(seen)
            .filter(|e| e.device != header.device);
        let brought: BTreeSet<ObjectId> = tx
            .pack
            .iter()
            .flat_map(|pack| pack.items.iter().map(|item| item.id))
            .collect();
        let is_missing = |id: &&ObjectId| !self.objects.contains_key(id) && !brought.contains(id);
        let refs = header.ops.iter().flat_map(|op| &op.add_refs);
        let nodes = header.ops.iter().map(|op| op.node);
        let tags = header.ops.iter().filter_map(|op| op.name_tag);
        Facts {
            repeated,
            range: self.range.clone(),
            last_time: self.last_time,
            epoch: 1,
            generation: 1,
            device_last: self.device_last.get(&header.device).copied(),
            seen_root: self.root_at(header.seen.size),
            unseen: unseen.map(|entry| entry.class).collect(),
            nodes: nodes
                .filter_map(|id| Some((id, *self.nodes.get(&id)?)))
                .collect(),
            holders: tags
                .filter_map(|tag| Some((tag, *self.tags.get(&tag)?)))
                .collect(),
            missing: refs.filter(is_missing).copied().collect(),
        }
    }

    /// References of a node after an operation.
    fn refs_after(&self, op: &Op) -> BTreeSet<ObjectId> {
        let mut refs = self.refs.get(&op.node).cloned().unwrap_or_default();
        refs.retain(|id| !op.drop_refs.contains(id));
        refs.extend(op.add_refs.iter().copied());
        refs
    }

    fn check_files(&self, tx: &CommitTx) -> StoreResult<()> {
        let Some(limit) = tx.bounds.file_bytes else {
            return Ok(());
        };
        let brought = tx.pack.iter().flat_map(|pack| &pack.items);
        let brought: BTreeMap<ObjectId, u64> = brought.map(|item| (item.id, item.len)).collect();
        let len = |id: &ObjectId| {
            let stored = self.objects.get(id).map(|located| located.len);
            stored.or(brought.get(id).copied()).unwrap_or(0)
        };
        let ops = tx.header.ops.iter().filter(|op| !op.add_refs.is_empty());
        let is_over = |op: &&Op| self.refs_after(op).iter().map(len).sum::<u64>() > limit;
        let nodes: Vec<NodeId> = ops.filter(is_over).map(|op| op.node).collect();
        if nodes.is_empty() {
            Ok(())
        } else {
            Err(Conflict::FileTooLarge { nodes, limit }.into())
        }
    }

    fn apply(&mut self, tx: CommitTx, plan: Plan) {
        for op in &tx.header.ops {
            self.refs.insert(op.node, self.refs_after(op));
        }
        self.usage.bytes += tx.stored_bytes();
        self.usage.files = self.usage.files.saturating_add_signed(plan.files);
        if let Some(pack) = &tx.pack {
            self.register(pack);
        }
        for node in &plan.clear_tags {
            if let Some(tag) = self.nodes.get_mut(node).and_then(|fact| fact.tag.take()) {
                self.tags.remove(&tag);
            }
        }
        for write in &plan.nodes {
            self.nodes.insert(
                write.node,
                NodeFact {
                    rev: write.rev,
                    tag: write.tag,
                    is_deleted: write.is_deleted,
                },
            );
            self.tags.extend(write.tag.map(|tag| (tag, write.node)));
        }
        let (device, ctr) = (tx.header.device, tx.header.dev_ctr);
        self.device_last.insert(
            device,
            DeviceLast {
                ctr,
                hash: plan.hash,
            },
        );
        self.by_device.insert((device, ctr), self.entries.len());
        self.range = plan.range;
        self.last_time = plan.committed.time;
        self.entries.push(LogEntry {
            device,
            class: plan.class,
            hash: plan.hash,
            root: plan.committed.head.root,
            stored: StoredEntry {
                n_files: tx.n_files(),
                header: tx.header_bytes,
                sig: tx.sig,
                time: plan.committed.time,
                payload: tx.payload,
            },
        });
    }

    fn register(&mut self, pack: &PackTx) -> Vec<ObjectId> {
        let mut new = Vec::new();
        for item in &pack.items {
            self.objects.entry(item.id).or_insert_with(|| {
                new.push(item.id);
                Located {
                    id: item.id,
                    pack: pack.key,
                    offset: item.offset,
                    len: item.len,
                }
            });
        }
        if !new.is_empty() {
            let lease = UnixMillis(pack.now.0.saturating_add(LEASE_MS));
            let bytes = pack.bytes;
            self.packs.insert(pack.key, PackFact { lease, bytes });
        }
        new
    }

    /// Packs that are empty now and hold no payload, and their bytes.
    fn forget(&mut self, tx: &ForgetTx) -> (Vec<BlobKey>, u64) {
        let mut touched = BTreeSet::new();
        for id in &tx.ids {
            let pack = self.objects.get(id).map(|located| located.pack);
            let is_over = |pack: &BlobKey| {
                let fact = self.packs.get(pack);
                fact.is_some_and(|fact| fact.lease <= tx.now)
            };
            if let Some(pack) = pack.filter(is_over) {
                self.objects.remove(id);
                touched.insert(pack);
            }
        }
        for located in self.objects.values() {
            touched.remove(&located.pack);
        }
        for entry in &self.entries {
            if let Payload::Pack { key, .. } = &entry.stored.payload {
                touched.remove(key);
            }
        }
        let facts = touched.iter().filter_map(|key| self.packs.remove(key));
        let bytes = facts.map(|fact| fact.bytes).sum();
        (touched.into_iter().collect(), bytes)
    }
}
