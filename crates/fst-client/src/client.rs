//! [`Client`]: an enrolled device, its configuration and its folders.
//!
//! Everything that commands need, without printing and without threads. Invariant: configuration and keys
//! are written durably before a method returns; enrolling twice is refused.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fst_crypto::random::OsRandom;
use fst_fs::real::RealVault;
use fst_proto::account::Chain;
use fst_proto::error::ErrorCode;
use fst_proto::ids::{AccountId, DeviceId};
use fst_proto::pin::KeyPin;
use fst_proto::time::Clock as _;

use crate::account::{self, Spaces};
use crate::clock::SystemClock;
use crate::config::{Config, FolderConfig, Mode};
use crate::db::Db;
use crate::dirs::Dirs;
use crate::error::{ClientError, FolderError};
use crate::folder::{Folder, Members, Seams, Settings, Space};
use crate::ignore::Ignore;
use crate::keystore::Enrolled;
use crate::remote::Remote as _;
use crate::remote::http::{HttpRemote, RemoteEvent};
use crate::remote::throttle::Throttle;
use crate::remote::tls::{PlainHttp, Trust};

mod choosing;
mod conflicts;
mod doctor;
mod explain;
mod folders;
mod ignoring;
mod list;
mod support;

pub use conflicts::{Choice, Rule, Settled, Texts};
pub use doctor::{Finding, Health, Topic};
pub use support::{RowCounts, machine_name, pseudonym_key};

/// How a device gets into an account.
#[derive(Debug, Clone, Copy)]
pub enum Enrol<'a> {
    /// First device: creates the account.
    SetupCode(&'a str),
    /// Further device, by a join string.
    Join(&'a str),
    /// Further device, by the 24 words.
    Recover(&'a str),
}

/// Where and as what a device is set up.
#[derive(Debug, Clone, Copy)]
pub struct InitOptions<'a> {
    /// Server address.
    pub url: &'a str,
    /// Name of the device; the host's name when absent.
    pub name: Option<&'a str>,
    /// Its TLS key; then nothing else is asked of its certificate. That of the configuration when absent.
    pub pin: Option<KeyPin>,
    /// Allow plain http beyond this machine.
    pub insecure_http: bool,
}

/// A device was set up.
#[derive(Debug)]
pub struct InitDone {
    /// The account.
    pub account: AccountId,
    /// The new device.
    pub device: DeviceId,
    /// The 24 words, when the account was just created; shown once, never stored.
    pub recovery_words: Option<String>,
}

/// An enrolled device.
#[derive(Debug)]
pub struct Client {
    dirs: Dirs,
    config: Config,
    enrolled: Arc<Enrolled>,
    chain: Chain,
    remote: Arc<HttpRemote>,
    line: Arc<Throttle>,
}

impl Client {
    /// Sets this device up: keys, account or membership, configuration.
    ///
    /// # Errors
    /// [`ClientError`]; nothing is stored unless the server has accepted the device.
    pub fn init(
        dirs: &Dirs,
        options: &InitOptions<'_>,
        enrol: Enrol<'_>,
    ) -> Result<InitDone, ClientError> {
        if Enrolled::load(dirs)?.is_some() {
            return Err(ClientError::new(
                ErrorCode::AlreadyInitialised,
                "this device has keys already",
            ));
        }
        let mut config = Config::load(dirs)?;
        config.trust = asked_trust(&config.trust, options);
        let name = options.name.map_or_else(host_name, str::to_owned);
        let at = (options.url, &config.trust);
        let remote = HttpRemote::new(at, None, Box::new(SystemClock), Arc::default())?;
        let info = remote.server_info()?;
        let (enrolled, recovery_words) =
            account::enrol(&remote, &info, (options.url, &name), enrol, &OsRandom)?;
        enrolled.save(dirs)?;
        config.server_url = Some(options.url.to_owned());
        config.save(dirs)?;
        let chain = replay(&enrolled)?;
        let device = enrolled.device.device;
        Ok(InitDone {
            account: chain.account,
            device,
            recovery_words,
        })
    }

    /// Opens a device that was set up, on a line of its own with the limits of the configuration.
    ///
    /// # Errors
    /// [`ErrorCode::NotInitialised`] when it was not; [`ErrorCode::BadConfig`], [`ErrorCode::BadState`].
    pub fn open(dirs: &Dirs) -> Result<Self, ClientError> {
        let config = Config::load(dirs)?;
        let line = Arc::new(Throttle::new(config.performance.limits));
        Self::open_with(dirs, config, &line)
    }

    /// Opens a device with the last good configuration while the file is bad, as a daemon does.
    ///
    /// # Errors
    /// As [`Client::open`], [`ErrorCode::BadConfig`] only when the file never was good.
    pub fn open_or_last_good(dirs: &Dirs) -> Result<Self, ClientError> {
        let config = Config::load_or_last_good(dirs)?;
        let line = Arc::new(Throttle::new(config.performance.limits));
        Self::open_with(dirs, config, &line)
    }

    /// Opens a device on a line that it shares with others; while the file is bad, with the last good configuration.
    ///
    /// # Errors
    /// As [`Client::open_or_last_good`].
    pub fn open_on(dirs: &Dirs, line: &Arc<Throttle>) -> Result<Self, ClientError> {
        Self::open_with(dirs, Config::load_or_last_good(dirs)?, line)
    }

    fn open_with(dirs: &Dirs, config: Config, line: &Arc<Throttle>) -> Result<Self, ClientError> {
        let enrolled = Enrolled::load(dirs)?;
        let enrolled = enrolled.ok_or_else(|| {
            ClientError::new(
                ErrorCode::NotInitialised,
                "no keys of this device were found",
            )
        })?;
        let chain = replay(&enrolled)?;
        let url = config
            .server_url
            .clone()
            .unwrap_or_else(|| enrolled.url.clone());
        let identity = account::identity(&enrolled);
        let remote = Arc::new(HttpRemote::new(
            (&url, &config.trust),
            Some(identity),
            Box::new(SystemClock),
            Arc::clone(line),
        )?);
        let enrolled = Arc::new(enrolled);
        Ok(Self {
            dirs: dirs.clone(),
            config,
            enrolled,
            chain,
            remote,
            line: Arc::clone(line),
        })
    }

    /// Reads the configuration again.
    ///
    /// # Errors
    /// [`ErrorCode::BadConfig`]; the old one then stays in force.
    pub fn reload(&mut self) -> Result<(), ClientError> {
        self.config = Config::load(&self.dirs)?;
        Ok(())
    }

    /// Makes a one-time join string for a further device.
    ///
    /// # Errors
    /// [`ClientError`] when the server refuses or cannot be reached.
    pub fn invite(&self) -> Result<String, ClientError> {
        let heads = self.known_heads()?;
        let now = SystemClock.now();
        account::invite(self.remote.as_ref(), &self.enrolled, &heads, now, &OsRandom)
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The server's address.
    #[must_use]
    pub fn server_url(&self) -> &str {
        self.config
            .server_url
            .as_deref()
            .unwrap_or(&self.enrolled.url)
    }

    /// Name of this device.
    #[must_use]
    pub fn device_name(&self) -> &str {
        &self.enrolled.name
    }

    /// Devices of the account that are not revoked.
    ///
    /// # Errors
    /// [`ClientError`] when the server cannot be reached.
    pub fn device_count(&self) -> Result<u64, ClientError> {
        Ok(self.members()?.n_live())
    }

    /// Follows the server's hints until `on_event` breaks or the stream ends.
    ///
    /// # Errors
    /// [`ClientError`] when the stream cannot be opened or breaks.
    pub fn watch_remote(
        &self,
        on_event: &mut dyn FnMut(RemoteEvent) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        Ok(self.remote.watch(on_event)?)
    }

    /// The account's devices as the server knows them now, or as last seen when it cannot be reached.
    fn members(&self) -> Result<Members, ClientError> {
        let mut members = self.known_members();
        match self.remote.account_entries(members.chain.len) {
            Ok(reply) => members
                .extend(&reply.entries)
                .map_err(|e| ClientError::caused(ErrorCode::InvalidLog, "account chain", e))?,
            Err(error) if error.is_retryable() => {},
            Err(error) => return Err(error.into()),
        }
        Ok(members)
    }

    pub(crate) fn remote(&self) -> &HttpRemote {
        &self.remote
    }

    /// Where state that can be found again lies.
    pub(crate) fn state_dir(&self) -> &Path {
        &self.dirs.state
    }

    pub(crate) fn database(&self, folder: &FolderConfig) -> PathBuf {
        let key = fst_proto::hash::sha256(&[folder.path.as_os_str().as_encoded_bytes()]);
        self.dirs
            .state
            .join("folders")
            .join(format!("{}.db", &key.to_hex()[..16]))
    }

    pub(crate) fn spaces(&self) -> Spaces<'_> {
        Spaces {
            remote: self.remote.as_ref(),
            enrolled: &self.enrolled,
            chain: &self.chain,
            new_spaces: self.config.new_spaces,
        }
    }
}

fn replay(enrolled: &Enrolled) -> Result<Chain, ClientError> {
    Chain::replay(&enrolled.chain)
        .map_err(|e| ClientError::caused(ErrorCode::BadState, "read the key store", e))
}

/// What the configuration says of the server, and what was asked for now.
fn asked_trust(known: &Trust, options: &InitOptions<'_>) -> Trust {
    Trust {
        pin: options.pin.or(known.pin),
        ca_file: known.ca_file.clone(),
        plain_http: if options.insecure_http {
            PlainHttp::Anywhere
        } else {
            known.plain_http
        },
    }
}

fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "device".to_owned()
    } else {
        name
    }
}
