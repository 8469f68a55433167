//! One suite for every vault: what the contract in [`crate::vault`] means, case by case.
//!
//! Run by the tests of this crate against [`crate::real::RealVault`] (with and without the better system calls)
//! and [`crate::fake::FakeVault`]. A [`World`] is a fresh folder, its vault, and a user.
//! Invariant: a case uses nothing but the [`Vault`] and the [`World`], and judges by what the user sees.
//! Not here: planned faults (only the fake has them), permissions of other users.
//! Source: docs/design/sync-semantics.md.

use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use fst_proto::path::RelPath;

use crate::name::StageName;
use crate::vault::{FileAttrs, Stat, Vault, VaultError};

mod links;
mod looks;
mod places;
mod removals;
mod swaps;

/// A file that a user's program holds open; calling it adds to the end.
pub type HeldFile = Box<dyn FnMut(&[u8])>;

/// A folder with a user. Its methods panic when the user cannot do it.
pub trait World: Debug {
    /// The vault under test.
    fn vault(&self) -> &dyn Vault;
    /// Writes in place; makes the file when missing.
    fn write(&self, path: &RelPath, bytes: &[u8]);
    /// Writes beside and renames over.
    fn save(&self, path: &RelPath, bytes: &[u8]);
    /// Opens for writing at the end.
    fn hold(&self, path: &RelPath) -> HeldFile;
    /// Removes a file, link or tree.
    fn remove(&self, path: &RelPath);
    /// Renames; replaces a file.
    fn rename(&self, from: &RelPath, to: &RelPath);
    /// Makes a directory.
    fn mkdir(&self, path: &RelPath);
    /// Makes a symbolic link.
    fn symlink(&self, path: &RelPath, target: &[u8]);
    /// Makes a symbolic link to a directory outside of the folder that holds a file and a directory.
    fn link_outside(&self, path: &RelPath);
    /// True when the directory outside is as it was made.
    fn is_outside_untouched(&self) -> bool;
    /// Makes a second name.
    fn link(&self, from: &RelPath, to: &RelPath);
    /// Makes a pipe.
    fn pipe(&self, path: &RelPath);
    /// Sets or clears the executable bit.
    fn chmod(&self, path: &RelPath, exec: bool);
    /// Reads a file; `None` when there is none.
    fn read(&self, path: &RelPath) -> Option<Vec<u8>>;
    /// Takes reading away; false when this process may read everything.
    fn try_make_unreadable(&self, path: &RelPath) -> bool;
    /// Moves the folder away from its path.
    fn lose_root(&self);
    /// Puts another directory at the path of the folder.
    fn replace_root(&self);
}

/// One case: its name and what it does with a fresh world.
pub type Case = (&'static str, fn(&dyn World));

/// Runs every case in a world of its own; returns how many there are.
///
/// # Panics
/// With the names of the cases that failed; each has told its own story before.
pub fn all(make: &dyn Fn() -> Box<dyn World>) -> usize {
    let cases = [
        places::CASES,
        swaps::CASES,
        removals::CASES,
        links::CASES,
        looks::CASES,
    ]
    .concat();
    let fails = |case: &&Case| {
        let world = make();
        catch_unwind(AssertUnwindSafe(|| (case.1)(world.as_ref()))).is_err()
    };
    let failed: Vec<&str> = cases.iter().filter(fails).map(|case| case.0).collect();
    assert!(failed.is_empty(), "failed cases: {failed:?}");
    cases.len()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("a path")
}

fn tag(text: &str) -> StageName {
    StageName::new(text).expect("a tag")
}

const MTIME_NS: i64 = 1_600_000_000_123_456_789;

const PLAIN: FileAttrs = FileAttrs {
    exec: false,
    mtime_ns: MTIME_NS,
    like: None,
};

/// Puts a finished file into the stage.
fn stage(world: &dyn World, name: &str, bytes: &[u8]) -> Stat {
    let mut file = world.vault().stage_file(&tag(name)).expect("stage a file");
    file.write_all(bytes).expect("write to the stage");
    file.finish(PLAIN).expect("finish a staged file")
}

/// What a staged file holds; `None` when there is none.
fn staged_bytes(world: &dyn World, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match world.vault().read_staged(&tag(name)) {
        Ok(mut file) => file.read_to_end(&mut bytes).map(|_| bytes).ok(),
        Err(VaultError::NotFound { .. }) => None,
        Err(error) => unreachable!("read staged file: {error:?}"),
    }
}

fn stat(world: &dyn World, at: &str) -> Stat {
    world
        .vault()
        .stat(&path(at))
        .expect("look")
        .expect("something is there")
}

fn is_stage_empty(world: &dyn World) -> bool {
    world
        .vault()
        .stage_list()
        .expect("list the stage")
        .is_empty()
}

/// Asserts that a call was refused in this way.
macro_rules! refused {
    ($call:expr, $variant:ident) => {
        match $call {
            Err($crate::vault::VaultError::$variant { .. }) => {},
            other => unreachable!(
                concat!(
                    stringify!($call),
                    " should be refused as ",
                    stringify!($variant),
                    ": {:?}"
                ),
                other
            ),
        }
    };
}
use refused;

/// Lists functions with their names.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[$crate::conformance::Case] = &[$((stringify!($name), $name)),*];
    };
}
use cases;
