//! What the next cycle would do and why, without doing it.
//!
//! Used on a folder that was opened to look only (`Client::explain`, `Client::why`). Invariant: the plan comes from the
//! phases of a cycle, up to the point where something would change; nothing is written but the private copy of the
//! database that the folder was opened on. Not here: words for people.
//! Source: docs/design/commands.md §7.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fst_engine::guard::{self, Accept, Root};
use fst_engine::identify::{Identified, Seen};
use fst_engine::ignore::{Damage, Match, Source, Verdict};
use fst_engine::plan::Plan;
use fst_engine::reconcile::{self, Action, Reason, Way};
use fst_engine::row::Row;
use fst_engine::tree::{Node, Tree};
use fst_fs::vault::FileKind;
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;

use super::{Folder, Look, Planned, Scanned};
use crate::error::FolderError;
use crate::ignore::{SPACE_POLICY, shown_rule_file};
use crate::scan::{Noted, Places};
use crate::views::{FolderPlan, IgnoredItem, PlannedItem, Rule, StopItem, WhyItem};

/// Ignored paths listed one by one; the rest is counted.
const IGNORED_SHOWN_MAX: usize = 10_000;

/// Lines of history searched for a path that is not there any more.
const HISTORY_SEARCHED_MAX: usize = 100_000;

/// The folder as a cycle would see it now.
struct Outlook {
    scanned: Scanned,
    seen: Identified,
    base: Tree,
    remote: Tree,
    plan: Plan,
    reasons: Vec<Reason>,
}

impl Folder {
    /// What a cycle would do now. Asks the server first when `is_fresh`; says so when it does not answer.
    ///
    /// # Errors
    /// [`FolderError`]: the folder is missing, or the server's log breaks a rule.
    pub fn explain(&mut self, is_fresh: bool) -> Result<FolderPlan, FolderError> {
        let is_offline = is_fresh && self.pull_if_reachable()?;
        let outlook = self.outlook()?;
        let whole = guard::Whole::of(&outlook.base, &outlook.seen.local);
        let stop = guard::check(&outlook.plan, &whole, Root::Present, Accept::Nothing);
        let chosen = outlook.reasons.iter().filter(|reason| {
            // Of a space of which a little is chosen, the rest would be most of the list.
            reason.action != Action::Hold || !self.is_left_out(&outlook, reason.node)
        });
        let items: Vec<PlannedItem> = chosen.map(|reason| item(&outlook, reason)).collect();
        let (ignored, n_ignored) = self.ignored(&outlook);
        let sum = |way: &str| {
            let of_way = items.iter().filter(|item| item.direction == way);
            of_way.map(|item| item.bytes).sum()
        };
        Ok(FolderPlan {
            folder: PathBuf::from(&self.settings.path),
            remote_path: self.settings.remote_path.clone(),
            same: n_same(&outlook),
            upload_bytes: sum("up"),
            download_bytes: sum("down"),
            items,
            ignored,
            n_ignored,
            problems: outlook.scanned.problems,
            stopped: stop.err().map(|stop| stopped(&stop)),
            is_offline,
        })
    }

    /// Why one path is as it is.
    ///
    /// # Errors
    /// As [`Folder::explain`].
    pub fn why(&mut self, path: &RelPath) -> Result<WhyItem, FolderError> {
        let outlook = self.outlook()?;
        let on_disk = self.seams.vault.stat(path).unwrap_or_default();
        let trees = [&outlook.seen.local, &outlook.base, &outlook.remote];
        let node = trees.iter().find_map(|tree| tree.lookup(path));
        let is_dir = on_disk.is_some_and(|stat| stat.kind == FileKind::Dir)
            || trees
                .iter()
                .any(|tree| node.is_some_and(|id| tree.is_dir(id)));
        let mut why = WhyItem {
            folder: PathBuf::from(&self.settings.path),
            path: path.to_string(),
            ..WhyItem::default()
        };
        let reason = outlook
            .reasons
            .iter()
            .find(|reason| Some(reason.node) == node);
        why.plan = reason.map(|reason| item(&outlook, reason));
        self.add_version(&mut why, node)?;
        let said = self.rules.decide(path, is_dir);
        let is_known = on_disk.is_some() || node.is_some();
        match said {
            Some(Verdict::NotChosen) => by_choice(&mut why),
            Some(Verdict::Ignored(by)) => by_rule(&mut why, by, on_disk.is_some()),
            Some(Verdict::Held { dir, damage }) => by_damage(&mut why, dir, damage),
            Some(Verdict::Kept(by)) => why.rule = Some(rule_of(by)),
            None => {},
        }
        if why.state.is_empty() {
            self.add_state(&mut why, &outlook, is_known)?;
        }
        Ok(why)
    }

    /// All rules of the folder in the order in which they are asked: policy, device, rule files from the top.
    ///
    /// # Errors
    /// [`FolderError`]: the folder is missing.
    pub fn ignore_rules(&mut self) -> Result<Vec<Rule>, FolderError> {
        self.look(&Places::everything(), Noted::Differences)?;
        let rules = &self.rules;
        let own = [
            (Source::Space, &rules.space),
            (Source::Device, &rules.device),
        ];
        let files = rules
            .files
            .iter()
            .map(|(dir, file)| (Source::File(dir), file));
        let all = own.into_iter().chain(files);
        let all = all
            .flat_map(|(source, file)| file.rules().iter().map(move |rule| Match { source, rule }));
        Ok(all.map(rule_of).collect())
    }

    /// True when the server could not be asked.
    fn pull_if_reachable(&mut self) -> Result<bool, FolderError> {
        match self.pull() {
            Ok(_) => Ok(false),
            Err(FolderError::Remote(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn outlook(&mut self) -> Result<Outlook, FolderError> {
        self.seams.vault.root_identity()?;
        let mut look = self.look(&Places::everything(), Noted::Everything)?;
        let no_merges = BTreeMap::new();
        let Planned { plan, part } = self.plan_with(&mut look, &no_merges)?;
        let (_, reasons) = self.with_inputs(&part, &look, &no_merges, reconcile::explain);
        let Look {
            scanned, mut seen, ..
        } = look;
        for &(fresh, node) in &plan.united {
            seen.local.rename(fresh, node);
        }
        let (base, remote) = self.db.trees()?;
        Ok(Outlook {
            scanned,
            seen,
            base,
            remote,
            plan,
            reasons,
        })
    }

    fn ignored(&self, outlook: &Outlook) -> (Vec<IgnoredItem>, u64) {
        let is_chosen = |(path, is_dir): &(&RelPath, bool)| {
            !matches!(self.rules.decide(path, *is_dir), Some(Verdict::NotChosen))
        };
        let ignored = outlook
            .scanned
            .scan
            .iter()
            .filter_map(|(path, seen)| match seen {
                Seen::Ignored { kind, .. } => {
                    Some((path, *kind == Some(fst_proto::entry::Kind::Dir)))
                },
                Seen::Known { .. } | Seen::Problem => None,
            })
            .filter(is_chosen);
        let items =
            ignored
                .clone()
                .filter_map(|(path, is_dir)| match self.rules.decide(path, is_dir) {
                    Some(Verdict::Ignored(by)) => Some(IgnoredItem {
                        path: path.to_string(),
                        rule: rule_of(by),
                    }),
                    Some(Verdict::Kept(_) | Verdict::Held { .. } | Verdict::NotChosen) | None => {
                        None
                    },
                });
        (
            items.take(IGNORED_SHOWN_MAX).collect(),
            ignored.count() as u64,
        )
    }

    /// Whether a node lies at the server, or here, where this device does not sync.
    fn is_left_out(&self, outlook: &Outlook, id: NodeId) -> bool {
        let trees = [&outlook.remote, &outlook.seen.local, &outlook.base];
        let path = trees.iter().find_map(|tree| tree.path(id));
        let is_dir = trees.iter().any(|tree| tree.is_dir(id));
        path.is_some_and(|path| self.rules.selection.leaves_out(&path, is_dir))
    }

    /// Newest version of a node at the server, as far as this device knows.
    fn add_version(&self, why: &mut WhyItem, node: Option<NodeId>) -> Result<(), FolderError> {
        let row = node.map(|id| self.db.read().remote_row(id)).transpose()?;
        if let Some(row) = row.flatten() {
            why.time_ms = Some(row.time_ms);
            why.device = Some(self.space.members.name(row.device));
            why.size = Some(row.node.size);
        }
        Ok(())
    }

    fn add_state(
        &self,
        why: &mut WhyItem,
        outlook: &Outlook,
        is_known: bool,
    ) -> Result<(), FolderError> {
        let is_about = |of: &str| {
            let below = why.path.strip_prefix(of);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let problem = outlook
            .scanned
            .problems
            .iter()
            .find(|problem| is_about(&problem.path));
        if let Some(problem) = problem {
            why.state = "problem".to_owned();
            why.reason.clone_from(&problem.reason);
            why.code = Some(problem.code.clone());
            why.next = Some(problem.next.clone());
            return Ok(());
        }
        if let Some(plan) = &why.plan {
            let is_held = plan.action == "hold";
            why.state = if is_held { "held" } else { "pending" }.to_owned();
            why.reason.clone_from(&plan.reason);
            why.row = Some(plan.row.clone());
        } else if is_known {
            why.state = "synced".to_owned();
            why.reason = Row::Nothing.reason().to_owned();
            why.row = Some(Row::Nothing.to_string());
        } else {
            self.add_past(why)?;
        }
        Ok(())
    }

    /// A path that is nowhere now: what history says last.
    fn add_past(&self, why: &mut WhyItem) -> Result<(), FolderError> {
        let lines = self.db.read().history(HISTORY_SEARCHED_MAX)?;
        let last = lines
            .into_iter()
            .find(|line| line.path.to_string() == why.path);
        why.state = if last.is_some() { "deleted" } else { "unknown" }.to_owned();
        why.reason = match &last {
            Some(line) if line.action == "delete" => "deleted",
            Some(_) => "it is not at this path any more",
            None => "never synced in this folder, and not on this disk",
        }
        .to_owned();
        if let Some(line) = last {
            why.time_ms = Some(line.time_ms);
            why.device = Some(self.space.members.name(line.device));
        }
        Ok(())
    }
}

fn bytes(outlook: &Outlook, reason: &Reason) -> u64 {
    let size = |tree: &Tree| tree.get(reason.node).map(|node| node.size);
    match reason.action {
        Action::Upload => size(&outlook.seen.local).unwrap_or(0),
        Action::Download => size(&outlook.remote).unwrap_or(0),
        Action::Move | Action::Delete | Action::Attributes | Action::Adopt | Action::Hold => 0,
    }
}

/// Files that are equal on both sides already.
fn n_same(outlook: &Outlook) -> u64 {
    let remote = &outlook.remote;
    let is_same = |(id, node): &(NodeId, &Node)| {
        let there = remote.get(*id).filter(|_| !node.is_dir());
        there.is_some_and(|there| there.place == node.place && there.content == node.content)
    };
    outlook.seen.local.iter().filter(is_same).count() as u64
}

fn item(outlook: &Outlook, reason: &Reason) -> PlannedItem {
    let id = reason.node;
    let (local, remote) = (&outlook.seen.local, &outlook.remote);
    let (here, there) = (local.path(id), remote.path(id));
    let (path, other) = match reason.way {
        Way::Down => (there, here),
        Way::Up | Way::Both | Way::Neither => (here, there),
    };
    // A deletion, and a conflict copy that is not there yet, have a path on one side or in the plan only.
    let path = path
        .or_else(|| other.clone())
        .or_else(|| planned_path(&outlook.plan, id));
    let other = other.filter(|other| Some(other) != path.as_ref());
    PlannedItem {
        path: path.unwrap_or_default().to_string(),
        was: other.map(|path| path.to_string()),
        direction: way_word(reason.way).to_owned(),
        action: action_word(reason.action).to_owned(),
        reason: reason.row.reason().to_owned(),
        row: reason.row.to_string(),
        bytes: bytes(outlook, reason),
    }
}

fn by_choice(why: &mut WhyItem) {
    let row = Row::NotChosen;
    why.state = "unselected".to_owned();
    why.reason = row.reason().to_owned();
    why.row = Some(row.to_string());
    why.next = Some("fst select list".to_owned());
}

fn by_rule(why: &mut WhyItem, by: Match<'_>, is_here: bool) {
    let row = if is_here {
        Row::IgnoredHere
    } else {
        Row::IgnoredAndAway
    };
    why.state = "ignored".to_owned();
    why.reason = row.reason().to_owned();
    why.row = Some(row.to_string());
    why.rule = Some(rule_of(by));
}

fn by_damage(why: &mut WhyItem, dir: &RelPath, damage: &Damage) {
    why.state = "held".to_owned();
    why.reason = format!("{} {damage}", shown_rule_file(dir));
    why.row = Some("S-224".to_owned());
    why.code = Some(fst_proto::error::ErrorCode::BadIgnoreFile.to_string());
    why.next = Some(
        fst_proto::error::ErrorCode::BadIgnoreFile
            .next_step()
            .to_owned(),
    );
}

/// A rule as it is shown.
pub(crate) fn rule_of(by: Match<'_>) -> Rule {
    let (source, file) = match by.source {
        Source::Space => ("space", SPACE_POLICY.to_owned()),
        Source::Device => ("device", "config.yaml".to_owned()),
        Source::File(dir) => ("file", shown_rule_file(dir)),
    };
    Rule {
        source: source.to_owned(),
        file,
        line: by.rule.line,
        pattern: by.rule.text.clone(),
    }
}

fn stopped(stop: &guard::Stop) -> StopItem {
    let problem = FolderError::from(*stop).problem();
    StopItem {
        row: Row::from(stop).to_string(),
        reason: stop.to_string(),
        code: problem.code,
        next: problem.next,
    }
}

/// Where a node that is on neither side yet is to come.
fn planned_path(plan: &Plan, id: NodeId) -> Option<RelPath> {
    use fst_engine::plan::DiskStep;
    plan.steps.iter().find_map(|step| match step {
        DiskStep::Write { node, path, .. } | DiskStep::MakeDir { node, path } if *node == id => {
            Some(path.clone())
        },
        _ => None,
    })
}

fn way_word(way: Way) -> &'static str {
    match way {
        Way::Up => "up",
        Way::Down => "down",
        Way::Both => "both",
        Way::Neither => "none",
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Upload => "upload",
        Action::Download => "download",
        Action::Move => "move",
        Action::Delete => "delete",
        Action::Attributes => "attributes",
        Action::Adopt => "adopt",
        Action::Hold => "hold",
    }
}
