//! Adding, removing and opening folders.

use super::{
    Arc, Client, ClientError, Config, Db, ErrorCode, Folder, FolderConfig, FolderError, Ignore,
    Mode, OsRandom, Path, PathBuf, RealVault, Seams, Settings, SystemClock,
};
use fst_fs::vault::Vault as _;

use fst_proto::ids::SpaceId;

use crate::account::OpenedSpace;
use crate::config::{Draft, is_remote};
use crate::folder::Space;

impl Client {
    /// Drafts the configuration with one more folder.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`].
    pub fn draft_folder(&self, folder: &FolderConfig) -> Result<Draft, ClientError> {
        let mut config = Config::load(&self.dirs)?;
        config.folders.push(folder.clone());
        config.draft(&self.dirs)
    }

    /// A folder that may be added; its space is found or made. It is synced once the configuration names it.
    ///
    /// # Errors
    /// [`ErrorCode::FolderExists`], [`ErrorCode::FolderOverlap`], [`ErrorCode::RootMissing`],
    /// [`ErrorCode::ReadOnlyRoot`]; server errors. Nothing is changed then.
    pub fn new_folder(
        &self,
        path: &Path,
        remote_path: Option<&str>,
        mode: Mode,
    ) -> Result<FolderConfig, ClientError> {
        let (path, remote_path) = self.check_new(path, remote_path)?;
        // Opening makes the private directory: a folder that cannot hold it is refused here.
        RealVault::open(&path)?.abilities()?;
        self.spaces().find_or_create(&remote_path, &OsRandom)?;
        Ok(FolderConfig {
            path,
            remote_path,
            mode,
            conflicts: self.config.conflicts,
            ..FolderConfig::default()
        })
    }

    /// Whether a folder may be added; its real path and its remote path.
    pub(super) fn check_new(
        &self,
        path: &Path,
        remote_path: Option<&str>,
    ) -> Result<(PathBuf, String), ClientError> {
        let path = std::fs::canonicalize(path).map_err(|e| {
            ClientError::caused(
                ErrorCode::RootMissing,
                format!("open {}", path.display()),
                e,
            )
        })?;
        if !path.is_dir() {
            let detail = format!("{} is not a directory", path.display());
            return Err(ClientError::new(ErrorCode::Usage, detail));
        }
        self.check_overlap(&path)?;
        let remote_path = match remote_path {
            Some(given) => check_remote(given)?,
            None => default_remote(&path)?,
        };
        self.check_remote_free(&remote_path)?;
        Ok((path, remote_path))
    }

    /// Stops syncing a folder; its files stay, here and at the server.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownFolder`].
    pub fn remove_folder(&mut self, path: &Path) -> Result<FolderConfig, ClientError> {
        let mut config = Config::load(&self.dirs)?;
        let at = position(&config, path)?;
        let folder = config.folders.remove(at);
        config.save(&self.dirs)?;
        self.config = config;
        remove_database(&self.database(&folder));
        let private = folder.path.join(fst_proto::path::PRIVATE_DIR);
        remove_private(&private);
        Ok(folder)
    }

    /// Pauses or resumes one folder, or all.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownFolder`].
    pub fn set_paused(&mut self, path: Option<&Path>, paused: bool) -> Result<(), ClientError> {
        let config = self.paused(path, paused)?;
        config.save(&self.dirs)?;
        self.config = config;
        Ok(())
    }

    /// Drafts a pause of one folder, or of all, or its end.
    ///
    /// # Errors
    /// As [`Client::set_paused`].
    pub fn draft_paused(&self, path: Option<&Path>, paused: bool) -> Result<Draft, ClientError> {
        self.paused(path, paused)?.draft(&self.dirs)
    }

    /// Drafts the configuration without a folder.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownFolder`].
    pub fn draft_removed(&self, path: &Path) -> Result<Draft, ClientError> {
        let mut config = Config::load(&self.dirs)?;
        let at = position(&config, path)?;
        config.folders.remove(at);
        config.draft(&self.dirs)
    }

    fn paused(&self, path: Option<&Path>, paused: bool) -> Result<Config, ClientError> {
        let mut config = Config::load(&self.dirs)?;
        match path {
            Some(path) => {
                let at = position(&config, path)?;
                config.folders[at].paused = paused;
            },
            None => config
                .folders
                .iter_mut()
                .for_each(|folder| folder.paused = paused),
        }
        Ok(config)
    }

    /// Opens a folder for syncing and claims it.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`] when another process syncs it; server errors when its space was never opened here.
    pub fn open_folder(&self, folder: &FolderConfig) -> Result<Folder, ClientError> {
        if !folder.path.is_dir() {
            let detail = format!("{} is not there", folder.path.display());
            return Err(ClientError::new(ErrorCode::RootMissing, detail));
        }
        let mut db = Db::open(&self.database(folder))?;
        let opened = self
            .spaces()
            .open(&folder.remote_path, &mut db, &OsRandom)?;
        let space = self.space(opened)?;
        let seams = self.seams(folder)?;
        let settings = Settings {
            evidence: Some(self.dirs.state.join("evidence")),
            line: Some(Arc::clone(&self.line)),
            ..self.settings(folder, Ignore::of(folder)?, space.id)
        };
        Folder::open(space, seams, settings, db).map_err(|failed| match failed.1 {
            FolderError::Vault(error) => ClientError::from(error),
            other => other.into(),
        })
    }

    pub(crate) fn space(&self, opened: OpenedSpace) -> Result<Space, ClientError> {
        Ok(Space {
            id: opened.id,
            device: self.enrolled.device.device,
            keys: opened.keys,
            sign_key: self.enrolled.device.sign_key(),
            hedge: Arc::new(self.enrolled.device.hedge_key()),
            random: Arc::new(OsRandom),
            members: self.members()?,
            receipt_key: self.enrolled.receipt_key,
            policy: opened.policy,
        })
    }

    pub(crate) fn seams(&self, folder: &FolderConfig) -> Result<Seams, ClientError> {
        Ok(Seams {
            vault: Box::new(RealVault::open(&folder.path)?),
            remote: Arc::<crate::remote::http::HttpRemote>::clone(&self.remote),
            clock: Arc::new(SystemClock),
        })
    }

    /// Settings of a folder that keeps no evidence.
    pub(crate) fn settings(&self, folder: &FolderConfig, ignore: Ignore, id: SpaceId) -> Settings {
        let mut heads = self.enrolled.heads.iter();
        let pinned = heads.find(|(space, _)| *space == id);
        Settings {
            path: folder.path.to_string_lossy().into_owned(),
            remote_path: folder.remote_path.clone(),
            mode: folder.mode,
            ignore,
            conflicts: folder.conflicts,
            evidence: None,
            pinned: pinned.map(|(_, head)| *head),
            line: None,
        }
    }

    fn check_overlap(&self, path: &Path) -> Result<(), ClientError> {
        for folder in &self.config.folders {
            if folder.path == path {
                let detail = format!("{} is synced already", path.display());
                return Err(ClientError::new(ErrorCode::FolderExists, detail));
            }
            if path.starts_with(&folder.path) || folder.path.starts_with(path) {
                let detail = format!("{} overlaps {}", path.display(), folder.path.display());
                return Err(ClientError::new(ErrorCode::FolderOverlap, detail));
            }
        }
        // Nor inside a folder that another home on this machine syncs.
        let is_synced = |dir: &Path| {
            dir.join(fst_proto::path::PRIVATE_DIR)
                .join("marker")
                .exists()
        };
        match path.ancestors().skip(1).find(|dir| is_synced(dir)) {
            Some(outer) => {
                let detail = format!("{} lies inside {}", path.display(), outer.display());
                Err(ClientError::new(ErrorCode::FolderOverlap, detail))
            },
            None => Ok(()),
        }
    }

    fn check_remote_free(&self, remote_path: &str) -> Result<(), ClientError> {
        match self
            .config
            .folders
            .iter()
            .find(|folder| folder.remote_path == remote_path)
        {
            Some(folder) => {
                let detail = format!("{remote_path} is synced with {}", folder.path.display());
                Err(ClientError::new(ErrorCode::FolderExists, detail))
            },
            None => Ok(()),
        }
    }
}

pub(super) fn position(config: &Config, path: &Path) -> Result<usize, ClientError> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let found = config
        .folders
        .iter()
        .position(|f| f.path == real || f.path == path);
    found.ok_or_else(|| {
        let detail = format!("{} is not synced", path.display());
        ClientError::new(ErrorCode::UnknownFolder, detail)
    })
}

fn check_remote(path: &str) -> Result<String, ClientError> {
    if is_remote(path) {
        return Ok(path.to_owned());
    }
    let detail = format!("{path:?} is not a remote path: write it as /Name");
    Err(ClientError::new(ErrorCode::Usage, detail))
}

fn default_remote(path: &Path) -> Result<String, ClientError> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    check_remote(&format!("/{}", name.unwrap_or_default()))
}

/// Best effort: a database that stays behind is rebuilt or ignored.
fn remove_database(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        std::fs::remove_file(Path::new(&name)).unwrap_or_default();
    }
}

/// Removes our own directory when nothing of the user rests in it.
pub(super) fn remove_private(dir: &Path) {
    let stage = dir.join("stage");
    let is_empty = |dir: &Path| std::fs::read_dir(dir).is_ok_and(|mut list| list.next().is_none());
    if is_empty(&stage) {
        std::fs::remove_dir_all(dir).unwrap_or_default();
    }
}
