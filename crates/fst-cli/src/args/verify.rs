//! Arguments of `fst verify`.
//!
//! Parsed into what [`fst_client::past::verify`] takes. Invariant: without a flag the parts are those that read no contents.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use fst_client::past::verify::{Part, Scope};

/// `fst verify`. Without a flag: --log --state --refs, which fetch and read no contents.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A folder, or a file or directory in one; all folders without it
    pub path: Option<PathBuf>,
    #[command(flatten)]
    log: LogFlags,
    #[command(flatten)]
    contents: ContentFlags,
}

#[derive(Debug, Args)]
struct LogFlags {
    /// The server's log from its first entry, against what this device has verified before
    #[arg(long)]
    log: bool,
    /// The tree that is kept here is what the log gives
    #[arg(long)]
    state: bool,
    /// The server has every object of the current files
    #[arg(long)]
    refs: bool,
}

#[derive(Debug, Args)]
struct ContentFlags {
    /// Fetch and open current files and kept versions, or so many percent of them, and keep nothing
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, require_equals = true, default_missing_value = "100%", value_parser = parse_percent)]
    data: Option<u8>,
    /// Read the files on the disk and find what has rotted
    #[arg(long)]
    local: bool,
}

impl Verify {
    /// What is to be looked at.
    pub(crate) fn scope(&self) -> Scope {
        let asked = [
            (Part::Log, self.log.log),
            (Part::State, self.log.state),
            (Part::Refs, self.log.refs),
            (Part::Data, self.contents.data.is_some()),
            (Part::Local, self.contents.local),
        ];
        let asked = asked.into_iter().filter(|(_, is_asked)| *is_asked);
        let mut parts: BTreeSet<Part> = asked.map(|(part, _)| part).collect();
        if parts.is_empty() {
            parts.extend([Part::Log, Part::State, Part::Refs]);
        }
        Scope {
            parts,
            percent: self.contents.data.unwrap_or(100),
        }
    }
}

fn parse_percent(word: &str) -> Result<u8, String> {
    let number = word.strip_suffix('%').unwrap_or(word).parse();
    let number = number.ok().filter(|n| (1..=100).contains(n));
    number.ok_or_else(|| "write it as 5%, from 1% to 100%".to_owned())
}
