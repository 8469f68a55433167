//! What can be typed after `fst config` and `fst schedule`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fst_proto::value::{BitRate, TimeWindow, Weekdays, parse_limit};

/// `fst config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// The value of a setting
    Get {
        /// Its path, or its last part where that is enough
        key: String,
        /// Also where it comes from
        #[arg(long)]
        origin: bool,
    },
    /// Change a setting; comments and order of the file stay
    #[command(after_help = "\
Examples:
  fst config set max_upload 5mbps              bits; 2MB/s is bytes, unlimited is no limit
  fst config set conflict_resolution.strategy merge
  fst config set sync_folders[0].paused true")]
    Set {
        /// Its path, or its last part where that is enough
        key: String,
        /// The new value
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Take a setting out of the file, so that its default holds
    Unset {
        /// Its path, or its last part where that is enough
        key: String,
    },
    /// All settings
    List {
        /// Also where each comes from
        #[arg(long)]
        origin: bool,
        /// Only those that are set
        #[arg(long)]
        changed: bool,
    },
    /// Open the file in an editor; it is changed only when the outcome is good
    Edit {
        /// Program to edit with; by default $VISUAL or $EDITOR
        #[arg(long, value_name = "COMMAND")]
        editor: Option<String>,
    },
    /// Look for mistakes, and say all of them
    Validate {
        /// Another file than the one in use
        file: Option<PathBuf>,
    },
    /// Where the file is
    Path,
    /// Let the daemon read the file now; it does so by itself within a second or two
    Reload,
    /// The JSON Schema of the file, for editors
    Schema,
}

/// `fst schedule`.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Limit transfers at some hours of the week
    #[command(after_help = "\
Example:
  fst schedule add --time \"09:00-17:00\" --weekdays \"mon-fri\" --max-upload 1mbps --name \"business-hours\"
Where several rules hold at once, the strictest limit wins. Hours are local; 22:00-06:00 passes midnight and
belongs to the day on which it begins.")]
    Add(ScheduleAdd),
    /// All of them, and which holds now
    List,
    /// Remove one
    Remove {
        /// Its name
        name: String,
    },
    /// One of them, or the week as a chart
    Show {
        /// Its name; all of them without it
        name: Option<String>,
        /// Draw the week, an hour a column
        #[arg(long)]
        week: bool,
    },
}

/// `fst schedule add`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleAdd {
    /// Name of the rule
    #[arg(long)]
    pub name: String,
    /// From one time of the day to another, such as 09:00-17:00; all day without it
    #[arg(long, value_name = "HH:MM-HH:MM", default_value_t = TimeWindow::ALL_DAY, hide_default_value = true)]
    pub time: TimeWindow,
    /// Days such as mon-fri, sat,sun, weekdays, weekend; every day without it
    #[arg(long, value_name = "DAYS", default_value_t = Weekdays::ALL, hide_default_value = true)]
    pub weekdays: Weekdays,
    #[command(flatten)]
    pub limit: Limit,
}

/// What holds meanwhile: at least one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Limit {
    /// Most that is sent meanwhile, such as 1mbps
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub max_upload: Option<BitRate>,
    /// Most that is received meanwhile
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub max_download: Option<BitRate>,
    /// Nothing is sent or received meanwhile
    #[arg(long)]
    pub pause: bool,
}

/// A rate that limits something: a rule without a limit would be none.
fn parse_rate(text: &str) -> Result<BitRate, String> {
    match parse_limit(text) {
        Ok(Some(rate)) => Ok(rate),
        Ok(None) => Err("a rule limits: give a rate such as 1mbps".to_owned()),
        Err(error) => Err(format!("wanted: {error}")),
    }
}
