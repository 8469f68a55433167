//! The server inside this program: where its data lies, on which port, and how the daemon starts it.
//!
//! Present with the feature `embedded-server`; without it [`start_hook`] is `None` and `fst up` asks for a
//! server's address. Invariant: it listens on this machine only.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use fst_client::config::EmbeddedServer;
use fst_client::dirs::Dirs;
use fst_daemon::StartServer;
use fst_proto::error::ErrorCode;

use crate::report::Failure;

/// First port tried.
const PORT_FIRST: u16 = 8765;

/// Ports tried after it: more clients than this on one machine share a server.
const PORTS_MAX: u16 = 100;

/// Where the embedded server keeps its data.
pub(super) fn data_dir(dirs: &Dirs) -> PathBuf {
    dirs.data.join("server")
}

/// The set-up code that a server left beside its data.
pub(super) fn setup_code(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("setup-code")).ok()?;
    Some(text.trim().to_owned()).filter(|code| !code.is_empty())
}

/// A server for this device alone, on the first free port.
pub(super) fn propose(dirs: &Dirs) -> Result<EmbeddedServer, Failure> {
    let mut ports = PORT_FIRST..PORT_FIRST + PORTS_MAX;
    let port = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let port = port.ok_or_else(|| {
        let last = PORT_FIRST + PORTS_MAX - 1;
        Failure::new(ErrorCode::Io, "no free port for the server")
            .because(format!("{PORT_FIRST} to {last} are all taken"))
            .hint("stop what listens there, or give a server: fst up PATH --server URL --join S")
    })?;
    Ok(EmbeddedServer {
        data: data_dir(dirs),
        listen: format!("127.0.0.1:{port}"),
    })
}

#[cfg(feature = "embedded-server")]
mod with_server {
    use fst_daemon::ServerHandle;
    use fst_proto::error::Problem;
    use fst_server::Embedded;

    use super::{EmbeddedServer, ErrorCode, StartServer};

    struct Running(Embedded);

    impl ServerHandle for Running {
        fn stop(self: Box<Self>) {
            if let Err(error) = self.0.stop() {
                tracing::error!(%error, "the embedded server had failed");
            }
        }
    }

    /// Lets the daemon start the server that the configuration asks for.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a build without a server has no hook"
    )]
    pub(crate) fn start_hook() -> Option<StartServer> {
        Some(Box::new(start))
    }

    fn start(wanted: &EmbeddedServer) -> Result<Box<dyn ServerHandle>, Box<Problem>> {
        let failed = |code: ErrorCode, error: &dyn std::error::Error| {
            let cause = fst_client::error::chain(error);
            let detail = format!("start the embedded server on {}: {cause}", wanted.listen);
            Box::new(Problem::new(code, detail))
        };
        let listen = wanted.listen.parse();
        let listen = listen
            .map_err(|error: std::net::AddrParseError| failed(ErrorCode::BadConfig, &error))?;
        let server = Embedded::start(&wanted.data, listen);
        let server = server.map_err(|error| failed(ErrorCode::ServerFailed, &error))?;
        Ok(Box::new(Running(server)))
    }
}

#[cfg(feature = "embedded-server")]
pub(super) use with_server::start_hook;

/// This build has no server.
#[cfg(not(feature = "embedded-server"))]
pub(super) fn start_hook() -> Option<StartServer> {
    None
}
