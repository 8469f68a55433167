//! Plans and reasons without effects: dry runs and `fst why`.
//!
//! Each call works on a private copy of the folder's database, beside a daemon that goes on. Invariant: nothing on
//! disk or at the server is changed, a private directory made for looking is removed again.

use std::path::Path;

use fst_proto::path::{PRIVATE_DIR, RelPath};

use super::{Client, ClientError, Db, ErrorCode, Folder, FolderConfig, Mode, OsRandom};
use crate::config::Chosen;
use crate::ignore::Ignore;
use crate::views::{FolderPlan, WhyItem};

impl Client {
    /// What the next cycle of a folder would do. With `is_full` every file is read, whatever the cache says.
    ///
    /// # Errors
    /// [`ClientError`] when the folder is missing, a state file damaged, or the server's log breaks a rule.
    pub fn explain(&self, folder: &FolderConfig, is_full: bool) -> Result<FolderPlan, ClientError> {
        let mut folder = self.open_to_look(folder)?;
        if is_full {
            folder.distrust_cache()?;
        }
        Ok(folder.explain(true)?)
    }

    /// Why a path of a folder is as it is, as far as this device knows.
    ///
    /// # Errors
    /// As [`Client::explain`].
    pub fn why(&self, folder: &FolderConfig, path: &RelPath) -> Result<WhyItem, ClientError> {
        Ok(self.open_to_look(folder)?.why(path)?)
    }

    /// What the first sync of a folder would do that is not added yet.
    ///
    /// # Errors
    /// As [`Client::new_folder`].
    pub fn explain_new(
        &self,
        path: &Path,
        remote_path: Option<&str>,
        mode: Mode,
        chosen: &Chosen,
    ) -> Result<FolderPlan, ClientError> {
        let (path, remote_path) = self.check_new(path, remote_path)?;
        let private = path.join(PRIVATE_DIR);
        let was_there = private.exists();
        let config = FolderConfig {
            path,
            remote_path,
            mode,
            chosen: chosen.clone(),
            conflicts: self.config.conflicts,
            ..FolderConfig::default()
        };
        let plan = self.first_plan(&config);
        if !was_there {
            super::folders::remove_private(&private);
        }
        plan
    }

    fn first_plan(&self, config: &FolderConfig) -> Result<FolderPlan, ClientError> {
        let (opened, is_there) = self.spaces().preview(&config.remote_path, &OsRandom)?;
        let space = self.space(opened)?;
        let db = Db::in_memory()?;
        let seams = self.seams(config)?;
        let settings = self.settings(config, Ignore::of(config)?, space.id);
        let mut folder = looked_at(Folder::open_to_look(space, seams, settings, db))?;
        Ok(folder.explain(is_there)?)
    }

    pub(super) fn open_to_look(&self, config: &FolderConfig) -> Result<Folder, ClientError> {
        if !config.path.is_dir() {
            let detail = format!("{} is not there", config.path.display());
            return Err(ClientError::new(ErrorCode::RootMissing, detail));
        }
        let file = self.database(config);
        let mut db = if file.exists() {
            Db::open_copy(&file)?
        } else {
            Db::in_memory()?
        };
        let opened = self
            .spaces()
            .open(&config.remote_path, &mut db, &OsRandom)?;
        let space = self.space(opened)?;
        let seams = self.seams(config)?;
        let settings = self.settings(config, Ignore::of(config)?, space.id);
        looked_at(Folder::open_to_look(space, seams, settings, db))
    }
}

fn looked_at<E: Into<ClientError>>(opened: Result<Folder, E>) -> Result<Folder, ClientError> {
    opened.map_err(Into::into)
}
