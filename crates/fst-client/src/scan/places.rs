//! Where the next scan has to look.
//!
//! The watcher adds to it on its own thread; a cycle takes it and puts back what it could not settle.
//! Invariant: nothing is forgotten; too many paths become "everything".

use std::collections::BTreeMap;

use fst_proto::path::RelPath;

/// Paths kept before everything is looked at instead: a walk costs less than so many single looks.
const SPOTS_MAX: usize = 20_000;

/// How far to look from a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// At the path.
    Itself,
    /// At the path and everything below it.
    Below,
}

/// Some paths, or everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Look at the whole folder.
    pub is_everything: bool,
    /// Paths to look at.
    pub spots: BTreeMap<RelPath, Reach>,
}

impl Places {
    /// The whole folder.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            is_everything: true,
            ..Self::default()
        }
    }

    /// Adds a path; the root with all below it is everything.
    pub fn add(&mut self, path: RelPath, reach: Reach) {
        let is_all = path.is_root() && reach == Reach::Below;
        if is_all || self.spots.len() >= SPOTS_MAX {
            self.add_everything();
        } else if !self.is_everything {
            let known = self.spots.entry(path).or_insert(reach);
            *known = reach.max(*known);
        }
    }

    /// Adds the whole folder.
    pub fn add_everything(&mut self) {
        *self = Self::everything();
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        if other.is_everything {
            self.add_everything();
        }
        for (path, reach) in other.spots {
            self.add(path, reach);
        }
    }
}
