//! The shape of `server.yaml`.
//!
//! Invariant: an unknown key or a value that does not fit is an error with line and column; secrets are in no error
//! and in no `Debug`. Not here: defaults, other sources. Source: docs/book/reference/server-config.md.

use std::net::IpAddr;
use std::path::PathBuf;

use fst_proto::value::{ByteSize, parse_limit};
use fst_store::cache::Rate;
use fst_store::meta::Quota;
use serde::Deserialize;
use serde::de::{self, Deserializer, Unexpected, Visitor};

use super::limits::{Network, RateLimits};

/// Values that samples put where a secret belongs.
const PLACEHOLDERS: &[&str] = &["", "your_secret_here", "changeme", "change-me", "secret"];

/// Least length of a secret, bytes.
const SECRET_BYTES_MIN: usize = 32;

/// Most threads that anybody asks for on purpose.
const THREADS_MAX: u64 = 1024;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) data: Option<PathBuf>,
    pub(super) database: Database,
    pub(super) redis: Redis,
    pub(super) storage: Storage,
    pub(super) security: Security,
    pub(super) sync: Sync,
    pub(super) quota: Quotas,
    pub(super) api: Api,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Database {
    pub(super) url: Option<String>,
    pub(super) migration_url: Option<String>,
    pub(super) pool_size: Option<std::num::NonZeroU16>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Redis {
    pub(super) url: Option<String>,
    pub(super) db: Option<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Backend {
    #[default]
    Local,
    Memory,
    S3,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Storage {
    pub(super) backend: Backend,
    pub(super) path: Option<PathBuf>,
    pub(super) s3_bucket: Option<String>,
    pub(super) s3_region: Option<String>,
    pub(super) s3_endpoint: Option<String>,
    pub(super) s3_path_style: Option<bool>,
    pub(super) s3_prefix: Option<String>,
    pub(super) s3_access_key_id: Option<String>,
    pub(super) s3_secret_access_key: Option<String>,
    pub(super) s3_credentials_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Security {
    pub(super) jwt_secret: Option<Secret>,
    pub(super) max_file_size: Option<Size>,
    pub(super) allowed_extensions: Option<AllExtensions>,
    pub(super) tls: Tls,
    pub(super) rate_limit: RateLimit,
    pub(super) trusted_proxies: Vec<Proxy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) auto: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Sync {
    pub(super) conflict_check_interval: Option<Interval>,
    pub(super) garbage_collection_interval: Option<Interval>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Api {
    pub(super) host: Option<IpAddr>,
    pub(super) port: Option<u16>,
    pub(super) workers: Option<Workers>,
    pub(super) cors_origins: Vec<Origin>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RateLimit {
    read: Option<Number>,
    write: Option<Number>,
    bytes: Option<Size>,
    sign_in: Option<Number>,
}

impl RateLimit {
    /// What is set, and defaults for the rest.
    pub(super) fn limits(&self) -> RateLimits {
        let or = |set: &Option<Number>, default: Option<Rate>| {
            set.as_ref()
                .map_or(default, |set| RateLimits::in_a_minute(set.0))
        };
        let default = RateLimits::default();
        let bytes = self.bytes.as_ref();
        RateLimits {
            read: or(&self.read, default.read),
            write: or(&self.write, default.write),
            bytes: bytes.map_or(default.bytes, |set| {
                RateLimits::in_a_minute(set.0.unwrap_or(0))
            }),
            sign_in: or(&self.sign_in, default.sign_in),
        }
    }
}

macro_rules! masked {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}
masked!(Database, Redis, Storage, Secret);

/// A secret of at least [`SECRET_BYTES_MIN`] bytes; `None` for the placeholder of a sample.
pub(super) struct Secret(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if PLACEHOLDERS.contains(&text.as_str()) {
            return Ok(Self(None));
        }
        if text.len() < SECRET_BYTES_MIN {
            return Err(de::Error::custom(format_args!(
                "the secret is shorter than {SECRET_BYTES_MIN} bytes; make one with `openssl rand -hex 32`, or leave \
                 it out and one is made"
            )));
        }
        Ok(Self(Some(text)))
    }
}

/// A size such as `5gb`; `None` is `unlimited`.
#[derive(Debug)]
pub(super) struct Size(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let expected = "a size such as `500mb` or `5gb`, or `unlimited`";
        let size = parse_limit::<ByteSize>(&text);
        let size = size.map_err(|_| de::Error::invalid_value(Unexpected::Str(&text), &expected))?;
        Ok(Self(size.map(|size| size.0)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Quotas {
    bytes: Option<Size>,
    files: Option<Number>,
}

impl Quotas {
    pub(super) fn quota(&self) -> Quota {
        let files = self.files.as_ref().map(|files| files.0);
        Quota {
            bytes: self.bytes.as_ref().and_then(|bytes| bytes.0),
            files: files.filter(|files| *files > 0),
        }
    }
}

/// A number; 0 for `unlimited`.
#[derive(Debug)]
pub(super) struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Count(u64),
            Text(String),
        }
        let expected = "a number above 0, or `unlimited`";
        match Either::deserialize(from) {
            Ok(Either::Count(number)) if number > 0 => Ok(Self(number)),
            Ok(Either::Text(text)) if text == "unlimited" => Ok(Self(0)),
            Ok(_) | Err(_) => Err(de::Error::custom(format_args!("expected {expected}"))),
        }
    }
}

/// An address or network of a proxy.
#[derive(Debug)]
pub(super) struct Proxy(pub(super) Network);

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

/// A time such as `5s`.
#[derive(Debug)]
pub(super) struct Interval;

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        is_number_with(&text, &["ms", "s", "m", "h", "d"])
            .then_some(Self)
            .ok_or_else(|| {
                de::Error::invalid_value(
                    Unexpected::Str(&text),
                    &"a time such as `30s`, `5m` or `1h`",
                )
            })
    }
}

fn is_number_with(text: &str, units: &[&str]) -> bool {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    number.parse::<u64>().is_ok() && units.contains(&unit)
}

/// Threads of the runtime: a number, or `auto`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workers(pub(super) Option<usize>);

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Workers;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a number of threads from 1 to {THREADS_MAX}, or `auto`")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Workers, E> {
                let threads = usize::try_from(n)
                    .ok()
                    .filter(|_| (1..=THREADS_MAX).contains(&n));
                let threads =
                    threads.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(n), &self))?;
                Ok(Workers(Some(threads)))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Workers, E> {
                match u64::try_from(n) {
                    Ok(n) => self.visit_u64(n),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(n), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Workers, E> {
                match text {
                    "auto" => Ok(Workers(None)),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(Numbers)
    }
}

/// `all`: names are sealed, so this server cannot tell extensions apart.
#[derive(Debug)]
pub(super) struct AllExtensions;

impl<'de> Deserialize<'de> for AllExtensions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match String::deserialize(from) {
            Ok(text) if text == "all" => Ok(Self),
            Ok(_) | Err(_) => Err(de::Error::custom(
                "only `all` is possible: names are encrypted, the server cannot see extensions",
            )),
        }
    }
}

/// An origin of web pages, such as `https://dashboard.example.com`.
#[derive(Debug)]
pub(super) struct Origin;

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let host = text
            .strip_prefix("https://")
            .or(text.strip_prefix("http://"));
        let is_host = |host: &str| {
            !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/*?#@".contains(c))
        };
        host.is_some_and(is_host).then_some(Self).ok_or_else(|| {
            let expected = "an exact origin such as `https://dashboard.example.com`";
            de::Error::invalid_value(Unexpected::Str(&text), &expected)
        })
    }
}
