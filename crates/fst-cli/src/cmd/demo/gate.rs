//! A gate between one device and the server: counts the bytes that pass, and can be shut.
//!
//! The device is set up with the gate's address. Invariant: what passes is not changed; a shut gate ends
//! open connections and refuses new ones, as a network that is gone does.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes moved at once.
const BLOCK_BYTES: usize = 64 << 10;

/// A counting, closable way to a server.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// What the device connects to.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    /// Bytes from the device to the server.
    sent: u64,
    /// Count at which nothing more passes to the server.
    held_at: Option<u64>,
    /// Both ends of everything that is open.
    streams: Vec<TcpStream>,
}

impl Gate {
    /// Opens a gate to `server` on a free port of this machine.
    pub(super) fn open(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            server,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let gate = Self {
            url,
            shared: Arc::clone(&shared),
        };
        // The thread ends with the process: the demo is one.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that cannot be passed on is refused, which is what the device expects.
                shared.pass(&stream).unwrap_or_default();
            }
        });
        Ok(gate)
    }

    /// Bytes that the device has sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.shared.state().sent
    }

    /// Waits until the device has sent this many bytes in all; `false` when `limit` passes first.
    pub(super) fn wait_sent(&self, bytes: u64, limit: Duration) -> bool {
        let state = self.shared.state();
        let wait = self
            .shared
            .changed
            .wait_timeout_while(state, limit, |s| s.sent < bytes);
        wait.unwrap_or_else(PoisonError::into_inner).0.sent >= bytes
    }

    /// Lets this many more bytes pass to the server, then none until [`Gate::reopen`].
    pub(super) fn hold_after(&self, bytes: u64) {
        let mut state = self.shared.state();
        state.held_at = Some(state.sent + bytes);
    }

    /// Cuts the line.
    pub(super) fn shut(&self) {
        let mut state = self.shared.state();
        state.is_shut = true;
        for stream in state.streams.drain(..) {
            // One that is closed already is what we want.
            stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
    }

    /// Joins the line again.
    pub(super) fn reopen(&self) {
        let mut state = self.shared.state();
        state.is_shut = false;
        state.held_at = None;
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(self: &Arc<Self>, device: &TcpStream) -> std::io::Result<()> {
        if self.state().is_shut {
            return device.shutdown(Shutdown::Both);
        }
        let server = TcpStream::connect(self.server)?;
        device.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ends = [device.try_clone()?, server.try_clone()?];
        self.state().streams.extend(ends);
        let (up, down) = (
            (device.try_clone()?, server.try_clone()?),
            (server, device.try_clone()?),
        );
        let counter = Arc::clone(self);
        std::thread::spawn(move || copy(up.0, up.1, |n| counter.count(n)));
        std::thread::spawn(move || copy(down.0, down.1, |_| ()));
        Ok(())
    }

    /// Counts, and keeps the bytes back while the gate holds.
    fn count(&self, bytes: usize) {
        let mut state = self.state();
        state.sent += bytes as u64;
        self.changed.notify_all();
        let is_held = |state: &mut State| state.held_at.is_some_and(|at| state.sent >= at);
        drop(self.changed.wait_while(state, is_held));
    }
}

/// Moves bytes until either end closes, then closes both.
fn copy(mut from: TcpStream, mut to: TcpStream, count: impl Fn(usize)) {
    let mut block = vec![0; BLOCK_BYTES];
    while let Ok(n @ 1..) = from.read(&mut block) {
        count(n);
        if to.write_all(&block[..n]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).unwrap_or_default();
    to.shutdown(Shutdown::Both).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let to = stream.try_clone().unwrap();
                copy(stream, to, |_| ());
            }
        });
        address
    }

    fn connect(gate: &Gate) -> TcpStream {
        TcpStream::connect(gate.url.trim_start_matches("http://")).unwrap()
    }

    #[test]
    fn bytes_pass_and_are_counted() {
        let gate = Gate::open(echo()).unwrap();
        let mut stream = connect(&gate);
        stream.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
        assert!(gate.wait_sent(5, Duration::from_secs(5)));
        assert_eq!(gate.sent(), 5);
    }

    #[test]
    fn a_shut_gate_ends_what_is_open_and_refuses_what_is_new() {
        let gate = Gate::open(echo()).unwrap();
        let mut stream = connect(&gate);
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        gate.shut();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        assert_eq!(connect(&gate).read(&mut [0]).unwrap_or(0), 0);
        gate.reopen();
        let mut stream = connect(&gate);
        stream.write_all(b"y").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn a_held_gate_keeps_bytes_back_until_it_is_reopened() {
        let gate = Gate::open(echo()).unwrap();
        gate.hold_after(3);
        let mut stream = connect(&gate);
        stream.write_all(b"abc").unwrap();
        assert!(gate.wait_sent(3, Duration::from_secs(5)));
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        assert!(stream.read_exact(&mut [0; 3]).is_err());
        gate.reopen();
        stream.set_read_timeout(None).unwrap();
        stream.read_exact(&mut [0; 3]).unwrap();
    }
}
