//! What can be typed about files at the server, without a folder.

use std::path::PathBuf;

use clap::Subcommand;

use crate::afar::Remote;

/// `fst ls`, `tree`, `find`, `du`, `cat`, `get`. A remote path is `/Documents/a.txt`, `Documents:/a.txt` or
/// `remote:/Documents/a.txt`.
#[derive(Debug, Subcommand)]
pub(crate) enum AfarCommand {
    /// What lies in a directory at the server; all spaces without a path
    #[command(after_help = "\
Examples:
  fst ls                                 all spaces
  fst ls /Documents                      or Documents:/, or remote:/Documents
  fst ls '/Documents@2 days ago'         as it was")]
    Ls {
        /// Path at the server, such as /Documents/a.txt; with @TIME as it was then
        #[arg(value_name = "REMOTE[@TIME]")]
        path: Option<Remote>,
    },
    /// Everything below a directory at the server
    Tree {
        /// Path at the server, such as /Documents/a.txt; with @TIME as it was then
        #[arg(value_name = "REMOTE[@TIME]")]
        path: Remote,
    },
    /// Files at the server whose path fits a pattern
    Find {
        /// Path at the server, such as /Documents/a.txt; with @TIME as it was then
        #[arg(value_name = "REMOTE[@TIME]")]
        path: Remote,
        /// A pattern as .fstignore has them, such as *.txt or notes/*.md; it counts from the top of the space
        pattern: String,
    },
    /// How many bytes lie below a directory at the server
    Du {
        /// Path at the server, such as /Documents/a.txt; with @TIME as it was then
        #[arg(value_name = "REMOTE[@TIME]")]
        path: Remote,
    },
    /// The bytes of a file at the server
    Cat {
        /// Path at the server, such as /Documents/a.txt; with @TIME as it was then
        #[arg(value_name = "REMOTE[@TIME]")]
        path: Remote,
    },
    /// Copy a file or directory from the server to a free place
    Get {
        /// Path at the server, such as /Documents/a.txt; with @TIME as it was then
        #[arg(value_name = "REMOTE[@TIME]")]
        path: Remote,
        /// Where to, outside of every synced folder; by default its own name here
        to: Option<PathBuf>,
    },
}
