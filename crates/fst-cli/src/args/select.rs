//! What can be typed about sub-folders that a device syncs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `fst select`.
#[derive(Debug, Subcommand)]
pub(crate) enum SelectCommand {
    /// Sync sub-folders of a folder on this device; the folder itself (.) for all of it
    #[command(after_help = "\
Examples:
  fst select add Photos/2024                   the folder around the working directory, or the only one
  fst select add Photos --folder ~/Documents   a path inside of that folder
  fst select add .                             everything again
Copies that are here and equal to the server's are taken over without a transfer; others are kept beside.")]
    Add(SubFolders),
    /// Do not sync sub-folders on this device; they stay at the server and on other devices
    #[command(after_help = "\
Copies that are here stay, or, with --remove, go as soon as the server has them exactly as they are here. \
Without a flag a person at a terminal is asked, and else they stay: nothing is removed that nobody asked for.")]
    Remove {
        #[command(flatten)]
        chosen: SubFolders,
        /// Copies that are here stay and are not synced
        #[arg(long)]
        keep: bool,
        /// Copies that are here go once they are synced
        #[arg(long, conflicts_with = "keep")]
        remove: bool,
    },
    /// Sub-folders at the server, which of them this device syncs, and how large they are
    List {
        /// The folder; all of them without it
        folder: Option<PathBuf>,
    },
}

/// Sub-folders of one folder.
#[derive(Debug, Args)]
pub(crate) struct SubFolders {
    /// A sub-folder, such as Photos/2024
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// The folder; needed when there are several and none is around the working directory
    #[arg(long, value_name = "PATH")]
    pub folder: Option<PathBuf>,
}
