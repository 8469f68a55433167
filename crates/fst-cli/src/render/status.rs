//! `fst status` for people: one headline, the folders, and for everything that stands still why and what to type.
//!
//! Takes the [`Status`] that the daemon gave (or the one without a daemon). Invariant: every state has a
//! reason and every reason a next command; fits 80 columns. Not here: asking the daemon, exit codes.
//! Source: docs/design/commands.md §3.

use std::path::Path;

use fst_daemon::status::State;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::{FolderStatus, PathProblem, Status};
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;

use super::table::{Side, Table};
use super::{Look, Page, Symbol, amounts, quote};

/// Problems shown per folder unless all are asked for.
const PROBLEMS_SHOWN: usize = 10;

/// Widest folder column.
const FOLDER_WIDTH_MAX: usize = 24;

/// Widest words about what is chosen.
const CHOICE_WIDTH_MAX: usize = 50;

/// Widest column of remote paths.
const REMOTE_WIDTH_MAX: usize = 16;

/// Widest line of a text that stands four columns in.
const TEXT_WIDTH_MAX: usize = 76;

/// Now, and where the reader is.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// Now.
    pub now: UnixMillis,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// The rule that pauses everything now.
    pub pausing: Option<Pausing>,
}

/// A rule of the schedule that pauses everything now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pausing {
    /// Its name.
    pub rule: String,
    /// When no rule pauses any more; none when that never comes.
    pub until: Option<String>,
}

impl Pausing {
    /// The command that ends it.
    pub(crate) fn next(&self) -> String {
        format!("fst schedule remove {}", quote(&self.rule))
    }
}

/// Draws the status.
pub(crate) fn draw(status: &Status, look: &Look, moment: &Moment) -> String {
    if look.is_plain {
        return draw_plain(status);
    }
    let mut page = Page::default();
    page.block(headline(status, look, moment));
    if let Some(problem) = &status.config {
        page.block(config_block(problem, look));
    }
    if status.folders.is_empty() {
        page.line("\n  No folder is synced yet.");
        page.block(look.next("fst add PATH --two-way"));
    } else {
        page.line("");
        page.block(folders(status, look));
        page.block(choices(status, look));
    }
    for folder in &status.folders {
        page.block(troubles(folder, look));
    }
    page.block(footer(status));
    page.into_text()
}

fn draw_plain(status: &Status) -> String {
    let mut page = Page::default();
    page.line(format!("state\t{}", status.state));
    for folder in &status.folders {
        let cells = [
            "folder",
            &folder.path,
            &folder.remote_path,
            &folder.mode,
            &folder.files.to_string(),
            &folder.bytes.to_string(),
            &folder.state,
        ];
        page.line(cells.join("\t"));
    }
    page.into_text()
}

/// The file is not what is in force.
fn config_block(problem: &Problem, look: &Look) -> String {
    let mut page = Page::default();
    let bad = look.symbol(Symbol::Look);
    page.line(format!("\n{bad} {} ({})", problem.title, problem.code));
    if problem.error_code() != Some(ErrorCode::NeedsRestart) {
        page.line("    The last good settings stay in force.");
    }
    for line in wrapped(&problem.detail, TEXT_WIDTH_MAX) {
        page.line(format!("    {line}"));
    }
    page.block(look.next(&problem.next));
    page.into_text()
}

/// Cuts a text between words; a word that is too long has a line of its own.
fn wrapped(text: &str, width_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width_max => {
                line.extend([" ", word]);
            },
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn headline(status: &Status, look: &Look, moment: &Moment) -> String {
    if status.daemon_pid == 0 {
        let bad = look.symbol(Symbol::Bad);
        return format!(
            "{bad} The sync daemon is not running\n{}",
            look.next("fst daemon start")
        );
    }
    let (symbol, words) = match State::parse(&status.state) {
        State::Idle => (Symbol::Good, up_to_date(status, moment)),
        State::Syncing => (Symbol::Both, syncing(status)),
        State::Paused => (Symbol::Off, paused(moment, look)),
        State::Offline => (Symbol::Off, "Offline   your files stay usable".to_owned()),
        State::Attention => (Symbol::Look, attention(status)),
        State::Error => (Symbol::Bad, stopped(status)),
    };
    format!("{} {words}\n", look.symbol(symbol))
}

fn paused(moment: &Moment, look: &Look) -> String {
    let Some(pausing) = &moment.pausing else {
        return "Paused   fst resume".to_owned();
    };
    let rule = look.clip(&pausing.rule, FOLDER_WIDTH_MAX);
    let until = pausing.until.as_ref().map(|end| format!(" until {end}"));
    format!(
        "Paused by schedule \"{rule}\"{}\n{}",
        until.unwrap_or_default(),
        look.next(&pausing.next()).trim_end()
    )
}

fn up_to_date(status: &Status, moment: &Moment) -> String {
    match status
        .folders
        .iter()
        .map(|folder| folder.last_change_ms)
        .max()
    {
        None | Some(0) => "Up to date".to_owned(),
        Some(last) => {
            let ago = amounts::when(moment.now, UnixMillis(last), &moment.zone);
            format!("{:<40}{:>37}", "Up to date", format!("last change {ago}"))
        },
    }
}

fn syncing(status: &Status) -> String {
    let pending = &status.pending;
    if *pending == fst_proto::ipc::Pending::default() {
        return "Syncing   looking for changes".to_owned();
    }
    format!(
        "Syncing   {} to send, {} to receive, {}",
        amounts::count(pending.uploads),
        amounts::count(pending.downloads),
        amounts::size(pending.bytes)
    )
}

fn attention(status: &Status) -> String {
    let conflicts: u64 = status.folders.iter().map(|folder| folder.conflicts).sum();
    let problems: usize = status
        .folders
        .iter()
        .map(|folder| folder.problems.len())
        .sum();
    let problems = amounts::plural(problems as u64, "path");
    match conflicts {
        0 => format!("Waiting on {problems}   everything else is up to date"),
        1 => "1 conflict needs you   everything else is up to date".to_owned(),
        n => format!(
            "{} conflicts need you   everything else is up to date",
            amounts::count(n)
        ),
    }
}

fn stopped(status: &Status) -> String {
    let is_stopped = |folder: &&FolderStatus| folder.state == State::Error.as_str();
    let n = status.folders.iter().filter(is_stopped).count();
    format!(
        "{} stopped   your files are untouched",
        amounts::plural(n as u64, "folder")
    )
}

fn folders(status: &Status, look: &Look) -> String {
    let mut table = Table::new(&[
        ("Folder", Side::Left),
        ("Remote", Side::Left),
        ("Mode", Side::Left),
        ("Files", Side::Right),
        ("Size", Side::Right),
        ("State", Side::Left),
    ]);
    // Without a daemon nobody has counted.
    let counted = |text: String| {
        if status.daemon_pid == 0 {
            "-".to_owned()
        } else {
            text
        }
    };
    for folder in &status.folders {
        table.row(vec![
            look.clip(&look.tilde(Path::new(&folder.path)), FOLDER_WIDTH_MAX),
            look.clip(&folder.remote_path, REMOTE_WIDTH_MAX),
            look.symbol(direction(&folder.mode)),
            counted(amounts::count(folder.files)),
            counted(amounts::size(folder.bytes)),
            state_words(folder),
        ]);
    }
    table.draw()
}

/// One line for each folder of which a part is synced.
fn choices(status: &Status, look: &Look) -> String {
    let chosen = |folder: &FolderStatus| {
        let here = look.clip(&look.tilde(Path::new(&folder.path)), FOLDER_WIDTH_MAX);
        let choice = folder.choice.as_ref()?;
        Some(format!(
            "  {here}: {}\n",
            look.clip(choice, CHOICE_WIDTH_MAX)
        ))
    };
    status.folders.iter().filter_map(chosen).collect()
}

fn direction(mode: &str) -> Symbol {
    match mode {
        "upload-only" => Symbol::Up,
        "download-only" => Symbol::Down,
        _ => Symbol::Both,
    }
}

fn state_words(folder: &FolderStatus) -> String {
    let problems = folder.problems.len() as u64;
    match State::parse(&folder.state) {
        State::Idle => "up to date".to_owned(),
        State::Syncing if folder.phase.is_empty() => "syncing".to_owned(),
        State::Syncing => folder.phase.clone(),
        State::Paused => "paused".to_owned(),
        State::Offline => "offline".to_owned(),
        State::Attention if folder.conflicts > 0 => amounts::plural(folder.conflicts, "conflict"),
        State::Attention => amounts::plural(problems, "problem"),
        State::Error if is_no_daemon(folder) => "not running".to_owned(),
        State::Error => "stopped".to_owned(),
    }
}

fn is_no_daemon(folder: &FolderStatus) -> bool {
    let stopped = folder.stopped.as_ref();
    stopped.and_then(Problem::error_code) == Some(ErrorCode::NoDaemon)
}

fn troubles(folder: &FolderStatus, look: &Look) -> String {
    let path = Path::new(&folder.path);
    let mut page = Page::default();
    if let Some(problem) = folder.stopped.as_ref().filter(|_| !is_no_daemon(folder)) {
        page.block(stop_block(path, problem, look));
    }
    if let Some(problem) = &folder.watch {
        page.block(stop_block(path, problem, look));
    }
    if folder.conflicts > 0 {
        page.line("\n  Both versions of each file are kept until you decide.");
        page.block(look.next("fst conflicts list"));
    }
    let shown = if look.shows_all {
        folder.problems.len()
    } else {
        PROBLEMS_SHOWN
    };
    for problem in folder.problems.iter().take(shown) {
        page.block(problem_block(path, problem, look));
    }
    if let Some(more) = folder
        .problems
        .len()
        .checked_sub(shown)
        .filter(|more| *more > 0)
    {
        page.line(format!("\n  {more} more"));
        page.block(look.next("fst status --verbose"));
    }
    page.into_text()
}

fn stop_block(path: &Path, problem: &Problem, look: &Look) -> String {
    let next = problem.next.replace("PATH", &look.quoted(path));
    let mut page = Page::default();
    page.line(format!(
        "\n  {}   {} ({})",
        look.tilde(path),
        problem.title,
        problem.code
    ));
    if problem.detail != problem.title {
        page.line(format!("    {}", problem.detail));
    }
    page.block(format!("  {}", look.next(&next)));
    page.into_text()
}

fn problem_block(folder: &Path, problem: &PathProblem, look: &Look) -> String {
    let path = look.tilde(&folder.join(&problem.path));
    let next = problem.next.replace("PATH", &look.quoted(folder));
    format!(
        "\n  {path}   {} ({})\n  {}",
        problem.reason,
        problem.code,
        look.next(&next)
    )
}

fn footer(status: &Status) -> String {
    let server = &status.server;
    let link = match (&server.reason, server.connected) {
        (_, true) => "connected".to_owned(),
        (Some(reason), false) => format!("not connected: {reason}"),
        (None, false) => "not connected".to_owned(),
    };
    let mut page = Page::default();
    page.line(format!("\n  Server   {}   {link}", server.url));
    let saved: u64 = status.folders.iter().map(|folder| folder.saved_bytes).sum();
    if saved > 0 {
        page.line(format!(
            "  Saved    {} by compression",
            amounts::size(saved)
        ));
    }
    let device = &status.device;
    if !device.name.is_empty() {
        let devices = amounts::plural(device.devices.max(1), "device");
        page.line(format!(
            "  Device   {}   {devices} in the account",
            device.name
        ));
    }
    page.into_text()
}

#[cfg(test)]
mod tests;
