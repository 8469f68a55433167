//! How the server is reached: over TLS 1.3, whom it has to be, and where it may do without.
//!
//! [`super::http`] opens every connection of the client through `Trust::client`. Invariant: nothing is sent before the
//! server has proved itself; without TLS nothing leaves this machine unless the user allowed it; no redirection
//! leads elsewhere. Not here: requests. Source: docs/adr/0040-tls.md.

use std::error::Error;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fst_proto::pin::{KeyPin, WrongPin};
use reqwest::blocking::{Client, ClientBuilder};
use reqwest::{Certificate, Url, redirect, tls};
use rustls::CertificateError;

use super::RemoteError;

/// Longest wait for a connection and its handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that rests this long is closed: before the server does it, after 30 s.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Longest file of roots that is read; the roots of a whole system have a quarter of it.
const CA_BYTES_MAX: u64 = 1 << 20;

/// Whether plain HTTP may leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// It stays here.
    #[default]
    LoopbackOnly,
    /// The user allowed it.
    Anywhere,
}

/// What makes a server the right one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Its key; then nothing else is asked.
    pub pin: Option<KeyPin>,
    /// Roots beside those of the system, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether it may do without TLS.
    pub plain_http: PlainHttp,
}

impl Trust {
    /// An HTTP client for requests to `url` that take `patience` at most.
    ///
    /// # Errors
    /// [`RemoteError::BadUrl`], [`RemoteError::PlainHttp`], [`RemoteError::Roots`]; nothing was sent.
    pub(super) fn client(&self, url: &str, patience: Duration) -> Result<Client, RemoteError> {
        self.check(url)?;
        let builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(patience)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .pool_idle_timeout(IDLE_MAX);
        let client = self.secure(builder)?.build();
        client.map_err(|error| RemoteError::Unreachable {
            url: url.to_owned(),
            source: Box::new(error),
        })
    }

    fn secure(&self, builder: ClientBuilder) -> Result<ClientBuilder, RemoteError> {
        if let Some(pin) = self.pin {
            return Ok(builder.tls_backend_preconfigured(pin.client_config()));
        }
        let builder = builder.tls_version_min(tls::Version::TLS_1_3);
        match &self.ca_file {
            None => Ok(builder),
            Some(file) => {
                let roots = roots(file).map_err(|source| RemoteError::Roots {
                    path: file.clone(),
                    source,
                })?;
                Ok(builder.tls_certs_merge(roots))
            },
        }
    }

    /// Whether this address may be used at all.
    fn check(&self, url: &str) -> Result<(), RemoteError> {
        let is_plain = match scheme(url) {
            Some("https") => false,
            Some("http") => true,
            Some(_) | None => return Err(RemoteError::BadUrl(url.to_owned())),
        };
        let is_allowed = self.plain_http == PlainHttp::Anywhere || is_loopback(url);
        match self.pin {
            _ if !is_plain => Ok(()),
            None if is_allowed => Ok(()),
            None => Err(RemoteError::PlainHttp {
                why: format!("plain http to {url} would show sizes and times to the network"),
            }),
            Some(_) => Err(RemoteError::PlainHttp {
                why: format!("{url} has no TLS, so its key cannot be the pinned one"),
            }),
        }
    }
}

fn scheme(url: &str) -> Option<&str> {
    // Parsed by who will connect: what comes before a host in disguise is no host.
    Url::parse(url).ok()?.host_str()?;
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// Whether the address means this machine.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn roots(file: &Path) -> io::Result<Vec<Certificate>> {
    let mut pem = Vec::new();
    let opened = std::fs::File::open(file)?;
    opened.take(CA_BYTES_MAX + 1).read_to_end(&mut pem)?;
    if pem.len() as u64 > CA_BYTES_MAX {
        return Err(io::Error::other("the file is too long"));
    }
    let roots = Certificate::from_pem_bundle(&pem).map_err(io::Error::other)?;
    if roots.is_empty() {
        return Err(io::Error::other("there is no certificate in it"));
    }
    Ok(roots)
}

/// Why a request got no answer: what the server proved to be counts before everything else.
pub(super) fn failure(url: &str, error: reqwest::Error) -> RemoteError {
    let url = url.to_owned();
    match certificate_fault(&error) {
        Some(CertificateError::Other(other)) if other.0.is::<WrongPin>() => {
            let source = *other.0.downcast_ref().expect("it is one");
            RemoteError::WrongPin { url, source }
        },
        Some(fault) => RemoteError::Untrusted {
            url,
            source: fault.clone().into(),
        },
        None => RemoteError::Unreachable {
            url,
            source: Box::new(error),
        },
    }
}

/// What is wrong with the certificate, wherever in the chain of causes that is said.
fn certificate_fault<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(fault)) = error.downcast_ref() {
            return Some(fault);
        }
        // An I/O error keeps the error that it wraps out of the chain.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests;
