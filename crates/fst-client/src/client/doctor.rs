//! What stands between this device and a good sync, one look per topic.
//!
//! For `fst doctor`. Invariant: nothing is changed, on disk, at the server or in a database; each finding that is not
//! good names a next step. Not here: mending; what the daemon does (`fst status`).
//! Source: docs/design/commands.md §13; inotify(7), statvfs(3).

use std::fs;
use std::path::Path;

use fst_proto::error::ErrorCode;
use fst_proto::time::Clock as _;
use rustix::fs::{Access, access, statvfs};

use super::{Client, ClientError, Db, FolderConfig, SystemClock};
use crate::error::chain;
use crate::remote::{Remote as _, RemoteError};

/// Free bytes below which a disk is said to be nearly full: a page of files and its databases still fit.
const FREE_BYTES_LOW: u64 = 1 << 30;

/// Error of a clock that is worth a word, in milliseconds: times of conflicts look odd.
const CLOCK_ERROR_MS_ODD: u64 = 60_000;

/// Error of a clock with which entries of other devices are refused, in milliseconds (docs/design/sync-semantics.md).
const CLOCK_ERROR_MS_MAX: u64 = 10 * 60_000;

/// Where Linux says how many directories one user may watch.
const WATCHES_MAX_FILE: &str = "/proc/sys/fs/inotify/max_user_watches";

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The way to the server, and that it is ours.
    Network,
    /// The keys of this device.
    Keys,
    /// Folders and the room they have.
    Disk,
    /// Limits of watching.
    Watch,
    /// This device's clock against the server's.
    Clock,
    /// The databases of the folders.
    Db,
}

impl Topic {
    /// All of them, in the order in which they depend on each other.
    pub const ALL: [Self; 6] = [
        Self::Network,
        Self::Keys,
        Self::Disk,
        Self::Watch,
        Self::Clock,
        Self::Db,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Keys => "keys",
            Self::Disk => "disk",
            Self::Watch => "watch",
            Self::Clock => "clock",
            Self::Db => "db",
        }
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Good,
    /// Syncing works; somebody should look.
    Odd,
    /// Syncing does not work.
    Bad,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub topic: Topic,
    /// How it is.
    pub health: Health,
    /// In words.
    pub text: String,
    /// What to do, unless all is well.
    pub next: Option<String>,
}

impl Finding {
    fn good(topic: Topic, text: impl Into<String>) -> Self {
        Self {
            topic,
            health: Health::Good,
            text: text.into(),
            next: None,
        }
    }

    fn poor(topic: Topic, health: Health, text: impl Into<String>, next: &str) -> Self {
        Self {
            topic,
            health,
            text: text.into(),
            next: Some(next.to_owned()),
        }
    }

    fn failed(topic: Topic, error: &ClientError) -> Self {
        Self::poor(topic, Health::Bad, chain(error), error.code().next_step())
    }
}

impl Client {
    /// Looks at one topic.
    #[must_use]
    pub fn examine(&self, topic: Topic) -> Vec<Finding> {
        match topic {
            Topic::Network => self.network(),
            Topic::Keys => self.keys(),
            Topic::Disk => self.disks(),
            Topic::Watch => self.watches(),
            Topic::Clock => self.clock(),
            Topic::Db => self.damage(),
        }
    }

    fn network(&self) -> Vec<Finding> {
        let topic = Topic::Network;
        let info = match self.remote.server_info() {
            Ok(info) => info,
            Err(error) => return vec![failed(topic, error)],
        };
        let url = self.server_url();
        if info.receipt_key != self.enrolled.receipt_key {
            let text = format!("another server answers at {url}");
            let next = "fst config get server.url";
            return vec![Finding::poor(topic, Health::Bad, text, next)];
        }
        let version = fst_proto::text::printable(info.version.as_bytes());
        let answers = Finding::good(topic, format!("{url} answers (fst-server {version})"));
        let known = self.known_members();
        let member = match self.remote.account_entries(known.chain.len) {
            Ok(_) => Finding::good(topic, "this device may sign in"),
            Err(error) => failed(topic, error),
        };
        vec![answers, member]
    }

    fn keys(&self) -> Vec<Finding> {
        let text = format!("keys of {} are here", self.device_name());
        vec![Finding::good(Topic::Keys, text)]
    }

    fn disks(&self) -> Vec<Finding> {
        let folders = self.config.folders.iter();
        let mut findings: Vec<Finding> = folders.map(disk_of).collect();
        findings.extend(nearly_full(&self.dirs.state));
        if findings.is_empty() {
            let next = "fst add PATH --two-way";
            findings.push(Finding::poor(
                Topic::Disk,
                Health::Odd,
                "no folder is synced",
                next,
            ));
        }
        findings
    }

    fn watches(&self) -> Vec<Finding> {
        let dirs = self.copies().filter_map(|(_, db)| {
            let totals = db.ok()?.read().totals().ok()?;
            Some(totals.nodes.saturating_sub(totals.leaves))
        });
        let n_dirs: u64 = dirs.sum();
        let limit = fs::read_to_string(WATCHES_MAX_FILE);
        let Some(limit) = limit.ok().and_then(|text| text.trim().parse::<u64>().ok()) else {
            let text = "this system has no limit of watched directories";
            return vec![Finding::good(Topic::Watch, text)];
        };
        let text = format!("{n_dirs} directories to watch, {limit} allowed for all programs");
        // Other programs of this user watch directories too.
        if n_dirs > limit / 2 {
            let next = "sudo sysctl fs.inotify.max_user_watches=1048576";
            return vec![Finding::poor(Topic::Watch, Health::Odd, text, next)];
        }
        vec![Finding::good(Topic::Watch, text)]
    }

    fn clock(&self) -> Vec<Finding> {
        let topic = Topic::Clock;
        let info = match self.remote.server_info() {
            Ok(info) => info,
            Err(error) => return vec![failed(topic, error)],
        };
        let error_ms = info.time_ms.abs_diff(SystemClock.now().0);
        let text = format!("{} s apart from the server's clock", error_ms / 1000);
        if error_ms < CLOCK_ERROR_MS_ODD {
            return vec![Finding::good(topic, text)];
        }
        let health = if error_ms < CLOCK_ERROR_MS_MAX {
            Health::Odd
        } else {
            Health::Bad
        };
        vec![Finding::poor(
            topic,
            health,
            text,
            "sudo timedatectl set-ntp true",
        )]
    }

    fn damage(&self) -> Vec<Finding> {
        let look = |(folder, db): (&FolderConfig, Result<Db, ClientError>)| {
            let path = folder.path.display();
            let counted = db.and_then(|db| Ok((db.load()?, db.read().totals()?)));
            match counted {
                Ok((_, totals)) => {
                    let unit = if totals.nodes == 1 {
                        "entry"
                    } else {
                        "entries"
                    };
                    Finding::good(Topic::Db, format!("{path}: {} {unit}", totals.nodes))
                },
                Err(error) => Finding {
                    text: format!("{path}: {}", chain(&error)),
                    ..Finding::failed(Topic::Db, &error)
                },
            }
        };
        self.copies().map(look).collect()
    }

    /// A private copy of each folder's database; of a folder that was never synced there is none.
    pub(super) fn copies(&self) -> impl Iterator<Item = (&FolderConfig, Result<Db, ClientError>)> {
        let folders = self.config.folders.iter();
        let files = folders.map(|folder| (folder, self.database(folder)));
        let there = files.filter(|(_, file)| file.exists());
        there.map(|(folder, file)| (folder, Db::open_copy(&file).map_err(ClientError::from)))
    }
}

fn failed(topic: Topic, error: RemoteError) -> Finding {
    Finding::failed(topic, &ClientError::from(error))
}

fn disk_of(folder: &FolderConfig) -> Finding {
    let shown = folder.path.display();
    if !folder.path.is_dir() {
        let next = ErrorCode::RootMissing.next_step();
        let text = format!("{shown} is not there");
        return Finding::poor(Topic::Disk, Health::Bad, text, next);
    }
    if access(&folder.path, Access::READ_OK | Access::EXEC_OK).is_err() {
        let text = format!("{shown} may not be read");
        return Finding::poor(
            Topic::Disk,
            Health::Bad,
            text,
            &format!("chmod u+rx {shown}"),
        );
    }
    if access(&folder.path, Access::WRITE_OK).is_err() {
        let text = format!("{shown} may not be written");
        return Finding::poor(
            Topic::Disk,
            Health::Odd,
            text,
            &format!("chmod u+w {shown}"),
        );
    }
    nearly_full(&folder.path)
        .unwrap_or_else(|| Finding::good(Topic::Disk, format!("{shown} is there and has room")))
}

fn nearly_full(path: &Path) -> Option<Finding> {
    let stat = statvfs(path).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    (free < FREE_BYTES_LOW).then(|| {
        let text = format!("{} has {} MiB left", path.display(), free >> 20);
        Finding::poor(Topic::Disk, Health::Odd, text, "make room on this disk")
    })
}
