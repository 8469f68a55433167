//! Which sub-folders of a folder this device syncs, as a person sees and changes it.
//!
//! Invariant: a change is drafted from the file as it is now; what is shown comes from the log as it was verified last.
//! Not here: what a choice does ([`crate::folder`]). Source: docs/design/commands.md §8.

use std::collections::BTreeMap;
use std::path::Path;

use fst_engine::ignore::{Copies, Refusal, Selection, Share};
use fst_engine::tree::Tree;
use fst_fs::real::RealVault;
use fst_fs::vault::{Vault as _, VaultError};
use fst_proto::path::RelPath;
use fst_proto::text::printable;

use super::{Client, ClientError, Config, Db, ErrorCode, FolderConfig};
use crate::config::{Chosen, Draft, sub_folder};
use crate::views::{ChoiceView, SubFolder};

/// Names shown of a list; the rest is counted.
const NAMES_SHOWN_MAX: usize = 3;

impl Client {
    /// Drafts a choice of further sub-folders; the root is everything.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] when it is refused, or a name cannot stand in the file; [`ErrorCode::UnknownFolder`];
    /// [`ErrorCode::BadConfig`], [`ErrorCode::Io`].
    pub fn draft_chosen(&self, folder: &Path, dirs: &[RelPath]) -> Result<Draft, ClientError> {
        self.draft_choice(folder, |selection| {
            dirs.iter().try_for_each(|dir| selection.choose(dir))
        })
    }

    /// Drafts a choice without some sub-folders.
    ///
    /// # Errors
    /// As [`Client::draft_chosen`].
    pub fn draft_taken_out(
        &self,
        folder: &Path,
        dirs: &[RelPath],
        copies: Copies,
    ) -> Result<Draft, ClientError> {
        self.draft_choice(folder, |selection| {
            let mut dirs = dirs.iter();
            dirs.try_for_each(|dir| selection.take_out(dir, copies))
        })
    }

    fn draft_choice(
        &self,
        folder: &Path,
        change: impl Fn(&mut Selection) -> Result<(), Refusal>,
    ) -> Result<Draft, ClientError> {
        let mut config = Config::load(&self.dirs)?;
        let at = super::folders::position(&config, folder)?;
        let chosen = &mut config.folders[at].chosen;
        let mut selection = chosen.selection()?;
        change(&mut selection).map_err(|refusal| refused(&refusal))?;
        *chosen = Chosen::of(&selection)?;
        config.draft(&self.dirs)
    }

    /// Lets the database of a folder that nobody syncs now go by what is chosen: else copies that a person removes before
    /// somebody does could look like deletions when they are chosen again.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownFolder`], [`ErrorCode::BadState`], [`ErrorCode::RootMissing`].
    pub fn obey_choice(&self, folder: &Path) -> Result<(), ClientError> {
        let config = Config::load(&self.dirs)?;
        let folder = &config.folders[super::folders::position(&config, folder)?];
        let file = self.database(folder);
        if !file.exists() {
            return Ok(());
        }
        let _lock = match RealVault::open(&folder.path)?.lock() {
            Ok(lock) => lock,
            // Whoever syncs it sees to it.
            Err(VaultError::Locked) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut db = Db::open(&file)?;
        crate::folder::obey(&mut db, &folder.chosen.selection()?)?;
        Ok(())
    }

    /// What is chosen of a folder: its directories at the top, and those that the configuration names.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`]; [`ErrorCode::BadConfig`].
    pub fn choice(&self, folder: &FolderConfig) -> Result<ChoiceView, ClientError> {
        let selection = folder.chosen.selection()?;
        let file = self.database(folder);
        let db = match file.exists() {
            true => Db::open_read_only(&file)?,
            false => None,
        };
        let tree = match db {
            Some(db) => db.trees()?.1,
            None => Tree::new(),
        };
        Ok(ChoiceView {
            folder: folder.path.clone(),
            is_everything: selection.is_everything(),
            only: folder.chosen.only.clone(),
            except: folder.chosen.except.clone(),
            cleared: folder.chosen.cleared.clone(),
            sub_folders: sub_folders(folder, &selection, &tree),
        })
    }
}

impl Chosen {
    /// These sub-folders and nothing else; everything when there is none.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a name that is no path inside a folder.
    pub fn only(names: &[String]) -> Result<Self, ClientError> {
        let paths = names.iter().map(|name| sub_folder(name));
        let paths: Result<Vec<RelPath>, ClientError> = paths.collect();
        let paths = paths.map_err(|error| ClientError::new(ErrorCode::Usage, error.to_string()))?;
        Self::of(&Selection::new(paths, [], []))
    }

    /// What is chosen, in a few words; `None` for everything.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let some = |list: &[String]| {
            let shown = list.iter().take(NAMES_SHOWN_MAX);
            let shown: Vec<String> = shown.map(|name| printable(name.as_bytes())).collect();
            match list.len().saturating_sub(NAMES_SHOWN_MAX) {
                0 => shown.join(", "),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        };
        let only = (!self.only.is_empty()).then(|| format!("only {}", some(&self.only)));
        let out = [self.except.as_slice(), &self.cleared].concat();
        let out = (!out.is_empty()).then(|| format!("without {}", some(&out)));
        let parts: Vec<String> = only.into_iter().chain(out).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The names of a choice, as they stand in the file.
    ///
    /// # Errors
    /// [`ErrorCode::Usage`] for a name that is no text.
    pub fn of(selection: &Selection) -> Result<Self, ClientError> {
        let text = |path: &RelPath| {
            String::from_utf8(path.to_bytes()).map_err(|_| {
                let detail = format!("{path} is no text, so the configuration cannot name it");
                ClientError::new(ErrorCode::Usage, detail)
            })
        };
        let [only, except, cleared] = selection.lists().map(|list| {
            let list = list.iter();
            list.map(text).collect::<Result<Vec<_>, _>>()
        });
        Ok(Self {
            only: only?,
            except: except?,
            cleared: cleared?,
        })
    }
}

fn refused(refusal: &Refusal) -> ClientError {
    ClientError::new(ErrorCode::Usage, refusal.to_string())
}

fn sub_folders(folder: &FolderConfig, selection: &Selection, tree: &Tree) -> Vec<SubFolder> {
    let top = tree.children(fst_proto::entry::ROOT).map(|(_, id)| id);
    let top = top
        .filter(|id| tree.is_dir(*id))
        .filter_map(|id| tree.path(id));
    let named = selection.lists().into_iter().flatten();
    let mut sums: BTreeMap<RelPath, (u64, u64)> =
        top.chain(named).map(|path| (path, (0, 0))).collect();
    for (id, node) in tree.iter().filter(|(_, node)| !node.is_dir()) {
        let mut above = tree.path(id).and_then(|path| path.parent());
        while let Some(dir) = above {
            if let Some((files, bytes)) = sums.get_mut(&dir) {
                *files += 1;
                *bytes += node.size;
            }
            above = dir.parent();
        }
    }
    let sums = sums.into_iter();
    sums.map(|(path, (files, bytes))| SubFolder {
        chosen: match selection.share(&path) {
            Share::All => "all",
            Share::Some => "part",
            Share::Nothing if selection.clears(&path) => "cleared",
            Share::Nothing => "none",
        }
        .to_owned(),
        is_here: is_here(folder, &path),
        path: path.to_string(),
        files,
        bytes,
    })
    .collect()
}

fn is_here(folder: &FolderConfig, path: &RelPath) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = path.to_bytes();
    let inside = Path::new(std::ffi::OsStr::from_bytes(&bytes));
    std::fs::symlink_metadata(folder.path.join(inside)).is_ok()
}
