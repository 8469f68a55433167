//! A whole server inside another program, in its own thread with its own runtime.
//!
//! Used by `fst up` and `fst demo`. Invariant: it is the same server as the command, with the same lock on
//! its data folder; when [`Embedded`] is dropped it has stopped. Not here: what the host does with it.
//! Source: docs/design/wire.md.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use fst_proto::pin::KeyPin;
use tokio::sync::oneshot;

use crate::config::Options;
use crate::run::{RunError, Server};

/// A running server.
#[derive(Debug)]
pub struct Embedded {
    /// Address for clients on this machine.
    pub url: String,
    /// The key of its certificate, when it speaks TLS.
    pub pin: Option<KeyPin>,
    /// The open set-up code, when there is no account yet.
    pub setup_code: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

type Ready = Result<Facts, RunError>;

struct Facts {
    url: String,
    pin: Option<KeyPin>,
    setup_code: Option<String>,
}

impl Embedded {
    /// Starts a server on `data_dir` and returns when it listens; port 0 takes a free one.
    ///
    /// Blocks the calling thread for some milliseconds; needs no runtime.
    /// # Errors
    /// [`RunError`]; nothing runs then.
    pub fn start(data_dir: &Path, listen: SocketAddr) -> Result<Self, RunError> {
        Self::start_with(Options::new(data_dir, listen))
    }

    /// Starts a server with these options.
    ///
    /// # Errors
    /// [`RunError`]; nothing runs then.
    pub fn start_with(options: Options) -> Result<Self, RunError> {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let work = move || serve(&options, &ready, stopped);
        let thread = thread::Builder::new()
            .name("fst-server".to_owned())
            .spawn(work);
        let thread = thread.map_err(RunError::Serve)?;
        let gone = || RunError::Serve(io::Error::other("the server thread ended at once"));
        let Facts {
            url,
            pin,
            setup_code,
        } = is_ready.recv().map_err(|_| gone())??;
        Ok(Self {
            url,
            pin,
            setup_code,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Stops the server and waits until requests have ended and data is written.
    ///
    /// # Errors
    /// [`RunError::Serve`] when it had failed before.
    pub fn stop(mut self) -> Result<(), RunError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), RunError> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let panicked = || RunError::Serve(io::Error::other("the server thread panicked"));
        thread.join().map_err(|_| panicked())?
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the embedded server had failed");
        }
    }
}

fn serve(
    options: &Options,
    ready: &mpsc::Sender<Ready>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("fst-server-io")
        .enable_all()
        .build()
        .map_err(RunError::Serve)?;
    runtime.block_on(async {
        // A send fails only when the starter is gone; then `stopped` completes at once.
        let server = match Server::bind(options).await {
            Ok(server) => server,
            Err(error) => {
                ready.send(Err(error)).unwrap_or_default();
                return Ok(());
            },
        };
        let facts = Facts {
            url: server.url().to_owned(),
            pin: server.pin(),
            setup_code: server.setup_code().map(ToOwned::to_owned),
        };
        ready.send(Ok(facts)).unwrap_or_default();
        server.serve(async { drop(stopped.await) }).await;
        Ok(())
    })
}
