//! A line between daemons and the server that counts, is as slow as asked for, and can be cut.
//!
//! Invariant: bytes are forwarded unchanged and in order until the line is cut.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Forwarded at a time: a slow line lets so much through and rests.
const PIECE: usize = 16 << 10;

/// A line to one server.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    port: u16,
}

#[derive(Default)]
struct Shared {
    up: AtomicU64,
    down: AtomicU64,
    /// Bytes a second of each connection, 0 for as fast as it goes.
    rate: AtomicU64,
    is_cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A line to the server at `port` of this machine.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                inner.join(client, server);
            }
        });
        Self { shared, port: own }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes every connection this slow, in bytes a second each way.
    pub(crate) fn slow_down(&self, rate: u64) {
        self.shared.rate.store(rate, Ordering::Relaxed);
    }

    /// Bytes that went to the server so far.
    pub(crate) fn up(&self) -> u64 {
        self.shared.up.load(Ordering::Relaxed)
    }

    /// Bytes that came from the server so far.
    pub(crate) fn down(&self) -> u64 {
        self.shared.down.load(Ordering::Relaxed)
    }

    /// Breaks every connection, and refuses new ones until [`Relay::mend`].
    pub(crate) fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::Relaxed);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.shared.is_cut.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        if self.is_cut.load(Ordering::Relaxed) {
            return;
        }
        let both = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        self.open.lock().unwrap().extend(both);
        let ways = [
            (client.try_clone().unwrap(), server.try_clone().unwrap(), true),
            (server, client, false),
        ];
        for (from, to, is_up) in ways {
            let shared = Arc::clone(self);
            thread::spawn(move || shared.copy(from, to, is_up));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, is_up: bool) {
        let count = if is_up { &self.up } else { &self.down };
        let (_keep, rest) = mpsc::channel::<()>();
        let mut buffer = vec![0; PIECE];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            count.fetch_add(n as u64, Ordering::Relaxed);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
            let rate = self.rate.load(Ordering::Relaxed);
            if let Some(ms) = (n as u64 * 1000).checked_div(rate) {
                // tidy: real-time wait, because a slow line is slow in real time.
                rest.recv_timeout(Duration::from_millis(ms)).unwrap_or_default();
            }
        }
        drop(to.shutdown(Shutdown::Both));
        drop(from.shutdown(Shutdown::Both));
    }
}
