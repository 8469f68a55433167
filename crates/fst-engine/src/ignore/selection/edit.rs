//! Changes of a choice, as a person asks for them.
//!
//! Invariant: a change that is refused leaves the choice as it was; nothing but what is named comes in or goes out.

use std::collections::BTreeSet;

use fst_proto::path::RelPath;

use super::Selection;

/// What becomes of copies that are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// They stay, and are not synced.
    Keep,
    /// Those that are synced go.
    Clear,
}

/// Why a choice cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An empty list of chosen ones stands for everything.
    #[error("nothing would be left of the folder")]
    NothingLeft,
    /// Only what it lies in can be chosen.
    #[error("it lies in {0}, which is taken out as a whole")]
    Within(RelPath),
}

impl Selection {
    /// Chooses a directory with all that is in it; the root is everything.
    ///
    /// # Errors
    /// [`Refusal::Within`].
    pub fn choose(&mut self, dir: &RelPath) -> Result<(), Refusal> {
        if dir.is_root() {
            *self = Self::default();
            return Ok(());
        }
        let mut wanted = self.clone();
        for list in [&mut wanted.except, &mut wanted.cleared] {
            list.retain(|other| !other.starts_with(dir));
        }
        if wanted.is_out(dir, false) {
            let mut above = wanted.except.iter().chain(&wanted.cleared);
            let above = above.find(|other| dir.starts_with(other));
            if let Some(above) = above.filter(|_| wanted.only.is_empty()) {
                return Err(Refusal::Within(above.clone()));
            }
            wanted.only.retain(|other| !other.starts_with(dir));
            wanted.only.insert(dir.clone());
        }
        *self = wanted;
        Ok(())
    }

    /// Takes a directory out with all that is in it.
    ///
    /// # Errors
    /// [`Refusal::NothingLeft`].
    pub fn take_out(&mut self, dir: &RelPath, copies: Copies) -> Result<(), Refusal> {
        let mut wanted = self.clone();
        let without = |list: &mut BTreeSet<RelPath>| list.retain(|other| !other.starts_with(dir));
        without(&mut wanted.only);
        without(&mut wanted.except);
        without(&mut wanted.cleared);
        if dir.is_root() || (wanted.only.is_empty() && !self.only.is_empty()) {
            return Err(Refusal::NothingLeft);
        }
        match copies {
            Copies::Clear => drop(wanted.cleared.insert(dir.clone())),
            Copies::Keep if !wanted.is_out(dir, false) || wanted.clears(dir) => {
                wanted.except.insert(dir.clone());
            },
            Copies::Keep => {},
        }
        *self = wanted;
        Ok(())
    }

    /// The chosen directories, those that are taken out, and those of which copies are to go.
    #[must_use]
    pub fn lists(&self) -> [Vec<RelPath>; 3] {
        [&self.only, &self.except, &self.cleared].map(|list| list.iter().cloned().collect())
    }

    /// How much of a directory is chosen.
    #[must_use]
    pub fn share(&self, dir: &RelPath) -> Share {
        match (self.is_out(dir, false), self.leaves_out(dir, true)) {
            (false, _) if self.is_whole(dir) => Share::All,
            (true, true) => Share::Nothing,
            (false | true, _) => Share::Some,
        }
    }
}

/// How much of a directory is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All that is in it.
    All,
    /// Some of what is in it.
    Some,
    /// Nothing.
    Nothing,
}
