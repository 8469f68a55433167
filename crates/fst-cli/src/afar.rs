//! Paths at the server as people type them: `/Documents/a.txt`, `Documents:/a.txt`, `remote:/Documents/a.txt`, each
//! with `@TIME` or without.
//!
//! Invariant: a function of the text; what stands behind the last `@` belongs to the path unless it is a time.
//! Source: docs/design/commands.md §12.

use std::str::FromStr;

use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;

use crate::context::Context;
use crate::when;

/// A path at the server, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Names from the root of the account on; the first ones name the space.
    pub names: Vec<String>,
    /// As it was then; now without.
    pub at: Option<UnixMillis>,
}

impl Remote {
    /// The names for a lookup.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn parse(text: &str, now: UnixMillis, zone: &TimeZone) -> Result<Self, String> {
        let (path, at) = split_time(text, now, zone);
        let whole = match path.split_once(":/") {
            Some(("remote", rest)) => format!("/{rest}"),
            Some((space, rest)) if !space.contains('/') => format!("/{space}/{rest}"),
            Some(_) | None => path.clone(),
        };
        let Some(below) = whole.strip_prefix('/') else {
            return Err(format!(
                "{path:?} is no remote path: write it as /Documents/a.txt or Documents:/a.txt"
            ));
        };
        let names = below.split('/').filter(|name| !name.is_empty());
        Ok(Self {
            names: names.map(str::to_owned).collect(),
            at,
        })
    }
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, Context::now(), &TimeZone::system())
    }
}

/// A time in milliseconds is written `@@1709539140000`.
fn split_time(text: &str, now: UnixMillis, zone: &TimeZone) -> (String, Option<UnixMillis>) {
    let split = text.rsplit_once('@').and_then(|(path, time)| {
        let (path, time) = match path.strip_suffix('@') {
            Some(path) => (path, format!("@{time}")),
            None => (path, time.to_owned()),
        };
        Some((path.to_owned(), when::parse(&time, now, zone).ok()?))
    });
    match split {
        Some((path, at)) => (path, Some(at)),
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_709_539_200_000);

    /// What is typed, the names joined by `|`, and how many seconds ago.
    const ROWS: &[(&str, &str, Option<u64>)] = &[
        ("/Documents", "Documents", None),
        ("/Documents/", "Documents", None),
        ("/", "", None),
        ("/Documents/d//a.txt", "Documents|d|a.txt", None),
        ("Documents:/d/a.txt", "Documents|d|a.txt", None),
        ("Documents:/", "Documents", None),
        ("remote:/Documents/d", "Documents|d", None),
        ("/D/a:/b", "D|a:|b", None),
        ("/D/a@10 min ago", "D|a", Some(600)),
        ("D:/a@@1709539140000", "D|a", Some(60)),
        ("/D/me@home", "D|me@home", None),
        ("/D/me@14:30@now", "D|me@14:30", Some(0)),
    ];

    #[test]
    fn remote_paths_mean_what_they_say() {
        for (text, names, ago) in ROWS {
            let read = Remote::parse(text, NOW, &TimeZone::UTC).expect("a remote path");
            assert_eq!(read.names.join("|"), *names, "{text:?}");
            let ago_read = read.at.map(|at| (NOW.0 - at.0) / 1000);
            assert_eq!(ago_read, *ago, "{text:?}");
        }
    }

    #[test]
    fn a_local_path_is_no_remote_one() {
        for text in ["", "a.txt", "./a", "a/b:/c"] {
            assert!(
                Remote::parse(text, NOW, &TimeZone::UTC).is_err(),
                "{text:?}"
            );
        }
    }
}
