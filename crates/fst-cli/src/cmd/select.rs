//! `fst select add | remove | list`: which sub-folders of a folder this device syncs.
//!
//! Invariant: nothing is removed unless `--remove` or a person says so, and what is not synced yet is sent first where
//! that is possible. Not here: what a choice means ([`fst_client::config::Chosen`]). Source: docs/design/commands.md §8.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fst_client::Client;
use fst_client::config::{Copies, FolderConfig};
use fst_client::views::{ChoiceView, SubFolder};
use fst_proto::error::ErrorCode;
use fst_proto::path::RelPath;
use serde_json::json;

use super::account::reload_daemon;
use super::ignore::chosen;
use super::local::find;
use super::why::place;
use crate::args::{SelectCommand, SubFolders};
use crate::context::{Context, absolute, shown};
use crate::noted::{self, Name};
use crate::render::table::{Side, Table};
use crate::render::{Page, Symbol, amounts, json as drawn, quote};
use crate::report::{Answer, Failure};
use crate::screen;

/// Longest time in which what was not sent yet is sent before copies go; whatever is left then stays.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// Longest time for a daemon to begin a cycle, which it does at once unless a long step is under way.
const SEE_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn run(context: &Context, command: &SelectCommand) -> Result<Answer, Failure> {
    match command {
        SelectCommand::Add(chosen) => add(context, chosen),
        SelectCommand::Remove {
            chosen,
            keep,
            remove,
        } => take_out(context, chosen, [*keep, *remove]),
        SelectCommand::List { folder } => list(context, folder.as_deref()),
    }
}

fn add(context: &Context, args: &SubFolders) -> Result<Answer, Failure> {
    let client = context.client()?;
    let (folder, dirs) = named(context, &client, args)?;
    let subject = subject(&dirs);
    let draft = || client.draft_chosen(&folder.path, &dirs);
    let operation = noted::write(context, Name::new("select add", &subject), draft)
        .map_err(|failure| refused(context, &folder, failure))?;
    take_effect(context, &folder)?;
    let look = &context.look;
    let said = match (&operation, dirs.iter().any(RelPath::is_root)) {
        (None, _) => format!("syncs {subject} on this device already"),
        (Some(_), true) => "is synced whole on this device".to_owned(),
        (Some(_), false) => format!("syncs {subject} on this device"),
    };
    let good = look.symbol(Symbol::Good);
    let text = format!("{good} {} {said}\n", look.tilde(&folder.path));
    let (view, warnings) = view(context, &folder, &dirs)?;
    let data = json!({ "folder": shown(&folder.path), "choice": drawn::value(&view) });
    let next = format!("fst select list {}", look.quoted(&folder.path));
    let answer = Answer::new("fst.select.add/1", data, text).then(next);
    Ok(answer.warn(warnings).undone_by(operation.as_ref()))
}

fn take_out(context: &Context, args: &SubFolders, flags: [bool; 2]) -> Result<Answer, Failure> {
    let client = context.client()?;
    let (folder, dirs) = named(context, &client, args)?;
    let subject = subject(&dirs);
    let copies = copies(context, (&folder, &dirs), flags)?;
    let draft = || client.draft_taken_out(&folder.path, &dirs, copies);
    let wanted = draft().map_err(|error| refused(context, &folder, error.into()))?;
    let late = match copies {
        Copies::Clear if !wanted.is_empty() => send_first(context, &folder)?,
        Copies::Clear | Copies::Keep => None,
    };
    let operation = noted::write(context, Name::new("select remove", &subject), draft)?;
    take_effect(context, &folder)?;
    let_it_see(context, &folder)?;
    let (view, mut warnings) = view(context, &folder, &dirs)?;
    warnings.extend(late);
    let word = match copies {
        Copies::Keep => "keep",
        Copies::Clear => "remove",
    };
    let data = json!({
        "folder": shown(&folder.path),
        "copies": word,
        "choice": drawn::value(&view),
    });
    let text = taken_out(context, (&folder, &subject), copies);
    let next = format!("fst select list {}", context.look.quoted(&folder.path));
    let answer = Answer::new("fst.select.remove/1", data, text).then(next);
    Ok(answer.warn(warnings).undone_by(operation.as_ref()))
}

fn taken_out(
    context: &Context,
    (folder, subject): (&FolderConfig, &str),
    copies: Copies,
) -> String {
    let look = &context.look;
    let rest = match copies {
        Copies::Keep => {
            "Copies that are here stay and are not synced; with --remove those go that are synced."
        },
        Copies::Clear => {
            "Copies go that the server has as they are here; others stay, and fst status tells."
        },
    };
    format!(
        "{} {} does not sync {subject} on this device any more\n  {rest}\n  \
         Nothing is deleted at the server or on other devices.\n",
        look.symbol(Symbol::Good),
        look.tilde(&folder.path)
    )
}

/// What is to become of copies: what a flag says, else a person, else they stay.
fn copies(
    context: &Context,
    (folder, dirs): (&FolderConfig, &[RelPath]),
    flags: [bool; 2],
) -> Result<Copies, Failure> {
    let is_here = |dir: &RelPath| {
        let bytes = dir.to_bytes();
        let inside = Path::new(std::ffi::OsStr::from_bytes(&bytes));
        std::fs::symlink_metadata(folder.path.join(inside)).is_ok()
    };
    match flags {
        [_, true] => return Ok(Copies::Clear),
        [true, false] => return Ok(Copies::Keep),
        [false, false] if !context.may_ask() || !dirs.iter().any(is_here) => {
            return Ok(Copies::Keep);
        },
        [false, false] => {},
    }
    screen::say(
        "Copies are on this device. Keep them, or remove those that are synced? [keep/remove]",
    );
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| {
        Failure::new(ErrorCode::Usage, "cannot read the terminal").because(error.to_string())
    })?;
    match line.trim().to_lowercase().as_str() {
        "" | "k" | "keep" => Ok(Copies::Keep),
        "r" | "remove" => Ok(Copies::Clear),
        _ => {
            let failure = Failure::new(ErrorCode::Usage, "that is neither keep nor remove");
            Err(failure.hint("say it: --keep or --remove"))
        },
    }
}

/// Now in a daemon that syncs the folder, else in the database by which the next one will.
fn take_effect(context: &Context, folder: &FolderConfig) -> Result<(), Failure> {
    let is_running = reload_daemon(context)?;
    if !is_running || folder.paused {
        context.client()?.obey_choice(&folder.path)?;
    }
    Ok(())
}

/// Gives the daemon the time to begin a cycle under the new choice: a script may remove copies right after this command,
/// and choose them again.
fn let_it_see(context: &Context, folder: &FolderConfig) -> Result<(), Failure> {
    if let Some(mut daemon) = context.daemon_if_any()?.filter(|_| !folder.paused) {
        // The choice holds from the beginning of a cycle on; whether that one comes to its end does not matter here.
        daemon
            .wait(Some(&folder.path), SEE_LIMIT)
            .unwrap_or_default();
    }
    Ok(())
}

/// Lets the daemon send what was not sent yet; says when that took too long.
fn send_first(context: &Context, folder: &FolderConfig) -> Result<Option<String>, Failure> {
    let Some(mut daemon) = context.daemon_if_any()? else {
        return Ok(None);
    };
    // Whatever keeps it from being sent, it stays: that is told, and no reason to do nothing.
    let late = daemon.wait(Some(&folder.path), SEND_LIMIT).err();
    Ok(late.map(|_| "not everything was sent before; what was not stays here".to_owned()))
}

fn refused(context: &Context, folder: &FolderConfig, failure: Failure) -> Failure {
    let here = context.look.quoted(&folder.path);
    match failure.code {
        ErrorCode::Usage => failure.hint(format!("fst select list {here}")),
        _ => failure,
    }
}

/// What is chosen now, and a warning for each name that nothing has yet.
fn view(
    context: &Context,
    folder: &FolderConfig,
    dirs: &[RelPath],
) -> Result<(ChoiceView, Vec<String>), Failure> {
    let client = context.client()?;
    let view = client.choice(find(context, &client, &folder.path)?)?;
    let is_nowhere = |dir: &&RelPath| {
        let name = dir.to_string();
        let known = view.sub_folders.iter().find(|sub| sub.path == name);
        known.is_none_or(|sub| !sub.is_here && sub.files == 0) && !dir.is_root()
    };
    let nowhere = dirs.iter().filter(is_nowhere);
    let warnings = nowhere.map(|dir| format!("{dir} holds no file yet, here or at the server"));
    let warnings = warnings.collect();
    Ok((view, warnings))
}

/// The folder, and paths inside of it.
fn named(
    context: &Context,
    client: &Client,
    args: &SubFolders,
) -> Result<(FolderConfig, Vec<RelPath>), Failure> {
    let absolutes: Vec<&PathBuf> = args.dirs.iter().filter(|dir| is_elsewhere(dir)).collect();
    let folder = match (&args.folder, absolutes.first()) {
        (None, Some(dir)) => place(context, client, dir)?.0,
        (folder, _) => {
            let how = "name it: fst select add DIR --folder PATH";
            chosen(context, client, folder.as_deref(), how)?
        },
    };
    let is_around = args.folder.is_none()
        && place(context, client, Path::new(".")).is_ok_and(|(around, _)| around == folder);
    let mut dirs = Vec::new();
    for dir in &args.dirs {
        dirs.push(match is_around || is_elsewhere(dir) {
            true => within(context, client, (folder, dir))?,
            false => inside(dir)?,
        });
    }
    Ok((folder.clone(), dirs))
}

/// A path that names its folder; a slash alone stands for the folder itself.
fn is_elsewhere(dir: &Path) -> bool {
    dir.is_absolute() && dir != Path::new("/")
}

fn within(
    context: &Context,
    client: &Client,
    (folder, dir): (&FolderConfig, &Path),
) -> Result<RelPath, Failure> {
    if dir == Path::new("/") {
        return Ok(RelPath::root());
    }
    let (found, inside) = place(context, client, dir)?;
    if found == folder {
        return Ok(inside);
    }
    let failure = Failure::new(ErrorCode::Usage, "these lie in several folders");
    Err(failure.hint("name those of one folder at a time"))
}

/// A path as it counts from the top of its folder.
fn inside(dir: &Path) -> Result<RelPath, Failure> {
    let text = dir.as_os_str().as_bytes();
    let text = text.strip_prefix(b"./").unwrap_or(text);
    let text: &[u8] = if text == b"." { b"" } else { text };
    let start = text.iter().position(|&byte| byte != b'/');
    let end = text.iter().rposition(|&byte| byte != b'/');
    let text = start
        .zip(end)
        .map_or(&b""[..], |(start, end)| &text[start..=end]);
    RelPath::from_bytes(text).map_err(|error| {
        let failure = Failure::new(ErrorCode::Usage, "this is no path inside a folder");
        failure
            .because(error.to_string())
            .hint("name it as Photos/2024")
    })
}

fn subject(dirs: &[RelPath]) -> String {
    let names = dirs.iter().map(|dir| match dir.is_root() {
        true => "everything".to_owned(),
        false => quote(&dir.to_string()),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn list(context: &Context, folder: Option<&Path>) -> Result<Answer, Failure> {
    let client = context.client()?;
    let folders: Vec<&FolderConfig> = match folder {
        Some(folder) => vec![find(context, &client, &absolute(folder)?)?],
        None => client.config().folders.iter().collect(),
    };
    let mut page = Page::default();
    let mut views = Vec::new();
    for folder in folders {
        let view = client.choice(folder)?;
        let head = context.look.tilde(&folder.path);
        page.line(match view.is_everything {
            true => format!("{head} is synced whole on this device"),
            false => head,
        });
        page.block(drawn_sub_folders(context, &view));
        views.push(view);
    }
    let data = json!({ "folders": drawn::value(&views) });
    Ok(Answer::new("fst.select.list/1", data, page.into_text()))
}

fn drawn_sub_folders(context: &Context, view: &ChoiceView) -> String {
    if view.sub_folders.is_empty() {
        return "  no sub-folders yet\n".to_owned();
    }
    let mut table = Table::new(&[
        ("Here", Side::Left),
        ("Files", Side::Right),
        ("Size", Side::Right),
        ("Sub-folder", Side::Left),
    ]);
    for sub in &view.sub_folders {
        table.row(vec![
            word(sub).to_owned(),
            amounts::count(sub.files),
            amounts::size(sub.bytes),
            context.look.clip(&format!("{}/", sub.path), usize::MAX),
        ]);
    }
    table.draw()
}

/// What a device has of a sub-folder, in a word or two.
fn word(sub: &SubFolder) -> &'static str {
    match (sub.chosen.as_str(), sub.is_here) {
        ("all", _) => "synced",
        ("part", _) => "in part",
        ("cleared", true) => "being cleared",
        (_, true) => "copies, not synced",
        (_, false) => "no",
    }
}
