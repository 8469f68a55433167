//! `fst why PATH`: one answer, with the rule, row or problem that decides.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use fst_client::Client;
use fst_client::config::FolderConfig;
use fst_client::views::WhyItem;
use fst_proto::error::ErrorCode;
use fst_proto::path::RelPath;
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;

use crate::context::{Context, shown};
use crate::render::{Page, Symbol, amounts, json as drawn};
use crate::report::{Answer, Failure};

pub(super) fn run(context: &Context, path: &Path) -> Result<Answer, Failure> {
    let client = context.client()?;
    let (folder, inside) = place(context, &client, path)?;
    let why = client.why(folder, &inside)?;
    let answer = Answer::new("fst.why/1", drawn::value(&why), text(context, &why));
    Ok(match &why.next {
        Some(next) => answer.then(next.clone()),
        None => answer,
    })
}

/// The folder that a path lies in, and the path inside it. The last part is not followed if it is a link.
pub(super) fn place<'c>(
    context: &Context,
    client: &'c Client,
    path: &Path,
) -> Result<(&'c FolderConfig, RelPath), Failure> {
    let failed = |why: String| Failure::new(ErrorCode::Usage, "this is not a path").because(why);
    let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
    let real = real(&path);
    let folders = client.config().folders.iter();
    let mut found = folders.filter_map(|folder| {
        let tried = [real.as_path(), path.as_path()];
        let inside = tried
            .iter()
            .find_map(|path| path.strip_prefix(&folder.path).ok())?;
        Some((folder, inside.as_os_str().as_bytes().to_vec()))
    });
    let Some((folder, inside)) = found.next() else {
        let failure = Failure::new(ErrorCode::UnknownFolder, ErrorCode::UnknownFolder.title());
        return Err(failure
            .about(&context.look.quoted(&path))
            .because(shown(&path)));
    };
    let inside = RelPath::from_bytes(&inside).map_err(|error| failed(error.to_string()))?;
    Ok((folder, inside))
}

/// The directory that exists, resolved, with the rest of the path as it is.
fn real(path: &Path) -> PathBuf {
    let Some((dir, name)) = path.parent().zip(path.file_name()) else {
        return path.to_path_buf();
    };
    match std::fs::canonicalize(dir) {
        Ok(dir) => dir.join(name),
        Err(_) => real(dir).join(name),
    }
}

fn text(context: &Context, why: &WhyItem) -> String {
    let look = &context.look;
    let path = look.clip(
        &format!("{}/{}", look.tilde(&why.folder), why.path),
        usize::MAX,
    );
    let symbol = match why.state.as_str() {
        "synced" => Symbol::Good,
        "pending" => Symbol::Both,
        "ignored" | "deleted" => Symbol::Off,
        _ => Symbol::Look,
    };
    let mut out = Page::default();
    out.line(format!(
        "{} {path}\n  {}: {}",
        look.symbol(symbol),
        why.state,
        why.reason
    ));
    if let Some(rule) = &why.rule {
        out.line(format!(
            "  rule       {}:{}: {}",
            rule.file, rule.line, rule.pattern
        ));
    }
    if let Some(plan) = &why.plan {
        let direction = if plan.direction == "none" {
            ""
        } else {
            &plan.direction
        };
        out.line(format!(
            "  next sync  {} {direction} ({})",
            plan.action, plan.reason
        ));
    }
    if let (Some(device), Some(time_ms)) = (&why.device, why.time_ms) {
        let when = amounts::when(Context::now(), UnixMillis(time_ms), &TimeZone::system());
        let size = why.size.map(|size| format!(", {}", amounts::size(size)));
        let what = if why.state == "deleted" {
            "last seen"
        } else {
            "version"
        };
        out.line(format!(
            "  {what:<9}  {device}, {when}{}",
            size.unwrap_or_default()
        ));
    }
    if let Some(row) = &why.row {
        out.line(format!("  row        {row}"));
    }
    if let Some(code) = &why.code {
        out.line(format!("  code       {code}"));
    }
    if let Some(next) = &why.next {
        out.block(look.next(next));
    }
    out.into_text()
}
