//! The daemon's end of the control socket: a thread per connection, up to [`CONNECTIONS_MAX`].
//!
//! Reading and waiting is answered from the [`Board`]; what changes something goes to the supervisor.
//! Invariant: a connection that breaks or lies harms nobody but itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use fst_proto::error::{ErrorCode, Problem};
use fst_proto::ipc::{Event, Reply, Request};

use super::LINE_BYTES_MAX;
use crate::barrier::run_barrier;
use crate::board::Board;

/// Commands talking at once: each has a thread.
const CONNECTIONS_MAX: usize = 64;

/// Longest wait that is granted: one day.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A request that changes something, on its way to the supervisor.
#[derive(Debug)]
pub(crate) struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: Sender<Reply>,
}

/// Accepts connections until the process ends. Reading is answered here, changing goes to `calls`.
pub(crate) fn serve<E>(listener: &UnixListener, board: &Arc<Board>, calls: &Sender<E>)
where
    E: From<Call> + Send + 'static,
{
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        if open.load(Ordering::Acquire) >= CONNECTIONS_MAX {
            continue;
        }
        open.fetch_add(1, Ordering::AcqRel);
        let talk = Talk {
            board: Arc::clone(board),
            calls: calls.clone(),
        };
        let open = Arc::clone(&open);
        std::thread::spawn(move || {
            // The other side hung up: nobody is left to be told.
            talk.run(stream).unwrap_or_default();
            open.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

struct Talk<E> {
    board: Arc<Board>,
    calls: Sender<E>,
}

impl<E: From<Call>> Talk<E> {
    fn run(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            (&mut stream)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(());
            }
            let request = serde_json::from_slice(&line);
            if let Ok(Request::Events { follow }) = request {
                self.events(stream.get_mut(), follow)?;
                continue;
            }
            let is_stop = matches!(request, Ok(Request::Stop));
            // The process may end as soon as the supervisor knows, so the reply goes first.
            let reply = if is_stop {
                Reply::Done
            } else {
                self.answer(request)
            };
            send(stream.get_mut(), &reply)?;
            if is_stop {
                self.call(Request::Stop);
            }
        }
    }

    /// Tells what happened, or what happens until the daemon ends or the other side is gone.
    fn events(&self, out: &mut UnixStream, follow: bool) -> std::io::Result<()> {
        let feed = self.board.feed();
        if !follow {
            send_all(out, feed.recent())?;
            return send(out, &Reply::Done);
        }
        let Some(mut follower) = feed.follow() else {
            let mut problem = Problem::new(ErrorCode::Locked, "too many follow the events already");
            "end another one: fst events --follow".clone_into(&mut problem.next);
            return send(out, &Reply::Failed { problem });
        };
        // From here on nothing is missed, and the other side may say so.
        send(out, &Reply::Alive)?;
        while let Some(events) = follower.wait() {
            if events.is_empty() {
                send(out, &Reply::Alive)?;
            }
            send_all(out, events)?;
        }
        send(out, &Reply::Done)
    }

    fn answer(&self, request: Result<Request, serde_json::Error>) -> Reply {
        match request {
            Ok(Request::Status) => Reply::Status(Box::new(self.board.status())),
            Ok(Request::Wait { timeout_ms, path }) => {
                let timeout = Duration::from_millis(timeout_ms).min(WAIT_MAX);
                run_barrier(&self.board, path.map(PathBuf::from).as_deref(), timeout)
            },
            Ok(request) => self.call(request),
            Err(error) => failed(ErrorCode::Malformed, &error.to_string()),
        }
    }

    fn call(&self, request: Request) -> Reply {
        let (reply, answer) = mpsc::channel();
        // Both fail only when the supervisor has ended, and then so does the process.
        let sent = self.calls.send(E::from(Call { request, reply }));
        let answer = sent.ok().and_then(|()| answer.recv().ok());
        answer.unwrap_or_else(|| failed(ErrorCode::NoDaemon, "the daemon is stopping"))
    }
}

fn send_all(out: &mut UnixStream, events: Vec<Event>) -> std::io::Result<()> {
    let mut replies = events
        .into_iter()
        .map(|event| Reply::Event(Box::new(event)));
    replies.try_for_each(|reply| send(out, &reply))
}

fn send(out: &mut UnixStream, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    out.write_all(&line)
}

fn failed(code: ErrorCode, detail: &str) -> Reply {
    Reply::Failed {
        problem: Problem::new(code, detail),
    }
}
