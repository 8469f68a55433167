//! `fst diff A@WHEN [B]`: two contents of files line by line, or what became of a folder since a time.

use std::path::{Path, PathBuf};

use fst_client::past::Past;
use fst_client::restore::{Newer, Step};
use fst_client::{Client, versions::Version};
use fst_proto::time::UnixMillis;
use gix_imara_diff::{Algorithm, BasicLineDiffPrinter, Diff, InternedInput, UnifiedDiffConfig};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cmd::restore::find_version;
use crate::context::Context;
use crate::report::{Answer, Failure};
use crate::when;

/// Largest content that is compared line by line: both sides are held in memory.
const BYTES_MAX: u64 = 16 << 20;

/// What stands behind the `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// On the disk, now.
    Now,
    Version(u32),
    Time(UnixMillis),
}

/// One side as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sided {
    path: PathBuf,
    at: At,
}

pub(super) fn run(context: &Context, a: &str, b: Option<&str>) -> Result<Answer, Failure> {
    let (now, zone) = (Context::now(), TimeZone::system());
    let read = |text: &str| read(text, Path::new(text).exists(), now, &zone);
    let a = read(a);
    let b = b.map_or_else(
        || Sided {
            path: a.path.clone(),
            at: At::Now,
        },
        read,
    );
    let client = context.client()?;
    if let (At::Time(at), At::Now) = (a.at, b.at)
        && a.path == b.path
        && a.path.is_dir()
    {
        return folder(&client.past(&a.path)?, at);
    }
    let (old, new) = (bytes(&client, &a)?, bytes(&client, &b)?);
    let kind = match (std::str::from_utf8(&old), std::str::from_utf8(&new)) {
        _ if old == new => "equal",
        (Ok(_), Ok(_)) if !old.contains(&0) && !new.contains(&0) => "text",
        _ => "binary",
    };
    let text = match kind {
        "equal" => "The contents are equal\n".to_owned(),
        "binary" => format!(
            "Binary contents differ: {} and {} bytes\n",
            old.len(),
            new.len()
        ),
        _ => lines(
            &String::from_utf8_lossy(&old),
            &String::from_utf8_lossy(&new),
            (&title(&a), &title(&b)),
        ),
    };
    let diff = (kind == "text").then_some(&text);
    let sizes = json!({ "kind": kind, "sizes": [old.len(), new.len()], "diff": diff });
    Ok(Answer::new("fst.diff/1", sizes, text))
}

/// Splits at the last `@` when what follows is a version or a time and the whole is no file that exists.
fn read(text: &str, exists: bool, now: UnixMillis, zone: &TimeZone) -> Sided {
    let whole = || Sided {
        path: PathBuf::from(text),
        at: At::Now,
    };
    let Some((path, suffix)) = text.rsplit_once('@').filter(|_| !exists) else {
        return whole();
    };
    // A time in milliseconds is written `@@1709539140000`.
    let (path, suffix) = match path.strip_suffix('@') {
        Some(path) => (path, format!("@{suffix}")),
        None => (path, suffix.to_owned()),
    };
    let at = match (suffix.parse(), when::parse(&suffix, now, zone)) {
        (Ok(number), _) => At::Version(number),
        (Err(_), Ok(at)) => At::Time(at),
        (Err(_), Err(_)) => return whole(),
    };
    let path = PathBuf::from(path);
    Sided { path, at }
}

fn bytes(client: &Client, side: &Sided) -> Result<Vec<u8>, Failure> {
    let past = client.past(&side.path)?;
    let row = match side.at {
        At::Now => return Ok(past.bytes_here(BYTES_MAX)?),
        At::Version(number) => {
            let Version { revision, .. } = find_version(&past, number)?;
            revision
        },
        At::Time(at) => past.file_at(at)?,
    };
    Ok(past.bytes(&row, BYTES_MAX)?)
}

fn title(side: &Sided) -> String {
    let path = crate::context::shown(&side.path);
    match side.at {
        At::Now => path,
        At::Version(number) => format!("{path}@{number}"),
        At::Time(at) => format!("{path}@{}", when::shown(at, &TimeZone::system())),
    }
}

fn lines(old: &str, new: &str, (a, b): (&str, &str)) -> String {
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let printer = BasicLineDiffPrinter(&input.interner);
    let hunks = diff.unified_diff(&printer, UnifiedDiffConfig::default(), &input);
    format!("--- {a}\n+++ {b}\n{hunks}")
}

/// What became of a folder since: the plan of an exact restore, read backwards.
fn folder(past: &Past<'_>, at: UnixMillis) -> Result<Answer, Failure> {
    let planned = past.plan_moment(at, Newer::Remove)?;
    let changes: Vec<(&str, String)> = planned
        .plan
        .steps
        .iter()
        .map(|step| {
            let what = match step {
                Step::MakeDir { .. } | Step::Create { .. } => "deleted",
                Step::Replace { .. } => "changed",
                Step::Remove { .. } => "added",
            };
            (what, step.path().to_string())
        })
        .collect();
    let text = match changes.is_empty() {
        true => "Nothing changed since\n".to_owned(),
        false => changes
            .iter()
            .map(|(what, path)| format!("  {what:<8} {path}\n"))
            .collect(),
    };
    let changes: Vec<_> = changes
        .iter()
        .map(|(what, path)| json!({ "what": what, "path": path }))
        .collect();
    let data = json!({ "kind": "folder", "since": at.0, "changes": changes });
    Ok(Answer::new("fst.diff/1", data, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_709_539_200_000);

    /// What is typed, whether the whole exists, and how it is read.
    const ROWS: &[(&str, bool, &str, At)] = &[
        ("f", false, "f", At::Now),
        ("f@3", false, "f", At::Version(3)),
        ("f@3", true, "f@3", At::Now),
        ("a@b", false, "a@b", At::Now),
        ("a@b@2", false, "a@b", At::Version(2)),
        ("f@now", false, "f", At::Time(NOW)),
        (
            "f@1 min ago",
            false,
            "f",
            At::Time(UnixMillis(NOW.0 - 60_000)),
        ),
        ("f@@5", false, "f", At::Time(UnixMillis(5))),
    ];

    #[test]
    fn sides_are_read() {
        for (text, exists, path, at) in ROWS {
            let read = read(text, *exists, NOW, &TimeZone::UTC);
            let path = PathBuf::from(path);
            assert_eq!(read, Sided { path, at: *at }, "{text}");
        }
    }

    #[test]
    fn lines_are_shown_with_their_surroundings() {
        let shown = lines("a\nb\nc\n", "a\nB\nc", ("x", "y"));
        insta::assert_snapshot!(shown, @r"
        --- x
        +++ y
        @@ -1,3 +1,3 @@
         a
        -b
        -c
        +B
        +c
        ");
    }
}
