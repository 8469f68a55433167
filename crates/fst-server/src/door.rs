//! Lets connections in: plain or over TLS, a bounded number, none of which holds up another.
//!
//! [`mod@crate::run`] opens it with the routes of [`crate::http`]. Invariant: whoever says nothing for a while is let go,
//! whether it is a handshake or the head of a request that does not come, or an answer that is not taken; a stop waits for requests, not for
//! connections that rest. Not here: bodies, which have times of their own ([`crate::http`]).
//! Source: docs/adr/0040-tls.md.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::limit::Peer;
use crate::tls::Certificate;

mod greetings;

use greetings::Greetings;

/// Connections open at the same time: twice the event streams, of which each device has one.
const CONNECTIONS_MAX: usize = 8192;

/// Longest time for a handshake, with the wait for a place: three round trips by satellite, and packets lost.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// Longest time until the head of a request is there, and so the longest rest of a connection.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// Longest time in which a peer may take nothing of what is sent to it, milliseconds; else an answer that nobody
/// reads would keep its place for ever.
const STALL_MS_MAX: u32 = 60_000;

/// A listener with what it needs to serve.
#[derive(Debug)]
pub(crate) struct Door {
    /// Where connections come in.
    pub listener: TcpListener,
    /// What is shown to them; without it they are plain.
    pub certificate: Option<Arc<Certificate>>,
    /// What answers them.
    pub router: Router,
}

impl Door {
    /// Serves until `stopping` is true and the requests that had begun have ended.
    pub(crate) async fn serve(mut self, mut stopping: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let greetings = Greetings::new();
        let graceful = GracefulShutdown::new();
        let stop = stopping.clone();
        loop {
            let next = async {
                // Never closed; without a place whoever comes waits in the system's queue.
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((place, Listener::accept(&mut self.listener).await))
            };
            let (place, (stream, from)) = tokio::select! {
                Some(next) = next => next,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => break,
            };
            let visit = Visit {
                certificate: self.certificate.clone(),
                greetings: Arc::clone(&greetings),
                from: from.ip(),
                stopping: stop.clone(),
                router: self.router.clone(),
                watcher: graceful.watcher(),
            };
            tokio::spawn(async move {
                visit.run(stream).await;
                drop(place);
            });
        }
        drop(self.listener);
        graceful.shutdown().await;
    }
}

/// One connection.
struct Visit {
    certificate: Option<Arc<Certificate>>,
    greetings: Arc<Greetings>,
    from: IpAddr,
    stopping: watch::Receiver<bool>,
    router: Router,
    watcher: Watcher,
}

impl Visit {
    async fn run(mut self, stream: TcpStream) {
        // Without it a small answer may wait for an acknowledgement; nothing breaks if it fails.
        stream.set_nodelay(true).unwrap_or_default();
        if let Err(error) = set_tcp_user_timeout(&stream, STALL_MS_MAX) {
            tracing::debug!(%error, "a peer that takes nothing will not be let go");
        }
        let Some(certificate) = self.certificate.take() else {
            return self.talk(stream).await;
        };
        let greeted = tokio::select! {
            greeted = greet(&self.greetings, self.from, &certificate, stream) => greeted,
            _ = self.stopping.wait_for(|is_stopping| *is_stopping) => return,
        };
        match greeted {
            Ok(stream) => self.talk(stream).await,
            Err(error) => tracing::debug!(%error, "a handshake failed"),
        }
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut how = http1::Builder::new();
        let how = how
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX);
        let (router, peer) = (TowerToHyperService::new(self.router), Peer(self.from));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request)
        });
        let talk = how.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(talk).await {
            tracing::trace!(%error, "a connection broke");
        }
    }
}

async fn greet(
    greetings: &Arc<Greetings>,
    from: IpAddr,
    certificate: &Certificate,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let greeting = async {
        let _place = greetings.place(from).await;
        TlsAcceptor::from(certificate.config()).accept(stream).await
    };
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(HANDSHAKE_TIME_MAX, greeting).await.map_err(late)?
}
