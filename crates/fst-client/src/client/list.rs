//! History and conflicts of all folders, read from their databases.

use fst_engine::naming;
use fst_proto::ids::{NodeId, SpaceId};
use fst_proto::merkle::Head;

use super::{Arc, Client, ClientError, Db, FolderConfig, Members, Path};
use crate::db::{BaseRow, path_in};
use crate::views::{ConflictItem, ConflictSide, HistoryItem};

impl Client {
    /// Newest lines of history, newest first, of one folder or all.
    ///
    /// # Errors
    /// [`ClientError`] when a database is damaged.
    pub fn history(
        &self,
        folder: Option<&Path>,
        limit: usize,
    ) -> Result<Vec<HistoryItem>, ClientError> {
        let members = self.known_members();
        let mut items = Vec::new();
        for (config, db) in self.databases(folder)? {
            for line in db.read().history(limit)? {
                items.push(HistoryItem {
                    time_ms: line.time_ms,
                    device: members.name(line.device),
                    action: line.action,
                    path: line.path.to_string(),
                    folder: config.path.clone(),
                    idx: line.idx,
                });
            }
        }
        items.sort_by(|a, b| b.time_ms.cmp(&a.time_ms).then(b.idx.cmp(&a.idx)));
        items.truncate(limit);
        Ok(items)
    }

    /// Conflict copies that lie in the folders.
    ///
    /// # Errors
    /// [`ClientError`] when a database is damaged.
    pub fn conflicts(&self) -> Result<Vec<ConflictItem>, ClientError> {
        let members = self.known_members();
        let mut items = Vec::new();
        for (config, db) in self.databases(None)? {
            let base = db.read().base();
            for BaseRow { id, node, .. } in base.copies()? {
                let Some(original) = naming::original_of(&node.place.name) else {
                    continue;
                };
                let main = base.at(node.place.parent, &original)?;
                let copy = side(&db, &members, id)?;
                let local = main
                    .first()
                    .map(|main| side(&db, &members, main.id))
                    .transpose()?
                    .flatten();
                let path = local
                    .as_ref()
                    .or(copy.as_ref())
                    .map(|side| side.path.clone());
                items.push(ConflictItem {
                    id: id.to_hex()[..6].to_owned(),
                    path: path.unwrap_or_default(),
                    kind: "edit".to_owned(),
                    local,
                    remote: copy,
                    base: None,
                    folder: config.path.clone(),
                });
            }
        }
        Ok(items)
    }

    pub(super) fn known_members(&self) -> Members {
        Members::new(self.chain.clone(), Arc::clone(&self.enrolled))
    }

    /// Heads of the logs as verified on this device.
    pub(super) fn known_heads(&self) -> Result<Vec<(SpaceId, Head)>, ClientError> {
        let mut heads = Vec::new();
        for (_, db) in self.databases(None)? {
            if let Some(payload) = db.read().meta("genesis")? {
                let space = crate::account::space_of(&payload)?;
                heads.push((space, db.load()?.range.head()));
            }
        }
        heads.sort_unstable_by_key(|(space, _)| *space);
        Ok(heads)
    }

    fn databases(&self, only: Option<&Path>) -> Result<Vec<(&FolderConfig, Db)>, ClientError> {
        let folders = self
            .config
            .folders
            .iter()
            .filter(|f| only.is_none_or(|only| f.path == only));
        let mut out = Vec::new();
        for folder in folders {
            let file = self.database(folder);
            if file.exists() {
                out.extend(Db::open_read_only(&file)?.map(|db| (folder, db)));
            }
        }
        Ok(out)
    }
}

fn side(db: &Db, members: &Members, id: NodeId) -> Result<Option<ConflictSide>, ClientError> {
    let Some(row) = db.read().remote_row(id)? else {
        return Ok(None);
    };
    Ok(Some(ConflictSide {
        path: path_in(&db.read().base(), id)?
            .map(|path| path.to_string())
            .unwrap_or_default(),
        size: row.node.size,
        time_ms: row.time_ms,
        device: members.name(row.device),
    }))
}
