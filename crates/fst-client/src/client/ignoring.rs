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
use fst_fs::vault::{FileAttrs, StageName, Stat, Vault as _, VaultError};
use fst_proto::ids::NodeId;
use fst_proto::path::RelPath;
use fst_proto::time::Clock as _;

use super::{Client, ClientError, Config, ErrorCode, FolderConfig, OsRandom};
use crate::clock::SystemClock;
use crate::config::Draft;
use crate::ignore::{SPACE_POLICY, shown_rule_file};
use crate::operations::{Operation, Thing, Way};
use crate::past::Intended;
use crate::views::Rule;

/// Attempts to add a line while somebody else edits the file.
const TRIES_MAX: usize = 5;

/// Longest rule file that is kept to be put back, in bytes: a record of the log stays small.
const RULE_TEXT_MAX: usize = 16 << 10;

/// Asked with what is about to be done, before it is.
type Note<'n> = &'n mut dyn FnMut(Intended) -> Result<(), ClientError>;

impl Client {
    /// Adds a rule to the rule file at the top of a folder: it holds on every device of the space.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a pattern that can never match; [`ErrorCode::Io`].
    pub fn ignore_everywhere(
        &self,
        folder: &FolderConfig,
        pattern: &str,
        note: Note<'_>,
    ) -> Result<Rule, ClientError> {
        check_pattern(pattern)?;
        let vault = RealVault::open(&folder.path)?;
        for _ in 0..TRIES_MAX {
            if let Some(line) = add_line((&vault, &folder.path), pattern, note)? {
                return Ok(shared(line, pattern));
            }
        }
        Err(ClientError::new(
            ErrorCode::Io,
            "the rule file changes all the time",
        ))
    }

    /// Drafts this device's own list with one more rule; it can only ignore more.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a pattern that can never match; [`ErrorCode::BadConfig`], [`ErrorCode::Io`].
    pub fn draft_ignored_here(
        &self,
        folder: &Path,
        pattern: &str,
    ) -> Result<(Rule, Draft), ClientError> {
        check_pattern(pattern)?;
        let mut config = Config::load(&self.dirs)?;
        let at = super::folders::position(&config, folder)?;
        let list = &mut config.folders[at].ignore;
        let known = list.iter().position(|known| known == pattern);
        let line = known.unwrap_or(list.len());
        if known.is_none() {
            list.push(pattern.to_owned());
        }
        let rule = Rule {
            source: "device".to_owned(),
            file: "config.yaml".to_owned(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            pattern: pattern.to_owned(),
        };
        Ok((rule, config.draft(&self.dirs)?))
    }

    /// Adds a rule to the signed policy of the space: it holds on every device, and no rule file lifts it.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a pattern that can never match; as [`crate::past::Past::set_ignore_policy`].
    pub fn ignore_in_space(
        &self,
        folder: &FolderConfig,
        pattern: &str,
        note: Note<'_>,
    ) -> Result<Rule, ClientError> {
        check_pattern(pattern)?;
        let past = self.past(&folder.path)?;
        let mut rules = past.ignore_policy()?;
        let known = rules.iter().position(|known| known == pattern);
        let line = known.unwrap_or(rules.len());
        if known.is_none() {
            rules.push(pattern.to_owned());
            note(past.intend_ignore_policy(&rules)?)?;
            past.set_ignore_policy(&rules)?;
        }
        Ok(Rule {
            source: "space".to_owned(),
            file: SPACE_POLICY.to_owned(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            pattern: pattern.to_owned(),
        })
    }

    /// Takes a rule out of the policy of the space.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not there; as [`crate::past::Past::set_ignore_policy`].
    pub fn heed_in_space(
        &self,
        folder: &FolderConfig,
        pattern: &str,
        note: Note<'_>,
    ) -> Result<(), ClientError> {
        let past = self.past(&folder.path)?;
        let mut rules = past.ignore_policy()?;
        take_out(&mut rules, pattern, SPACE_POLICY)?;
        note(past.intend_ignore_policy(&rules)?)?;
        past.set_ignore_policy(&rules)
    }

    /// Drafts this device's own list without a rule.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when it is not there; [`ErrorCode::BadConfig`], [`ErrorCode::Io`].
    pub fn draft_heeded_here(&self, folder: &Path, pattern: &str) -> Result<Draft, ClientError> {
        let mut config = Config::load(&self.dirs)?;
        let at = super::folders::position(&config, folder)?;
        take_out(&mut config.folders[at].ignore, pattern, "config.yaml")?;
        config.draft(&self.dirs)
    }

    /// Takes back what an operation changed in the rule file of a folder. `note` is asked before.
    ///
    /// # Errors
    /// [`ErrorCode::ChangedSince`], [`ErrorCode::NotUndoable`]; [`ErrorCode::Io`].
    pub fn undo_rule_file(&self, operation: &Operation, note: Note<'_>) -> Result<(), ClientError> {
        let (Way::RuleFile { folder }, Some(thing)) = (&operation.way, operation.things.first())
        else {
            let detail = "it changed no rule file";
            return Err(ClientError::new(ErrorCode::NotUndoable, detail));
        };
        let vault = RealVault::open(Path::new(folder))?;
        let path = rule_file()?;
        let before = vault.stat(&path)?;
        let now = match before {
            Some(_) => Some(String::from_utf8(read(&vault, &path)?)),
            None => None,
        };
        let now = now.map(|text| text.unwrap_or_else(|_| "no text".to_owned()));
        operation.plan(&[now])?;
        // An empty file has no more rules than none, and removing it could take away what somebody adds just now.
        let text = thing.was.as_deref().unwrap_or_default();
        note(Intended {
            things: vec![Thing {
                name: thing.name.clone(),
                was: thing.left.clone(),
                left: Some(text.to_owned()),
            }],
            way: operation.way.clone(),
        })?;
        match replace(&vault, (&path, before.as_ref()), text.as_bytes())? {
            true => Ok(()),
            false => Err(ClientError::new(
                ErrorCode::ChangedSince,
                "the rule file was changed just now",
            )),
        }
    }

    /// All rules of a folder on this device, in the order in which they are asked.
    ///
    /// # Errors
    /// As [`Client::explain`].
    pub fn ignore_rules(&self, folder: &FolderConfig) -> Result<Vec<Rule>, ClientError> {
        Ok(self.open_to_look(folder)?.ignore_rules()?)
    }
}

fn take_out(rules: &mut Vec<String>, pattern: &str, from: &str) -> Result<(), ClientError> {
    let n_before = rules.len();
    rules.retain(|rule| rule != pattern);
    if rules.len() < n_before {
        return Ok(());
    }
    let detail = format!("no rule {pattern:?} in {from}");
    Err(ClientError::new(ErrorCode::NotFound, detail))
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

fn rule_file() -> Result<RelPath, ClientError> {
    let named = RelPath::parse(RULE_FILE);
    named.map_err(|e| ClientError::caused(ErrorCode::Internal, "name the rule file", e))
}

/// What is about to be done to the rule file of a folder.
fn intended(folder: &Path, was: Option<&Vec<u8>>, left: &[u8]) -> Intended {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let short = |bytes: &[u8]| bytes.len() <= RULE_TEXT_MAX;
    let folder = folder.to_str().map(str::to_owned);
    let was = was.map(Vec::as_slice);
    let is_kept = short(left) && was.is_none_or(|was| short(was) && text(was).is_some());
    match (folder, text(left)) {
        (Some(folder), Some(left)) if is_kept => Intended {
            things: vec![Thing {
                name: RULE_FILE.to_owned(),
                was: was.and_then(text),
                left: Some(left),
            }],
            way: Way::RuleFile { folder },
        },
        _ => Intended {
            things: Vec::new(),
            way: Way::None {
                why: "the rule file is too long, or no text".to_owned(),
            },
        },
    }
}

/// Returns the line of the rule; `None` when the file changed meanwhile.
fn add_line(
    (vault, folder): (&RealVault, &Path),
    pattern: &str,
    note: Note<'_>,
) -> Result<Option<u32>, ClientError> {
    let path = rule_file()?;
    let before = vault.stat(&path)?;
    let mut text = match before {
        Some(_) => read(vault, &path)?,
        None => Vec::new(),
    };
    let known = RuleFile::parse(&text);
    let known = known.rules().iter().rev().find(|rule| rule.text == pattern);
    if let Some(rule) = known {
        return Ok(Some(rule.line));
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let line = text.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let old = text.clone();
    text.extend_from_slice(pattern.as_bytes());
    text.push(b'\n');
    note(intended(folder, before.is_some().then_some(&old), &text))?;
    let is_placed = replace(vault, (&path, before.as_ref()), &text)?;
    Ok(is_placed.then(|| u32::try_from(line).unwrap_or(u32::MAX)))
}

fn read(vault: &RealVault, path: &RelPath) -> Result<Vec<u8>, VaultError> {
    let mut text = Vec::new();
    let mut file = vault.open_read(path)?;
    let limit = IGNORE_FILE_LEN_MAX + 1;
    let read = file.by_ref().take(limit).read_to_end(&mut text);
    read.map_err(|source| VaultError::Io {
        op: "read rule file",
        source,
    })?;
    match text.len() as u64 {
        0..=IGNORE_FILE_LEN_MAX => Ok(text),
        // What is beyond must not be cut off by writing it anew.
        _ => Err(VaultError::Changed {
            op: "add to a rule file of this size",
        }),
    }
}

/// Puts a new text in the place of the file that looked like `before`; false when it is another one now.
fn replace(
    vault: &RealVault,
    (path, before): (&RelPath, Option<&Stat>),
    text: &[u8],
) -> Result<bool, VaultError> {
    // What is replaced may rest under this tag: recovery must not take it for ours.
    let tag = tag(if before.is_some() { "w" } else { "d" });
    let mut file = vault.stage_file(&tag)?;
    file.write_all(text).map_err(|source| VaultError::Io {
        op: "write rule file",
        source,
    })?;
    let now_ms = i64::try_from(SystemClock.now().0).unwrap_or(0);
    file.finish(FileAttrs {
        exec: false,
        mtime_ns: now_ms.saturating_mul(1_000_000),
        like: before.map(|stat| stat.permissions),
    })?;
    vault.sync_stage()?;
    let is_placed = match before {
        None => place_new(vault, &tag, path)?,
        Some(before) => place_over(vault, (&tag, path), before)?,
    };
    vault.sync_stage()?;
    Ok(is_placed)
}

fn place_new(vault: &RealVault, tag: &StageName, path: &RelPath) -> Result<bool, VaultError> {
    match vault.place_new(tag, path) {
        Ok(_) => Ok(true),
        Err(VaultError::Occupied { .. }) => vault.discard(tag).map(|()| false),
        Err(error) => Err(error),
    }
}

fn place_over(
    vault: &RealVault,
    (tag, path): (&StageName, &RelPath),
    before: &Stat,
) -> Result<bool, VaultError> {
    let mut is_expected =
        |stat: &Stat| Ok(stat.is_same_object(before) && stat.ctime_ns == before.ctime_ns);
    match commit::replace_if(vault, tag, path, &mut is_expected)? {
        commit::Outcome::Done(_) => Ok(true),
        // What is left at the tag is our own draft.
        commit::Outcome::Changed => vault.discard(tag).map(|()| false),
        commit::Outcome::Displaced { .. } => Err(VaultError::Changed {
            op: "write rule file",
        }),
    }
}

/// A tag of nobody's node: after a crash recovery removes a draft, and puts beside its place what may be a user's.
fn tag(kind: &str) -> StageName {
    let mut id = [0; NodeId::LEN];
    OsRandom.fill(&mut id);
    StageName::new(&format!("{kind}-{}", NodeId(id).to_hex()))
        .expect("hex digits are good in a tag")
}
