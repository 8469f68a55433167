//! Makes a [`Config`] of settings and finds what is wrong between them.
//!
//! Invariant: values are of their keys' kinds already ([`super::check`]). Not here: files.

use std::path::Path;

use fst_engine::rate::Limits;
use fst_engine::reconcile::{Backup, Strategy};
use fst_proto::control::Policy;
use fst_proto::error::ErrorCode;
use fst_proto::value::{BitRate, ByteSize, TimeWindow, Weekdays};

use super::check::{Origin, Setting, Value, is_remote};
use super::performance::rate;
use super::report::{Finding, Severity};
use super::{
    Chosen, Config, ConflictRules, EmbeddedServer, FolderConfig, Mode, Performance, Schedule,
    sub_folder,
};
use crate::dirs::Dirs;
use crate::remote::tls::{PlainHttp, Trust};

/// Chunks of average size in the largest one.
const CHUNK_MAX_PER_AVG: u32 = 4;

/// Chunks of least size in the largest one.
const CHUNK_MAX_PER_MIN: u32 = 16;

pub(super) fn build(dirs: &Dirs, settings: Vec<Setting>) -> (Config, Vec<Finding>) {
    let mut builder = Builder {
        dirs,
        settings: &settings,
        findings: Vec::new(),
    };
    let conflicts = builder.conflicts();
    let mut config = Config {
        server_url: builder.text("server.url").map(str::to_owned),
        trust: builder.trust(),
        folders: builder.folders(conflicts),
        embedded_server: builder.embedded(),
        conflicts,
        performance: builder.performance(),
        new_spaces: builder.policy(),
        ..Config::default()
    };
    let findings = builder.findings;
    config.settings = settings;
    (config, findings)
}

struct Builder<'s> {
    dirs: &'s Dirs,
    settings: &'s [Setting],
    findings: Vec<Finding>,
}

impl<'s> Builder<'s> {
    fn setting(&self, path: &str) -> Option<&'s Setting> {
        self.settings.iter().find(|setting| setting.path == path)
    }

    fn text(&self, path: &str) -> Option<&'s str> {
        match &self.setting(path)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn bool(&self, path: &str) -> Option<bool> {
        match self.setting(path)?.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn number(&self, path: &str) -> Option<u64> {
        match self.setting(path)?.value {
            Value::Number(value) => Some(value),
            _ => None,
        }
    }

    fn size(&self, path: &str) -> Option<ByteSize> {
        match self.setting(path)?.value {
            Value::Size(value) => value,
            _ => None,
        }
    }

    fn rate(&self, path: &str) -> Option<BitRate> {
        match self.setting(path)?.value {
            Value::Rate(value) => value,
            _ => None,
        }
    }

    fn wrong(&mut self, path: &str, message: impl Into<String>) {
        let place = self.setting(path).and_then(|setting| match setting.origin {
            Origin::File(place) => Some(place),
            Origin::Variable(_) => None,
        });
        self.findings.push(Finding {
            code: ErrorCode::BadValue,
            severity: Severity::Error,
            message: message.into(),
            place,
            note: String::new(),
            help: None,
        });
    }

    fn conflicts(&self) -> ConflictRules {
        let strategy = match self.text("conflict_resolution.strategy") {
            Some("oldest") => Strategy::Oldest,
            Some("manual") => Strategy::Manual,
            Some("merge") => Strategy::Merge,
            Some(_) | None => Strategy::Newest,
        };
        let backup = match self.bool("conflict_resolution.backup_conflicts") {
            Some(false) => Backup::HistoryOnly,
            Some(true) | None => Backup::Keep,
        };
        ConflictRules { strategy, backup }
    }

    fn trust(&self) -> Trust {
        let pin = self.text("server.pin");
        let ca_file = self.text("server.ca_file");
        Trust {
            pin: pin.and_then(|pin| pin.parse().ok()),
            ca_file: ca_file.map(|path| self.dirs.expand(path)),
            plain_http: match self.bool("server.allow_http") {
                Some(true) => PlainHttp::Anywhere,
                Some(false) | None => PlainHttp::LoopbackOnly,
            },
        }
    }

    fn embedded(&mut self) -> Option<EmbeddedServer> {
        let data = self.text("server.embedded.data");
        let listen = self.text("server.embedded.listen");
        match (data, listen) {
            (Some(data), Some(listen)) => Some(EmbeddedServer {
                data: self.dirs.expand(data),
                listen: listen.to_owned(),
            }),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong("server.embedded.data", "server.embedded.listen is missing");
                None
            },
            (None, Some(_)) => {
                self.wrong("server.embedded.listen", "server.embedded.data is missing");
                None
            },
        }
    }

    fn items(&self, list: &str) -> usize {
        let number = |setting: &Setting| {
            let rest = setting.path.strip_prefix(list)?.strip_prefix('[')?;
            rest.split_once(']')?.0.parse::<usize>().ok()
        };
        let last = self.settings.iter().filter_map(number).max();
        last.map_or(0, |last| last + 1)
    }

    fn folders(&mut self, conflicts: ConflictRules) -> Vec<FolderConfig> {
        let mut folders: Vec<FolderConfig> = Vec::new();
        for index in 0..self.items("sync_folders") {
            let at = format!("sync_folders[{index}]");
            let Some(folder) = self.folder(&at, conflicts) else {
                continue;
            };
            if let Some(known) = folders
                .iter()
                .find(|known| overlap(&known.path, &folder.path))
            {
                let known = self.dirs.tilde(&known.path);
                self.wrong(
                    &format!("{at}.path"),
                    format!("this folder overlaps {known}"),
                );
            }
            folders.push(folder);
        }
        folders
    }

    fn folder(&mut self, at: &str, conflicts: ConflictRules) -> Option<FolderConfig> {
        let path = self.dirs.expand(self.text(&format!("{at}.path"))?);
        let mode = self.mode(at);
        let last = path.file_name();
        let last = last.map(|name| format!("/{}", name.to_string_lossy()));
        let given = self.text(&format!("{at}.remote_path")).map(str::to_owned);
        let Some(remote_path) = given.or(last.filter(|last| is_remote(last))) else {
            self.wrong(&format!("{at}.path"), "remote_path is missing");
            return None;
        };
        let ignore = self.texts(&format!("{at}.ignore"));
        let chosen = self.chosen(at);
        Some(FolderConfig {
            path,
            remote_path,
            mode,
            ignore,
            chosen,
            paused: self.bool(&format!("{at}.paused")).unwrap_or(false),
            conflicts,
        })
    }

    fn texts(&self, path: &str) -> Vec<String> {
        match self.setting(path).map(|one| &one.value) {
            Some(Value::Texts(texts)) => texts.clone(),
            Some(_) | None => Vec::new(),
        }
    }

    fn chosen(&mut self, at: &str) -> Chosen {
        let [only, except, cleared] = ["only", "except", "cleared"].map(|list| {
            let path = format!("{at}.{list}");
            let mut names = self.texts(&path);
            for name in &names {
                if let Err(error) = sub_folder(name) {
                    self.wrong(&path, error.to_string());
                }
            }
            // Two spellings of one path are one.
            for name in &mut names {
                *name = name.trim_matches('/').to_owned();
            }
            names
        });
        let taken_out = except.iter().chain(&cleared);
        if let Some(both) = taken_out.clone().find(|name| only.contains(name)) {
            self.wrong(
                &format!("{at}.only"),
                format!("{both:?} is chosen and taken out at once"),
            );
        }
        Chosen {
            only,
            except,
            cleared,
        }
    }

    fn mode(&mut self, at: &str) -> Mode {
        let path = format!("{at}.mode");
        let mode = match self.text(&path) {
            Some("two-way") => Some(Mode::TwoWay),
            Some("upload-only" | "upload") => Some(Mode::UploadOnly),
            Some(_) => Some(Mode::DownloadOnly),
            None => None,
        };
        match (mode, self.bool(&format!("{at}.two_way"))) {
            (None, None | Some(true)) => Mode::TwoWay,
            (None, Some(false)) => Mode::UploadOnly,
            (Some(mode), Some(two_way)) if two_way != (mode == Mode::TwoWay) => {
                self.wrong(&path, "mode and two_way contradict each other");
                mode
            },
            (Some(mode), Some(_) | None) => mode,
        }
    }

    fn performance(&mut self) -> Performance {
        let usual = Performance::default();
        let parallel = self.number("performance.parallel_transfers");
        let memory = self.size("performance.memory_limit");
        let schedules = self.schedules();
        Performance {
            limits: Limits {
                upload: rate(self.rate("performance.max_upload_speed")),
                download: rate(self.rate("performance.max_download_speed")),
                is_paused: false,
            },
            windows: schedules.iter().map(Schedule::window).collect(),
            parallel: parallel
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(usual.parallel),
            memory: memory.map_or(usual.memory, |size| size.0),
            schedules,
        }
    }

    fn schedules(&mut self) -> Vec<Schedule> {
        let mut schedules: Vec<Schedule> = Vec::new();
        for index in 0..self.items("schedules") {
            let at = format!("schedules[{index}]");
            let Some(schedule) = self.schedule(&at) else {
                continue;
            };
            if schedules.iter().any(|known| known.name == schedule.name) {
                let message = format!("there is a schedule {:?} already", schedule.name);
                self.wrong(&format!("{at}.name"), message);
            }
            schedules.push(schedule);
        }
        schedules
    }

    fn schedule(&mut self, at: &str) -> Option<Schedule> {
        let name = self.text(&format!("{at}.name"))?.to_owned();
        let window = match self.setting(&format!("{at}.time")).map(|one| &one.value) {
            Some(Value::Window(window)) => *window,
            Some(_) | None => TimeWindow::ALL_DAY,
        };
        let days = match self
            .setting(&format!("{at}.weekdays"))
            .map(|one| &one.value)
        {
            Some(Value::Days(days)) => *days,
            Some(_) | None => Weekdays::ALL,
        };
        Some(Schedule {
            name,
            window,
            days,
            max_upload: self.rate(&format!("{at}.max_upload")),
            max_download: self.rate(&format!("{at}.max_download")),
            pause: self.bool(&format!("{at}.pause")).unwrap_or(false),
        })
    }

    /// Rules of new spaces; what is not set is as in [`Policy::default`].
    fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        if let Some(size) = self.size("performance.chunk_size") {
            policy.chunk_max = small(size.0);
            policy.chunk_avg = policy.chunk_max / CHUNK_MAX_PER_AVG;
            policy.chunk_min = policy.chunk_max / CHUNK_MAX_PER_MIN;
        }
        if let Some(days) = self.number("version_history.retention_days") {
            policy.retention_days = small(days);
        }
        if let Some(versions) = self.number("version_history.max_versions") {
            policy.max_versions = small(versions);
        }
        if self.bool("version_history.enabled") == Some(false) {
            // The least that a space may ask for: nothing is lost by one slip.
            (policy.retention_days, policy.max_versions) = (1, 1);
        }
        policy
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
