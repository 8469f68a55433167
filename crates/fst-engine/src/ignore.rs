//! Which paths are not synced, and by which rule.
//!
//! `fst-client` collects the texts (space policy, `.fstignore` files, the device's own list) and asks for each entry
//! of a scan, and for nodes that are not on the disk. Invariant: the device's own list can only ignore more; a rule
//! file that cannot be relied on holds everything below its directory, so that nothing is synced by mistake.
//! Not here: reading files; what the planner does about an ignored node ([`crate::reconcile`]).
//! Source: docs/design/sync-semantics.md, rows S-220 to S-236, and S-180 to S-187 for what a device has chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use fst_proto::entry::Place;
use fst_proto::path::{Name, RelPath};

mod file;
mod glob;
mod hide;
mod selection;

pub use file::{Damage, Rule, RuleFile};
pub use hide::{hide, hide_part};
pub use selection::{Copies, Refusal, Selection, Share};

/// Name of a rule file; an ordinary synced file in every other respect.
pub const RULE_FILE: &str = ".fstignore";

/// Whether a node with these places is a rule file that lies where it was and was moved at the server: it rules no more
/// (S-235). Its own rules may fit its new name, and would keep it from following.
#[must_use]
pub fn is_leaving([base, local, remote]: [&Place; 3]) -> bool {
    base.name.as_bytes() == RULE_FILE.as_bytes() && base == local && base != remote
}

/// Where a rule was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// The signed policy of the space.
    Space,
    /// The rule file in this directory.
    File(&'a RelPath),
    /// The list of the folder in this device's configuration.
    Device,
}

/// A rule that fits a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match<'a> {
    /// Where it was written.
    pub source: Source<'a>,
    /// The rule.
    pub rule: &'a Rule,
}

/// What the rules say about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is not among the sub-folders that this device has chosen.
    NotChosen,
    /// It is not synced.
    Ignored(Match<'a>),
    /// A `!` rule keeps it synced.
    Kept(Match<'a>),
    /// The rules that would decide are damaged: hands off until they are repaired.
    Held {
        /// Directory of the rule file.
        dir: &'a RelPath,
        /// What is wrong with it.
        damage: &'a Damage,
    },
}

impl Verdict<'_> {
    /// True unless the path is to be synced.
    #[must_use]
    pub fn is_hands_off(&self) -> bool {
        match self {
            Self::NotChosen | Self::Ignored(_) | Self::Held { .. } => true,
            Self::Kept(_) => false,
        }
    }
}

/// All rules of one folder on one device.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The sub-folders that this device has chosen.
    pub selection: Arc<Selection>,
    /// Policy of the space; no rule file can lift it.
    pub space: Arc<RuleFile>,
    /// The device's own list.
    pub device: Arc<RuleFile>,
    /// Rule files by their directory.
    pub files: BTreeMap<RelPath, Arc<RuleFile>>,
}

impl Rules {
    /// True when nothing can be ignored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.selection.is_everything()
            && self.space.rules().is_empty()
            && self.device.rules().is_empty()
            && self.files.is_empty()
    }

    /// The rules as they apply to what lies directly in `dir`.
    #[must_use]
    pub fn level(&self, dir: &RelPath) -> Level<'_> {
        let mut files = Vec::new();
        let mut above = Some(dir.clone());
        while let Some(at) = above.filter(|_| !self.files.is_empty()) {
            if let Some((dir, file)) = self.files.get_key_value(&at) {
                files.push((dir, file.as_ref(), prefix_len(dir)));
            }
            above = at.parent();
        }
        let mut path = dir.to_bytes();
        if !path.is_empty() {
            path.push(b'/');
        }
        let is_whole = self.selection.is_everything() || self.selection.is_whole(dir);
        Level {
            rules: self,
            parted: (!is_whole).then(|| dir.clone()),
            files,
            dir_len: path.len(),
            path,
        }
    }

    /// What the rules say about a path, those of its parents included.
    #[must_use]
    pub fn decide(&self, path: &RelPath, is_dir: bool) -> Option<Verdict<'_>> {
        let mut dir = RelPath::root();
        let mut said = None;
        for (depth, name) in path.names().iter().enumerate() {
            let is_last = depth + 1 == path.names().len();
            said = self.level(&dir).decide(name, is_dir || !is_last);
            if said.is_some_and(|verdict| verdict.is_hands_off()) {
                break;
            }
            dir = dir.child(name.clone()).ok()?;
        }
        said
    }
}

/// Length of `dir/` in bytes.
fn prefix_len(dir: &RelPath) -> usize {
    dir.names()
        .iter()
        .map(|name| name.as_bytes().len() + 1)
        .sum()
}

/// The rules for one directory: made once, asked for each entry in it.
#[derive(Debug)]
pub struct Level<'a> {
    rules: &'a Rules,
    /// The directory, when some of what lies in it is not chosen.
    parted: Option<RelPath>,
    /// Deepest first: directory, rules, length of the directory's path with its slash.
    files: Vec<(&'a RelPath, &'a RuleFile, usize)>,
    /// The directory with its slash; the name asked about follows.
    path: Vec<u8>,
    dir_len: usize,
}

impl<'a> Level<'a> {
    /// What the rules say about the entry `name`; none of its parents is ignored. Cost: rules times length.
    pub fn decide(&mut self, name: &Name, is_dir: bool) -> Option<Verdict<'a>> {
        if name.as_bytes() == RULE_FILE.as_bytes() && !is_dir {
            return None;
        }
        if let Some(dir) = &self.parted {
            let path = dir.child(name.clone());
            let is_out = path.map_or(true, |path| self.rules.selection.leaves_out(&path, is_dir));
            if is_out {
                return Some(Verdict::NotChosen);
            }
        }
        self.path.truncate(self.dir_len);
        self.path.extend_from_slice(name.as_bytes());
        let path = self.path.as_slice();
        let matched = |source, rule| Match { source, rule };
        let space = self.rules.space.decide(path, is_dir);
        if let Some(rule) = space.filter(|rule| !rule.is_negated) {
            return Some(Verdict::Ignored(matched(Source::Space, rule)));
        }
        let device = self.rules.device.decide(path, is_dir);
        if let Some(rule) = device.filter(|rule| !rule.is_negated) {
            return Some(Verdict::Ignored(matched(Source::Device, rule)));
        }
        self.by_files(is_dir)
    }

    fn by_files(&self, is_dir: bool) -> Option<Verdict<'a>> {
        let damaged = |(dir, file, _): &(&'a RelPath, &'a RuleFile, usize)| {
            let (dir, damage) = (*dir, file.damage()?);
            Some(Verdict::Held { dir, damage })
        };
        if let Some(held) = self.files.iter().find_map(damaged) {
            return Some(held);
        }
        let mut decided = self
            .files
            .iter()
            .filter_map(|&(dir, file, len)| Some((dir, file.decide(&self.path[len..], is_dir)?)));
        let (dir, rule) = decided.next()?;
        let source = Source::File(dir);
        let decided = Match { source, rule };
        Some(if rule.is_negated {
            Verdict::Kept(decided)
        } else {
            Verdict::Ignored(decided)
        })
    }
}
