//! Moves between folder and stage that never overwrite, on every file system.
//!
//! Called by [`crate::real::RealVault`] with open parents ([`Spot`]).
//! Invariant: no rename here can replace an object: each uses `RENAME_NOREPLACE` or `RENAME_EXCHANGE`, or
//! goes by a hard link, or ends at a free name in the stage, where nobody else writes.
//! Not here: judging what was moved ([`crate::commit`]).
//! Source: docs/design/sync-semantics.md.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{self, AtFlags, RenameFlags};
use rustix::io::Errno;

use super::Means;
use super::handle::{DirHandle, Spot};
use super::sys;
use crate::error::{Result, VaultError};
use crate::name::StageName;
use crate::vault::{FileKind, Stat};

/// How many left-over names of its own a rename steps over.
const ASIDE_TRIES_MAX: u32 = 64;

/// The stage, open, and what this file system can do.
#[derive(Debug)]
pub(super) struct Mover {
    pub(super) stage: OwnedFd,
    pub(super) means: Means,
}

/// What a rename that must not replace came to.
enum Renamed {
    Done,
    /// The call or the flag is unknown here.
    Unknown,
}

impl Mover {
    fn staged<'a>(&'a self, tag: &'a StageName) -> Spot<'a> {
        Spot {
            dir: DirHandle::Root(self.stage.as_fd()),
            name: tag.as_str().as_bytes(),
        }
    }

    /// Moves the staged object to a free place.
    pub(super) fn place(&self, tag: &StageName, to: &Spot<'_>) -> Result<Stat> {
        const OP: &str = "move into place";
        let from = self.staged(tag);
        let ours = look(&from, OP)?;
        match self.rename_new(&from, to, OP)? {
            Renamed::Done => {},
            Renamed::Unknown if ours.kind == FileKind::Dir => place_dir_plainly(&from, to, OP)?,
            Renamed::Unknown => place_by_link(&from, to, OP)?,
        }
        Ok(moved_to(to, &ours, OP))
    }

    /// Moves an object of the folder to a free tag; `ctime_ns` is that from before.
    pub(super) fn take(&self, from: &Spot<'_>, tag: &StageName) -> Result<Stat> {
        const OP: &str = "move to stage";
        let before = look(from, OP)?;
        let to = self.staged(tag);
        if matches!(self.rename_new(from, &to, OP)?, Renamed::Unknown) {
            rename_to_free(from, &to, OP)?;
        }
        came_out(&to, &before, OP)
    }

    /// Swaps; the displaced object rests at `tag`.
    pub(super) fn exchange(&self, tag: &StageName, to: &Spot<'_>) -> Result<Stat> {
        const OP: &str = "swap with stage";
        let from = self.staged(tag);
        look(&from, OP)?;
        let before = look(to, OP)?;
        let swapped = if self.means.exchange {
            let flags = RenameFlags::EXCHANGE;
            sys::retry(|| fs::renameat_with(&from.dir, from.name, &to.dir, to.name, flags))
        } else {
            Err(Errno::NOSYS)
        };
        match swapped {
            Ok(()) => {},
            Err(errno) if sys::is_unknown(errno) => return self.exchange_by_steps(tag, to),
            Err(errno) => return Err(sys::refuse(OP)(errno)),
        }
        came_out(&from, &before, OP)
    }

    /// The old one aside, the new one in, the old one to `tag`; undone when the new one cannot go in.
    fn exchange_by_steps(&self, tag: &StageName, to: &Spot<'_>) -> Result<Stat> {
        let aside = tag.aside();
        let taken = self.take(to, &aside)?;
        if let Err(error) = self.place(tag, to) {
            return Err(self.give_back(&aside, to, error));
        }
        match self.retag(&aside, tag) {
            Ok(()) => Ok(taken),
            Err(error) => Err(VaultError::Displaced {
                tag: aside,
                source: Box::new(error),
            }),
        }
    }

    /// Gives a staged object another tag that is free.
    pub(super) fn retag(&self, from: &StageName, to: &StageName) -> Result<()> {
        const OP: &str = "rename in stage";
        let (from, to) = (self.staged(from), self.staged(to));
        match self.rename_new(&from, &to, OP)? {
            Renamed::Done => Ok(()),
            Renamed::Unknown => rename_to_free(&from, &to, OP),
        }
    }

    /// Renames inside the folder to a free place.
    pub(super) fn rename_inside(&self, from: &Spot<'_>, to: &Spot<'_>) -> Result<Stat> {
        const OP: &str = "rename";
        let before = look(from, OP)?;
        match self.rename_new(from, to, OP) {
            Ok(Renamed::Done) => {},
            Ok(Renamed::Unknown) | Err(VaultError::Occupied { .. }) => {
                let there = sys::stat_at(&to.dir, to.name, OP)?;
                if there.is_some_and(|there| !is_other_spelling(from, to, &before, &there)) {
                    return Err(VaultError::Occupied { op: OP });
                }
                self.rename_by_stage(from, to)?;
            },
            Err(error) => return Err(error),
        }
        Ok(moved_to(to, &before, OP))
    }

    /// Takes it out and puts it in; put back when that cannot be.
    fn rename_by_stage(&self, from: &Spot<'_>, to: &Spot<'_>) -> Result<()> {
        let tag = self.take_aside(from)?;
        match self.place(&tag, to) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.give_back(&tag, from, error)),
        }
    }

    /// Takes to a tag of our own that is free.
    fn take_aside(&self, from: &Spot<'_>) -> Result<StageName> {
        let pid = rustix::process::getpid();
        for n in 1..ASIDE_TRIES_MAX {
            let tag = StageName::new(&format!("rename-{pid}-{n}")).map_or_else(
                |_| {
                    Err(VaultError::Occupied {
                        op: "rename by stage",
                    })
                },
                |tag| Ok(tag.aside()),
            )?;
            match self.take(from, &tag) {
                Ok(_) => return Ok(tag),
                Err(VaultError::Occupied { .. }) => {},
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::Occupied {
            op: "rename by stage",
        })
    }

    /// Undoes a [`Self::take`]; the error says where the object is if that fails.
    fn give_back(&self, tag: &StageName, to: &Spot<'_>, why: VaultError) -> VaultError {
        match self.place(tag, to) {
            Ok(_) => why,
            Err(_) => VaultError::Displaced {
                tag: tag.clone(),
                source: Box::new(why),
            },
        }
    }

    fn rename_new(&self, from: &Spot<'_>, to: &Spot<'_>, op: &'static str) -> Result<Renamed> {
        if !self.means.rename_new {
            return Ok(Renamed::Unknown);
        }
        let flags = RenameFlags::NOREPLACE;
        match sys::retry(|| fs::renameat_with(&from.dir, from.name, &to.dir, to.name, flags)) {
            Ok(()) => Ok(Renamed::Done),
            Err(errno) if sys::is_unknown(errno) => Ok(Renamed::Unknown),
            Err(errno) => Err(sys::refuse(op)(errno)),
        }
    }
}

/// On a file system that folds names, a change of case finds the object itself at its new name.
fn is_other_spelling(from: &Spot<'_>, to: &Spot<'_>, before: &Stat, there: &Stat) -> bool {
    from.name != to.name && there == before && there.nlink == 1
}

/// Looks at what has to be there.
fn look(spot: &Spot<'_>, op: &'static str) -> Result<Stat> {
    sys::stat_at(&spot.dir, spot.name, op)?.ok_or(VaultError::NotFound { op })
}

/// The plain call, which would replace; the caller knows why there is nothing to replace.
fn rename(from: &Spot<'_>, to: &Spot<'_>, op: &'static str) -> Result<()> {
    sys::retry(|| fs::renameat(&from.dir, from.name, &to.dir, to.name)).map_err(sys::refuse(op))
}

/// Moves to a name in the stage: only this process writes there, so a free name stays free.
fn rename_to_free(from: &Spot<'_>, to: &Spot<'_>, op: &'static str) -> Result<()> {
    match sys::stat_at(&to.dir, to.name, op)? {
        None => rename(from, to, op),
        Some(_) => Err(VaultError::Occupied { op }),
    }
}

/// A second name refuses to replace on every file system that has one.
fn place_by_link(from: &Spot<'_>, to: &Spot<'_>, op: &'static str) -> Result<()> {
    let none = AtFlags::empty();
    match sys::retry(|| fs::linkat(&from.dir, from.name, &to.dir, to.name, none)) {
        Ok(()) => {},
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::INVAL) => {
            return Err(VaultError::Unsupported { op });
        },
        Err(errno) => return Err(sys::refuse(op)(errno)),
    }
    // It is in place now, so no answer may read as a refusal.
    sys::retry(|| fs::unlinkat(&from.dir, from.name, none)).map_err(|e| VaultError::io(op, e))
}

/// A directory replaces at most an empty directory that appears between look and call: no byte is lost.
fn place_dir_plainly(from: &Spot<'_>, to: &Spot<'_>, op: &'static str) -> Result<()> {
    if sys::stat_at(&to.dir, to.name, op)?.is_some() {
        return Err(VaultError::Occupied { op });
    }
    match rename(from, to, op) {
        Err(VaultError::NotADirectory { op } | VaultError::NotEmpty { op }) => {
            Err(VaultError::Occupied { op })
        },
        done => done,
    }
}

/// What was moved to `to`, with its `ctime_ns` of now if it is still what was moved.
fn moved_to(to: &Spot<'_>, ours: &Stat, op: &'static str) -> Stat {
    match sys::stat_at(&to.dir, to.name, op) {
        Ok(Some(now)) if now.is_same_object(ours) => now,
        // Somebody changed it since, or it cannot be seen: a scan will find that out.
        Ok(_) | Err(_) => *ours,
    }
}

/// What came out to `at`, with the `ctime_ns` that it had before, since the move changed it.
fn came_out(at: &Spot<'_>, before: &Stat, op: &'static str) -> Result<Stat> {
    let Ok(Some(now)) = sys::stat_at(&at.dir, at.name, op) else {
        // The move has happened, so this must not read as a refusal, after which nothing was changed.
        return Err(VaultError::io(op, Errno::STALE));
    };
    let is_untouched = now.is_same_object(before) && now.permissions == before.permissions;
    Ok(if is_untouched {
        Stat {
            ctime_ns: before.ctime_ns,
            ..now
        }
    } else {
        now
    })
}
