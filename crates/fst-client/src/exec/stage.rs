//! Makes the new version of a file in the stage, from whatever is nearest: a copy in the folder, the old version, what an
//! earlier try left, the server.
//!
//! Invariant: what is handed on has the content id that was planned. Not here: placing it ([`super`]).

use std::collections::BTreeMap;

use fst_engine::plan::{DiskStep, Source};
use fst_engine::progress::Progress;
use fst_fs::commit;
use fst_fs::vault::{FileAttrs, FileKind, ReadFile, StageName, Stat, VaultError};
use fst_proto::entry::{Content, Kind};
use fst_proto::ids::{ContentId, NodeId};
use fst_proto::path::RelPath;

use super::tags::{draft_tag, old_tag, swap_tag};
use super::{Applier, LONG_FILE, ignore_missing, is_doubtful, settled_or};
use crate::db::{RemoteRow, path_in};
use crate::error::FolderError;
use crate::fetch::{Early, Fetcher, Own};
use crate::scan::hash_file;

impl Applier<'_> {
    /// Files on this disk that are known well enough to help, with what should be in them: the old version, or a file
    /// that has the wanted content already.
    pub(super) fn sources(
        &self,
        path: &RelPath,
        content: &Content,
        expect: Option<&Content>,
    ) -> Result<Vec<(RelPath, ContentId)>, FolderError> {
        let db = self.db.read();
        let mut out = Vec::new();
        if let Some(old) = expect
            && db.has_sketch(old.id)?
        {
            out.push((path.clone(), old.id));
        }
        if db.has_sketch(content.id)?
            && let Some(holder) = db.base().holder(content.id)?
            && let Some(path) = path_in(&db.base(), holder)?
        {
            out.insert(0, (path, content.id));
        }
        Ok(out)
    }

    fn own(
        &self,
        fetcher: &Fetcher<'_>,
        sources: &[(RelPath, ContentId)],
    ) -> Result<Option<Own>, FolderError> {
        for (path, content) in sources {
            if let Some(own) = fetcher.own(self.vault, path, *content)? {
                return Ok(Some(own));
            }
        }
        Ok(None)
    }

    pub(super) fn stage(
        &self,
        step: &DiskStep,
        rows: &BTreeMap<NodeId, RemoteRow>,
        progress: Option<&Progress>,
        (fetcher, early): (&mut Fetcher<'_>, &mut Option<Early>),
    ) -> Result<StageName, FolderError> {
        let DiskStep::Write {
            node,
            source,
            path,
            content,
            mtime_ns,
            expect,
        } = step
        else {
            return Err(VaultError::Changed { op: "stage file" }.into());
        };
        let tag = draft_tag(*node);
        let draft = self.draft(step)?;
        self.vault.discard(&tag).or_else(ignore_missing)?;
        match source {
            // A merge is sent before any folder gets it, then it is a remote version.
            Source::Merged(_) => return Err(VaultError::Changed { op: "stage file" }.into()),
            Source::Local(from) => {
                let path = progress.and_then(|progress| progress.path(*from));
                let path = path.ok_or(VaultError::Changed { op: "copy file" })?;
                self.stage_local(&path, &tag, content)?;
            },
            Source::Remote(from) => {
                let gone = || FolderError::Sealed("its version is unknown".to_owned());
                let row = rows.get(from).ok_or_else(gone)?;
                if content.kind == Kind::Symlink {
                    let target = fetcher.slot(*from, row)?;
                    if crate::scan::content_of(&self.space.keys, &target) != content.id {
                        return Err(FolderError::Sealed("link differs from its id".to_owned()));
                    }
                    self.vault.stage_link(&tag, &target)?;
                    return Ok(tag);
                }
                let like = self.expected_stat(*node).map(|stat| stat.permissions);
                let attrs = FileAttrs {
                    exec: content.exec,
                    mtime_ns: *mtime_ns,
                    like,
                };
                if let Some(early) = early.take_if(|early| early.node() == *from)
                    && self.end_early(step, row, attrs, (fetcher, early))?
                {
                    return Ok(tag);
                }
                let sources = self.sources(path, content, expect.as_ref())?;
                let own = self.own(fetcher, &sources)?;
                let has_own = own.is_some();
                let mut file = self.vault.stage_file(&tag)?;
                fetcher.resume(draft);
                let mut written = fetcher.write(*from, row, content, file.as_mut(), own);
                if has_own && written.as_ref().is_err_and(is_doubtful) {
                    // The old file may have changed: everything is fetched.
                    drop(file);
                    self.vault.discard(&tag).or_else(ignore_missing)?;
                    file = self.vault.stage_file(&tag)?;
                    written = fetcher.write(*from, row, content, file.as_mut(), None);
                }
                if matches!(written, Err(FolderError::Remote(_))) && self.is_long(source) {
                    // Left for the next try; one that cannot be left is begun anew.
                    file.finish(attrs).map(drop).unwrap_or_default();
                    return written.map(|()| tag);
                }
                written?;
                file.finish(attrs)?;
                if self.is_long(source) {
                    self.vault
                        .discard(&old_tag(*node))
                        .or_else(ignore_missing)?;
                }
            },
        }
        Ok(tag)
    }

    /// Ends a file that was begun before it was committed; false when something else came of it and it is to be written
    /// from the beginning.
    fn end_early(
        &self,
        step: &DiskStep,
        row: &RemoteRow,
        attrs: FileAttrs,
        (fetcher, early): (&mut Fetcher<'_>, Early),
    ) -> Result<bool, FolderError> {
        let DiskStep::Write { node, content, .. } = step else {
            return Ok(false);
        };
        if !early.is_of(early.node(), row) {
            return Ok(false);
        }
        let (from, file, written) = fetcher.write_on(row, content, early);
        let is_cut = matches!(written, Err(FolderError::Remote(_)));
        if !is_cut && written.is_err() {
            return Ok(false);
        }
        file.finish(attrs)?;
        self.vault.retag(&from, &draft_tag(*node))?;
        // What was cut is left for the next try, as any other draft.
        written.map(|()| true)
    }

    /// What earlier tries left of a long file: the longer of the last one and the one before, which may have ended early.
    fn draft(&self, step: &DiskStep) -> Result<Option<Box<dyn ReadFile>>, FolderError> {
        let DiskStep::Write { node, source, .. } = step else {
            return Ok(None);
        };
        if !self.is_long(source) {
            return Ok(None);
        }
        let (last, old) = (draft_tag(*node), old_tag(*node));
        let len_of = |tag| match self.vault.read_staged(tag) {
            Ok(file) => Ok(file.stat()?.size),
            Err(VaultError::NotFound { .. }) => Ok(0),
            Err(error) => Err(error),
        };
        if len_of(&last)? > len_of(&old)? {
            self.vault.discard(&old).or_else(ignore_missing)?;
            self.vault.retag(&last, &old)?;
        }
        match self.vault.read_staged(&old) {
            Ok(file) => Ok(Some(file)),
            Err(VaultError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_long(&self, source: &Source) -> bool {
        match source {
            Source::Remote(node) => {
                let node = self.remote_tree.get(*node);
                node.is_some_and(|node| node.size > LONG_FILE)
            },
            Source::Local(_) | Source::Merged(_) => false,
        }
    }

    fn stage_local(
        &self,
        path: &RelPath,
        tag: &StageName,
        content: &Content,
    ) -> Result<(), FolderError> {
        if content.kind == Kind::Symlink {
            let target = self.vault.read_link(path)?;
            self.vault.stage_link(tag, &target)?;
            return Ok(());
        }
        let stat = self.vault.copy_to_stage(path, tag)?;
        let mut copy = self.vault.read_staged(tag)?;
        let id = hash_file(&self.space.keys, copy.as_mut(), stat.size)?;
        if id == content.id {
            Ok(())
        } else {
            Err(VaultError::Changed { op: "copy file" }.into())
        }
    }

    /// Gives a file of several names an object of its own for this name, since attributes are those of the object and the
    /// names are different nodes (S-176). `None` when it has one name.
    pub(super) fn object_of_its_own(
        &self,
        node: NodeId,
        path: &RelPath,
    ) -> Result<Option<Stat>, VaultError> {
        let stat = self.vault.stat(path)?;
        let is_shared = stat.is_some_and(|stat| stat.kind == FileKind::File && stat.nlink > 1);
        let Some(here) = self.local.get(node).filter(|_| is_shared) else {
            return Ok(None);
        };
        let (draft, tag) = (draft_tag(node), swap_tag(node));
        self.vault.discard(&draft).or_else(ignore_missing)?;
        self.vault.copy_to_stage(path, &draft)?;
        self.vault.sync_stage()?;
        self.vault.retag(&draft, &tag)?;
        let mut is_expected = |stat: &Stat| self.is_expected(node, stat, &tag, &here.content);
        let placed = commit::replace_if(self.vault, &tag, path, &mut is_expected)?;
        settled_or(placed, &tag).map(Some)
    }
}
