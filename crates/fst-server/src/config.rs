//! Where a server keeps its data and where it listens.
//!
//! Read by the `fst-server` command from flags, environment and an optional YAML file, in that order.
//! Invariant: a setting that this build cannot honour is an error, never ignored.
//! Not here: limits (`fst_proto::limits`). Source: docs/book/reference/server-config.md.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fst_proto::error::ErrorCode;
use fst_proto::hash::sha256;

mod check;
mod file;
mod limits;

pub use fst_store::cache::Rate;
pub use fst_store::meta::{Bounds, Quota};
pub use limits::{BadNetwork, Network, RateLimits};

use file::{Backend, File};

use crate::tls;

/// Name of the configuration file that `init` leaves in the data folder.
pub const CONFIG_FILE: &str = "server.yaml";

/// Port when none is given.
pub const PORT: u16 = 8000;

/// Connections to PostgreSQL when nothing is said.
const POOL_SIZE: usize = 20;

/// Region when none is given.
const S3_REGION: &str = "us-east-1";

/// Whether plain HTTP may be offered to other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Only on this machine.
    #[default]
    LoopbackOnly,
    /// Anywhere, because something in front encrypts, or in a test network.
    Anywhere,
}

/// The certificate for connections of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Somebody's, in PEM; read again when it is renewed.
    Files {
        /// The certificate and those between it and a root.
        chain: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// One that the server makes itself and keeps in the data folder; clients pin its key.
    Own,
}

/// A URL that may hold a password, which nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// Wraps a URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its password.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Passwords stand before the last `@`, or in the query.
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let place = rest.split_once('?').map_or(rest, |(place, _)| place);
        write!(f, "{scheme}://{place}")
    }
}

impl std::fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

/// Where metadata lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// In a file.
    Sqlite(PathBuf),
    /// In PostgreSQL.
    Postgres(Postgres),
}

/// A PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postgres {
    /// Where it is.
    pub url: SecretUrl,
    /// Where it is past a pooler that has no session locks.
    pub migration_url: Option<SecretUrl>,
    /// Most connections of this worker.
    pub pool_size: usize,
}

/// A Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    /// Where it is.
    pub url: SecretUrl,
    /// Number of the database; the URL's own when there is none.
    pub db: Option<u8>,
}

/// Where blobs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In a folder.
    Local(PathBuf),
    /// Nowhere: they are gone when the server stops.
    Memory,
    /// In a bucket.
    S3(S3),
}

/// A bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// Region.
    pub region: String,
    /// URL of the server; that of AWS when there is none.
    pub endpoint: Option<String>,
    /// True when the bucket is named in the path, false when in the host.
    pub is_path_style: bool,
    /// Folder in the bucket.
    pub prefix: String,
    /// Key id, secret key, session token; from the machine's role when there are none.
    pub credentials: Option<(String, String, Option<String>)>,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({self})")
    }
}

impl std::fmt::Display for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoint = self.endpoint.as_deref().unwrap_or("AWS");
        write!(f, "s3://{}/{} at {endpoint}", self.bucket, self.prefix)
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(place) => write!(f, "{}", place.url),
        }
    }
}

/// A secret from which tokens are made; nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(pub(crate) [u8; 32]);

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// What a server needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Folder of everything that this worker keeps to itself.
    pub data: PathBuf,
    /// Metadata.
    pub database: Database,
    /// Blobs.
    pub storage: Storage,
    /// What workers share; without it there is one worker.
    pub redis: Option<Redis>,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether plain HTTP may be offered to other machines.
    pub plain_http: PlainHttp,
    /// Certificate; plain HTTP without one.
    pub tls: Option<Tls>,
    /// Time between two looks whether it was renewed.
    pub tls_look_every: Duration,
    /// Threads; as many as processors when there is none.
    pub threads: Option<usize>,
    /// From which tokens are made; one kept in the database when there is none.
    pub token_secret: Option<TokenSecret>,
    /// How often who may ask.
    pub rate_limits: RateLimits,
    /// How large a file may be, and how much an account may keep.
    pub bounds: Bounds,
    /// Whose word about addresses counts.
    pub trusted_proxies: Vec<Network>,
    /// Settings that were read and do nothing yet.
    pub without_effect: Vec<&'static str>,
}

impl Options {
    /// A server in `data` that listens on this machine only.
    #[must_use]
    pub fn new(data: &Path, listen: SocketAddr) -> Self {
        Self {
            data: data.to_owned(),
            database: Database::Sqlite(data.join("fst.db")),
            storage: Storage::Local(data.join("objects")),
            redis: None,
            listen,
            plain_http: PlainHttp::default(),
            tls: None,
            tls_look_every: tls::LOOK_EVERY,
            threads: None,
            token_secret: None,
            rate_limits: RateLimits::default(),
            bounds: Bounds::default(),
            trusted_proxies: Vec::new(),
            without_effect: Vec::new(),
        }
    }
}

/// What was asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--db`
    pub db: Option<String>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--insecure-http`
    pub plain_http: PlainHttp,
    /// `--tls auto`, or `--tls-cert` and `--tls-key`
    pub tls: Option<Tls>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// The file cannot be read.
    #[error("read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}:\n  {why}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and reason of each mistake, a line for each.
        why: String,
    },
    /// Something that this build does not have.
    #[error("{0} is not supported by this build: use the fst-server program")]
    Lacks(&'static str),
    /// A backend without its settings.
    #[error("{0}")]
    Incomplete(&'static str),
    /// A database URL that nobody knows.
    #[error("the database URL must begin with sqlite: or postgresql:")]
    UnknownDatabase,
    /// Neither `--data`, `FST_SERVER_DATA`, `XDG_DATA_HOME` nor `HOME` says where data belongs.
    #[error("no data folder: give --data DIR")]
    NoData,
}

impl BadConfig {
    /// The code in the catalogue.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::BadConfig
    }
}

/// Puts flags, file and defaults together.
///
/// `env` reads an environment variable.
/// # Errors
/// [`BadConfig`].
pub fn resolve(asked: &Asked, env: impl Fn(&str) -> Option<String>) -> Result<Options, BadConfig> {
    let data = asked.data.clone().or_else(|| default_data(&env));
    let file = match (&asked.config, &data) {
        (Some(path), _) => read_file(path)?,
        (None, Some(data)) if data.join(CONFIG_FILE).exists() => {
            read_file(&data.join(CONFIG_FILE))?
        },
        (None, _) => File::default(),
    };
    let data = asked
        .data
        .clone()
        .or(file.data.clone())
        .or(data)
        .ok_or(BadConfig::NoData)?;
    let tls = tls(asked.tls.as_ref(), &file.security.tls, &data)?;
    let host = file.api.host.unwrap_or(match tls {
        Some(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    });
    let listen = SocketAddr::new(host, file.api.port.unwrap_or(PORT));
    let mut options = Options::new(&data, asked.listen.unwrap_or(listen));
    options.plain_http = asked.plain_http;
    options.tls = tls;
    options.without_effect = without_effect(&file);
    options.threads = file.api.workers.and_then(|workers| workers.0);
    options.database = database(asked.db.as_ref(), &file.database, &data)?;
    options.storage = storage(file.storage, &data, &env)?;
    options.redis = redis(file.redis)?;
    options.rate_limits = file.security.rate_limit.limits();
    options.bounds = Bounds {
        quota: file.quota.quota(),
        file_bytes: file.security.max_file_size.as_ref().and_then(|size| size.0),
    };
    let proxies = file.security.trusted_proxies.iter();
    options.trusted_proxies = proxies.map(|proxy| proxy.0).collect();
    options.token_secret = file.security.jwt_secret.and_then(|secret| {
        let hash = sha256(&[b"fst/v1/token-secret\0", secret.0?.as_bytes()]);
        Some(TokenSecret(hash.0))
    });
    Ok(options)
}

/// Text of a configuration file for a new server with these options.
#[must_use]
pub fn render(options: &Options) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let url = match &options.database {
        Database::Sqlite(path) => format!("sqlite:{}", path.display()),
        Database::Postgres(place) => place.url.expose_secret().to_owned(),
    };
    format!(
        "# Settings of fst-server. Flags win over this file.\n\
         data: {}\ndatabase:\n  url: {}\napi:\n  host: {}\n  port: {}\n",
        quoted(&options.data.to_string_lossy()),
        quoted(&url),
        options.listen.ip(),
        options.listen.port(),
    )
}

fn default_data(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("FST_SERVER_DATA").or_else(|| {
        let share = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
        share.map(|share| share.join("filesynctool/server"))
    })
}

fn read_file(path: &Path) -> Result<File, BadConfig> {
    check::read(&read_text(path)?).map_err(|why| BadConfig::Parse {
        path: path.to_owned(),
        why,
    })
}

fn database(
    asked: Option<&String>,
    file: &file::Database,
    data: &Path,
) -> Result<Database, BadConfig> {
    let Some(url) = asked.or(file.url.as_ref()) else {
        return Ok(Database::Sqlite(data.join("fst.db")));
    };
    let (scheme, rest) = url.split_once(':').ok_or(BadConfig::UnknownDatabase)?;
    match scheme {
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let path = if path.is_empty() { "fst.db" } else { path };
            Ok(Database::Sqlite(data.join(path)))
        },
        "postgresql" | "postgres" if cfg!(feature = "shared-stores") => {
            Ok(Database::Postgres(Postgres {
                url: SecretUrl::new(url.clone()),
                migration_url: file.migration_url.clone().map(SecretUrl::new),
                pool_size: file.pool_size.map_or(POOL_SIZE, |size| size.get().into()),
            }))
        },
        "postgresql" | "postgres" => Err(BadConfig::Lacks("PostgreSQL")),
        _ => Err(BadConfig::UnknownDatabase),
    }
}

fn tls(asked: Option<&Tls>, file: &file::Tls, data: &Path) -> Result<Option<Tls>, BadConfig> {
    if let Some(asked) = asked {
        return Ok(Some(asked.clone()));
    }
    match (file.auto.unwrap_or(false), &file.cert, &file.key) {
        (false, None, None) => Ok(None),
        (true, None, None) => Ok(Some(Tls::Own)),
        (false, Some(chain), Some(key)) => Ok(Some(Tls::Files {
            chain: data.join(chain),
            key: data.join(key),
        })),
        (true, _, _) => Err(BadConfig::Incomplete(
            "security.tls.auto makes a certificate: leave out security.tls.cert and security.tls.key",
        )),
        (false, _, _) => Err(BadConfig::Incomplete(
            "security.tls.cert and security.tls.key belong together",
        )),
    }
}

fn redis(file: file::Redis) -> Result<Option<Redis>, BadConfig> {
    match file.url {
        Some(_) if !cfg!(feature = "shared-stores") => Err(BadConfig::Lacks("Redis")),
        Some(url) => Ok(Some(Redis {
            url: SecretUrl::new(url),
            db: file.db,
        })),
        None => Ok(None),
    }
}

fn storage(
    file: file::Storage,
    data: &Path,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Storage, BadConfig> {
    match file.backend {
        Backend::Local => {
            let path = file.path.unwrap_or_else(|| PathBuf::from("objects"));
            Ok(Storage::Local(data.join(path)))
        },
        Backend::Memory => Ok(Storage::Memory),
        Backend::S3 if !cfg!(feature = "shared-stores") => Err(BadConfig::Lacks("S3")),
        Backend::S3 => {
            let credentials = s3_credentials(&file, env)?;
            let bucket = file.s3_bucket.filter(|bucket| !bucket.is_empty());
            let missing =
                BadConfig::Incomplete("storage.backend is s3, but storage.s3_bucket is missing");
            Ok(Storage::S3(S3 {
                bucket: bucket.ok_or(missing)?,
                region: file.s3_region.unwrap_or_else(|| S3_REGION.to_owned()),
                // Servers other than AWS seldom have a host name for each bucket.
                is_path_style: file.s3_path_style.unwrap_or(file.s3_endpoint.is_some()),
                endpoint: file.s3_endpoint,
                prefix: file.s3_prefix.unwrap_or_default(),
                credentials,
            }))
        },
    }
}

type S3Keys = (String, String, Option<String>);

/// Keys from the file, else from the file it names, else from the environment.
fn s3_credentials(
    file: &file::Storage,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<S3Keys>, BadConfig> {
    if let (Some(id), Some(secret)) = (&file.s3_access_key_id, &file.s3_secret_access_key) {
        return Ok(Some((id.clone(), secret.clone(), None)));
    }
    if file.s3_access_key_id.is_some() || file.s3_secret_access_key.is_some() {
        return Err(BadConfig::Incomplete(
            "storage.s3_access_key_id and storage.s3_secret_access_key belong together",
        ));
    }
    let from = |find: &dyn Fn(&str) -> Option<String>| {
        let keys = find("aws_access_key_id").zip(find("aws_secret_access_key"));
        keys.map(|(id, secret)| (id, secret, find("aws_session_token")))
    };
    let Some(path) = &file.s3_credentials_file else {
        return Ok(from(&|name| env(&name.to_ascii_uppercase())));
    };
    let text = read_text(path)?;
    let keys = from(&|name| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_owned())
    });
    let missing = "storage.s3_credentials_file has no aws_access_key_id and aws_secret_access_key";
    keys.map(Some).ok_or(BadConfig::Incomplete(missing))
}

/// Settings of the file that are understood and that nothing in this build acts on.
fn without_effect(file: &File) -> Vec<&'static str> {
    let sync = &file.sync;
    let named = [
        (
            sync.conflict_check_interval.is_some(),
            "sync.conflict_check_interval",
        ),
        (
            sync.garbage_collection_interval.is_some(),
            "sync.garbage_collection_interval",
        ),
        (!file.api.cors_origins.is_empty(), "api.cors_origins"),
    ];
    let set = named.into_iter().filter(|(is_set, _)| *is_set);
    set.map(|(_, name)| name).collect()
}

fn read_text(path: &Path) -> Result<String, BadConfig> {
    std::fs::read_to_string(path).map_err(|source| BadConfig::Read {
        path: path.to_owned(),
        source,
    })
}
