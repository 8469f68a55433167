//! Open conflicts: what they are, and how a person or a rule settles them.
//!
//! A conflict is open as long as the copy that was kept beside a file lies there under its conflict name; its id is
//! the copy's node, so every device lists the same. Settling one changes files as a user would, so it is synced,
//! and undone by restoring versions. Works beside a running daemon and without one. Invariant: nothing is
//! replaced or removed but contents that are versions at the server, judged on the object displaced.
//! Not here: how conflicts come to be ([`fst_engine::reconcile`]), printing.
//! Source: docs/design/sync-semantics.md, rows C-1 to C-6.

use std::io::Write as _;
use std::rc::Rc;

use fst_crypto::random::OsRandom;
use fst_engine::merge::{self, Triple, Unclean};
use fst_engine::naming;
use fst_engine::tree::Node;
use fst_fs::commit::{self, Outcome};
use fst_fs::real::RealVault;
use fst_fs::vault::{FileAttrs, FileKind, Stat, Vault as _, VaultError};
use fst_proto::entry::{CopyOf, Kind};
use fst_proto::error::ErrorCode;
use fst_proto::ids::NodeId;
use fst_proto::path::{Name, RelPath};
use fst_proto::time::Clock as _;

use super::{Arc, Client, ClientError, Db, FolderConfig, Members, Space, SystemClock};
use crate::db::{BaseRow, RemoteRow, path_in};
use crate::exec::{draft_tag, ignore_missing, swap_tag};
use crate::fetch::{Fetcher, Flat};
use crate::folder::read_small;
use crate::past::Intended;
use crate::past::files::{described, intended, said};
use crate::scan::{content_of, hash_file};
use crate::versions;
use crate::views::{ConflictItem, ConflictSide};

/// Hex digits of an id that are shown.
const ID_LEN: usize = 6;

/// Names tried for a copy that is to be a file like any other.
const NAME_TRIES_MAX: u32 = 1000;

/// Which content a conflict is settled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// What this device wrote; when no side is its own, what lies at the path.
    Local,
    /// The other one.
    Remote,
    /// Both, as two files.
    Both,
}

/// A rule for many conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The content modified last.
    Newest,
    /// The content modified first.
    Oldest,
    /// The merge of both where it is clean; others stay open.
    Merge,
    /// The same choice for all.
    Choice(Choice),
}

/// What was or would be done about a conflict.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Settled {
    /// Its id.
    pub id: String,
    /// Path of the file, printable.
    pub path: String,
    /// `local | remote | both | merge`, or `open` when a merge is not clean.
    pub kept: String,
    /// Why it stays open.
    pub reason: Option<String>,
    /// Version of the file before; restoring it undoes the choice.
    pub version_before: Option<u32>,
    /// Path of the copy, printable; its content stays in history.
    pub copy: String,
}

/// The three texts of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// What both were made from; `None` when there is no such version, or the server no longer has it.
    pub base: Option<Vec<u8>>,
    /// This device's content.
    pub local: Vec<u8>,
    /// The other content.
    pub remote: Vec<u8>,
    /// Name of the file.
    pub name: Name,
}

impl Texts {
    /// The clean merge, or why there is none.
    ///
    /// # Errors
    /// [`Unclean`]; without base nothing is clean.
    pub fn merge(&self) -> Result<Vec<u8>, Unclean> {
        let base = self.base.as_deref().ok_or(Unclean::NoBase)?;
        let triple = Triple {
            base,
            local: &self.local,
            remote: &self.remote,
        };
        merge::merge(triple, &self.name)
    }
}

impl Texts {
    /// The clean merge, else both in one text with markers, for a person to edit.
    #[must_use]
    pub fn draft(&self) -> Vec<u8> {
        let triple = Triple {
            base: self.base.as_deref().unwrap_or_default(),
            local: &self.local,
            remote: &self.remote,
        };
        self.merge().unwrap_or_else(|_| merge::marked(triple))
    }

    /// Whether a person left markers of [`Self::draft`] in a text.
    #[must_use]
    pub fn has_markers(text: &[u8]) -> bool {
        merge::has_markers(text)
    }
}

/// A conflict as it lies in one folder.
struct Open<'a> {
    folder: &'a FolderConfig,
    db: Rc<Db>,
    copy: NodeId,
    /// The file that kept its name, if it is still there.
    main: Option<NodeId>,
    copy_of: Option<CopyOf>,
    /// Whether the copy holds what this device wrote.
    is_copy_local: bool,
}

/// What is known of a folder that settling needs.
struct Place<'a> {
    conflict: &'a Open<'a>,
    space: Space,
    vault: RealVault,
}

impl Client {
    /// Open conflicts of all folders.
    ///
    /// # Errors
    /// [`ClientError`] when a database is damaged.
    pub fn conflicts(&self) -> Result<Vec<ConflictItem>, ClientError> {
        let members = self.known_members();
        let open = self.open_conflicts()?;
        open.iter()
            .map(|conflict| conflict.item(&members))
            .collect()
    }

    /// One conflict, with what both sides were made from.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchConflict`], [`ErrorCode::Usage`] when the id is not enough.
    pub fn conflict(&self, id: &str) -> Result<ConflictItem, ClientError> {
        self.find(id)?.item(&self.known_members())
    }

    /// The texts of a conflict. Asks the server for base.
    ///
    /// # Errors
    /// [`ErrorCode::ConflictChanged`] when the folder has not synced what lies there; [`ErrorCode::NotMergeable`]
    /// when it is no small file; server errors.
    pub fn conflict_texts(&self, id: &str) -> Result<Texts, ClientError> {
        let conflict = self.find(id)?;
        let place = self.place(&conflict)?;
        place.texts(self)
    }

    /// Settles a conflict with one content, or both.
    ///
    /// # Errors
    /// [`ErrorCode::NoSuchConflict`]; [`ErrorCode::ConflictChanged`] when a file changed meanwhile: nothing is done then.
    pub fn resolve(&self, id: &str, choice: Choice) -> Result<Settled, ClientError> {
        let conflict = self.find(id)?;
        let place = self.place(&conflict)?;
        let settled = conflict.settled(word(choice), None)?;
        match (choice, conflict.is_copy_local) {
            (Choice::Both, _) => place.keep_both(&self.known_members())?,
            (Choice::Local, true) | (Choice::Remote, false) => place.take_copy()?,
            (Choice::Local, false) | (Choice::Remote, true) => place.drop_copy()?,
        }
        Ok(settled)
    }

    /// Settles a conflict with a text that a person or a merge has made of both.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_with(&self, id: &str, text: &[u8]) -> Result<Settled, ClientError> {
        let conflict = self.find(id)?;
        let place = self.place(&conflict)?;
        let settled = conflict.settled("merge", None)?;
        place.take_text(text)?;
        Ok(settled)
    }

    /// Settles a conflict with the clean merge, if there is one.
    ///
    /// # Errors
    /// [`ErrorCode::NotMergeable`] with the reason; as [`Self::resolve`].
    pub fn resolve_by_merge(&self, id: &str) -> Result<Settled, ClientError> {
        let merged = self.conflict_texts(id)?.merge();
        let failed = |reason| ClientError::caused(ErrorCode::NotMergeable, "merge both", reason);
        self.resolve_with(id, &merged.map_err(failed)?)
    }

    /// What a rule makes of a conflict; does it unless `is_dry`.
    ///
    /// # Errors
    /// As [`Self::resolve`]. A merge that is not clean is no error: the conflict stays open.
    pub fn resolve_by(&self, id: &str, rule: Rule, is_dry: bool) -> Result<Settled, ClientError> {
        let choice = match rule {
            Rule::Choice(choice) => choice,
            Rule::Newest => self.find(id)?.by_time(true)?,
            Rule::Oldest => self.find(id)?.by_time(false)?,
            Rule::Merge => return self.merge_or_leave(id, is_dry),
        };
        if is_dry {
            return self.find(id)?.settled(word(choice), None);
        }
        self.resolve(id, choice)
    }

    /// What settling a conflict by a rule is about to do; `None` when it stays open.
    ///
    /// # Errors
    /// As [`Self::resolve_by`].
    pub fn intend(&self, id: &str, rule: Rule) -> Result<Option<Intended>, ClientError> {
        let conflict = self.find(id)?;
        let choice = match rule {
            Rule::Choice(choice) => choice,
            Rule::Newest => conflict.by_time(true)?,
            Rule::Oldest => conflict.by_time(false)?,
            Rule::Merge => {
                return match self.conflict_texts(id) {
                    Ok(texts) => texts
                        .merge()
                        .ok()
                        .map(|text| self.intend_text(id, &text))
                        .transpose(),
                    Err(error) if error.code() == ErrorCode::NotMergeable => Ok(None),
                    Err(error) => Err(error),
                };
            },
        };
        let place = self.place(&conflict)?;
        let goal = match (choice, conflict.is_copy_local) {
            (Choice::Both, _) => Goal::Both(place.free_beside(&self.known_members())?),
            (Choice::Local, true) | (Choice::Remote, false) => Goal::Copy,
            (Choice::Local, false) | (Choice::Remote, true) => Goal::Main,
        };
        place.intended(&goal).map(Some)
    }

    /// What settling a conflict with a text is about to do.
    ///
    /// # Errors
    /// As [`Self::resolve_with`].
    pub fn intend_text(&self, id: &str, text: &[u8]) -> Result<Intended, ClientError> {
        let conflict = self.find(id)?;
        self.place(&conflict)?.intended(&Goal::Text(text))
    }

    fn merge_or_leave(&self, id: &str, is_dry: bool) -> Result<Settled, ClientError> {
        let merged = match self.conflict_texts(id) {
            Ok(texts) => texts.merge().map_err(|reason| reason.to_string()),
            Err(error) if error.code() == ErrorCode::NotMergeable => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        match merged {
            Err(reason) => self.find(id)?.settled("open", Some(reason)),
            Ok(_) if is_dry => self.find(id)?.settled("merge", None),
            Ok(text) => self.resolve_with(id, &text),
        }
    }

    fn open_conflicts(&self) -> Result<Vec<Open<'_>>, ClientError> {
        let mut open = Vec::new();
        for (folder, db) in self.databases(None)? {
            let copies = db.read().base().copies()?;
            let db = Rc::new(db);
            for copy in &copies {
                open.push(self.open_one((folder, Rc::clone(&db)), copy)?);
            }
        }
        Ok(open)
    }

    fn reopen(&self, folder: &FolderConfig) -> Result<Option<Db>, ClientError> {
        Ok(Db::open_read_only(&self.database(folder))?)
    }

    fn open_one<'a>(
        &self,
        (folder, db): (&'a FolderConfig, Rc<Db>),
        copy: &BaseRow,
    ) -> Result<Open<'a>, ClientError> {
        let place = &copy.node.place;
        let base = db.read().base();
        let copy_of = db.read().conflict(copy.id)?;
        let mut main = match copy_of {
            Some(of) => base.row(of.node)?.map(|row| row.id),
            None => None,
        };
        if let (None, Some(original)) = (main, naming::original_of(&place.name)) {
            main = base.at(place.parent, &original)?.first().map(|row| row.id);
        }
        let author = main.map(|main| db.read().remote_row(main)).transpose()?;
        let author = author.flatten().map(|row| row.device);
        let writer = naming::device_of(&place.name);
        let is_copy_own = writer.is_some_and(|it| naming::is_device(&it, self.device_name()));
        let is_main_own = author == Some(self.enrolled.device.device);
        Ok(Open {
            folder,
            copy: copy.id,
            main,
            copy_of,
            is_copy_local: is_copy_own && !is_main_own,
            db,
        })
    }

    fn find(&self, id: &str) -> Result<Open<'_>, ClientError> {
        let mut open = self.open_conflicts()?;
        open.retain(|conflict| !id.is_empty() && conflict.copy.to_hex().starts_with(id));
        let detail = || format!("{id:?}");
        match open.len() {
            0 => Err(ClientError::new(ErrorCode::NoSuchConflict, detail())),
            1 => Ok(open.remove(0)),
            _ => Err(ClientError::new(
                ErrorCode::Usage,
                format!("{id:?} is the start of several ids"),
            )),
        }
    }

    fn place<'a>(&self, conflict: &'a Open<'a>) -> Result<Place<'a>, ClientError> {
        let folder = conflict.folder;
        let gone = || ClientError::new(ErrorCode::RootMissing, folder.path.display().to_string());
        let mut db = self.reopen(folder)?.ok_or_else(gone)?;
        let opened = self
            .spaces()
            .open(&folder.remote_path, &mut db, &OsRandom)?;
        let space = Space {
            id: opened.id,
            device: self.enrolled.device.device,
            keys: opened.keys,
            sign_key: self.enrolled.device.sign_key(),
            hedge: Arc::new(self.enrolled.device.hedge_key()),
            random: Arc::new(OsRandom),
            members: self.known_members(),
            receipt_key: self.enrolled.receipt_key,
            policy: opened.policy,
        };
        let vault = RealVault::open(&folder.path)?;
        Ok(Place {
            conflict,
            space,
            vault,
        })
    }
}

fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Local => "local",
        Choice::Remote => "remote",
        Choice::Both => "both",
    }
}

fn changed(path: &RelPath) -> ClientError {
    ClientError::new(ErrorCode::ConflictChanged, path.to_string())
}

impl Open<'_> {
    fn id(&self) -> String {
        self.copy.to_hex()[..ID_LEN].to_owned()
    }

    fn path(&self, node: NodeId) -> Result<RelPath, ClientError> {
        let lost = || ClientError::new(ErrorCode::ConflictChanged, self.id());
        path_in(&self.db.read().base(), node)?.ok_or_else(lost)
    }

    /// Path of the file; of the copy when the file is gone.
    fn main_path(&self) -> Result<RelPath, ClientError> {
        self.path(self.main.unwrap_or(self.copy))
    }

    fn item(&self, members: &Members) -> Result<ConflictItem, ClientError> {
        let main = self
            .main
            .map(|main| self.side(main, members))
            .transpose()?
            .flatten();
        let mut copy = self.side(self.copy, members)?;
        let node = self.node(self.copy)?;
        let writer = node.and_then(|node| naming::device_of(&node.place.name));
        if let (Some(copy), Some(writer)) = (&mut copy, writer) {
            copy.device = writer;
        }
        let (local, remote) = if self.is_copy_local {
            (copy, main)
        } else {
            (main, copy)
        };
        Ok(ConflictItem {
            id: self.id(),
            path: self.main_path()?.to_string(),
            kind: if self.copy_of.is_some() {
                "edit"
            } else {
                "name"
            }
            .to_owned(),
            local,
            remote,
            base: self.base_side(members)?,
            folder: self.folder.path.clone(),
        })
    }

    fn side(&self, node: NodeId, members: &Members) -> Result<Option<ConflictSide>, ClientError> {
        let path = self.path(node)?;
        let row: Option<RemoteRow> = self.db.read().remote_row(node)?;
        Ok(row.map(|row| ConflictSide {
            path: path.to_string(),
            size: row.node.size,
            time_ms: row.time_ms,
            device: members.name(row.device),
        }))
    }

    fn base_side(&self, members: &Members) -> Result<Option<ConflictSide>, ClientError> {
        let Some(of) = self.copy_of else {
            return Ok(None);
        };
        let rows = self.db.read().revisions(of.node)?.into_iter();
        let row = rows
            .filter(|row| !row.is_deleted)
            .find(|row| row.state.rev == of.base_rev);
        Ok(row.map(|row| ConflictSide {
            path: row.state.place.name.to_string(),
            size: row.state.size,
            time_ms: row.time_ms,
            device: members.name(row.device),
        }))
    }

    /// The side that was modified last, or first; equal times are decided by content, as everywhere.
    fn by_time(&self, is_last: bool) -> Result<Choice, ClientError> {
        let key = |node: Node| (node.mtime_ns, node.content.id);
        let main = match self.main {
            Some(main) => self.node(main)?.map(key),
            None => None,
        };
        let copy = self.node(self.copy)?.map(key);
        let is_copy_chosen = main.is_none() || (copy > main) == is_last;
        Ok(if is_copy_chosen == self.is_copy_local {
            Choice::Local
        } else {
            Choice::Remote
        })
    }

    fn node(&self, id: NodeId) -> Result<Option<Node>, ClientError> {
        Ok(self.db.read().base().row(id)?.map(|row| row.node))
    }

    fn settled(&self, kept: &str, reason: Option<String>) -> Result<Settled, ClientError> {
        let versions = match self.main {
            Some(main) => versions::of_node(self.db.read(), main)?.versions,
            None => Vec::new(),
        };
        Ok(Settled {
            id: self.id(),
            path: self.main_path()?.to_string(),
            kept: kept.to_owned(),
            reason,
            version_before: versions.last().map(|version| version.number),
            copy: self.path(self.copy)?.to_string(),
        })
    }
}

/// What becomes of a conflict.
enum Goal<'a> {
    /// The copy gets this path.
    Both(RelPath),
    /// The file gets the copy's content.
    Copy,
    /// The file keeps its own.
    Main,
    /// The file gets this text.
    Text(&'a [u8]),
}

impl Place<'_> {
    /// What is about to be done, for the log of operations.
    fn intended(&self, goal: &Goal<'_>) -> Result<Intended, ClientError> {
        let node = |node| -> Result<_, ClientError> {
            let path = self.conflict.path(node)?;
            Ok((path, described(&self.known(node)?.content)))
        };
        let (copy, content) = node(self.conflict.copy)?;
        let main = self.conflict.main.map(node).transpose()?;
        let original = || Ok::<_, ClientError>((self.original_path()?, None));
        let main = match main {
            Some((path, was)) => (path, Some(was)),
            None => original()?,
        };
        let other = match goal {
            Goal::Both(path) => Some((path.clone(), None, content.clone())),
            Goal::Copy => Some((main.0, main.1, content.clone())),
            Goal::Main => None,
            Goal::Text(text) => {
                let id = content_of(&self.space.keys, text);
                Some((main.0, main.1, said(Kind::File, &id)))
            },
        };
        let other = other.as_ref();
        let other = other.map(|(path, was, left)| (path, was.clone(), Some(left.clone())));
        let changes = other.into_iter().chain([(&copy, Some(content), None)]);
        Ok(intended(&self.conflict.folder.path, changes))
    }

    fn texts(&self, client: &Client) -> Result<Texts, ClientError> {
        let conflict = self.conflict;
        let not_mergeable = |detail: &str| ClientError::new(ErrorCode::NotMergeable, detail);
        let main = conflict
            .main
            .ok_or_else(|| not_mergeable("the file is gone"))?;
        let (here, there) = (self.text(main)?, self.text(conflict.copy)?);
        let (local, remote) = if conflict.is_copy_local {
            (there, here)
        } else {
            (here, there)
        };
        let name = conflict.main_path()?.name().cloned();
        Ok(Texts {
            base: self.base_text(client)?,
            local,
            remote,
            name: name.ok_or_else(|| not_mergeable("it has no name"))?,
        })
    }

    /// The bytes of a file as they lie in the folder, which must be as it was synced.
    fn text(&self, node: NodeId) -> Result<Vec<u8>, ClientError> {
        let path = self.conflict.path(node)?;
        let known = self.known(node)?;
        let is_small = known.size <= fst_engine::limits::MERGE_BYTES_MAX as u64;
        if known.content.kind != Kind::File || !is_small {
            return Err(ClientError::new(
                ErrorCode::NotMergeable,
                Unclean::TooLarge.to_string(),
            ));
        }
        let bytes = read_small(self.vault.open_read(&path)?.as_mut(), known.size)?;
        if content_of(&self.space.keys, &bytes) == known.content.id {
            Ok(bytes)
        } else {
            Err(changed(&path))
        }
    }

    fn base_text(&self, client: &Client) -> Result<Option<Vec<u8>>, ClientError> {
        let Some(of) = self.conflict.copy_of else {
            return Ok(None);
        };
        let db = self.conflict.db.read();
        let rows = db.revisions(of.node)?.into_iter();
        let mut rows = rows.filter(|row| !row.is_deleted && row.state.rev == of.base_rev);
        let Some(row) = rows.next() else {
            return Ok(None);
        };
        let mut fetcher = Fetcher::new(&self.space, client.remote.as_ref(), db);
        let mut bytes = Flat(Vec::new());
        match fetcher.write_revision(&row, &mut bytes) {
            Ok(()) => Ok(Some(bytes.0)),
            Err(crate::FolderError::Pruned) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn known(&self, node: NodeId) -> Result<Node, ClientError> {
        let lost = || ClientError::new(ErrorCode::ConflictChanged, self.conflict.id());
        self.conflict.node(node)?.ok_or_else(lost)
    }

    /// The file keeps what it has; the copy goes.
    fn drop_copy(&self) -> Result<(), ClientError> {
        if self.conflict.main.is_none() {
            return Err(changed(&self.conflict.main_path()?));
        }
        self.remove_copy()
    }

    /// The file gets what the copy has; the copy goes.
    fn take_copy(&self) -> Result<(), ClientError> {
        let (copy, Some(main)) = (self.conflict.copy, self.conflict.main) else {
            return self.rename_copy(&self.original_path()?);
        };
        let (path, known) = (self.conflict.path(copy)?, self.known(copy)?);
        let tag = draft_tag(main);
        self.vault.discard(&tag).or_else(ignore_missing)?;
        if known.content.kind == Kind::Symlink {
            self.vault.stage_link(&tag, &self.vault.read_link(&path)?)?;
        } else {
            self.vault.copy_to_stage(&path, &tag)?;
        }
        let staged = self
            .vault
            .stat_staged(&tag)?
            .ok_or_else(|| changed(&path))?;
        if !self.is_known(copy, &staged, &tag)? {
            self.vault.discard(&tag)?;
            return Err(changed(&path));
        }
        self.replace_main(main)?;
        self.remove_copy()
    }

    /// The file gets this text; the copy goes.
    fn take_text(&self, text: &[u8]) -> Result<(), ClientError> {
        let main = self.conflict.main;
        let main = main.ok_or_else(|| changed(&RelPath::root()))?;
        let (path, known) = (self.conflict.path(main)?, self.known(main)?);
        let tag = draft_tag(main);
        self.vault.discard(&tag).or_else(ignore_missing)?;
        let mut file = self.vault.stage_file(&tag)?;
        let failed = |source| VaultError::Io {
            op: "write staged file",
            source,
        };
        file.write_all(text).map_err(failed)?;
        let like = self.vault.stat(&path)?.map(|stat| stat.permissions);
        let now_ms = i64::try_from(SystemClock.now().0).unwrap_or(0);
        file.finish(FileAttrs {
            exec: known.content.exec,
            mtime_ns: now_ms.saturating_mul(1_000_000),
            like,
        })?;
        self.replace_main(main)?;
        self.remove_copy()
    }

    /// The copy becomes a file like any other.
    fn keep_both(&self, members: &Members) -> Result<(), ClientError> {
        for _ in 1..=NAME_TRIES_MAX {
            let path = self.free_beside(members)?;
            match self.rename_copy(&path) {
                Err(error)
                    if error.code() == ErrorCode::ConflictChanged && self.is_taken(&path)? => {},
                done => return done,
            }
        }
        Err(changed(&self.original_path()?))
    }

    /// A free path for the copy beside the file.
    fn free_beside(&self, members: &Members) -> Result<RelPath, ClientError> {
        let node = self.known(self.conflict.copy)?;
        let original = self.original_path()?;
        let writer = naming::device_of(&node.place.name);
        let writer = writer.unwrap_or_else(|| members.name(self.space.device));
        let parent = original.parent().unwrap_or_default();
        for n in 1..=NAME_TRIES_MAX {
            let name = original.name().map(|name| naming::beside(name, &writer, n));
            let path = name.and_then(|name| parent.child(name).ok());
            let path = path.ok_or_else(|| changed(&original))?;
            if !self.is_taken(&path)? {
                return Ok(path);
            }
        }
        Err(changed(&original))
    }

    fn is_taken(&self, path: &RelPath) -> Result<bool, ClientError> {
        Ok(self.vault.stat(path)?.is_some())
    }

    /// Where the file lies, or would lie.
    fn original_path(&self) -> Result<RelPath, ClientError> {
        let copy = self.conflict.path(self.conflict.copy)?;
        let name = copy.name().and_then(naming::original_of);
        let parent = copy.parent().unwrap_or_default();
        let path = name.and_then(|name| parent.child(name).ok());
        path.ok_or_else(|| changed(&copy))
    }

    fn rename_copy(&self, to: &RelPath) -> Result<(), ClientError> {
        let from = self.conflict.path(self.conflict.copy)?;
        match self.vault.rename_new(&from, to) {
            Ok(_) => Ok(self.vault.sync_stage()?),
            Err(VaultError::Occupied { .. } | VaultError::NotFound { .. }) => Err(changed(to)),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts what is staged for `main` in its place, if that holds what was synced.
    fn replace_main(&self, main: NodeId) -> Result<(), ClientError> {
        let path = self.conflict.path(main)?;
        let tag = swap_tag(main);
        self.vault.sync_stage()?;
        self.vault.retag(&draft_tag(main), &tag)?;
        let mut is_expected = |stat: &Stat| self.is_known(main, stat, &tag);
        let done = commit::replace_if(&self.vault, &tag, &path, &mut is_expected)?;
        self.vault.sync_stage()?;
        match done {
            Outcome::Done(_) => Ok(()),
            Outcome::Changed => {
                self.vault.discard(&tag)?;
                Err(changed(&path))
            },
            Outcome::Displaced { .. } => Err(changed(&path)),
        }
    }

    fn remove_copy(&self) -> Result<(), ClientError> {
        let copy = self.conflict.copy;
        let (path, tag) = (self.conflict.path(copy)?, swap_tag(copy));
        let mut is_expected = |stat: &Stat| self.is_known(copy, stat, &tag);
        let done = commit::remove_if(&self.vault, &path, &tag, &mut is_expected)?;
        self.vault.sync_stage()?;
        match done {
            Outcome::Done(()) => Ok(()),
            Outcome::Changed | Outcome::Displaced { .. } => Err(changed(&path)),
        }
    }

    /// Whether a staged object holds what was synced of this node.
    fn is_known(
        &self,
        node: NodeId,
        stat: &Stat,
        tag: &fst_fs::vault::StageName,
    ) -> Result<bool, VaultError> {
        // What cannot be read is not known, and stays.
        let Ok(Some(known)) = self.conflict.node(node) else {
            return Ok(false);
        };
        let id = match (known.content.kind, stat.kind) {
            (Kind::Symlink, FileKind::Symlink) => {
                content_of(&self.space.keys, &self.vault.read_staged_link(tag)?)
            },
            (Kind::File, FileKind::File) => {
                let mut file = self.vault.read_staged(tag)?;
                hash_file(&self.space.keys, file.as_mut(), stat.size)?
            },
            _ => return Ok(false),
        };
        Ok(id == known.content.id)
    }
}
