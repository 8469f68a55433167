//! Merges what this device and another one edited at once, where the rules ask for it.
//!
//! Part of planning: the engine says where two contents meet, the bytes are brought here and merged by
//! [`fst_engine::merge`], and the plan is made again with the results. Invariant: a result belongs to the three
//! contents it was made from; nothing is written here. Memory: results up to [`MERGES_BYTES_MAX`], the
//! nodes beyond it wait for their turn. Not here: what becomes of a result ([`fst_engine::reconcile`]).
//! Source: docs/design/sync-semantics.md, rows S-300 to S-325; ADR 0013.

use std::collections::BTreeMap;

use fst_engine::limits::MERGE_BYTES_MAX;
use fst_engine::merge::{self, Triple};
use fst_engine::plan::{ConflictKind, Plan, PushKind, PushOp, Source, Why};
use fst_engine::reconcile::{Merged, Strategy};
use fst_engine::scope::Part;
use fst_engine::tree::{Node, Tree};
use fst_fs::vault::VaultError;
use fst_proto::entry::{Content, Kind};
use fst_proto::ids::{ContentId, NodeId};

use super::look::Look;
use super::{Folder, Planned};
use crate::error::FolderError;
use crate::fetch::{Fetcher, Flat};
use crate::scan::{Run, content_of, for_each_run};

/// Bytes of results kept in memory at once.
const MERGES_BYTES_MAX: usize = 64 << 20;

/// Merges of the last plan.
#[derive(Debug, Default)]
pub struct Merges {
    by_node: BTreeMap<NodeId, Attempt>,
}

/// What came of three contents of a node.
#[derive(Debug)]
struct Attempt {
    inputs: [ContentId; 3],
    /// The bytes and their id; `None` when a person has to look.
    result: Option<(ContentId, Vec<u8>)>,
}

impl Merges {
    /// The merged bytes of a node, if they are this content.
    #[must_use]
    pub fn bytes(&self, node: NodeId, content: &Content) -> Option<&[u8]> {
        let (id, bytes) = self.by_node.get(&node)?.result.as_ref()?;
        (*id == content.id).then_some(bytes)
    }

    fn len(&self) -> usize {
        let results = self.by_node.values().filter_map(|it| it.result.as_ref());
        results.map(|(_, bytes)| bytes.len()).sum()
    }
}

/// Whether what the plan sends is only the first half of what it is about.
pub(super) fn has_sequel(plan: &Plan) -> bool {
    let sends_merge = |op: &PushOp| {
        let PushKind::Put { bytes, .. } = &op.kind else {
            return false;
        };
        matches!(bytes, Some(Source::Merged(_)))
    };
    let archives = plan.held.iter().any(|held| held.why == Why::Archiving);
    !plan.push.is_empty() && (archives || plan.push.iter().any(sends_merge))
}

impl Folder {
    /// Plans; where contents meet and the rules say so, merges them and plans again.
    pub(super) fn decide(&mut self, look: &mut Look) -> Result<Planned, FolderError> {
        let planned = self.plan_with(look, &BTreeMap::new())?;
        if self.settings.conflicts.strategy != Strategy::Merge {
            return Ok(planned);
        }
        let mut known = std::mem::take(&mut self.merges.by_node);
        let mut merged = BTreeMap::new();
        let Planned { plan, part } = &planned;
        let notes = plan.conflicts.iter();
        for note in notes.filter(|note| note.kind == ConflictKind::EditEdit) {
            let Some(three) = three(note.node, part) else {
                continue;
            };
            let before = known.remove(&note.node);
            match self.attempt(note.node, &three, before, &part.local) {
                Ok(attempt) => {
                    merged.extend(attempt.merged().map(|result| (note.node, result)));
                    self.merges.by_node.insert(note.node, attempt);
                },
                // Somebody writes it just now, or it is not its turn yet: it is left as it is.
                Err(FolderError::Vault(
                    VaultError::Changed { .. } | VaultError::NotFound { .. },
                )) => drop(look.held.insert(note.node)),
                Err(error) => return Err(error),
            }
        }
        self.plan_with(look, &merged)
    }

    fn attempt(
        &self,
        node: NodeId,
        three: &[Node; 3],
        known: Option<Attempt>,
        tree: &Tree,
    ) -> Result<Attempt, FolderError> {
        let inputs = three.each_ref().map(|node| node.content.id);
        if let Some(attempt) = known.filter(|attempt| attempt.inputs == inputs) {
            return Ok(attempt);
        }
        if self.merges.len() > MERGES_BYTES_MAX {
            return Err(VaultError::Changed { op: "merge files" }.into());
        }
        let [base, local, remote] = three;
        let here = self.read_local(node, local, tree)?;
        let mut result = None;
        if let Some(base) = self.revision(node, base)?
            && let Some(there) = self.revision(node, remote)?
        {
            let triple = Triple {
                base: &base,
                local: &here,
                remote: &there,
            };
            let merged = merge::merge(triple, &local.place.name).ok();
            result = merged.map(|bytes| (content_of(&self.space.keys, &bytes), bytes));
        }
        Ok(Attempt { inputs, result })
    }

    fn read_local(&self, node: NodeId, local: &Node, tree: &Tree) -> Result<Vec<u8>, FolderError> {
        let changed = || VaultError::Changed { op: "read file" };
        let path = tree.path(node).ok_or_else(changed)?;
        let bytes = read_small(self.seams.vault.open_read(&path)?.as_mut(), local.size)?;
        if content_of(&self.space.keys, &bytes) == local.content.id {
            Ok(bytes)
        } else {
            Err(changed().into())
        }
    }

    /// Bytes of a version; `None` when the server does not have them any more, or they do not open.
    fn revision(&self, node: NodeId, state: &Node) -> Result<Option<Vec<u8>>, FolderError> {
        let rows = self.db.read().revisions(node)?.into_iter();
        let mut rows = rows.filter(|row| row.state.rev == state.rev && !row.is_deleted);
        let Some(row) = rows.find(|row| row.state.content.id == state.content.id) else {
            return Ok(None);
        };
        let mut fetcher = Fetcher::new(&self.space, self.seams.remote.as_ref(), self.db.read());
        let mut bytes = Flat(Vec::new());
        match fetcher.write_revision(&row, &mut bytes) {
            Ok(()) => Ok(Some(bytes.0)),
            Err(FolderError::Pruned | FolderError::Sealed(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The three states of a file that may be merged.
fn three(node: NodeId, part: &Part) -> Option<[Node; 3]> {
    let [base, local, remote] = [&part.base, &part.local, &part.remote].map(|tree| tree.get(node));
    let three = [base?.clone(), local?.clone(), remote?.clone()];
    let is_fit =
        |node: &Node| node.content.kind == Kind::File && node.size <= MERGE_BYTES_MAX as u64;
    three.iter().all(is_fit).then_some(three)
}

impl Attempt {
    fn merged(&self) -> Option<Merged> {
        let [_, local, remote] = self.inputs;
        let (content, bytes) = self.result.as_ref()?;
        Some(Merged {
            local,
            remote,
            content: *content,
            size: bytes.len() as u64,
        })
    }
}

/// Reads a file that fits into memory by the limit of merges.
pub(crate) fn read_small(
    file: &mut dyn fst_fs::vault::ReadFile,
    size: u64,
) -> Result<Vec<u8>, VaultError> {
    let mut bytes = Vec::new();
    for_each_run(file, size, &mut |run| {
        match run {
            Run::Data(data) => bytes.extend_from_slice(data),
            Run::Hole(len) => bytes.resize(bytes.len() + usize::try_from(len).unwrap_or(0), 0),
        }
        Ok(())
    })?;
    Ok(bytes)
}
