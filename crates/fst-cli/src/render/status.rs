//! `fst status` for people: one headline, the folders, and for everything that stands still why and what to type.
//!
//! Takes the [`Status`] that the daemon gave (or the one without a daemon). Invariant: a function of its
//! arguments; every state has a reason and every reason a next command; everything but a command to type
//! fits 80 columns; no share of work is told without what is left of it. Not here: asking the daemon, exit codes.
//! Source: docs/design/commands.md §3.

use std::path::Path;

use fst_daemon::status::State;
use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::{FolderStatus, LineStatus, PathProblem, Pending, Status};
use fst_proto::time::UnixMillis;
use jiff::tz::TimeZone;

use super::table::{Side, Table};
use super::{Look, Page, Symbol, amounts, quote, width};

/// Problems shown per folder unless all are asked for.
const PROBLEMS_SHOWN: usize = 10;

/// Widest folder column.
const FOLDER_WIDTH_MAX: usize = 24;

/// Widest words about what is chosen.
const CHOICE_WIDTH_MAX: usize = 50;

/// Widest column of remote paths.
const REMOTE_WIDTH_MAX: usize = 16;

/// Narrowest column of remote paths that room is made in for folders.
const REMOTE_WIDTH_MIN: usize = 8;

/// Widest line.
const WIDTH_MAX: usize = 80;

/// Widest line of a text that stands four columns in.
const TEXT_WIDTH_MAX: usize = 76;

/// Widest name of a device, and of a rule in quotes.
const NAME_WIDTH_MAX: usize = 24;

/// Widest address of a server.
const URL_WIDTH_MAX: usize = 50;

/// Now, and where the reader is.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// Now.
    pub now: UnixMillis,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// Whether the daemon is started at login.
    pub is_started_at_login: bool,
    /// The rule that pauses everything now.
    pub pausing: Option<Pausing>,
    /// The rule that limits speed now.
    pub limiting: Option<String>,
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
        page.block(troubles(folder, status, look));
    }
    if is_offline(status) {
        page.block(offline_block(status, look));
    }
    page.block(footer(status, look, moment));
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
    for line in wrapped(&problem.detail, look) {
        page.line(format!("    {line}"));
    }
    page.block(look.next(&problem.next));
    page.into_text()
}

/// Lines of a text that stands four columns in, cut between words; a word that is too long loses its middle.
fn wrapped(text: &str, look: &Look) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = look.clip(word, TEXT_WIDTH_MAX);
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&word) <= TEXT_WIDTH_MAX => {
                line.extend([" ", &word]);
            },
            _ => lines.push(word),
        }
    }
    lines
}

/// What something is called and what is said about it: on one line where that fits, else on several.
fn titled(name: &str, words: &str, look: &Look) -> String {
    let mut page = Page::default();
    if 2 + width(name) + 3 + width(words) <= WIDTH_MAX {
        page.line(format!("\n  {name}   {words}"));
        return page.into_text();
    }
    page.line(format!("\n  {}", look.clip(name, TEXT_WIDTH_MAX)));
    for line in wrapped(words, look) {
        page.line(format!("    {line}"));
    }
    page.into_text()
}

fn headline(status: &Status, look: &Look, moment: &Moment) -> String {
    if status.daemon_pid == 0 {
        let bad = look.symbol(Symbol::Bad);
        let mut page = Page::default();
        page.line(format!("{bad} The sync daemon is not running"));
        page.block(look.next("fst daemon start"));
        if !moment.is_started_at_login {
            page.block(look.next("fst daemon install   to start it at login"));
        }
        return page.into_text();
    }
    let (symbol, words) = match State::parse(&status.state) {
        State::Idle => (Symbol::Good, up_to_date(status, moment)),
        State::Syncing => (Symbol::Busy, syncing(status, look)),
        State::Paused => (Symbol::Off, paused(moment, look)),
        State::Offline => (Symbol::Off, offline(status, moment)),
        State::Attention => (Symbol::Look, attention(status)),
        State::Error => (Symbol::Bad, stopped(status)),
    };
    format!("{} {words}\n", look.symbol(symbol))
}

fn offline(status: &Status, moment: &Moment) -> String {
    let since = match status.server.lost_ms {
        0 => String::new(),
        lost => {
            let since = amounts::since(moment.now, UnixMillis(lost), &moment.zone);
            format!(" since {since}")
        },
    };
    format!("Offline{since}   your files stay usable")
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

fn syncing(status: &Status, look: &Look) -> String {
    let pending = &status.pending;
    if *pending == Pending::default() {
        return "Syncing   looking for changes".to_owned();
    }
    format!("Syncing   {}{}", queue(pending), speed(&status.line, look))
}

/// What is still to be done; bytes are those to send.
fn queue(pending: &Pending) -> String {
    let amounts = [
        (pending.uploads, "to send"),
        (pending.downloads, "to receive"),
    ];
    let told = amounts.into_iter().filter(|(n, _)| *n > 0);
    let mut words: Vec<String> = told
        .map(|(n, what)| format!("{} {what}", amounts::count(n)))
        .collect();
    if pending.bytes > 0 {
        words.push(amounts::size(pending.bytes));
    }
    words.join(", ")
}

/// How fast bytes flow, in the directions in which they do.
fn speed(line: &LineStatus, look: &Look) -> String {
    let flows = [(Symbol::Up, line.upload), (Symbol::Down, line.download)];
    flows
        .into_iter()
        .filter(|(_, bits)| *bits > 0)
        .map(|(way, bits)| format!("   {} {}", look.symbol(way), amounts::rate(bits)))
        .collect()
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
    // The names give way: first those of the server, which mostly are those of the folders.
    for (column, width_min) in [(1, REMOTE_WIDTH_MIN), (0, 0)] {
        let over = table.total_width().saturating_sub(WIDTH_MAX);
        let room = table.width(column).saturating_sub(over).max(width_min);
        table.change(column, |name| look.clip(name, room));
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

fn is_offline(status: &Status) -> bool {
    status.daemon_pid != 0 && State::parse(&status.state) == State::Offline
}

/// Why there is no way to the server, said once for all folders.
fn offline_block(status: &Status, look: &Look) -> String {
    let of_folder = || {
        status
            .folders
            .iter()
            .find_map(|folder| folder.stopped.as_ref())
    };
    let reason = status.server.reason.clone();
    let reason = reason.or_else(|| of_folder().map(|problem| problem.detail.clone()));
    let mut page = Page::default();
    if let Some(reason) = reason {
        page.block(titled("Reason", &reason, look));
    }
    let queue = queue(&status.pending);
    if !queue.is_empty() {
        page.line(format!("  Queue    {queue}; by themselves when it is back"));
    }
    page.block(look.next("fst doctor network"));
    page.into_text()
}

fn troubles(folder: &FolderStatus, status: &Status, look: &Look) -> String {
    let path = Path::new(&folder.path);
    let mut page = Page::default();
    let is_told = is_no_daemon(folder)
        || (is_offline(status) && State::parse(&folder.state) == State::Offline);
    if let Some(problem) = folder.stopped.as_ref().filter(|_| !is_told) {
        page.block(stop_block(path, problem, look));
    }
    if let Some(problem) = &folder.watch {
        page.block(stop_block(path, problem, look));
    }
    if folder.conflicts > 0 {
        page.line("\n  Both versions of each file are kept until you decide.");
        page.block(look.next("fst conflicts list"));
        page.block(look.next("fst conflicts resolve-all --strategy newest"));
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
    let words = format!("{} ({})", problem.title, problem.code);
    page.block(titled(&look.tilde(path), &words, look));
    if problem.detail != problem.title {
        for line in wrapped(&problem.detail, look) {
            page.line(format!("    {line}"));
        }
    }
    page.block(format!("  {}", look.next(&next)));
    page.into_text()
}

fn problem_block(folder: &Path, problem: &PathProblem, look: &Look) -> String {
    let path = folder.join(&problem.path);
    let next = problem.next.replace("PATH", &look.quoted(folder));
    let words = format!("{} ({})", problem.reason, problem.code);
    let mut page = Page::default();
    page.block(titled(&look.tilde(&path), &words, look));
    page.block(format!("  {}", look.next(&next)));
    page.block(format!(
        "  {}",
        look.next(&format!("fst why {}", look.quoted(&path)))
    ));
    page.into_text()
}

fn footer(status: &Status, look: &Look, moment: &Moment) -> String {
    let server = &status.server;
    let link = if server.connected {
        "connected"
    } else {
        "not connected"
    };
    let mut page = Page::default();
    let url = look.clip(&server.url, URL_WIDTH_MAX);
    page.line(format!("\n  Server   {url}   {link}"));
    let reason = server.reason.as_ref().filter(|_| !server.connected);
    if let Some(reason) = reason.filter(|_| status.daemon_pid != 0 && !is_offline(status)) {
        for line in wrapped(reason, look) {
            page.line(format!("    {line}"));
        }
    }
    let saved: u64 = status.folders.iter().map(|folder| folder.saved_bytes).sum();
    if saved > 0 {
        let saved = amounts::size(saved);
        page.line(format!("  Saved    {saved} by compression"));
    }
    let device = &status.device;
    if !device.name.is_empty() {
        let name = look.clip(&device.name, NAME_WIDTH_MAX);
        let devices = amounts::count(device.devices.max(1));
        page.line(format!("  Device   {name} (1 of {devices})"));
    }
    page.block(limits(&status.line, look, moment));
    page.into_text()
}

/// The limits that hold now, if some do, and the rule that makes them.
fn limits(line: &LineStatus, look: &Look, moment: &Moment) -> String {
    let limits = [
        (Symbol::Up, line.max_upload),
        (Symbol::Down, line.max_download),
    ];
    let told = limits.into_iter().filter_map(|(way, limit)| {
        let limit = amounts::rate(limit?);
        Some(format!("{} {limit}", look.symbol(way)))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return String::new();
    }
    let rule = moment.limiting.as_ref();
    let rule = rule.map(|rule| format!("   \"{}\"", look.clip(rule, NAME_WIDTH_MAX)));
    format!(
        "  Limits   {}{}\n",
        told.join("  "),
        rule.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests;
