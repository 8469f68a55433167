//! Arguments of the commands that look inside: `fst doctor`, `fst log`.

use std::path::PathBuf;

use clap::Args;
use fst_client::Topic;
use fst_daemon::log::LINES_MAX;

use super::parse_topic;

/// Lines of the log that are shown unless asked otherwise: a screen or two.
const LINES_DEFAULT: &str = "50";

/// `fst doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only these
    #[arg(value_parser = parse_topic())]
    pub topics: Vec<Topic>,
    /// Put right what is safe, and say what is left
    #[arg(long)]
    pub fix: bool,
    /// Write what helps others to help you into an archive, without names, keys or contents
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["topics", "fix"])]
    pub bundle: Option<Option<PathBuf>>,
}

/// `fst log` and `fst daemon logs`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// How many lines from the end
    #[arg(short = 'n', long = "lines", value_name = "N", default_value = LINES_DEFAULT,
          value_parser = clap::value_parser!(u64).range(..=LINES_MAX))]
    pub lines: u64,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, short = 'f')]
    pub follow: bool,
}
