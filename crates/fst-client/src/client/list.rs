//! History of all folders, read from their databases.

use fst_proto::ids::{DeviceId, SpaceId};
use fst_proto::merkle::Head;

use super::{Arc, Client, ClientError, Db, FolderConfig, Members, Path};
use crate::db::HistoryLine;
use crate::views::HistoryItem;

impl Client {
    /// Newest lines of history, newest first, of one folder or all. The server is asked only for the name of a device
    /// that joined after this one; without an answer the start of its id stands there.
    ///
    /// # Errors
    /// [`ClientError`] when a database is damaged.
    pub fn history(
        &self,
        folder: Option<&Path>,
        limit: usize,
    ) -> Result<Vec<HistoryItem>, ClientError> {
        let mut lines = Vec::new();
        for (config, db) in self.databases(folder)? {
            let found = db.read().history(limit)?;
            lines.extend(found.into_iter().map(|line| (config, line)));
        }
        lines.sort_by(|(_, a), (_, b)| b.time_ms.cmp(&a.time_ms).then(b.idx.cmp(&a.idx)));
        lines.truncate(limit);
        let members = self.naming(lines.iter().map(|(_, line)| line.device));
        let item = |(config, line): (&FolderConfig, HistoryLine)| HistoryItem {
            time_ms: line.time_ms,
            device: members.name(line.device),
            action: line.action,
            path: line.path.to_string(),
            folder: config.path.clone(),
            idx: line.idx,
        };
        Ok(lines.into_iter().map(item).collect())
    }

    /// Members that have names for these devices, as far as that can be known now.
    fn naming(&self, mut devices: impl Iterator<Item = DeviceId>) -> Members {
        let known = self.known_members();
        if devices.all(|device| known.knows(device)) {
            return known;
        }
        self.members().unwrap_or(known)
    }

    pub(crate) fn known_members(&self) -> Members {
        Members::new(self.chain.clone(), Arc::clone(&self.enrolled))
    }

    /// Heads of the logs as verified on this device.
    pub(crate) fn known_heads(&self) -> Result<Vec<(SpaceId, Head)>, ClientError> {
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

    pub(super) fn databases(
        &self,
        only: Option<&Path>,
    ) -> Result<Vec<(&FolderConfig, Db)>, ClientError> {
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
