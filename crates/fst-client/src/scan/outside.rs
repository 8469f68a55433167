//! Looks into directories that are not chosen: for what was moved there, and for copies that are to go.
//!
//! Invariant: in a scan of the folder only entries with the identity of a base node that is missing are noted, and as
//! ignored: nothing there is read, compared or taken for new; nobody looks while nothing is missing. What is to be
//! cleared is looked at by itself. Not here: which directories are chosen.
//! Source: docs/design/sync-semantics.md, rows S-183 and S-185.

use std::collections::BTreeSet;

use fst_engine::identify::FileKey;
use fst_proto::path::{PRIVATE_DIR, RelPath};

use super::{
    DbError, FileKind, Scanned, Scanner, inside, is_dir, keep_stat, key_of, key_of_file, root,
    seen_ignored,
};
use crate::error::FolderError;

impl Scanner<'_> {
    /// Notes what is missing and lies where this device does not sync.
    pub(super) fn look_outside(&self, out: &mut Scanned) -> Result<(), FolderError> {
        let selection = self.ignore.selection();
        if !out.has_gone || selection.is_everything() {
            return Ok(());
        }
        let wanted = self.missing(out)?;
        let mut open = vec![RelPath::root()];
        while let Some(dir) = open.pop().filter(|_| !wanted.is_empty()) {
            // What cannot be listed shows nothing: then a missing node counts as deleted, as it would anywhere.
            for entry in self.vault.list(&dir).unwrap_or_default() {
                let (Ok(name), Ok(stat)) = (entry.name, entry.stat) else {
                    continue;
                };
                let is_private = dir.is_root() && name.as_bytes() == PRIVATE_DIR.as_bytes();
                let path = dir.child(name).ok().filter(|_| !is_private);
                let Some(path) = path else { continue };
                let is_dir = stat.kind == FileKind::Dir;
                let is_out = selection.leaves_out(&path, is_dir);
                if is_out && wanted.contains(&key_of_file(&stat)) {
                    let seen = seen_ignored(&stat);
                    out.scan.entry(path.clone()).or_insert(seen);
                }
                if is_dir && (is_out || !selection.is_whole(&path)) {
                    open.push(path);
                }
            }
        }
        Ok(())
    }

    /// Everything at and below a path, base or not; nothing when nothing lies there or something leads elsewhere.
    ///
    /// # Errors
    /// [`DbError`]; what cannot be seen is a problem of its path.
    pub fn look_below(&self, path: &RelPath) -> Result<Scanned, FolderError> {
        let mut out = Scanned {
            settled_before_ns: self.settled_before_ns(),
            ..Scanned::default()
        };
        let Ok(Some(stat)) = self.vault.stat(path) else {
            return Ok(out);
        };
        let Some((seen, stat)) = self.see(path, Ok(stat), None, &mut out)? else {
            return Ok(out);
        };
        keep_stat(path, seen, stat, &mut out);
        out.scan.insert(path.clone(), seen);
        if is_dir(&seen) {
            self.walk(inside(&root(), path.clone(), seen, None), &mut out)?;
        }
        Ok(out)
    }

    /// Identities of base nodes that were looked for and not found.
    fn missing(&self, out: &Scanned) -> Result<BTreeSet<FileKey>, DbError> {
        let mut keys = BTreeSet::new();
        for &id in &out.looked {
            keys.extend(self.db.base().row(id)?.and_then(|row| row.key));
        }
        for key in out.scan.values().filter_map(key_of) {
            keys.remove(&key);
        }
        Ok(keys)
    }
}
