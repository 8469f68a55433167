//! Where a server keeps its data and where it listens.
//!
//! Read by the `fst-server` command from flags, environment and an optional YAML file, in that order.
//! Invariant: a setting that this build cannot honour is an error, never ignored.
//! Not here: limits (`fst_proto::limits`). Source: docs/book/reference/server-config.md.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use fst_proto::error::ErrorCode;

/// Name of the configuration file that `init` leaves in the data folder.
pub const CONFIG_FILE: &str = "server.yaml";

/// Port when none is given.
pub const PORT: u16 = 8000;

/// Whether plain HTTP may be offered to other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Only on this machine.
    #[default]
    LoopbackOnly,
    /// Anywhere, because something in front encrypts, or in a test network.
    Anywhere,
}

/// What a server needs to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Folder of everything that the server keeps.
    pub data: PathBuf,
    /// Database file.
    pub database: PathBuf,
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether plain HTTP may be offered to other machines.
    pub plain_http: PlainHttp,
}

impl Options {
    /// A server in `data` that listens on this machine only.
    #[must_use]
    pub fn new(data: &Path, listen: SocketAddr) -> Self {
        Self {
            data: data.to_owned(),
            database: data.join("fst.db"),
            listen,
            plain_http: PlainHttp::default(),
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
    #[error("{path}: {why}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        why: String,
    },
    /// A database that this build does not have.
    #[error("{0} is not supported by this build: it has SQLite only (sqlite:///PATH)")]
    Database(&'static str),
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

/// The part of the server's YAML file that this build honours.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    database: Database,
    api: Api,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Database {
    url: Option<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Api {
    host: Option<IpAddr>,
    port: Option<u16>,
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
        .or(file.data)
        .or(data)
        .ok_or(BadConfig::NoData)?;
    let host = file.api.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let listen = SocketAddr::new(host, file.api.port.unwrap_or(PORT));
    let mut options = Options::new(&data, asked.listen.unwrap_or(listen));
    options.plain_http = asked.plain_http;
    if let Some(url) = asked.db.as_ref().or(file.database.url.as_ref()) {
        options.database = database_path(url, &data)?;
    }
    Ok(options)
}

/// Text of a configuration file for these options.
#[must_use]
pub fn render(options: &Options) -> String {
    let quoted = |path: &Path| serde_json::to_string(&path.to_string_lossy()).unwrap_or_default();
    let url = format!("sqlite:{}", options.database.display());
    format!(
        "# Settings of fst-server. Flags win over this file.\n\
         data: {}\ndatabase:\n  url: {}\napi:\n  host: {}\n  port: {}\n",
        quoted(&options.data),
        quoted(Path::new(&url)),
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
    let text = std::fs::read_to_string(path).map_err(|source| BadConfig::Read {
        path: path.to_owned(),
        source,
    })?;
    let parse = serde_saphyr::from_str(&text);
    parse.map_err(|e| BadConfig::Parse {
        path: path.to_owned(),
        why: e.to_string(),
    })
}

fn database_path(url: &str, data: &Path) -> Result<PathBuf, BadConfig> {
    let (scheme, rest) = url.split_once(':').ok_or(BadConfig::UnknownDatabase)?;
    match scheme {
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            Ok(if path.is_empty() {
                data.join("fst.db")
            } else {
                data.join(path)
            })
        },
        "postgresql" | "postgres" => Err(BadConfig::Database("PostgreSQL")),
        _ => Err(BadConfig::UnknownDatabase),
    }
}
