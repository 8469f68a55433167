//! Replaces and removes only what is expected, judged on the object actually displaced.
//!
//! Called by the steps of `fst-client`; works on any [`Vault`].
//! Invariant: whatever happens, every object that was not confirmed as expected still exists: at its
//! path, or in the stage under a tag that [`Outcome::Displaced`] names.
//! Not here: what is expected; barriers (call [`Vault::sync_stage`] before and after).
//!
//! A judgement by [`Stat`] alone is sound only when the times seen by the scan were older than the clock's
//! grain: two files made in one tick can look alike, also in their number. Judge by contents otherwise.
//!
//! A file that a program holds open for writing is neither replaced nor removed: what it writes later would
//! go to a file without a name. Where the system cannot tell ([`Vault::has_writer`]), only what was written
//! before the last look is kept.
//! Source: docs/design/sync-semantics.md.

use fst_proto::path::RelPath;

use crate::name::StageName;
use crate::vault::{FileKind, IsExpected, Result, Stat, Vault, VaultError};

/// How often a swap is undone anew when others keep writing to the same place.
const UNDO_TRIES_MAX: u32 = 8;

/// How a conditional step ended.
#[derive(Debug)]
#[must_use = "something of the user may rest in the stage"]
pub enum Outcome<T> {
    /// Done; the displaced object was the expected one and is gone.
    Done(T),
    /// Not done: something else is there, and is there again. What was staged may still be at its tag.
    Changed,
    /// Not done cleanly: objects that must not be lost rest in the stage and have to be rescued,
    /// for instance beside their path with [`Vault::unstage_move`].
    Displaced {
        /// Where they rest: one, or two where the file system cannot swap. Not empty.
        tags: Vec<StageName>,
        /// What stopped the undoing; `None` when only another writer interfered.
        cause: Option<VaultError>,
    },
}

/// Replaces what lies at `to` by the staged object `tag`, if what comes out is expected.
///
/// Swaps, asks `is_expected` about the object that came out (it may read it with [`Vault::read_staged`]),
/// looks once more, then discards it; otherwise swaps back. `is_expected` is given `ctime_ns` from before the
/// swap. Readers see the old or the new object at every moment.
///
/// Shape: `Done(stat)` describes what was placed, never what somebody made of it since.
/// # Errors
/// Those of the vault with nothing displaced, and those of `is_expected` after the swap was undone. After
/// [`VaultError::Io`] from the last step the new object is in place and the old one still at `tag`:
/// go on with [`resume_replace`].
pub fn replace_if(
    vault: &dyn Vault,
    tag: &StageName,
    to: &RelPath,
    is_expected: IsExpected<'_>,
) -> Result<Outcome<Stat>> {
    let ours = staged(vault, tag)?;
    match vault.stat(to)?.map(|there| there.kind) {
        None | Some(FileKind::Special) => return Ok(Outcome::Changed),
        Some(FileKind::File | FileKind::Dir | FileKind::Symlink) => {},
    }
    let swap = Swap {
        vault,
        tag,
        to,
        ours,
    };
    match vault.exchange(tag, to) {
        Ok(out) => settle_swap(&swap, &out, is_expected),
        Err(error) => after_failed_swap(&swap, error),
    }
}

/// Goes on with a [`replace_if`] that a crash may have cut short; `ours` is what was staged under `tag`.
///
/// Asks `is_expected` about an object that was displaced; its `ctime_ns` is then that of the swap, so judge
/// by contents, and read it from the tag that `is_expected` is given.
/// Shape: `Changed` also when nothing had happened yet: begin again.
/// # Errors
/// As [`replace_if`]; [`VaultError::NotFound`] when nothing is in the stage.
pub fn resume_replace(
    vault: &dyn Vault,
    tag: &StageName,
    to: &RelPath,
    ours: &Stat,
    is_expected: &mut dyn FnMut(&StageName, &Stat) -> Result<bool>,
) -> Result<Outcome<Stat>> {
    let aside = tag.aside();
    let settle = |tag: &StageName, out: &Stat, judge: IsExpected<'_>| {
        settle_swap(
            &Swap {
                vault,
                tag,
                to,
                ours: *ours,
            },
            out,
            judge,
        )
    };
    match (vault.stat_staged(tag)?, vault.stat_staged(&aside)?) {
        (None, None) => Err(VaultError::NotFound {
            op: "go on with a replacement",
        }),
        (Some(there), None) if there.is_same_object(ours) => Ok(Outcome::Changed),
        (Some(out), None) => settle(tag, &out, &mut |stat| is_expected(tag, stat)),
        // Without `RENAME_EXCHANGE`: the last of the three steps was missing.
        (None, Some(out)) => settle(&aside, &out, &mut |stat| is_expected(&aside, stat)),
        (Some(_), Some(_)) => put_back_any(vault, &[tag.clone(), aside], to, ours),
    }
}

/// Without `RENAME_EXCHANGE`: only the first of the three steps was done, so the place is free.
fn put_back_any(
    vault: &dyn Vault,
    tags: &[StageName],
    to: &RelPath,
    ours: &Stat,
) -> Result<Outcome<Stat>> {
    let mut cause = None;
    for tag in not_ours(vault, tags, ours) {
        match vault.place_new(&tag, to) {
            Ok(_) | Err(VaultError::Occupied { .. }) => {},
            Err(error) => cause = Some(error),
        }
    }
    let tags = not_ours(vault, tags, ours);
    if tags.is_empty() {
        undone(cause)
    } else {
        Ok(Outcome::Displaced { tags, cause })
    }
}

/// Removes the file or link at `path`, if what is taken is expected; `tag` must be free.
///
/// Moves it to the stage, asks `is_expected` about it, looks once more, then discards it; otherwise puts it
/// back. Directories are not taken: see [`Vault::remove_dir`].
/// # Errors
/// Those of the vault with nothing displaced, and those of `is_expected` after it was put back.
pub fn remove_if(
    vault: &dyn Vault,
    path: &RelPath,
    tag: &StageName,
    is_expected: IsExpected<'_>,
) -> Result<Outcome<()>> {
    match vault.stat(path)?.map(|there| there.kind) {
        Some(FileKind::File | FileKind::Symlink) => {},
        None | Some(FileKind::Dir | FileKind::Special) => return Ok(Outcome::Changed),
    }
    match vault.stage_move(path, tag) {
        Ok(taken) => settle_taken(vault, path, tag, &taken, is_expected),
        Err(error) => after_failed_take(vault, tag, error),
    }
}

/// Goes on with a [`remove_if`] that a crash may have cut short: judges what rests at `tag`, if anything.
///
/// # Errors
/// As [`remove_if`].
pub fn resume_remove(
    vault: &dyn Vault,
    path: &RelPath,
    tag: &StageName,
    is_expected: IsExpected<'_>,
) -> Result<Outcome<()>> {
    match vault.stat_staged(tag)? {
        Some(taken) => settle_taken(vault, path, tag, &taken, is_expected),
        None => Ok(Outcome::Changed),
    }
}

/// A swap that has happened: `ours` lies at `to`, what came out at `tag`.
struct Swap<'a> {
    vault: &'a dyn Vault,
    tag: &'a StageName,
    to: &'a RelPath,
    ours: Stat,
}

fn staged(vault: &dyn Vault, tag: &StageName) -> Result<Stat> {
    vault.stat_staged(tag)?.ok_or(VaultError::NotFound {
        op: "look at staged object",
    })
}

fn settle_swap(swap: &Swap<'_>, out: &Stat, is_expected: IsExpected<'_>) -> Result<Outcome<Stat>> {
    match confirm(swap.vault, swap.tag, out, is_expected) {
        Ok(true) => {},
        Ok(false) => return undo_swap(swap, None),
        Err(cause) => return undo_swap(swap, Some(cause)),
    }
    match swap.vault.discard(swap.tag) {
        Ok(()) => Ok(Outcome::Done(placed(swap))),
        Err(VaultError::NotEmpty { .. }) => undo_swap(swap, None),
        Err(error) => Err(error),
    }
}

/// True when the object at `tag` is expected and was not written to while it was judged.
fn confirm(
    vault: &dyn Vault,
    tag: &StageName,
    seen: &Stat,
    is_expected: IsExpected<'_>,
) -> Result<bool> {
    if !is_expected(seen)? {
        return Ok(false);
    }
    is_quiet(vault, tag, seen)
}

/// True when nobody can write to the staged object any more and nobody has since it looked like `seen`.
///
/// # Errors
/// [`VaultError::InUse`] while a program holds it open for writing.
fn is_quiet(vault: &dyn Vault, tag: &StageName, seen: &Stat) -> Result<bool> {
    // First the writers, then the look: what the last of them wrote before it closed must show.
    if vault.has_writer(tag)? == Some(true) {
        return Err(VaultError::InUse {
            op: "replace or remove",
        });
    }
    Ok(vault
        .stat_staged(tag)?
        .is_some_and(|now| now.is_same_object(seen)))
}

/// What was placed, with its `ctime_ns` of now if nobody touched it since.
fn placed(swap: &Swap<'_>) -> Stat {
    match swap.vault.stat(swap.to) {
        Ok(Some(now)) if now.is_same_object(&swap.ours) => now,
        // Somebody changed it since, or it cannot be seen: a scan will find that out.
        Ok(_) | Err(_) => swap.ours,
    }
}

fn undo_swap<T>(swap: &Swap<'_>, cause: Option<VaultError>) -> Result<Outcome<T>> {
    for _ in 0..UNDO_TRIES_MAX {
        match swap.vault.exchange(swap.tag, swap.to) {
            Ok(out) if out.is_same_object(&swap.ours) => return undone_if_quiet(swap, cause),
            // A third writer put something at the place since; it is kept.
            Ok(_) => return displaced(swap, cause),
            Err(VaultError::NotFound { .. }) => {},
            Err(VaultError::Displaced { source, .. }) => return displaced(swap, Some(*source)),
            Err(error) => return displaced(swap, Some(error)),
        }
        // Nothing lies at the place any more, so the displaced object can simply go back.
        match swap.vault.place_new(swap.tag, swap.to) {
            Ok(_) => return undone(cause),
            Err(VaultError::Occupied { .. }) => {},
            Err(error) => return displaced(swap, Some(error)),
        }
    }
    displaced(swap, cause)
}

/// What came out again is ours, unless a program opened it while it lay at the place.
fn undone_if_quiet<T>(swap: &Swap<'_>, cause: Option<VaultError>) -> Result<Outcome<T>> {
    match is_quiet(swap.vault, swap.tag, &swap.ours) {
        Ok(true) => undone(cause),
        Ok(false) => Ok(rests_at(swap.tag, cause)),
        Err(error) => Ok(rests_at(swap.tag, Some(error))),
    }
}

fn undone<T>(cause: Option<VaultError>) -> Result<Outcome<T>> {
    cause.map_or(Ok(Outcome::Changed), Err)
}

/// Names everything at the tag, and aside of it, that is not ours.
fn displaced<T>(swap: &Swap<'_>, cause: Option<VaultError>) -> Result<Outcome<T>> {
    let tags = not_ours(
        swap.vault,
        &[swap.tag.clone(), swap.tag.aside()],
        &swap.ours,
    );
    if tags.is_empty() {
        undone(cause)
    } else {
        Ok(Outcome::Displaced { tags, cause })
    }
}

/// Those of `tags` under which something else than `ours` rests, or may rest.
fn not_ours(vault: &dyn Vault, tags: &[StageName], ours: &Stat) -> Vec<StageName> {
    let is_not_ours = |tag: &&StageName| match vault.stat_staged(tag) {
        Ok(Some(there)) => !there.is_same_object(ours),
        Ok(None) => false,
        Err(_) => true,
    };
    tags.iter().filter(is_not_ours).cloned().collect()
}

fn after_failed_swap<T>(swap: &Swap<'_>, error: VaultError) -> Result<Outcome<T>> {
    match error {
        VaultError::NotFound { .. } => Ok(Outcome::Changed),
        VaultError::Displaced { source, .. } => displaced(swap, Some(*source)),
        error => match swap.vault.stat_staged(swap.tag) {
            Ok(Some(there)) if !there.is_same_object(&swap.ours) => displaced(swap, Some(error)),
            Ok(_) => Err(error),
            // Nobody knows whose it is.
            Err(_) => displaced(swap, Some(error)),
        },
    }
}

fn settle_taken(
    vault: &dyn Vault,
    path: &RelPath,
    tag: &StageName,
    taken: &Stat,
    is_expected: IsExpected<'_>,
) -> Result<Outcome<()>> {
    match confirm(vault, tag, taken, is_expected) {
        Ok(true) => {},
        Ok(false) => return put_back(vault, path, tag, None),
        Err(cause) => return put_back(vault, path, tag, Some(cause)),
    }
    match vault.discard(tag) {
        Ok(()) => Ok(Outcome::Done(())),
        Err(VaultError::NotEmpty { .. }) => put_back(vault, path, tag, None),
        Err(error) => Err(error),
    }
}

fn put_back(
    vault: &dyn Vault,
    path: &RelPath,
    tag: &StageName,
    cause: Option<VaultError>,
) -> Result<Outcome<()>> {
    match vault.unstage_move(tag, path) {
        Ok(_) => undone(cause),
        Err(VaultError::Occupied { .. }) => Ok(rests_at(tag, cause)),
        Err(error) => Ok(rests_at(tag, Some(error))),
    }
}

fn rests_at<T>(tag: &StageName, cause: Option<VaultError>) -> Outcome<T> {
    Outcome::Displaced {
        tags: vec![tag.clone()],
        cause,
    }
}

/// An error of the system may hide that the object was taken all the same.
fn after_failed_take(vault: &dyn Vault, tag: &StageName, error: VaultError) -> Result<Outcome<()>> {
    match error {
        VaultError::NotFound { .. } => Ok(Outcome::Changed),
        VaultError::Io { .. } => match vault.stat_staged(tag) {
            Ok(Some(_)) | Err(_) => Ok(rests_at(tag, Some(error))),
            Ok(None) => Err(error),
        },
        error => Err(error),
    }
}
