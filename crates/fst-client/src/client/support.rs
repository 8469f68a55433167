//! What a support archive is made from: names that must not be in it, and counts that may.
//!
//! For `fst doctor --bundle`. Invariant: nothing is changed; no key leaves. Not here: hiding the names, writing the archive.
//! Source: docs/design/commands.md §13, ADR 0045.

use std::collections::BTreeMap;

use fst_crypto::random::{self, OsRandom};

use super::{Client, ClientError, FolderConfig};

/// How many rows each table of a folder's database has.
pub type RowCounts = BTreeMap<String, u64>;

/// A key that nobody has seen and nobody keeps: pseudonyms of one archive are made with it.
#[must_use]
pub fn pseudonym_key() -> [u8; 32] {
    random::bytes(&OsRandom)
}

/// Name of this machine, if it has one.
#[must_use]
pub fn machine_name() -> String {
    super::host_name()
}

impl Client {
    /// Names of the devices of this account, as known here.
    #[must_use]
    pub fn known_device_names(&self) -> Vec<String> {
        let members = self.known_members();
        let devices = members.chain.devices.keys();
        devices.map(|id| members.name(*id)).collect()
    }

    /// Rows of each table of each folder's database; of a folder that was never synced there is none.
    pub fn row_counts(
        &self,
    ) -> impl Iterator<Item = (&FolderConfig, Result<RowCounts, ClientError>)> {
        self.copies().map(|(folder, db)| {
            let counted = db.and_then(|db| Ok(db.read().row_counts()?));
            (folder, counted)
        })
    }
}
