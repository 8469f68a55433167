//! Names and ids of conflict copies, from facts that every plan finds again: the losing version's author,
//! time and content.

use fst_engine::ignore::Rules;
use fst_engine::naming::{Origin, conflict_name};
use fst_engine::reconcile::{ConflictNaming, Loser, Side};
use fst_engine::tree::Tree;
use fst_proto::entry::Content;
use fst_proto::hash::sha256;
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::{Name, RelPath};
use fst_proto::time::UnixMillis;

use super::Space;
use crate::db::Reader;

/// Nanoseconds in a millisecond.
const NS_PER_MS: i64 = 1_000_000;

/// Hex digits of the version in a name.
const HEX_LEN: usize = 4;

pub(super) struct Namer<'a> {
    pub(super) space: &'a Space,
    pub(super) db: Reader<'a>,
    pub(super) local: &'a Tree,
    pub(super) remote: &'a Tree,
    pub(super) rules: &'a Rules,
}

impl Namer<'_> {
    /// Device and time of the losing version. One that the server never saw is dated by its file.
    fn author(&self, loser: Loser) -> (String, UnixMillis) {
        let committed = match loser.side {
            Side::Remote => self.db.remote_row(loser.node).ok().flatten(),
            Side::Local => None,
        };
        match committed {
            Some(row) => (self.space.members.name(row.device), UnixMillis(row.time_ms)),
            None => {
                let mtime_ns = self.local.get(loser.node).map_or(0, |node| node.mtime_ns);
                let at = UnixMillis(u64::try_from(mtime_ns / NS_PER_MS).unwrap_or(0));
                (self.space.members.name(self.space.device), at)
            },
        }
    }
}

impl ConflictNaming for Namer<'_> {
    fn copy_name(&self, original: &Name, loser: Loser, taken: &dyn Fn(&Name) -> bool) -> Name {
        let tree = match loser.side {
            Side::Local => self.local,
            Side::Remote => self.remote,
        };
        // Directories have no content id; their node tells them apart.
        let version = tree
            .get(loser.node)
            .map(|node| sha256(&[&node.content.id.0, &loser.node.0]));
        let hex = version.map(|hash| hash.to_hex()).unwrap_or_default();
        let (device, at) = self.author(loser);
        let version_hex4 = &hex[..HEX_LEN.min(hex.len())];
        conflict_name(
            original,
            Origin {
                device: &device,
                at,
                version_hex4,
            },
            taken,
        )
    }

    fn copy_id(&self, node: NodeId, loser_content: &Content) -> NodeId {
        copy_id(node, loser_content.id)
    }

    fn is_ignored(&self, parent: NodeId, name: &Name) -> bool {
        let dir = self.local.path(parent).or_else(|| self.remote.path(parent));
        dir.is_some_and(|dir| is_kept_out(self.rules, &dir, name))
    }
}

/// Whether a rule keeps a file of this name in this directory from being synced.
pub(super) fn is_kept_out(rules: &Rules, dir: &RelPath, name: &Name) -> bool {
    let path = dir.child(name.clone()).ok();
    let said = path.and_then(|path| rules.decide(&path, false));
    said.is_some_and(|said| said.is_hands_off())
}

/// Node under which a losing content of `node` is kept, beside it or in history only.
pub(crate) fn copy_id(node: NodeId, content: ContentId) -> NodeId {
    let hash = sha256(&[
        b"fst/v1/conflict-copy\0",
        node.as_bytes(),
        content.as_bytes(),
    ]);
    let mut id = [0; NodeId::LEN];
    id.copy_from_slice(&hash.as_bytes()[..NodeId::LEN]);
    NodeId(id)
}
