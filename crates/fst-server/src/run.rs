//! Runs a server: data folder, stores, listener, orderly stop.
//!
//! Called by the `fst-server` command and by [`crate::embedded`]. Invariant: one server per data folder; the
//! set-up code lies in a file only its owner can read, until it is used; a stopping server finishes what it
//! began and answers waiting polls at once. Not here: arguments, printing.
//! Source: docs/design/wire.md; interfaces of the command: docs/book/reference.

use std::error::Error as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fst_proto::error::ErrorCode;
use fst_proto::pin::KeyPin;
use fst_store::error::StoreError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::config::{Database, Options, PlainHttp};
use crate::door::Door;
use crate::http::{self, App};
use crate::refusal::Refusal;
use crate::service::{Pruned, Service};
use crate::stores::{self, Member};
use crate::tls::{BadCertificate, Certificate, Look};
use crate::upkeep::{self, BackupError};

/// File with the open set-up code.
pub const SETUP_CODE_FILE: &str = "setup-code";

/// File with the URL of the running server.
pub const URL_FILE: &str = "url";

/// Time for requests to end after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(30);

/// Time between two looks for what may be pruned: what is due goes within the hour, and a look reads whole logs.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another server uses the data folder.
    #[error("another server uses {}", .0.display())]
    Locked(PathBuf),
    /// Plain HTTP for other machines.
    #[error(
        "plain http would be offered to other machines on {0}; add --tls auto for a certificate that clients pin, \
         --tls-cert FILE --tls-key FILE for one of yours, or --insecure-http behind a proxy that ends TLS"
    )]
    InsecureHttp(SocketAddr),
    /// The certificate.
    #[error("prepare TLS")]
    Tls(#[from] BadCertificate),
    /// A file or folder.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The address.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// An upkeep command for stores that it does not work on.
    #[error("{0}")]
    NotHere(&'static str),
    /// Another worker and this one cannot work side by side.
    #[error("another worker uses the database; {0}")]
    NotAlone(&'static str),
    /// A backup, or its way back.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// No room for what was to be written.
    #[error("the disk of {} is full: free some space, then run the same command again", path.display())]
    Full {
        /// Folder that was written to.
        path: PathBuf,
        /// Cause.
        #[source]
        source: Box<Self>,
    },
    /// Something that this build does not have.
    #[error("{0} is not supported by this build: use the fst-server program")]
    Lacks(&'static str),
    /// The bucket.
    #[error(
        "the bucket `{bucket}` cannot be used: check storage.s3_bucket, storage.s3_endpoint and the credentials \
         (storage.s3_access_key_id, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
    )]
    Bucket {
        /// Its name.
        bucket: String,
        /// What S3 says.
        #[source]
        source: StoreError,
    },
    /// The stores.
    #[error("open the server's storage")]
    Storage(#[from] StoreError),
    /// The service.
    #[error("open the server's storage")]
    Service(#[from] Refusal),
    /// A command on the database that was refused.
    #[error("{0}")]
    Refused(#[source] Refusal),
    /// The thread or runtime of an embedded server.
    #[error("serve")]
    Serve(#[source] io::Error),
}

impl RunError {
    /// The code in the catalogue.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Locked(_) | Self::NotAlone(_) => ErrorCode::Locked,
            Self::Lacks(_) | Self::NotHere(_) | Self::Tls(_) | Self::Bucket { .. } => {
                ErrorCode::BadConfig
            },
            Self::Backup(error) => error.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::Full { .. } => ErrorCode::NoSpace,
            Self::InsecureHttp(_) => ErrorCode::InsecureHttp,
            Self::Io { .. } | Self::Listen { .. } | Self::Serve(_) => ErrorCode::Io,
            Self::Storage(_) | Self::Service(_) => ErrorCode::BadState,
        }
    }

    /// Names the folder when the error is that its disk is full.
    pub(crate) fn on_disk(self, path: &Path) -> Self {
        let is_full = match &self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Storage(error) => error.is_full(),
            _ => false,
        };
        if is_full {
            let (path, source) = (path.to_owned(), Box::new(self));
            return Self::Full { path, source };
        }
        self
    }
}

/// A server that listens and is ready to serve.
#[derive(Debug)]
pub struct Server {
    app: App,
    service: Arc<Service>,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    look_every: Duration,
    stopping: watch::Sender<bool>,
    url: String,
    setup_code: Option<String>,
    data: PathBuf,
    // Held as long as the server lives.
    _lock: File,
    _member: Member,
}

impl Server {
    /// Opens everything and listens.
    ///
    /// # Errors
    /// [`RunError`]; nothing runs then.
    pub async fn bind(options: &Options) -> Result<Self, RunError> {
        let is_local = options.listen.ip().is_loopback();
        if !is_local && options.tls.is_none() && options.plain_http == PlainHttp::LoopbackOnly {
            return Err(RunError::InsecureHttp(options.listen));
        }
        let lock = lock(&options.data)?;
        for setting in &options.without_effect {
            tracing::warn!(setting, "this setting has no effect yet");
        }
        // Before the stores: a certificate that cannot be used is said at once.
        let certificate = match &options.tls {
            Some(tls) => Some(Arc::new(Certificate::load(tls, &options.data)?)),
            None => None,
        };
        let stores::Opened { service, member } = stores::open(options).await?;
        let service = Arc::new(service);
        let setup_code = match options.database {
            Database::Sqlite(_) => ensure_setup_code(&service, &options.data).await?,
            // A worker that starts must not end the code that `init` made on another machine.
            Database::Postgres(_) => open_setup_code(&service, &options.data).await?,
        };
        let listen = |source| RunError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let scheme = certificate.as_ref().map_or("http", |_| "https");
        let url = format!("{scheme}://{}", listener.local_addr().map_err(listen)?);
        note_address(&options.data, &url, certificate.as_deref())?;
        let (stopping, is_stopping) = watch::channel(false);
        let code_file = options.data.join(SETUP_CODE_FILE);
        let forget = Arc::new(move |code: &str| forget_setup_code(&code_file, code));
        let welcome = member.clone();
        let app = App::new(Arc::clone(&service), is_stopping)
            .on_setup_code_used(forget)
            .showing(certificate.clone())
            .kept_in(&options.data)
            .limited(options.rate_limits, options.trusted_proxies.clone())
            .ready_while(Arc::new(move || welcome.is_welcome()));
        let data = options.data.clone();
        Ok(Self {
            app,
            service,
            listener,
            certificate,
            look_every: options.tls_look_every,
            stopping,
            url,
            setup_code,
            data,
            _lock: lock,
            _member: member,
        })
    }

    /// Address for clients.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What clients pin, when there is TLS.
    #[must_use]
    pub fn pin(&self) -> Option<KeyPin> {
        self.certificate
            .as_ref()
            .map(|certificate| certificate.pin())
    }

    /// The open set-up code, when there is one.
    #[must_use]
    pub fn setup_code(&self) -> Option<&str> {
        self.setup_code.as_deref()
    }

    /// Serves until `shutdown` completes, then lets requests end.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let pruning = tokio::spawn(prune_forever(
            Arc::clone(&self.service),
            self.data.clone(),
            self.stopping.subscribe(),
        ));
        let renewing = self.certificate.clone().map(|certificate| {
            let renewal = Renewal {
                certificate,
                data: self.data.clone(),
                url: self.url,
            };
            tokio::spawn(renewal.look_forever(self.look_every))
        });
        let door = Door {
            listener: self.listener,
            certificate: self.certificate,
            router: http::router(self.app),
        };
        let serving = door.serve(self.stopping.subscribe());
        tokio::pin!(serving);
        tokio::select! {
            () = &mut serving => {},
            () = shutdown => {
                self.stopping.send_replace(true);
                // Whoever has not finished by then repeats the request; acknowledged work is durable.
                tokio::time::timeout(DRAIN, &mut serving).await.unwrap_or_default();
            },
        }
        // A step that is cut off left metadata and blobs as they may be: at worst a blob that nothing needs.
        pruning.abort();
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        let url_file = self.data.join(URL_FILE);
        if let Err(error) = fs::remove_file(&url_file) {
            tracing::debug!(%error, "the url file stays");
        }
    }
}

/// Notes where the running server listens, and what its key is.
fn note_address(data: &Path, url: &str, certificate: Option<&Certificate>) -> Result<(), RunError> {
    let path = data.join(URL_FILE);
    match certificate {
        Some(certificate) => write_private(&path, &format!("{url}\n{}", certificate.pin())),
        None => write_private(&path, url),
    }
}

/// Looks after a certificate.
struct Renewal {
    certificate: Arc<Certificate>,
    data: PathBuf,
    url: String,
}

impl Renewal {
    async fn look_forever(self, every: Duration) {
        let this = Arc::new(self);
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let looking = Arc::clone(&this);
            let looked = tokio::task::spawn_blocking(move || looking.look()).await;
            if let Err(error) = looked {
                tracing::error!(%error, "the look for a renewed certificate ended badly");
            }
        }
    }

    fn look(&self) {
        let before = self.certificate.pin();
        match self.certificate.look() {
            Ok(Look::Same) => {},
            Ok(Look::Renewed(pin)) if pin == before => {
                tracing::info!("the certificate was renewed");
            },
            Ok(Look::Renewed(pin)) => {
                tracing::warn!(%pin, "the certificate was renewed with another key: clients that pin the old one refuse it");
                if let Err(error) = note_address(&self.data, &self.url, Some(&self.certificate)) {
                    tracing::warn!(%error, "the pin of the new key was not noted");
                }
            },
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(%error, cause, "the old certificate stays in use");
            },
        }
    }
}

/// Prunes what the rules of the spaces do not keep, hour by hour.
async fn prune_forever(service: Arc<Service>, data: PathBuf, mut stopping: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(PRUNE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once: a server that starts has better things to do.
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {},
            _ = stopping.wait_for(|is_stopping| *is_stopping) => return,
        }
        // Of several workers one prunes at a time; that two did would cost work, not data.
        let leading = service.lead("prune").await;
        let Ok(Some(_lead)) = leading else {
            continue;
        };
        // While a backup or a check reads blobs, none is deleted; the next hour will do.
        let Ok(_alone) = upkeep::Hold::to_delete(&data) else {
            tracing::info!("nothing is pruned: a backup or a check runs");
            continue;
        };
        match service.prune().await {
            Ok(pruned) if pruned == Pruned::default() => {},
            Ok(Pruned {
                objects,
                bytes,
                blobs,
            }) => tracing::info!(objects, bytes, blobs, "pruned"),
            Err(error) => tracing::warn!(%error, "nothing was pruned"),
        }
    }
}

/// Runs a server until `shutdown` completes.
///
/// # Errors
/// [`RunError`].
pub async fn run(
    options: &Options,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    Server::bind(options).await?.serve(shutdown).await;
    Ok(())
}

/// Creates data folder and database when missing, and a set-up code when there is no account yet.
///
/// May be called again, and beside a running server.
/// # Errors
/// [`RunError`].
pub async fn init(options: &Options) -> Result<Option<String>, RunError> {
    make_private_dir(&options.data)?;
    stores::prepare(options).await?;
    let service = stores::open_meta_only(options).await?;
    ensure_setup_code(&service, &options.data).await
}

/// Steps that would bring the database to this program's version; changes nothing.
///
/// # Errors
/// [`RunError`].
pub async fn pending_migrations(options: &Options) -> Result<Vec<String>, RunError> {
    stores::pending(options).await
}

/// Brings the database to this program's version and returns the steps that ran.
///
/// # Errors
/// [`RunError`].
pub async fn migrate(options: &Options) -> Result<Vec<String>, RunError> {
    make_private_dir(&options.data)?;
    stores::prepare(options).await
}

/// Makes a new set-up code, beside a running server or not.
///
/// # Errors
/// [`RunError`].
pub async fn new_setup_code(options: &Options) -> Result<String, RunError> {
    make_private_dir(&options.data)?;
    let service = stores::open_meta_only(options).await?;
    let code = service.create_setup_code().await?;
    write_private(&options.data.join(SETUP_CODE_FILE), &code)?;
    Ok(code)
}

/// The open code: the one in the file, or a new one when there is no account yet.
async fn ensure_setup_code(service: &Service, data: &Path) -> Result<Option<String>, RunError> {
    if let Some(code) = open_setup_code(service, data).await? {
        return Ok(Some(code));
    }
    let path = data.join(SETUP_CODE_FILE);
    if service.totals().await?.accounts > 0 {
        return Ok(None);
    }
    let code = service.create_setup_code().await?;
    write_private(&path, &code)?;
    Ok(Some(code))
}

/// The code in the file, when it is open still.
async fn open_setup_code(service: &Service, data: &Path) -> Result<Option<String>, RunError> {
    let path = data.join(SETUP_CODE_FILE);
    if let Ok(code) = fs::read_to_string(&path) {
        if service.is_setup_code_open(&code).await? {
            return Ok(Some(code.trim().to_owned()));
        }
        remove_if_there(&path)?;
    }
    Ok(None)
}

/// Removes the file once its code was used; a newer code in it stays.
fn forget_setup_code(path: &Path, used: &str) {
    let letters = |code: &str| -> String {
        code.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_uppercase()
    };
    let is_this = fs::read_to_string(path).is_ok_and(|kept| letters(&kept) == letters(used));
    if is_this && let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, "the file of the used set-up code stays");
    }
}

/// Makes sure that no server starts on the data folder; fails when one runs.
pub(crate) fn lock(data: &Path) -> Result<File, RunError> {
    make_private_dir(data)?;
    let path = data.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked(data.to_owned())),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

pub(crate) fn make_private_dir(path: &Path) -> Result<(), RunError> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(io_error("create the folder", path))?;
    // A new folder is durable when its parent is: what is acknowledged must not vanish with it.
    for parent in missing.iter().filter_map(|made| made.parent()) {
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let synced = File::open(parent).and_then(|dir| dir.sync_all());
        synced.map_err(io_error("sync the folder", parent))?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, complete or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), RunError> {
    let staged = path.with_extension("tmp");
    remove_if_there(&staged)?;
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staged)?;
        writeln!(file, "{text}")?;
        fs::rename(&staged, path)
    };
    write().map_err(io_error("write", path))
}

fn remove_if_there(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Io { what, path, source }
}
