//! Says where in a folder something may have changed.
//!
//! Started by `fst-client` for each folder; [`native::NotifyWatch`] asks the system, [`scripted::ScriptedWatch`]
//! is driven by a test.
//! Invariant: events are hints. A missing one costs time until the next scan, never correctness; nothing
//! under `.fst` is reported.
//! Not here: waiting until things settle (`fst-engine`), looking at the disk (scan).
//! Source: docs/design/sync-semantics.md.

use std::fmt::Debug;
use std::path::Path;

use fst_proto::path::RelPath;

pub mod native;
pub mod scripted;

pub use native::NotifyWatch;
pub use scripted::ScriptedWatch;

/// A hint from a watcher.
#[derive(Debug)]
pub enum WatchEvent {
    /// Something changed at this path or, for a directory, inside it.
    ///
    /// A new directory is reported before the system watches its inside: scan it whole, and not before
    /// things have settled.
    Changed(RelPath),
    /// A program that wrote to this file closed it: as far as the system can tell it is saved.
    Closed(RelPath),
    /// This name came, went or leads to something else now; saving by renames is in the middle then.
    Renamed(RelPath),
    /// Events were lost; anything may have changed.
    Overflow,
    /// From now on, changes may go unreported: scan at intervals until the watch is started anew.
    Lost(LostReason),
}

/// Why a watch does not see everything.
#[derive(Debug, thiserror::Error)]
pub enum LostReason {
    /// The system watches no more directories for this user.
    #[error("limit on watched directories reached")]
    TooManyWatches,
    /// The system gives this user no further watcher.
    #[error("limit on watchers reached")]
    TooManyWatchers,
    /// A network file system: what other machines change on it is not told to this one.
    #[error("a network file system does not tell what other machines change")]
    Network,
    /// The folder itself was moved, removed or unmounted.
    #[error("the folder was moved or removed")]
    RootGone,
    /// Anything else.
    #[error("watch the folder")]
    Failed(#[source] notify::Error),
}

impl LostReason {
    /// What a person can do about it; a command where there is one.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::TooManyWatches => "sudo sysctl fs.inotify.max_user_watches=1048576",
            Self::TooManyWatchers => "sudo sysctl fs.inotify.max_user_instances=1024",
            Self::Network => "nothing to do: the whole folder is scanned at intervals",
            Self::RootGone => "put the folder back, or mount it again",
            Self::Failed(_) => "changes are still found by scanning at intervals",
        }
    }
}

/// Where a watcher sends its events; called on the watcher's own thread, so it must be quick.
pub type OnEvent = Box<dyn Fn(WatchEvent) + Send>;

/// A way to watch folders.
pub trait Watch: Send + Sync + Debug {
    /// Begins to watch everything below `root`; dropping the result ends it.
    ///
    /// Shape: a watch that can see only a part starts all the same and says so with [`WatchEvent::Lost`],
    /// possibly before this returns. May be called several times for one root.
    /// # Errors
    /// The reason why nothing at all can be watched.
    fn start(&self, root: &Path, on_event: OnEvent) -> Result<Box<dyn Watching>, LostReason>;
}

/// A watch that goes on until dropped.
#[must_use = "dropping it ends the watch"]
pub trait Watching: Send + Debug {}
