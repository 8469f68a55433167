//! The certificate that a server shows, and its renewal while it serves.
//!
//! Loaded and looked after by [`mod@crate::run`], shown by `door`. Invariant: TLS 1.3 only; what is served is a
//! certificate with its own key, or the one before; connections that stand keep what they began with.
//! Not here: sockets. Source: docs/adr/0040-tls.md.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fst_proto::hash::sha256;
use fst_proto::ids::Hash32;
use fst_proto::pin::{ALPN, KeyPin, provider};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::config::Tls;

mod own;

/// Longest file of a certificate or a key that is read: a chain of some certificates has 10 KiB.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Time between two looks for a renewed certificate: it is in use before anybody has gone to see.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// A file.
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
    /// A file that is no PEM, or has not in it what belongs there.
    #[error("read a {what} in PEM from {}", path.display())]
    Pem {
        /// What belongs there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: pem::Error,
    },
    /// The key is of another certificate, or of a kind that is not supported.
    #[error("use the certificate {} with its key", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: rustls::Error,
    },
    /// No certificate could be made.
    #[error("make a certificate")]
    Make(#[source] rcgen::Error),
}

/// What is shown to whoever connects from now on.
#[derive(Debug)]
struct Shown {
    config: Arc<ServerConfig>,
    pin: KeyPin,
    ends: Option<u64>,
}

/// The certificate of a running server.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: Files,
    shown: RwLock<Shown>,
    // What was read last, good or bad: a bad pair is reported once.
    seen: RwLock<Hash32>,
}

/// What a look at the files found.
#[derive(Debug)]
pub(crate) enum Look {
    /// Nothing new.
    Same,
    /// Another certificate, in use from now on.
    Renewed(KeyPin),
}

#[derive(Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

struct Pair {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// Reads the certificate that is asked for; makes it first when it is to be our own and is not there.
    pub(crate) fn load(tls: &Tls, data: &Path) -> Result<Self, BadCertificate> {
        let files = match tls {
            Tls::Files { chain, key } => Files {
                chain: chain.clone(),
                key: key.clone(),
            },
            Tls::Own => {
                let path = own::ensure(data)?;
                Files {
                    chain: path.clone(),
                    key: path,
                }
            },
        };
        let pair = files.read()?;
        let shown = files.shown(&pair)?;
        files.warn_of_readers();
        Ok(Self {
            seen: RwLock::new(pair.hash()),
            files,
            shown: RwLock::new(shown),
        })
    }

    /// What a connection that begins now uses.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&shown.config)
    }

    /// The pin of the key in use.
    pub(crate) fn pin(&self) -> KeyPin {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.pin
    }

    /// When the certificate in use ends, seconds since 1970.
    pub(crate) fn ends(&self) -> Option<u64> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.ends
    }

    /// Looks whether the files were renewed. A pair that cannot be used leaves the old one in use; it is an error once.
    pub(crate) fn look(&self) -> Result<Look, BadCertificate> {
        let pair = self.files.read()?;
        let hash = pair.hash();
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if *seen == hash {
            return Ok(Look::Same);
        }
        *seen = hash;
        let shown = self.files.shown(&pair)?;
        let pin = shown.pin;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(Look::Renewed(pin))
    }
}

impl Files {
    fn read(&self) -> Result<Pair, BadCertificate> {
        Ok(Pair {
            chain: read(&self.chain)?,
            key: read(&self.key)?,
        })
    }

    fn shown(&self, pair: &Pair) -> Result<Shown, BadCertificate> {
        let no_pem = |what, path: &Path| {
            let path = path.to_owned();
            move |source| BadCertificate::Pem { what, path, source }
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pair.chain).collect();
        let chain = chain.and_then(|chain| match chain.is_empty() {
            true => Err(pem::Error::NoItemsFound),
            false => Ok(chain),
        });
        let chain = chain.map_err(no_pem("certificate", &self.chain))?;
        let key = PrivateKeyDer::from_pem_slice(&pair.key);
        let key = key.map_err(no_pem("private key", &self.key))?;
        shown(chain, key).map_err(|source| BadCertificate::Unusable {
            path: self.chain.clone(),
            source,
        })
    }

    fn warn_of_readers(&self) {
        let mode = std::fs::metadata(&self.key).map(|found| found.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o004 != 0) {
            let path = self.key.display();
            tracing::warn!(%path, "everybody on this machine can read the TLS key: chmod 600");
        }
    }
}

impl Pair {
    fn hash(&self) -> Hash32 {
        let len = (self.chain.len() as u64).to_be_bytes();
        sha256(&[&len, &self.chain, &self.key])
    }
}

fn shown(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Shown, rustls::Error> {
    let provider = provider();
    // Fails when the key is not the certificate's.
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    let certificate = certified.end_entity_cert()?;
    let pin = KeyPin::of_certificate(certificate)?;
    let ends = end_of(certificate);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Shown {
        config: Arc::new(config),
        pin,
        ends,
    })
}

/// For people who watch; nothing else depends on it, so a date that cannot be read is none.
fn end_of(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    parsed.validity().not_after.timestamp().try_into().ok()
}

fn read(path: &Path) -> Result<Vec<u8>, BadCertificate> {
    let failed = |source| BadCertificate::Io {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let mut file = file.take(PEM_BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        return Err(failed(io::Error::other("the file is too long")));
    }
    Ok(bytes)
}
