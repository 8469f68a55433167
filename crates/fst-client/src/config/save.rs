//! What a command changed in a [`Config`], as edits of the file.
//!
//! Invariant: a value that came from the environment and was not changed is not written. Source:
//! docs/adr/0023-editing-configuration.md.

use fst_proto::value::{TimeWindow, Weekdays};

use super::check::{Value, escaped};
use super::edit::{Change, Step, Written, steps};
use super::{Config, FolderConfig, Mode, Schedule};
use crate::dirs::Dirs;
use crate::remote::tls::{PlainHttp, Trust};

/// Who changed what: a file may have been edited since it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions<'c> {
    /// As it was read.
    pub(super) before: &'c Config,
    /// As it was read, with the changes of a command.
    pub(super) wanted: &'c Config,
    /// As the file is now.
    pub(super) now: &'c Config,
}

/// Edits that bring the changes of a command into the file as it is now.
pub(super) fn differences(dirs: &Dirs, versions: Versions<'_>) -> Vec<Change> {
    let Versions {
        before,
        wanted,
        now,
    } = versions;
    let mut changes = Vec::new();
    let url = wanted.server_url.as_ref();
    if let Some(url) = url.filter(|url| before.server_url.as_ref() != Some(*url)) {
        changes.push(Change::Set(steps("server.url"), text(url)));
    }
    changes.extend(trust_changes(&before.trust, &wanted.trust));
    let server = wanted.embedded_server.as_ref();
    if let Some(server) = server.filter(|server| before.embedded_server.as_ref() != Some(*server)) {
        let server = map([
            ("data", text(&dirs.tilde(&server.data))),
            ("listen", text(&server.listen)),
        ]);
        changes.push(Change::Set(steps("server.embedded"), server));
    }
    // From the end, so that earlier numbers stay right.
    for (at, folder) in now.folders.iter().enumerate().rev() {
        let at = format!("sync_folders[{at}]");
        match (find(before, folder), find(wanted, folder)) {
            (Some(_), None) => changes.push(Change::Unset(steps(&at))),
            (Some(old), Some(new)) => changes.extend(folder_changes(&at, [old, new], folder)),
            // Somebody else added it meanwhile.
            (None, _) => {},
        }
    }
    let new = wanted.folders.iter();
    let new = new.filter(|one| find(before, one).is_none() && find(now, one).is_none());
    let list = steps("sync_folders");
    changes.extend(new.map(|one| Change::Push(list.clone(), written_folder(dirs, one))));
    changes
}

/// What a command may have been told about the server; the file of roots is edited by hand.
fn trust_changes(before: &Trust, wanted: &Trust) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.pin != wanted.pin {
        let pin = steps("server.pin");
        changes.push(match wanted.pin {
            Some(wanted) => Change::Set(pin, text(&wanted.to_string())),
            None => Change::Unset(pin),
        });
    }
    if before.plain_http != wanted.plain_http {
        let is_allowed = wanted.plain_http == PlainHttp::Anywhere;
        let allowed = Written::Bool(is_allowed);
        changes.push(Change::Set(steps("server.allow_http"), allowed));
    }
    changes
}

/// The folder with the path of this one.
fn find<'c>(config: &'c Config, folder: &FolderConfig) -> Option<&'c FolderConfig> {
    config.folders.iter().find(|one| one.path == folder.path)
}

fn folder_changes(at: &str, [old, new]: [&FolderConfig; 2], now: &FolderConfig) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.paused != new.paused && now.paused != new.paused {
        let paused = steps(&format!("{at}.paused"));
        changes.push(Change::Set(paused, Written::Bool(new.paused)));
    }
    let (olds, news, nows) = (lists(old), lists(new), lists(now));
    for (((name, old), (_, new)), (_, now)) in olds.into_iter().zip(news).zip(nows) {
        let list = steps(&format!("{at}.{name}"));
        changes.extend(list_changes(&list, [old, new], now));
    }
    changes
}

/// Lists of texts that commands add to and take from.
fn lists(folder: &FolderConfig) -> [(&'static str, &[String]); 4] {
    [
        ("ignore", &folder.ignore),
        ("only", &folder.chosen.only),
        ("except", &folder.chosen.except),
        ("cleared", &folder.chosen.cleared),
    ]
}

fn list_changes(list: &[Step], [old, new]: [&[String]; 2], now: &[String]) -> Vec<Change> {
    let mut changes = Vec::new();
    let is_gone = |text: &String| old.contains(text) && !new.contains(text);
    if !now.is_empty() && now.iter().all(is_gone) && new.is_empty() {
        return vec![Change::Unset(list.to_vec())];
    }
    for (index, text) in now.iter().enumerate().rev() {
        if is_gone(text) {
            let mut item = list.to_vec();
            item.push(Step::Item(index));
            changes.push(Change::Unset(item));
        }
    }
    let is_new = |text: &&String| !old.contains(text) && !now.contains(text);
    let added = new.iter().filter(is_new);
    changes.extend(added.map(|one| Change::Push(list.to_vec(), text(one))));
    changes
}

fn written_folder(dirs: &Dirs, folder: &FolderConfig) -> Written {
    let mut entries = vec![
        ("path", text(&dirs.tilde(&folder.path))),
        ("remote_path", text(&folder.remote_path)),
        match folder.mode {
            Mode::TwoWay => ("two_way", Written::Bool(true)),
            Mode::UploadOnly => ("two_way", Written::Bool(false)),
            Mode::DownloadOnly => ("mode", text(folder.mode.as_str())),
        },
    ];
    for (name, texts) in lists(folder) {
        if !texts.is_empty() {
            let texts = texts.iter().map(|one| text(one));
            entries.push((name, Written::List(texts.collect())));
        }
    }
    if folder.paused {
        entries.push(("paused", Written::Bool(true)));
    }
    map(entries)
}

/// A rule for hours of the week as it stands in the file.
pub(super) fn written_schedule(schedule: &Schedule) -> Written {
    let mut entries = vec![("name", text(&schedule.name))];
    if schedule.window != TimeWindow::ALL_DAY {
        entries.push(("time", text(&schedule.window.to_string())));
    }
    if schedule.days != Weekdays::ALL {
        entries.push(("weekdays", text(&schedule.days.to_string())));
    }
    let rates = [
        ("max_upload", schedule.max_upload),
        ("max_download", schedule.max_download),
    ];
    for (name, rate) in rates {
        entries.extend(rate.map(|rate| (name, text(&rate.to_string()))));
    }
    if schedule.pause {
        entries.push(("pause", Written::Bool(true)));
    }
    map(entries)
}

/// A value as it was typed, but for numbers and yes or no.
pub(super) fn written(value: &Value, typed: &str) -> Written {
    match value {
        Value::Bool(value) => Written::Bool(*value),
        Value::Number(value) => Written::Number(*value),
        Value::Texts(texts) => Written::List(texts.iter().map(|one| text(one)).collect()),
        Value::Text(_) | Value::Size(_) | Value::Rate(_) | Value::Window(_) | Value::Days(_) => {
            text(typed.trim())
        },
    }
}

fn text(text: &str) -> Written {
    Written::Text(escaped(text))
}

fn map(entries: impl IntoIterator<Item = (&'static str, Written)>) -> Written {
    let entries = entries.into_iter();
    Written::Map(
        entries
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// A change in words.
pub(super) fn described(change: &Change) -> String {
    match change {
        Change::Set(path, value) => format!("set {} to {}", shown(path), in_json(value)),
        Change::Unset(path) => format!("remove {}", shown(path)),
        Change::Push(path, value) => format!("add to {}: {}", shown(path), in_json(value)),
    }
}

fn in_json(value: &Written) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Name(name) if out.is_empty() => out.push_str(name),
            Step::Name(name) => out.extend([".", name]),
            Step::Item(at) => out.extend(["[", &at.to_string(), "]"]),
        }
    }
    out
}
