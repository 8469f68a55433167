//! Lets bytes pass no faster than the limits say, and no more of them be on their way at once than memory is for.
//!
//! One [`Throttle`] per process, shared by every [`super::http::HttpRemote`] in it, so that several folders keep one limit
//! together. How much may pass is [`fst_engine::rate`]'s rule. Invariant: a new limit holds for bodies that are under way;
//! whoever waits for the old one is woken. Not here: which limits hold when (the daemon sets them).

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fst_engine::limits::STREAM_RATE_MIN;
use fst_engine::rate::{self, Bucket, Limits, Rate, Take};

use crate::config::Performance;

/// Longest wait for an answer where there is no limit: a full frame over a slow line.
const PATIENCE: Duration = Duration::from_secs(120);

/// A body goes out in one piece where the line would carry so many of them in a second.
const WHOLE_PER_SECOND: u64 = 8;

/// Time after which a wait for a place asks whether it is still worth it.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Several folders may share the least that a stream gets.
const SHARES_MAX: u64 = 4;

/// Both ways of the line to the server, as fast as they may be used.
#[derive(Debug)]
pub struct Throttle {
    upload: Valve,
    download: Valve,
    places: Mutex<Places>,
    freed: Condvar,
    start: Instant,
}

/// How much is on its way, and how much may be.
#[derive(Debug)]
struct Places {
    parallel: usize,
    memory: u64,
    n_taken: usize,
    bytes: u64,
    /// What the line carried when an upload ended last, all of them together.
    seen: Option<Rate>,
}

/// A transfer that is under way; its place is free again when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the transfer"]
pub struct Place {
    line: Arc<Throttle>,
    bytes: u64,
    begun_ms: u64,
}

/// Bytes that have passed since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Sent to the server.
    pub up: u64,
    /// Received from it.
    pub down: u64,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

#[derive(Debug, Default)]
struct Valve {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rate: Option<Rate>,
    bucket: Bucket,
    n_passed: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Throttle {
    /// A line with these limits.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "waiting is real time, on a clock that never goes back"
    )]
    pub fn new(limits: Limits) -> Self {
        let new = Self {
            upload: Valve::default(),
            download: Valve::default(),
            places: Mutex::new(Places {
                parallel: 1,
                memory: 0,
                n_taken: 0,
                bytes: 0,
                seen: None,
            }),
            freed: Condvar::new(),
            start: Instant::now(),
        };
        new.set(limits);
        new.set_room(&Performance::default());
        new
    }

    /// How many transfers may be under way and how much memory they may hold, for those that begin from now on.
    pub fn set_room(&self, performance: &Performance) {
        let mut places = self.lock_places();
        places.parallel = performance.parallel;
        places.memory = performance.memory;
        drop(places);
        self.freed.notify_all();
    }

    /// Waits for a place for an upload of so many bytes; `None` when `gives_up` says so first.
    ///
    /// A single one always gets its place, however large it is. How many there are depends on what the line carries, so
    /// the first is alone.
    pub(crate) fn enter(
        self: &Arc<Self>,
        bytes: usize,
        gives_up: &dyn Fn() -> bool,
    ) -> Option<Place> {
        let bytes = bytes as u64;
        let mut places = self.lock_places();
        while !places.has_room(bytes, self.upload_rate()) {
            if gives_up() {
                return None;
            }
            // tidy: real-time wait, because nobody tells that something else has become urgent.
            let freed = self.freed.wait_timeout(places, LOOK_UP);
            places = freed.unwrap_or_else(PoisonError::into_inner).0;
        }
        places.n_taken += 1;
        places.bytes += bytes;
        Some(Place {
            line: Arc::clone(self),
            bytes,
            begun_ms: self.now_ms(),
        })
    }

    /// Bytes at which a frame is to be closed now.
    pub(crate) fn frame_bytes(&self) -> usize {
        let seen = self.lock_places().seen;
        rate::frame_bytes(rate::stricter(seen, self.upload_rate()))
    }

    fn lock_places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the line was made.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Other limits, from now on, also for what is under way. Pausing is not a matter of the line and does nothing here.
    pub fn set(&self, limits: Limits) {
        self.upload.set(limits.upload);
        self.download.set(limits.download);
    }

    /// The limit of uploads now.
    #[must_use]
    pub fn upload_rate(&self) -> Option<Rate> {
        self.upload.lock().rate
    }

    /// The limit of downloads now.
    #[must_use]
    pub fn download_rate(&self) -> Option<Rate> {
        self.download.lock().rate
    }

    /// What has passed so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        Passed {
            up: self.upload.lock().n_passed,
            down: self.download.lock().n_passed,
        }
    }

    /// Whether a body of so many bytes may go out in one piece, which costs less: no limit holds, and the line is so fast that
    /// one that is set now is late by a moment only. What goes out is counted.
    pub(super) fn pass_whole(&self, len: usize) -> bool {
        let seen = self.lock_places().seen.map_or(0, Rate::bytes);
        let mut upload = self.upload.lock();
        let is_open = upload.rate.is_none() && len as u64 <= seen / WHOLE_PER_SECOND;
        if is_open {
            upload.n_passed += len as u64;
        }
        is_open
    }

    /// How long a request with a body of `len` bytes may take, for the limit that holds when it begins.
    pub(super) fn patience(&self, len: usize) -> Duration {
        let seconds = self.upload_rate().map_or(0, |rate| {
            SHARES_MAX * len as u64 / rate.bytes().min(STREAM_RATE_MIN)
        });
        PATIENCE + Duration::from_secs(seconds)
    }

    /// Waits until some of `want` bytes may pass, and says how many; `want` is not 0.
    fn pass(&self, way: Way, want: usize) -> usize {
        let valve = match way {
            Way::Up => &self.upload,
            Way::Down => &self.download,
        };
        let passed = valve.pass(|| self.now_ms(), want as u64);
        usize::try_from(passed).unwrap_or(want)
    }
}

impl Places {
    fn has_room(&self, bytes: u64, limit: Option<Rate>) -> bool {
        let most = match rate::stricter(self.seen, limit) {
            None => 1,
            carried => rate::streams(self.parallel, carried),
        };
        self.n_taken == 0 || (self.n_taken < most && self.bytes + bytes <= self.memory)
    }
}

impl Place {
    /// Ends an upload that went well: what it took tells how fast the line is.
    pub(crate) fn done(self) {
        let took_ms = self.line.now_ms().saturating_sub(self.begun_ms).max(1);
        let mut places = self.line.lock_places();
        let shared = self.bytes.saturating_mul(places.n_taken as u64);
        places.seen = Rate::per_second(shared.saturating_mul(1000) / took_ms);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.line.lock_places();
        places.n_taken -= 1;
        places.bytes -= self.bytes;
        drop(places);
        self.line.freed.notify_all();
    }
}

impl Valve {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, rate: Option<Rate>) {
        self.lock().rate = rate;
        self.changed.notify_all();
    }

    fn pass(&self, now_ms: impl Fn() -> u64, want: u64) -> u64 {
        let mut state = self.lock();
        loop {
            let take = match state.rate {
                None => Take::Pass(want),
                Some(rate) => state.bucket.take(rate, now_ms(), want),
            };
            match take {
                Take::Pass(n) => {
                    state.n_passed += n;
                    return n;
                },
                Take::Wait(ms) => {
                    let woken = self.changed.wait_timeout(state, Duration::from_millis(ms));
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                },
            }
        }
    }
}

/// Bytes that wait for their turn before they are sent.
#[derive(Debug)]
pub(super) struct Sent {
    throttle: Arc<Throttle>,
    bytes: bytes::Bytes,
}

impl Sent {
    pub(super) fn new(throttle: &Arc<Throttle>, bytes: bytes::Bytes) -> Self {
        Self {
            throttle: Arc::clone(throttle),
            bytes,
        }
    }
}

impl Read for Sent {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = buf.len().min(self.bytes.len());
        if want == 0 {
            return Ok(0);
        }
        let n = self.throttle.pass(Way::Up, want);
        buf[..n].copy_from_slice(&self.bytes.split_to(n));
        Ok(n)
    }
}

/// Bytes that are held up after they came: what is not read yet holds up the sender.
#[derive(Debug)]
pub(super) struct Received<'a, R> {
    throttle: &'a Throttle,
    inner: R,
}

impl<'a, R> Received<'a, R> {
    pub(super) fn new(throttle: &'a Throttle, inner: R) -> Self {
        Self { throttle, inner }
    }
}

impl<R: Read> Read for Received<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        let mut left = n;
        while left > 0 {
            left -= self.throttle.pass(Way::Down, left);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> Limits {
        Limits {
            upload: Rate::per_second(1),
            download: Rate::per_second(1),
            is_paused: false,
        }
    }

    #[test]
    fn without_a_limit_everything_passes_and_is_counted() {
        let throttle = Arc::new(Throttle::default());
        let mut out = Vec::new();
        let mut body = Sent::new(&throttle, bytes::Bytes::from(vec![7; 100_000]));
        body.read_to_end(&mut out).unwrap();
        assert_eq!(out, vec![7; 100_000]);
        Received::new(&throttle, &out[..70_000])
            .read_to_end(&mut Vec::new())
            .unwrap();
        let (up, down) = (100_000, 70_000);
        assert_eq!(throttle.passed(), Passed { up, down });
    }

    /// At one byte a second either of them would take a day.
    #[test]
    fn a_limit_that_is_lifted_lets_those_go_on_that_wait_for_it() {
        let throttle = Arc::new(Throttle::new(slow()));
        let transfers = [Way::Up, Way::Down].map(|way| {
            let throttle = Arc::clone(&throttle);
            std::thread::spawn(move || {
                let mut left = 100_000;
                while left > 0 {
                    left -= throttle.pass(way, left);
                }
            })
        });
        throttle.set(Limits::default());
        for transfer in transfers {
            transfer.join().unwrap();
        }
        assert_eq!(throttle.passed().up, 100_000);
    }

    #[test]
    fn places_are_bounded_in_number_and_in_bytes() {
        let line = Arc::new(Throttle::default());
        let mut room = Performance::default();
        (room.parallel, room.memory) = (2, 100);
        line.set_room(&room);
        let never = || false;
        line.lock_places().seen = Rate::per_second(1 << 30);
        let first = line.enter(1000, &never).unwrap();
        let (send, entered) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn({
            let line = Arc::clone(&line);
            move || {
                let places = [line.enter(50, &never), line.enter(50, &never)];
                send.send(()).unwrap();
                let third = line.enter(1, &never);
                drop(places);
                drop(third);
            }
        });
        assert!(entered.try_recv().is_err(), "memory is full");
        drop(first);
        entered.recv().unwrap();
        assert_eq!(line.places.lock().unwrap().n_taken, 2);
        // Room for a third one comes with the configuration.
        (room.parallel, room.memory) = (3, 101);
        line.set_room(&room);
        waiting.join().unwrap();
        assert_eq!(line.places.lock().unwrap().n_taken, 0);
        assert_eq!(line.places.lock().unwrap().bytes, 0);
    }

    #[test]
    fn a_body_is_not_cut_up_where_the_line_is_fast_and_free() {
        let line = Throttle::default();
        assert!(!line.pass_whole(1), "nobody knows how fast it is");
        line.lock_places().seen = Rate::per_second(800);
        assert!(line.pass_whole(100) && !line.pass_whole(101));
        assert_eq!(line.passed().up, 100);
        line.set(slow());
        assert!(!line.pass_whole(100));
    }

    #[test]
    fn the_first_upload_is_alone_and_a_wait_can_be_given_up() {
        let line = Arc::new(Throttle::default());
        let first = line.enter(8 << 20, &|| true).unwrap();
        assert!(line.enter(1, &|| true).is_none());
        first.done();
        assert!(line.lock_places().seen.is_some());
        let two = [line.enter(1, &|| true), line.enter(1, &|| true)];
        assert!(
            two.iter().all(Option::is_some),
            "a fast line has room for several"
        );
    }

    #[test]
    fn a_slow_line_has_more_patience() {
        assert_eq!(Throttle::default().patience(8 << 20), PATIENCE);
        assert!(Throttle::new(slow()).patience(1 << 20) > Duration::from_secs(1 << 20));
    }
}
