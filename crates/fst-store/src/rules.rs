//! Decides whether an entry may be committed and what it changes: one rule set for every backend.
//!
//! A backend gathers [`Facts`] inside its transaction, calls [`decide`], and writes the [`Plan`]. Invariant:
//! equal facts give an equal verdict; a plan never gives two live nodes one name tag, never lowers a
//! revision, never lets server time run backwards. Not here: signatures and access (`fst-server`), SQL.
//! Source: docs/design/crypto-format.md §3.3, §4.1; order classes: `fst_proto::log`.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::ids::{Hash32, NameTag, NodeId, ObjectId};
use fst_proto::limits;
use fst_proto::log::{self, Header, OpCode, OrderClass};
use fst_proto::merkle::{CompactRange, Head};
use fst_proto::time::UnixMillis;
use fst_proto::wire::Conflict;

use crate::meta::{CommitTx, Committed, Outcome};

/// A node as the server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeFact {
    /// Its revision; deleted nodes keep theirs.
    pub rev: u64,
    /// Tag of its name; none when deleted.
    pub tag: Option<NameTag>,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// The last entry of a device in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLast {
    /// Its number.
    pub ctr: u64,
    /// Its hash.
    pub hash: Hash32,
}

/// Everything a decision needs, read in the transaction that will write.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The entry at this device and number, when it is the very same one.
    pub repeated: Option<Committed>,
    /// Newest state of the log.
    pub range: CompactRange,
    /// Server time of its last entry.
    pub last_time: UnixMillis,
    /// Current epoch.
    pub epoch: u32,
    /// Current generation.
    pub generation: u32,
    /// Last entry of the author.
    pub device_last: Option<DeviceLast>,
    /// Root that the log had at the size that the author saw.
    pub seen_root: Option<Hash32>,
    /// Classes of entries by other devices from that size on.
    pub unseen: BTreeSet<OrderClass>,
    /// Nodes named by the operations that exist.
    pub nodes: BTreeMap<NodeId, NodeFact>,
    /// Live nodes that hold tags named by the operations.
    pub holders: BTreeMap<NameTag, NodeId>,
    /// References that are not stored, in order; may repeat.
    pub missing: Vec<ObjectId>,
}

/// New state of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeWrite {
    /// The node.
    pub node: NodeId,
    /// Its new revision.
    pub rev: u64,
    /// Its new tag.
    pub tag: Option<NameTag>,
    /// Whether it is deleted now.
    pub is_deleted: bool,
}

/// What a backend writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Position and time of the entry.
    pub committed: Committed,
    /// Hash of the entry.
    pub hash: Hash32,
    /// Its order class.
    pub class: OrderClass,
    /// Log state afterwards.
    pub range: CompactRange,
    /// Nodes whose present tag has to be cleared first, because it moves.
    pub clear_tags: Vec<NodeId>,
    /// Nodes afterwards.
    pub nodes: Vec<NodeWrite>,
    /// How many more nodes are there that are not deleted, or fewer.
    pub files: i64,
}

/// Verdict on an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Write this.
    Commit(Box<Plan>),
    /// It is there already.
    Repeated(Committed),
}

/// Decides on one entry.
///
/// # Errors
/// The first conflict found, in this order: epoch, device chain, seen head, order, revisions, objects, names.
/// Cost: O(n log n) in operations. Source: docs/design/crypto-format.md §3.3.
pub fn decide(tx: &CommitTx, facts: &Facts) -> Result<Verdict, Conflict> {
    if let Some(committed) = facts.repeated {
        return Ok(Verdict::Repeated(committed));
    }
    check_place(tx, facts)?;
    check_revisions(&tx.header, facts)?;
    check_objects(facts)?;
    check_names(&tx.header, facts)?;
    Ok(Verdict::Commit(Box::new(plan(tx, facts))))
}

fn check_place(tx: &CommitTx, facts: &Facts) -> Result<(), Conflict> {
    let header = &tx.header;
    if (header.epoch, header.generation) != (facts.epoch, facts.generation) {
        return Err(Conflict::Epoch);
    }
    let follows = match facts.device_last {
        None => header.dev_ctr == 1 && header.dev_prev == Hash32::ZERO,
        Some(last) => {
            Some(header.dev_ctr) == last.ctr.checked_add(1) && header.dev_prev == last.hash
        },
    };
    if !follows {
        return Err(Conflict::DeviceChain);
    }
    if facts.seen_root != Some(header.seen.root) {
        return Err(Conflict::UnknownHead);
    }
    let class = tx.class();
    if facts.unseen.iter().all(|unseen| class.may_follow(*unseen)) {
        Ok(())
    } else {
        Err(Conflict::Order)
    }
}

fn check_revisions(header: &Header, facts: &Facts) -> Result<(), Conflict> {
    let rev = |node| facts.nodes.get(node).map_or(0, |fact: &NodeFact| fact.rev);
    let node_ops = header.ops.iter().filter(|op| op.code != OpCode::Control);
    let stale = node_ops
        .filter(|op| op.base_rev != rev(&op.node))
        .map(|op| op.node);
    let nodes: Vec<NodeId> = stale.collect();
    if nodes.is_empty() {
        Ok(())
    } else {
        Err(Conflict::Revision { nodes })
    }
}

/// Names as many missing objects as one request may ask for or upload: the rest show up on the next try.
fn check_objects(facts: &Facts) -> Result<(), Conflict> {
    let mut named = BTreeSet::new();
    let distinct = facts.missing.iter().copied().filter(|id| named.insert(*id));
    let ids: Vec<ObjectId> = distinct.take(limits::IDS_PER_REQUEST_MAX).collect();
    if ids.is_empty() {
        Ok(())
    } else {
        Err(Conflict::MissingObjects { ids })
    }
}

fn check_names(header: &Header, facts: &Facts) -> Result<(), Conflict> {
    let touched: BTreeSet<NodeId> = header.ops.iter().map(|op| op.node).collect();
    let mut given = BTreeSet::new();
    let mut nodes = Vec::new();
    for op in &header.ops {
        let Some(tag) = op.name_tag else { continue };
        // A holder that this entry touches gives its tag up or names it again itself.
        let is_held = facts
            .holders
            .get(&tag)
            .is_some_and(|holder| !touched.contains(holder));
        if is_held || !given.insert(tag) {
            nodes.push(op.node);
        }
    }
    if nodes.is_empty() {
        Ok(())
    } else {
        Err(Conflict::NameTaken { nodes })
    }
}

fn plan(tx: &CommitTx, facts: &Facts) -> Plan {
    let time = UnixMillis(tx.now.0.max(facts.last_time.0));
    let hash = tx.entry_hash();
    let mut range = facts.range.clone();
    range.append(&log::leaf(&hash, time.0));
    let node_ops = tx.header.ops.iter().filter(|op| op.code != OpCode::Control);
    let nodes: Vec<NodeWrite> = node_ops
        .map(|op| NodeWrite {
            node: op.node,
            rev: op.base_rev + 1,
            tag: op.name_tag,
            is_deleted: op.code == OpCode::Delete,
        })
        .collect();
    let was_there = |write: &NodeWrite| {
        let fact = facts.nodes.get(&write.node);
        fact.is_some_and(|fact| !fact.is_deleted)
    };
    let files = nodes.iter().map(|write| {
        let is_there = !write.is_deleted;
        i64::from(is_there) - i64::from(was_there(write))
    });
    let moves_away = |write: &&NodeWrite| {
        let tag = facts.nodes.get(&write.node).and_then(|fact| fact.tag);
        tag.is_some() && tag != write.tag
    };
    Plan {
        committed: Committed {
            head: range.head(),
            time,
            outcome: Outcome::New,
        },
        hash,
        class: tx.class(),
        files: files.sum(),
        clear_tags: nodes
            .iter()
            .filter(moves_away)
            .map(|write| write.node)
            .collect(),
        nodes,
        range,
    }
}

/// Head at a size of the log, from the stored root; the empty log needs none.
#[must_use]
pub fn head_of(size: u64, stored_root: Option<Hash32>) -> Option<Head> {
    if size == 0 {
        Some(Head::empty())
    } else {
        stored_root.map(|root| Head { size, root })
    }
}
