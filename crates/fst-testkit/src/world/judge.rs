//! What must hold when a world has become quiet.
//!
//! Source: docs/design/sync-semantics.md §"What must hold", rows S1–S6, C1–C5 there.

use std::collections::{BTreeMap, BTreeSet};

use fst_engine::naming::{device_of, original_of};
use fst_fs::fake::{FakeEntry, FakeVault};
use fst_proto::path::Name;

use super::{Hazard, World};

/// Names that users give; everything else in a folder is ours and has to be explained.
const NAMES: [&str; 9] = [".fstignore", "a", "A", "b", "c", "d", "e", "f", "g"];

impl World {
    pub(super) fn judge(&mut self) {
        let trees: Vec<_> = self.devices.iter().map(|d| shown(&d.vault)).collect();
        self.report.n_files = trees[0].len();
        for (at, tree) in trees.iter().enumerate().skip(1) {
            if *tree != trees[0] {
                let text = format!("device {at} differs: {:?}", difference(&trees[0], tree));
                self.report.faults.push(text);
            }
        }
        for (at, device) in self.devices.iter().enumerate() {
            if !device.vault.stage_is_empty() {
                let text = format!("device {at} has a stage that is not empty");
                self.report.faults.push(text);
            }
        }
        self.judge_contents();
        self.judge_names(&trees[0]);
    }

    fn judge_contents(&mut self) {
        let present: BTreeSet<Vec<u8>> = self.devices[0]
            .vault
            .snapshot()
            .into_values()
            .filter_map(bytes_of)
            .collect();
        self.judge_present(&present);
    }

    /// Of all that was ever written, `present` has what nobody gave up, and nothing else. Where the name of a conflict
    /// copy may be ignored, its content is in history instead.
    pub(super) fn judge_present(&mut self, present: &BTreeSet<Vec<u8>>) {
        let kept = if self.has(Hazard::Rules) {
            self.in_history()
        } else {
            BTreeSet::new()
        };
        for (content, is_destroyed) in &self.contents {
            if !is_destroyed && !present.contains(content) && !kept.contains(content) {
                let text = String::from_utf8_lossy(&content[..content.len().min(24)]).into_owned();
                self.report.faults.push(format!("lost content {text:?}"));
            }
        }
        for content in present {
            if !self.contents.contains_key(content) {
                let text = String::from_utf8_lossy(&content[..content.len().min(24)]).into_owned();
                self.report
                    .faults
                    .push(format!("invented content {text:?}"));
            }
        }
    }

    /// Every name is a user's or a conflict copy's, and of those there are none where nothing was concurrent.
    fn judge_names(&mut self, tree: &BTreeMap<String, String>) {
        let mut copies = Vec::new();
        // What lay in a stage: a device forgot why, or a restore ended there.
        let may_rescue = self.plan.is_forgetful() || self.has(Hazard::Restores);
        for path in tree.keys() {
            let name = path.rsplit('/').next().unwrap_or_default();
            let Ok(name) = Name::new(name.as_bytes()) else {
                continue;
            };
            let is_copy = original_of(&name).is_some();
            let first = first_name(name.clone());
            let is_ours = first == "rescued" || device_of(&name).is_some_and(|it| it == "rescued");
            let is_rescued = may_rescue && is_ours;
            if is_copy && !is_rescued {
                copies.push(path.clone());
            }
            if !NAMES.contains(&first.as_str()) && !is_rescued {
                self.report.faults.push(format!("stray file {path:?}"));
            }
        }
        if self.plan.is_free_of_conflicts() && !copies.is_empty() {
            let text = format!("spurious conflict copies {copies:?}");
            self.report.faults.push(text);
        }
    }

    /// Looking at everything again from the start changes nothing and sends nothing.
    pub(super) fn judge_resync(&mut self) {
        let before: Vec<_> = self.devices.iter().map(|d| d.vault.snapshot()).collect();
        let head = self.devices[0].verified_head();
        for at in 0..self.devices.len() {
            let done = self.devices[at].resync();
            let outcome = self.devices[at].sync();
            if done.is_err() || outcome != "Quiet" {
                let text = format!("device {at} after a resync: {done:?}, {outcome}");
                self.report.faults.push(text);
            }
        }
        let after: Vec<_> = self.devices.iter().map(|d| d.vault.snapshot()).collect();
        if before != after {
            self.report.faults.push("a resync changes files".to_owned());
        }
        if self.devices[0].verified_head() != head {
            self.report.faults.push("a resync commits".to_owned());
        }
    }
}

/// What a copy, or a copy of a copy, is a copy of.
fn first_name(mut name: Name) -> String {
    while let Some(original) = original_of(&name) {
        name = original;
    }
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}

pub(super) fn bytes_of(entry: FakeEntry) -> Option<Vec<u8>> {
    match entry {
        FakeEntry::File { bytes, .. } => Some(bytes),
        _ => None,
    }
}

/// What a person sees of a folder: paths, contents, links, executable bits; no times.
pub(super) fn shown(vault: &FakeVault) -> BTreeMap<String, String> {
    vault
        .snapshot()
        .into_iter()
        .map(|(path, entry)| (path.to_string(), describe(&entry)))
        .collect()
}

fn describe(entry: &FakeEntry) -> String {
    match entry {
        FakeEntry::File { bytes, exec, .. } => {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
            format!("file {} {start} {exec}", bytes.len())
        },
        FakeEntry::Symlink(target) => format!("link {}", String::from_utf8_lossy(target)),
        FakeEntry::Dir => "dir".to_owned(),
        FakeEntry::Special => "special".to_owned(),
    }
}

pub(super) fn difference(
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
) -> Vec<String> {
    let only = |x: &BTreeMap<String, String>, y: &BTreeMap<String, String>, mark: &str| {
        x.iter()
            .filter(|(path, text)| y.get(*path) != Some(*text))
            .map(|(path, text)| format!("{mark}{path}={text}"))
            .collect::<Vec<_>>()
    };
    [only(a, b, "-"), only(b, a, "+")].concat()
}
