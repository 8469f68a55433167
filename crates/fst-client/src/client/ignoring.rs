//! Ignore rules as a person edits them.
//!
//! Invariant: the shared rule file is replaced in one step and keeps every line it had; a pattern that can never match
//! is refused before anything is written.

use std::io::{Read as _, Write as _};
use std::path::Path;

use fst_crypto::random::SecureRandom as _;
use fst_engine::ignore::{RULE_FILE, RuleFile};
use fst_engine::limits::IGNORE_FILE_LEN_MAX;
use fst_fs::commit;
use fst_fs::real::RealVault;
use fst_fs::vault::{FileAttrs, StageName, Vault as _, VaultError};
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;
use fst_proto::time::Clock as _;

use super::{Client, ClientError, Config, ErrorCode, FolderConfig, OsRandom};
use crate::clock::SystemClock;
use crate::ignore::shown_rule_file;
use crate::views::Rule;

/// Attempts to add a line while somebody else edits the file.
const TRIES_MAX: usize = 5;

impl Client {
    /// Adds a rule to the rule file at the top of a folder: it holds on every device of the space.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a pattern that can never match; [`ErrorCode::Io`].
    pub fn ignore_everywhere(
        &self,
        folder: &FolderConfig,
        pattern: &str,
    ) -> Result<Rule, ClientError> {
        check_pattern(pattern)?;
        let failed = |error: VaultError| ClientError::from(error);
        let vault = RealVault::open(&folder.path).map_err(failed)?;
        for _ in 0..TRIES_MAX {
            match add_line(&vault, pattern) {
                Ok(Some(line)) => return Ok(shared(line, pattern)),
                Ok(None) => {},
                Err(error) => return Err(failed(error)),
            }
        }
        Err(ClientError::new(
            ErrorCode::Io,
            "the rule file changes all the time",
        ))
    }

    /// Adds a rule to this device's own list; it can only ignore more.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a pattern that can never match; [`ErrorCode::BadConfig`], [`ErrorCode::Io`].
    pub fn ignore_here(&mut self, folder: &Path, pattern: &str) -> Result<Rule, ClientError> {
        check_pattern(pattern)?;
        let mut config = Config::load(&self.dirs)?;
        let at = super::folders::position(&config, folder)?;
        let list = &mut config.folders[at].ignore;
        let known = list.iter().position(|known| known == pattern);
        let line = known.unwrap_or(list.len());
        if known.is_none() {
            list.push(pattern.to_owned());
            config.save(&self.dirs)?;
        }
        self.config = config;
        Ok(Rule {
            source: "device".to_owned(),
            file: "config.yaml".to_owned(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            pattern: pattern.to_owned(),
        })
    }

    /// All rules of a folder on this device, in the order in which they are asked.
    ///
    /// # Errors
    /// As [`Client::explain`].
    pub fn ignore_rules(&self, folder: &FolderConfig) -> Result<Vec<Rule>, ClientError> {
        Ok(self.open_to_look(folder)?.ignore_rules()?)
    }
}

fn check_pattern(pattern: &str) -> Result<(), ClientError> {
    let parsed = RuleFile::parse(pattern.as_bytes());
    let wrong = |why: String| {
        Err(ClientError::new(
            ErrorCode::Usage,
            format!("pattern {pattern:?} {why}"),
        ))
    };
    match parsed.damage() {
        Some(damage) => wrong(damage.to_string().replace("line 1 ", "")),
        None if parsed.rules().len() != 1 || pattern.contains('\n') => {
            wrong("is not one rule".to_owned())
        },
        None => Ok(()),
    }
}

fn shared(line: u32, pattern: &str) -> Rule {
    Rule {
        source: "file".to_owned(),
        file: shown_rule_file(&RelPath::root()),
        line,
        pattern: pattern.to_owned(),
    }
}

/// Returns the line of the rule; `None` when the file changed meanwhile.
fn add_line(vault: &RealVault, pattern: &str) -> Result<Option<u32>, VaultError> {
    let path = RelPath::parse(RULE_FILE).map_err(|_| VaultError::Changed {
        op: "name rule file",
    })?;
    let (mut text, before) = match vault.stat(&path)? {
        None => (Vec::new(), None),
        Some(stat) => {
            let mut text = Vec::new();
            let mut file = vault.open_read(&path)?;
            let read = file
                .by_ref()
                .take(IGNORE_FILE_LEN_MAX + 1)
                .read_to_end(&mut text);
            read.map_err(|source| VaultError::Io {
                op: "read rule file",
                source,
            })?;
            (text, Some(stat))
        },
    };
    let rules = RuleFile::parse(&text);
    if let Some(rule) = rules.rules().iter().rev().find(|rule| rule.text == pattern) {
        return Ok(Some(rule.line));
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let line = text.iter().filter(|&&byte| byte == b'\n').count() + 1;
    text.extend_from_slice(pattern.as_bytes());
    text.push(b'\n');
    // What is replaced may rest under this tag: recovery must not take it for ours.
    let tag = tag(if before.is_some() { "w" } else { "d" });
    let mut file = vault.stage_file(&tag)?;
    let wrote = file.write_all(&text);
    wrote.map_err(|source| VaultError::Io {
        op: "write rule file",
        source,
    })?;
    let now_ns = i64::try_from(SystemClock.now().0)
        .unwrap_or(0)
        .saturating_mul(1_000_000);
    file.finish(FileAttrs {
        exec: false,
        mtime_ns: now_ns,
        like: before.map(|stat| stat.permissions),
    })?;
    vault.sync_stage()?;
    let is_placed = match before {
        None => match vault.place_new(&tag, &path) {
            Ok(_) => true,
            Err(VaultError::Occupied { .. }) => false,
            Err(error) => return Err(error),
        },
        Some(before) => {
            let mut is_expected = |stat: &fst_fs::vault::Stat| {
                Ok(stat.is_same_object(&before) && stat.ctime_ns == before.ctime_ns)
            };
            match commit::replace_if(vault, &tag, &path, &mut is_expected)? {
                commit::Outcome::Done(_) => true,
                commit::Outcome::Changed => {
                    // What is left there is our own draft.
                    vault.discard(&tag)?;
                    false
                },
                commit::Outcome::Displaced { .. } => {
                    return Err(VaultError::Changed {
                        op: "write rule file",
                    });
                },
            }
        },
    };
    vault.sync_stage()?;
    Ok(is_placed.then(|| u32::try_from(line).unwrap_or(u32::MAX)))
}

/// A tag of nobody's node: after a crash recovery removes a draft, and puts beside its place what may be a user's.
fn tag(kind: &str) -> StageName {
    let mut id = [0; NodeId::LEN];
    OsRandom.fill(&mut id);
    StageName::new(&format!("{kind}-{}", NodeId(id).to_hex()))
        .expect("hex digits are good in a tag")
}
