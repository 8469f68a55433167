//! Collects the ignore rules of a folder: the space's policy, the device's list, and `.fstignore` files as a scan meets them.
//!
//! [`crate::scan`] loads a rule file when it enters its directory; [`crate::folder`] remembers what was loaded.
//! Invariant: a text is compiled once and again only when its file looks different; a rule file that cannot be read
//! whole and at rest stands for [`Damage`], never for "no rules". Not here: what rules mean ([`fst_engine::ignore`]).
//! Source: docs/design/sync-semantics.md, rows S-220 to S-224 and S-235; docs/adr/0014-ignore-rules.md.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;

use fst_engine::ignore::{Damage, RULE_FILE, RuleFile, Rules, Selection};
use fst_engine::limits::IGNORE_FILE_LEN_MAX;
use fst_fs::vault::{DirEntry, FileKind, Stat, Vault, VaultError};
use fst_proto::error::ErrorCode;
use fst_proto::path::RelPath;
use fst_proto::time::UnixMillis;

use crate::config::FolderConfig;
use crate::error::ClientError;
use crate::scan::is_same_file;

/// A rule file changed this recently may still be being written: what it says now is not believed yet.
///
/// Editors and scripts write a small file at once; half a second covers a slow disk and is hardly felt.
const AT_REST_NS: i64 = 500_000_000;

/// Where rules of the space's policy stand, in words.
pub const SPACE_POLICY: &str = "space policy";

/// A rule file as it was read last.
#[derive(Debug, Clone)]
struct Known {
    stat: Stat,
    file: Arc<RuleFile>,
}

/// The ignore rules of one folder.
#[derive(Debug, Default)]
pub struct Ignore {
    /// The space's policy with its text.
    space: (String, Arc<RuleFile>),
    device: Arc<RuleFile>,
    selection: Arc<Selection>,
    known: BTreeMap<RelPath, Known>,
    /// Directories whose rule file is about to go: it rules no more.
    retired: BTreeSet<RelPath>,
    /// Rules in force after the last scan.
    rules: Rules,
    /// A file that was changed just now is read like any other: nothing is done by what it says.
    believes_at_once: bool,
}

/// What a scan has met so far.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules in force.
    pub rules: Rules,
    known: BTreeMap<RelPath, Known>,
    /// A rule file was not at rest: look again soon.
    pub is_unsettled: bool,
}

impl Ignore {
    /// Compiles the list of a folder's configuration: patterns in gitignore syntax, the last match wins.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] naming the pattern.
    pub fn new(patterns: &[String]) -> Result<Self, ClientError> {
        for pattern in patterns {
            let damage = RuleFile::parse(pattern.as_bytes()).damage().cloned();
            let is_one_line = !pattern.contains('\n');
            if let Some(damage) = damage.or((!is_one_line).then_some(Damage::NotText { line: 1 })) {
                let detail = format!("ignore pattern {pattern:?}: {damage}");
                return Err(ClientError::new(ErrorCode::BadConfig, detail));
            }
        }
        Ok(Self {
            space: Default::default(),
            device: Arc::new(RuleFile::parse(patterns.join("\n").as_bytes())),
            selection: Arc::default(),
            known: BTreeMap::new(),
            retired: BTreeSet::new(),
            rules: Rules::default(),
            believes_at_once: false,
        })
    }

    /// What a folder's configuration keeps from this device: its own rules, and what it has not chosen.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`] naming the pattern or the path.
    pub fn of(folder: &FolderConfig) -> Result<Self, ClientError> {
        let selection = folder.chosen.selection()?;
        Ok(Self::new(&folder.ignore)?.choosing(selection))
    }

    /// With the sub-folders that are synced.
    #[must_use]
    pub fn choosing(self, selection: Selection) -> Self {
        Self {
            selection: Arc::new(selection),
            ..self
        }
    }

    /// The sub-folders that are synced.
    #[must_use]
    pub fn selection(&self) -> &Arc<Selection> {
        &self.selection
    }

    /// For looking only: what a rule file says this moment.
    #[must_use]
    pub fn believing_at_once(self) -> Self {
        Self {
            believes_at_once: true,
            ..self
        }
    }

    /// Takes the policy of the space; true when it is another than before.
    pub fn obey(&mut self, policy: String) -> bool {
        let is_other = self.space.0 != policy;
        if is_other {
            let rules = Arc::new(RuleFile::parse(policy.as_bytes()));
            self.space = (policy, rules);
        }
        is_other
    }

    /// Takes the directories whose rule files rule no more; true when they are others than before.
    pub fn retire(&mut self, dirs: BTreeSet<RelPath>) -> bool {
        let is_other = self.retired != dirs;
        self.retired = dirs;
        is_other
    }

    /// The rules at the start of a scan.
    #[must_use]
    pub fn begin(&self) -> Loaded {
        let rules = Rules {
            selection: Arc::clone(&self.selection),
            space: Arc::clone(&self.space.1),
            device: Arc::clone(&self.device),
            ..Rules::default()
        };
        Loaded {
            rules,
            ..Loaded::default()
        }
    }

    /// Begins a scan of some paths with what the last one knew.
    pub fn resume(&self, loaded: &mut Loaded) {
        loaded.known.clone_from(&self.known);
        loaded.rules = self.rules.clone();
    }

    /// Keeps what a scan has read for the next one.
    pub fn remember(&mut self, loaded: Loaded) -> Rules {
        self.known = loaded.known;
        self.rules = loaded.rules.clone();
        loaded.rules
    }

    /// Loads the rule file among the `entries` of `dir`, if there is one.
    pub fn enter(
        &self,
        vault: &dyn Vault,
        (dir, entries): (&RelPath, &[DirEntry]),
        now: UnixMillis,
        loaded: &mut Loaded,
    ) {
        let is_rules = |entry: &&DirEntry| {
            let name = entry.name.as_ref().ok();
            name.is_some_and(|name| name.as_bytes() == RULE_FILE.as_bytes())
        };
        let Some(entry) = entries.iter().find(is_rules) else {
            return;
        };
        if self.retired.contains(dir) {
            return;
        }
        let file = match &entry.stat {
            Ok(stat) => self.load(vault, dir, stat, now),
            Err(_) => Err(Damage::Unreadable),
        };
        let file = file.unwrap_or_else(|damage| Arc::new(RuleFile::damaged(damage)));
        loaded.is_unsettled |= file.damage() == Some(&Damage::Changing);
        if let Ok(stat) = entry.stat {
            let file = Arc::clone(&file);
            loaded.known.insert(dir.clone(), Known { stat, file });
        }
        loaded.rules.files.insert(dir.clone(), file);
    }

    fn load(
        &self,
        vault: &dyn Vault,
        dir: &RelPath,
        stat: &Stat,
        now: UnixMillis,
    ) -> Result<Arc<RuleFile>, Damage> {
        let at_rest = |file: &RuleFile| file.damage() != Some(&Damage::Changing);
        if let Some(known) = self.known.get(dir)
            && is_same_file(&known.stat, stat)
            && at_rest(&known.file)
        {
            return Ok(Arc::clone(&known.file));
        }
        match stat.kind {
            FileKind::File if !self.believes_at_once && is_fresh(stat, now) => {
                Err(Damage::Changing)
            },
            FileKind::File if stat.size > IGNORE_FILE_LEN_MAX => Err(Damage::TooLarge),
            FileKind::File if stat.size == 0 => Err(Damage::Empty),
            FileKind::File => read(vault, dir, stat).map(|text| Arc::new(RuleFile::parse(&text))),
            FileKind::Dir | FileKind::Symlink | FileKind::Special => Err(Damage::Unreadable),
        }
    }
}

/// Whether the last change is so recent that the next may follow. A clock that differs by more decides nothing.
fn is_fresh(stat: &Stat, now: UnixMillis) -> bool {
    let now_ns = i64::try_from(now.0)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    let age = now_ns.saturating_sub(stat.mtime_ns.max(stat.ctime_ns));
    age.abs() < AT_REST_NS
}

fn read(vault: &dyn Vault, dir: &RelPath, stat: &Stat) -> Result<Vec<u8>, Damage> {
    let name = fst_proto::path::Name::new(RULE_FILE.as_bytes()).map_err(|_| Damage::Unreadable)?;
    let path = dir.child(name).map_err(|_| Damage::Unreadable)?;
    let failed = |error: VaultError| match error {
        VaultError::NotFound { .. } => Damage::Changing,
        _ => Damage::Unreadable,
    };
    let mut file = vault.open_read(&path).map_err(failed)?;
    let mut text = Vec::new();
    let limit = IGNORE_FILE_LEN_MAX + 1;
    let read = file.by_ref().take(limit).read_to_end(&mut text);
    read.map_err(|_| Damage::Unreadable)?;
    let now = file.stat().map_err(failed)?;
    if is_same_file(&now, stat) && text.len() as u64 == stat.size {
        Ok(text)
    } else {
        Err(Damage::Changing)
    }
}

/// Path of the rule file in a directory, printable.
#[must_use]
pub fn shown_rule_file(dir: &RelPath) -> String {
    if dir.is_root() {
        RULE_FILE.to_owned()
    } else {
        format!("{dir}/{RULE_FILE}")
    }
}
