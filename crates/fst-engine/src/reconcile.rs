//! Decides what to do with each node of one folder.
//!
//! Takes the three trees of one cycle (`fst-client`); the [`Plan`] goes to [`crate::guard`]. A target tree is merged
//! node by node, made sound (parents, cycles, names), and compared with both sides.
//! Invariant: equal inputs give an equal, equally ordered plan; a content that only one side has is never given up.
//! Not here: the order of disk steps ([`crate::order`]), how a conflict copy is called ([`crate::naming`]), anything
//! that reads a disk or a clock. Source: docs/design/sync-semantics.md, rows S-001 to S-097.

mod copies;
mod diff;
mod hold;
mod merge;
mod names;
mod nodes;
mod one_way;
mod places;
mod push;
mod reasons;

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::entry::{Content, Place};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::Name;

use crate::plan::Plan;
use crate::tree::Tree;

pub use reasons::{Action, Reason, Way};

/// One of the two sides of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The folder on this device.
    Local,
    /// The space on the server.
    Remote,
}

/// Which way changes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    TwoWay,
    /// From the folder to the server; the folder is never changed.
    UploadOnly,
    /// From the server to the folder; the server is never changed.
    DownloadOnly,
}

/// Which of two truly concurrent edits keeps the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The one with the later modification time.
    #[default]
    Newest,
    /// The one with the earlier modification time.
    Oldest,
    /// As `Newest`, with a copy in any case, until a person decides.
    Manual,
    /// The merge of both where it is clean, else as `Manual`.
    Merge,
}

/// Where the losing content of two concurrent edits goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backup {
    /// Into version history, and beside the file.
    #[default]
    Keep,
    /// Into version history only.
    HistoryOnly,
}

/// Settings of one folder that decide anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Which way changes travel.
    pub direction: Direction,
    /// Who wins a conflict.
    pub strategy: Strategy,
    /// What becomes of the loser.
    pub backup: Backup,
}

/// Two contents of a node that were merged cleanly, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// Local content that went in.
    pub local: ContentId,
    /// Remote content that went in.
    pub remote: ContentId,
    /// The result: one of the two, or another content.
    pub content: ContentId,
    /// Its size in bytes.
    pub size: u64,
}

/// The node and side that must take another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loser {
    /// Side whose state loses.
    pub side: Side,
    /// Node that loses: look it up in the tree of that side.
    pub node: NodeId,
}

/// Gives conflict copies their names and ids.
///
/// All functions must depend on their arguments and the losing version alone, never on the time of the call: a
/// plan made again after a crash has to find the copy it made before.
pub trait ConflictNaming {
    /// Returns a name beside `original` for which `taken` is false.
    fn copy_name(&self, original: &Name, loser: Loser, taken: &dyn Fn(&Name) -> bool) -> Name;

    /// Returns the id of the copy that holds `loser_content` of `node`.
    fn copy_id(&self, node: NodeId, loser_content: &Content) -> NodeId;

    /// Whether a rule keeps a file of this name in this directory from being synced: no copy is made there.
    fn is_ignored(&self, parent: NodeId, name: &Name) -> bool;
}

/// Everything a plan depends on.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What both sides were when they were last equal, node by node.
    pub base: &'a Tree,
    /// The folder now.
    pub local: &'a Tree,
    /// The server's newest known state.
    pub remote: &'a Tree,
    /// Last revisions of nodes deleted at the server.
    pub tombstones: &'a BTreeMap<NodeId, u64>,
    /// Nodes that exist locally but could not be seen.
    pub frozen: &'a BTreeSet<NodeId>,
    /// Nodes that a rule keeps from being synced on this device: frozen ones, and others that are not on its disk.
    pub ignored: &'a BTreeSet<NodeId>,
    /// Local names occupied by something that is not synced.
    pub blocked: &'a BTreeSet<(NodeId, Name)>,
    /// Whether the disk takes names for one that differ in case or Unicode form only.
    pub folds_names: bool,
    /// Names for conflict copies.
    pub naming: &'a dyn ConflictNaming,
    /// Clean merges of what the sides hold now; what is missing here is not merged.
    pub merged: &'a BTreeMap<NodeId, Merged>,
    /// Settings.
    pub policy: Policy,
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What a plan looked for beyond the nodes that differ: places of new names, ids of copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Nodes that may exist.
    pub nodes: BTreeSet<NodeId>,
    /// Places that somebody may have.
    pub places: BTreeSet<Place>,
}

/// Returns what has to happen so that the three trees become one.
///
/// Nodes that must not be touched now are in [`Plan::held`]; everything else is settled by this plan alone.
/// Cost: O(n log n) in the number of nodes.
#[must_use]
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    plan_part(inputs).0
}

/// As [`plan`] for inputs that are a [`Part`](crate::scope::Part) of a folder, with what else the plan depends on.
#[must_use]
pub fn plan_part(inputs: &Inputs<'_>) -> (Plan, Asked) {
    let merge = target(inputs);
    let asked = merge.take_asked();
    let held = hold::close(&merge);
    (diff::plan(&merge, &held), asked)
}

/// Returns the plan, and for every node it concerns what is done and why, sorted by node.
///
/// Shape: the plan is that of [`plan`], from the same phases. Cost: as [`plan`], and a map over what it concerns.
#[must_use]
pub fn explain(inputs: &Inputs<'_>) -> (Plan, Vec<Reason>) {
    let merge = target(inputs);
    let held = hold::close(&merge);
    let plan = diff::plan(&merge, &held);
    let reasons = reasons::of(&merge, &held, &plan);
    (plan, reasons)
}

fn target<'a>(inputs: &'a Inputs<'a>) -> merge::Merge<'a> {
    match inputs.policy.direction {
        Direction::TwoWay => two_way(inputs),
        Direction::UploadOnly => one_way::merge(inputs, Side::Local),
        Direction::DownloadOnly => one_way::merge(inputs, Side::Remote),
    }
}

fn two_way<'a>(inputs: &'a Inputs<'a>) -> merge::Merge<'a> {
    let mut merge = nodes::merge(inputs);
    places::make_sound(&mut merge);
    names::settle(&mut merge);
    copies::add(&mut merge);
    merge
}
