//! What can be typed about files at the server, without a folder.

use std::path::PathBuf;

use clap::Subcommand;

use crate::afar::Remote;

/// `fst ls`, `tree`, `find`, `du`, `cat`, `get`, `put`, `mkdir`, `mv`, `rm`. A remote path is `/Documents/a.txt`, `Documents:/a.txt` or
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
    /// Copy a local file to the server
    Put {
        /// The file
        from: PathBuf,
        /// Its path at the server, or a directory there
        #[arg(value_name = "REMOTE")]
        path: Remote,
        /// Give a file that is there a new version; the one before stays in the versions
        #[arg(long)]
        replace: bool,
    },
    /// Make a directory at the server, with those above it
    Mkdir {
        /// Path at the server, such as /Documents/new
        #[arg(value_name = "REMOTE")]
        path: Remote,
    },
    /// Move or rename at the server, within a space
    Mv {
        /// What is to be moved
        #[arg(value_name = "REMOTE")]
        path: Remote,
        /// Its new path, or a directory
        #[arg(value_name = "REMOTE")]
        to: Remote,
    },
    /// Remove at the server; it stays in the versions
    Rm {
        /// Path at the server, such as /Documents/a.txt
        #[arg(value_name = "REMOTE")]
        path: Remote,
        /// With everything in it
        #[arg(long, short)]
        recursive: bool,
    },
}
