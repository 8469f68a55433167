//! Asks a running server of this machine whether it is ready, as a container's health check does.
//!
//! Called by `fst-server health`. Invariant: over TLS only the key that the server noted is believed; no longer than
//! `TIME_MAX`. Not here: what being ready means ([`crate::http`]).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fst_proto::pin::KeyPin;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::run::URL_FILE;

/// Longest wait for a connection, and for each part of the answer.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Where the running server listens, and its key when it speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Address and port.
    pub listen: SocketAddr,
    /// The key of its certificate.
    pub pin: Option<KeyPin>,
}

/// What the server of this data folder noted when it began to listen.
#[must_use]
pub fn noted(data: &Path) -> Option<Address> {
    let text = std::fs::read_to_string(data.join(URL_FILE)).ok()?;
    let mut lines = text.lines();
    let (_, listen) = lines.next()?.split_once("://")?;
    Some(Address {
        listen: listen.parse().ok()?,
        pin: lines.next().and_then(|pin| pin.parse().ok()),
    })
}

/// Whether the server at this address says that it is ready.
///
/// # Errors
/// When it cannot be asked.
pub fn is_ready(address: &Address) -> io::Result<bool> {
    let to = reachable(address.listen);
    let stream = TcpStream::connect_timeout(&to, TIME_MAX)?;
    stream.set_read_timeout(Some(TIME_MAX))?;
    stream.set_write_timeout(Some(TIME_MAX))?;
    match address.pin {
        None => ask(stream, to),
        Some(pin) => {
            let config = Arc::new(pin.client_config());
            let tls = ClientConnection::new(config, ServerName::from(to.ip()));
            ask(StreamOwned::new(tls.map_err(io::Error::other)?, stream), to)
        },
    }
}

fn ask(mut stream: impl Read + Write, host: SocketAddr) -> io::Result<bool> {
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

/// A server that listens everywhere is asked on this machine.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {},
    }
    listen
}
