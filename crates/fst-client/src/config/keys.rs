//! Every key of `config.yaml`: its kind, its default, when it takes effect.
//!
//! One table from which the file is checked, read, listed, described and published as JSON Schema. Invariant: what is
//! not in it does not exist; a key without an effect says so. Source: docs/design/configuration.md §3, made from here.

use fst_proto::limits::{CHUNK_MAX, RETENTION_DAYS_MAX, RETENTION_VERSIONS_MAX};

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Path with points; `[]` stands behind the name of a list of maps.
    pub path: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Value without one, as it would be written; empty for none.
    pub default: &'static str,
    /// When a new value takes effect.
    pub effect: Effect,
    /// One line for people.
    pub about: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An address that begins with `https://` or `http://`.
    Url,
    /// `sha256:` and 64 hexadecimal digits.
    Pin,
    /// A text that is never shown.
    Secret,
    /// A local path: absolute, or from `~`.
    Path,
    /// A remote path: `/Name`.
    Remote,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A size between two bounds in bytes, or one bound and `unlimited`.
    Size {
        /// Least.
        min: u64,
        /// Most; `unlimited` is allowed when it is [`u64::MAX`].
        max: u64,
    },
    /// A rate or `unlimited`.
    Rate,
    /// A number between two bounds.
    Number {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// A list of texts.
    Texts,
    /// A text.
    Text,
    /// Two times of the day.
    Window,
    /// Days of the week.
    Days,
}

/// When a new value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Within seconds, in a running daemon too.
    Now,
    /// For folders that are added from then on and new on the server.
    NewSpaces,
    /// When the daemon starts anew.
    Restart,
    /// Accepted and kept; nothing follows it before this part of the product is there.
    Later(&'static str),
}

const fn key(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    effect: Effect,
    about: &'static str,
) -> Key {
    Key {
        path,
        kind,
        default,
        effect,
        about,
    }
}

use Effect::{Later, NewSpaces, Now, Restart};

/// Effect of rates and hours.
const LIMITS: Effect = Now;

/// Effect of what bounds transfers at a time.
const PARALLEL: Effect = Now;

/// Strategies of a conflict.
pub(super) const STRATEGIES: &[&str] = &["newest", "oldest", "manual", "merge"];

/// Modes of a folder; the short words came first and stay.
pub(super) const MODES: &[&str] = &[
    "two-way",
    "upload-only",
    "download-only",
    "upload",
    "download",
];

/// Least chunk limit, bytes: an eighth of the smallest chunk that pays for its envelope.
const CHUNK_LIMIT_MIN: u64 = 64 << 10;

/// Fewer bytes of contents in flight would not hold one frame with its answer.
const MEMORY_MIN: u64 = 16 << 20;

/// More bytes of contents in flight than any line needs.
const MEMORY_MAX: u64 = 64 << 30;

/// All keys, in the order of the sample.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("server.url", Kind::Url, "", Restart, "address of the server"),
    key("server.pin", Kind::Pin, "", Restart, "its TLS key, as `fst-server start` prints it; then nothing else is asked of its certificate"),
    key("server.ca_file", Kind::Path, "", Restart, "certificates (PEM) that are trusted beside those of the system"),
    key("server.allow_http", Kind::Bool, "false", Restart, "`true`: plain http may leave this machine; written by `fst init --insecure-http`"),
    key("server.api_key", Kind::Secret, "", Later("API keys"), "key that lets this device in; the sample's placeholder counts as absent"),
    key("server.embedded.data", Kind::Path, "", Restart, "data of the server inside the daemon; written by `fst up`"),
    key("server.embedded.listen", Kind::Text, "", Restart, "where it listens; written by `fst up`"),
    key("sync_folders[].path", Kind::Path, "", Now, "the folder"),
    key("sync_folders[].remote_path", Kind::Remote, "", Now, "folder on the server; without it the last part of the path"),
    key("sync_folders[].two_way", Kind::Bool, "true", Now, "`false`: from here to the server only"),
    key("sync_folders[].mode", Kind::Word(MODES), "", Now, "which ways changes flow, in place of `two_way`"),
    key("sync_folders[].ignore", Kind::Texts, "", Now, "rules in gitignore syntax, for this device; they can only ignore more"),
    key("sync_folders[].only", Kind::Texts, "", Now, "sub-folders that this device syncs, and nothing else of the folder; written by `fst select`"),
    key("sync_folders[].except", Kind::Texts, "", Now, "sub-folders that this device does not sync; copies that are here stay"),
    key("sync_folders[].cleared", Kind::Texts, "", Now, "sub-folders that this device does not sync and keeps no copies of, once they are synced"),
    key("sync_folders[].paused", Kind::Bool, "false", Now, "whether it rests; written by `fst pause`"),
    key("conflict_resolution.strategy", Kind::Word(STRATEGIES), "newest", Now, "who keeps the name where two devices edited one file"),
    key("conflict_resolution.backup_conflicts", Kind::Bool, "true", Now, "`false`: the other content is in the versions only, not beside the file"),
    key("performance.max_upload_speed", Kind::Rate, "unlimited", LIMITS, "most that is sent, all folders together"),
    key("performance.max_download_speed", Kind::Rate, "unlimited", LIMITS, "most that is received, all folders together"),
    key("performance.chunk_size", Kind::Size { min: CHUNK_LIMIT_MIN, max: CHUNK_MAX as u64 }, "4mb", NewSpaces, "largest chunk; a quarter of it is the average, a sixteenth the least"),
    key("performance.parallel_transfers", Kind::Number { min: 1, max: 64 }, "4", PARALLEL, "requests that are under way at once"),
    key("performance.memory_limit", Kind::Size { min: MEMORY_MIN, max: MEMORY_MAX }, "64mb", PARALLEL, "memory that contents in flight may take"),
    key("encryption.enabled", Kind::Bool, "true", Now, "always on; `false` waits for the gateway that may read a managed folder"),
    key("encryption.algorithm", Kind::Word(&["aes-256-gcm"]), "aes-256-gcm", Now, "how contents are sealed"),
    key("version_history.enabled", Kind::Bool, "true", NewSpaces, "`false`: only the version before the present one, for one day"),
    key("version_history.retention_days", Kind::Number { min: 1, max: RETENTION_DAYS_MAX as u64 }, "30", NewSpaces, "days that a replaced or deleted version is kept"),
    key("version_history.max_versions", Kind::Number { min: 1, max: RETENTION_VERSIONS_MAX as u64 }, "10", NewSpaces, "newest versions of a file that are kept that long"),
    key("schedules[].name", Kind::Text, "", Now, "name of the rule"),
    key("schedules[].time", Kind::Window, "00:00-24:00", Now, "when it holds, local time; 22:00-06:00 passes midnight"),
    key("schedules[].weekdays", Kind::Days, "all", Now, "days on which it begins"),
    key("schedules[].max_upload", Kind::Rate, "unlimited", LIMITS, "most that is sent meanwhile"),
    key("schedules[].max_download", Kind::Rate, "unlimited", LIMITS, "most that is received meanwhile"),
    key("schedules[].pause", Kind::Bool, "false", LIMITS, "nothing is sent or received meanwhile"),
];

/// Short names that are understood for ever.
const ALIASES: [(&str, &str); 2] = [
    ("max_upload", "performance.max_upload_speed"),
    ("max_download", "performance.max_download_speed"),
];

/// Texts that samples put where a secret belongs; they count as absent.
pub(super) const PLACEHOLDERS: &[&str] = &["your_api_key_here", "your_api_key"];

impl Key {
    /// Name of the environment variable that overrides it; lists have none.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        let name = || format!("FST_{}", self.path.replace('.', "__").to_uppercase());
        (!self.path.contains("[]") && self.kind != Kind::Texts).then(name)
    }

    /// The last part of its path.
    #[must_use]
    pub fn leaf(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

/// The key at a path; numbers of list items do not matter: `sync_folders[2].path`.
#[must_use]
pub fn at(path: &str) -> Option<&'static Key> {
    let general = general(path);
    KEYS.iter().find(|key| key.path == general)
}

/// `sync_folders[2].path` as `sync_folders[].path`.
fn general(path: &str) -> String {
    let mut out = String::new();
    for (at, part) in path.split('[').enumerate() {
        match part.split_once(']') {
            Some((_, rest)) if at > 0 => out.extend(["[]", rest]),
            Some(_) | None => out.push_str(part),
        }
    }
    out
}

/// The full path that somebody means: itself, an alias, or the last part of one path only.
#[must_use]
pub fn resolve(typed: &str) -> Option<String> {
    if at(typed).is_some() {
        return Some(typed.to_owned());
    }
    if let Some((_, path)) = ALIASES.iter().find(|(alias, _)| *alias == typed) {
        return Some((*path).to_owned());
    }
    let mut fitting = KEYS
        .iter()
        .filter(|key| key.leaf() == typed && !key.path.contains("[]"));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Some(key.path.to_owned()),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// Names that may stand in the map at `section`, in the order of the table. The root is `""`.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let rest = if section.is_empty() {
            Some(key.path)
        } else {
            key.path
                .strip_prefix(section)
                .and_then(|rest| rest.strip_prefix('.'))
        };
        let name = rest.and_then(|rest| rest.split(['.', '[']).next());
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

/// Whether the paths of the table go on below this one.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The name that was probably meant.
#[must_use]
pub fn similar<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Two slips in a word, one in a short one.
    let slips_max = if typed.chars().count() < 5 { 1 } else { 2 };
    let near = names
        .into_iter()
        .map(|name| (strsim::osa_distance(typed, name), name));
    let best = near
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips);
    best.map(|(_, name)| name)
}
