//! What can be typed: the command tree of `fst`.
//!
//! Parsed by clap in [`crate::cmd::run_line`]. Invariant: every line of the product brief parses word for
//! word; a flag means the same in every command. Not here: what commands do ([`crate::cmd`]).
//! Source: docs/design/commands.md.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use fst_client::measure::Part;
use fst_client::{Choice, Rule, Topic};
use fst_proto::pin::KeyPin;
use fst_proto::value;

pub(crate) use afar::AfarCommand;
pub(crate) use config::{ConfigCommand, ScheduleAdd, ScheduleCommand};
pub(crate) use looking::{Doctor, Log};
pub(crate) use select::{SelectCommand, SubFolders};
pub(crate) use verify::Verify;

mod afar;
mod config;
mod looking;
mod select;
mod verify;

const TEMPLATE: &str = "\
{before-help}{about}

{usage-heading} {usage}

{all-args}{after-help}";

const UNDOING: &str = "\
Without OP, running it again and again goes back further. An undo is undone by its own id. What was \
changed since by other means is never overwritten: then nothing is done.";

const EXAMPLES: &str = "\
Examples:
  fst up ~/Documents                        everything: server, account, folder, daemon
  fst up ~/Documents --server URL --join S  the same folder on a second device
  fst status                                what is going on, and what to do next
  fst wait --synced && echo done            for scripts
  fst conflicts list                        files that two devices changed at once
  fst demo                                  see it work, in one minute
";

/// Two-way, end-to-end encrypted file synchronisation.
#[derive(Debug, Parser)]
#[command(
    name = "fst",
    version,
    help_template = TEMPLATE,
    before_help = EXAMPLES,
    after_help = "More: fst help times|remote|ignore|schedules|configuration|exit-codes, fst explain FST-nnnn",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Line {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct Global {
    /// Say more (repeatable)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but the result
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print one JSON document
    #[arg(long, global = true)]
    pub json: bool,
    /// No drawing, fields separated by tabs
    #[arg(long, global = true)]
    pub plain: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "auto|always|never",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub color: ColorChoice,
    /// Another configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub asking: Asking,
}

/// Whether questions may be asked.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Asking {
    /// Never ask: fail instead
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set everything up and sync a folder, in one command
    Up(Up),
    /// Make this a device of an account
    Init(Init),
    /// Sync a folder
    Add(Add),
    /// Stop syncing a folder; its files stay
    Remove {
        /// The folder
        path: PathBuf,
        /// Show what would be done and why, and do nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// The sync daemon
    #[command(subcommand)]
    Daemon(DaemonCommand),
    /// What is going on, and what to do next
    Status {
        /// Exit code by state: 0 up to date, 20 syncing, 21 conflict, 22 offline, 23 error, 24 paused, 8 no daemon
        #[arg(long)]
        check: bool,
    },
    /// Wait until everything that exists now is synced
    Wait(Wait),
    /// Sync now, with or without a daemon
    Sync {
        /// One folder; all of them without it
        path: Option<PathBuf>,
        /// Show what would be done and why, and do nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Stand still until told to resume
    Pause {
        /// One folder; all of them without it
        path: Option<PathBuf>,
    },
    /// Go on
    Resume {
        /// One folder; all of them without it
        path: Option<PathBuf>,
        /// The deletions that stopped the folder are meant
        #[arg(long)]
        accept_deletions: bool,
    },
    /// Compare everything anew, trusting no cache; never deletes
    Resync {
        /// Say that it is meant: it reads every file
        #[arg(long, required = true)]
        full: bool,
        /// Show what would be done and why, and do nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// What was changed, when, and by which device
    History {
        /// Lines to show
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
        /// A folder or a file
        path: Option<PathBuf>,
    },
    /// Why a file is as it is: synced, waiting, ignored, held, deleted
    Why {
        /// The file or directory; it need not exist
        path: PathBuf,
    },
    /// What is not synced
    #[command(subcommand)]
    Ignore(IgnoreCommand),
    /// Which sub-folders this device syncs
    #[command(subcommand)]
    Select(SelectCommand),
    /// Earlier versions of a file
    Versions(Versions),
    /// Bring back an earlier version, a deleted file or a whole folder as it was
    Restore(Restore),
    /// Deleted files
    #[command(subcommand)]
    Trash(TrashCommand),
    /// What changed between two versions of a file, or in a folder since a time
    #[command(after_help = "\
A and B are PATH, PATH@3 (version 3) or PATH@TIME, as in 'report.txt@10 min ago'. Without B, A is \
compared with what lies there now.")]
    Diff {
        /// PATH@VERSION or PATH@TIME
        a: String,
        /// PATH, PATH@VERSION or PATH@TIME
        b: Option<String>,
    },
    #[command(flatten)]
    Afar(AfarCommand),
    /// Take back what a command changed
    #[command(after_help = UNDOING)]
    Undo {
        /// Its id as the command printed it, or the start of it; the newest that stands without it
        op: Option<String>,
    },
    /// What commands of this device changed
    #[command(subcommand)]
    Op(OpCommand),
    /// Files that two devices changed at once
    #[command(subcommand)]
    Conflicts(ConflictsCommand),
    /// The devices of the account
    #[command(subcommand)]
    Devices(DevicesCommand),
    /// Settings of this device
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Limits at some hours of the week
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// See it work: a private server and two devices in a temporary folder
    Demo,
    /// Look for what keeps this device from syncing well
    Doctor(Doctor),
    /// What the daemon has logged
    Log(Log),
    /// What the daemon did lately, or does: one JSON document a line unless at a terminal
    Events {
        /// What happens from now on, until the daemon ends
        #[arg(long)]
        follow: bool,
    },
    /// How fast this machine is, and which part of it limits syncing
    Bench {
        /// Only these
        #[arg(value_parser = parse_part())]
        parts: Vec<Part>,
        /// Measure the disk that this lies on; by default that of the client's state
        #[arg(long, value_name = "PATH")]
        dir: Option<PathBuf>,
    },
    /// Check the server's log and data, and the files here, from end to end
    Verify(Verify),
    /// Help for a command, or on a topic; all of them without one
    Help {
        /// A command such as conflicts merge, or a topic such as times
        words: Vec<String>,
    },
    /// What an error code means and what to do
    Explain {
        /// FST-nnnn, nnnn or exit-codes
        topic: String,
    },
    /// Completions for a shell
    #[command(after_help = "\
The last line of the script says how to install it. At every Tab it asks fst for folders, conflicts, settings and \
the like; fst then only reads files.")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Manual pages: that of fst, or all of them into a directory
    Man {
        /// The directory; it is made when it does not exist
        dir: Option<PathBuf>,
    },
    /// JSON Schemas of what --json prints; all names without one
    Schema {
        /// Such as status, or fst.status/1
        name: Option<String>,
    },
    /// The version
    Version,
}

/// `fst up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Running it again changes nothing that is there: it adds the folder if it is missing, makes sure \
that the daemon runs, waits until everything is synced and prints a fresh line for the next device.")]
pub(crate) struct Up {
    /// The folder; it is made when it does not exist
    pub path: PathBuf,
    /// Server of an account that exists already
    #[arg(long, value_name = "URL", requires = "join")]
    pub server: Option<String>,
    /// One-time string from 'fst up' or 'fst devices invite' on another device
    #[arg(long, value_name = "STRING", requires = "server")]
    pub join: Option<String>,
    /// Folder on the server; by default the last part of PATH
    #[arg(long, value_name = "/NAME", visible_alias = "remote")]
    pub remote_path: Option<String>,
    /// Name of this device; by default the name of the machine
    #[arg(long)]
    pub name: Option<String>,
    /// Longest time to wait for the first sync
    #[arg(long, value_parser = parse_duration, default_value = "10m")]
    pub timeout: Duration,
    /// TLS key of the server, as 'fst-server start' prints it
    #[arg(long, value_name = "SHA256", requires = "server")]
    pub pin: Option<KeyPin>,
    /// Allow plain http to a server that is not on this machine
    #[arg(long)]
    pub insecure_http: bool,
}

/// `fst init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a credential the command uses the set-up code of a server on this machine, or asks on a \
terminal.")]
pub(crate) struct Init {
    /// Address of the server
    #[arg(long, value_name = "URL")]
    pub server: String,
    #[command(flatten)]
    pub credential: Credential,
    /// Name of this device; by default the name of the machine
    #[arg(long)]
    pub name: Option<String>,
    /// TLS key of the server, as 'fst-server start' prints it
    #[arg(long, value_name = "SHA256")]
    pub pin: Option<KeyPin>,
    /// Allow plain http to a server that is not on this machine
    #[arg(long)]
    pub insecure_http: bool,
}

/// What lets a device in: one of three.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct Credential {
    /// First device: the code that the server printed
    #[arg(long, value_name = "CODE")]
    pub setup_code: Option<String>,
    /// Further device: the string that 'fst devices invite' printed
    #[arg(long, value_name = "STRING")]
    pub join: Option<String>,
    /// Every device is lost: a file with the 24 recovery words, or - for standard input
    #[arg(long, value_name = "WORDSFILE")]
    pub recover: Option<PathBuf>,
}

/// `fst add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The folder
    pub path: PathBuf,
    #[command(flatten)]
    pub direction: Direction,
    /// Folder on the server; by default the last part of PATH
    #[arg(long, value_name = "/NAME", visible_alias = "remote")]
    pub remote_path: Option<String>,
    /// Sync these sub-folders on this device, and nothing else of the folder
    #[arg(long, value_name = "DIR", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Show what the first sync would do, and do nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// Which ways changes flow; both without a flag.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct Direction {
    /// Changes flow both ways (default)
    #[arg(long)]
    pub two_way: bool,
    /// Changes flow from here to the server only
    #[arg(long)]
    pub upload_only: bool,
    /// Changes flow from the server to here only
    #[arg(long)]
    pub download_only: bool,
}

/// `fst wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Until everything on disk is committed and everything on the server is here (default)
    #[arg(long)]
    pub synced: bool,
    /// Longest time to wait, such as 30s, 5m or 500ms
    #[arg(long, value_parser = parse_duration, default_value = "30s")]
    pub timeout: Duration,
}

/// `fst daemon`.
#[derive(Debug, Subcommand)]
pub(crate) enum DaemonCommand {
    /// Start it; in the background unless systemd or a container started this command
    Start {
        /// Stay in this process
        #[arg(long)]
        foreground: bool,
        /// Told by the command that starts the background process
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Stop it after its current step
    Stop {
        /// Kill it when it does not go; nothing is lost by that
        #[arg(long)]
        force: bool,
    },
    /// Stop and start it
    Restart {
        /// Kill it when it does not go; nothing is lost by that
        #[arg(long)]
        force: bool,
    },
    /// Whether it runs, and where
    Status,
    /// Have systemd start it at login and again when it dies
    Install {
        /// Replace a unit of this name that is not ours; it is kept as fst.service.old
        #[arg(long)]
        force: bool,
    },
    /// Stop it and do not start it at login any more
    Uninstall,
    /// What it has logged
    Logs(Log),
}

/// `fst versions`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Versions {
    #[command(subcommand)]
    pub command: Option<VersionsCommand>,
    /// The file; it may be deleted
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    /// Also those of other files that had this name, and deleted ones
    #[arg(long)]
    pub all: bool,
}

/// `fst versions pin|unpin|keep`.
#[derive(Debug, Subcommand)]
pub(crate) enum VersionsCommand {
    /// Keep a version until it is unpinned
    Pin {
        /// The file
        file: PathBuf,
        /// Number of the version
        number: u32,
    },
    /// Let the rules decide again how long a version is kept
    Unpin {
        /// The file
        file: PathBuf,
        /// Number of the version
        number: u32,
    },
    /// How long versions are kept in a folder, on every device; changes it when told to
    Keep {
        /// The folder
        folder: PathBuf,
        /// Days after which a replaced or deleted version may go
        #[arg(long)]
        days: Option<u32>,
        /// Newest versions of a file that are kept that long
        #[arg(long, value_name = "N")]
        versions: Option<u32>,
    },
}

/// `fst restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
TIME is '2024-03-01 14:30', '14:30', '2024-03-01T14:30:00Z', '10 min ago' or '2 days ago'. What lies \
there now stays in the versions, so a restore can be taken back. What is not synced yet is never \
written over.")]
pub(crate) struct Restore {
    /// The file or folder; it may be deleted
    pub path: PathBuf,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Write it elsewhere and change nothing here; the place must be free
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// With --time on a folder: also remove what was not there then
    #[arg(long, requires = "time", conflicts_with = "to")]
    pub exact: bool,
}

/// Which content is wanted: one of three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Wanted {
    /// Number of the version, as 'fst versions' shows it
    #[arg(long, value_name = "N")]
    pub version: Option<u32>,
    /// As it was at this time
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// As it was before it was deleted
    #[arg(long)]
    pub deleted: bool,
}

/// `fst trash`.
#[derive(Debug, Subcommand)]
pub(crate) enum TrashCommand {
    /// What was deleted, latest first
    List {
        /// A folder, or a part of one; all folders without it
        path: Option<PathBuf>,
    },
    /// Bring a deleted file, or all deleted files of a folder, back to where they were
    Restore {
        /// The path that it had
        path: PathBuf,
        /// Say what would be done, and do nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

/// `fst op`.
#[derive(Debug, Subcommand)]
pub(crate) enum OpCommand {
    /// The newest operations
    Log {
        /// Lines to show
        #[arg(long, short = 'n', default_value_t = 20)]
        limit: usize,
    },
    /// One of them: what it changed, from what to what
    Show {
        /// Its id, or the start of it
        op: String,
    },
}

/// `fst conflicts`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsCommand {
    /// All of them
    List,
    /// One of them: both sides, what they were made from, whether they merge
    Show {
        /// Its id, or the start of it
        id: String,
    },
    /// What differs between this device's content and the other one
    Diff {
        /// Its id, or the start of it
        id: String,
    },
    /// Settle with one side, or keep both as two files
    Resolve {
        /// Ids, or their starts
        #[arg(required = true)]
        ids: Vec<String>,
        /// What to keep
        #[arg(long, value_enum)]
        choose: Choose,
    },
    /// Settle with a text made of both
    Merge(Merge),
    /// Settle all of them by one rule
    ResolveAll {
        /// newest, oldest, merge, local, remote or both
        #[arg(long, value_parser = parse_rule)]
        strategy: Rule,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// `fst conflicts merge`.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Its id, or the start of it
    pub id: String,
    /// Program to edit the merged text with; by default $VISUAL or $EDITOR
    #[arg(long, value_name = "COMMAND", conflicts_with = "auto")]
    pub editor: Option<String>,
    /// Take the merge if it is clean, else change nothing
    #[arg(long)]
    pub auto: bool,
}

/// What a conflict is settled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choose {
    /// What this device wrote
    Local,
    /// What the other device wrote
    Remote,
    /// Both, as two files
    Both,
}

fn parse_topic() -> impl TypedValueParser<Value = Topic> {
    PossibleValuesParser::new(Topic::ALL.map(Topic::as_str)).map(|word| {
        let mut all = Topic::ALL.into_iter();
        all.find(|topic| topic.as_str() == word)
            .expect("only words of topics are let through")
    })
}

fn parse_part() -> impl TypedValueParser<Value = Part> {
    PossibleValuesParser::new(Part::ALL.map(Part::as_str)).map(|word| {
        let mut all = Part::ALL.into_iter();
        all.find(|part| part.as_str() == word)
            .expect("only words of parts are let through")
    })
}

fn parse_rule(word: &str) -> Result<Rule, String> {
    Ok(match word {
        "newest" => Rule::Newest,
        "oldest" => Rule::Oldest,
        "merge" => Rule::Merge,
        "local" => Rule::Choice(Choice::Local),
        "remote" => Rule::Choice(Choice::Remote),
        "both" => Rule::Choice(Choice::Both),
        "manual" => return Err(
            "`manual` leaves every conflict to you: settle one by one with `fst conflicts resolve`"
                .to_owned(),
        ),
        _ => return Err("use newest, oldest, merge, local, remote or both".to_owned()),
    })
}

/// `fst ignore`.
#[derive(Debug, Subcommand)]
pub(crate) enum IgnoreCommand {
    /// Add a rule in gitignore syntax to the folder's .fstignore: it holds on every device
    #[command(after_help = "\
Examples:
  fst ignore add '*.tmp'                       every device, by .fstignore
  fst ignore add 'Videos/' --device            this device only; it can only ignore more
  fst ignore add '*.pem' --space               every device, and no .fstignore can lift it
What is synced already and becomes ignored stays on every device and stops syncing.")]
    Add {
        /// The rule, such as *.tmp, build/ or !keep.log
        #[arg(allow_hyphen_values = true)]
        pattern: String,
        /// The folder; needed when there are several and none is around the working directory
        #[arg(long, value_name = "PATH")]
        folder: Option<PathBuf>,
        /// On this device only
        #[arg(long)]
        device: bool,
        /// In the space's signed policy: no .fstignore can lift it
        #[arg(long, conflicts_with = "device")]
        space: bool,
    },
    /// Take a rule back that was added with --device or --space; .fstignore is a file to edit
    Remove {
        /// The rule as it was added
        #[arg(allow_hyphen_values = true)]
        pattern: String,
        /// The folder; needed when there are several and none is around the working directory
        #[arg(long, value_name = "PATH")]
        folder: Option<PathBuf>,
        /// From this device's list
        #[arg(long, required_unless_present = "space")]
        device: bool,
        /// From the space's policy
        #[arg(long, conflicts_with = "device")]
        space: bool,
    },
    /// All rules, in the order in which they are asked
    List {
        /// The folder; all of them without it
        folder: Option<PathBuf>,
    },
    /// Which rule decides about a path
    Check {
        /// Paths; they need not exist
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

/// `fst devices`.
#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// Make a one-time string for a further device
    Invite,
}

/// Parses `30s`, `5m`, `1h30m`, `500ms` or plain seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => value::parse_duration(text).map_err(|error| format!("wanted: {error}")),
    }
}

#[cfg(test)]
mod tests;
