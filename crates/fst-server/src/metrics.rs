//! Counters and gauges in the Prometheus text format.
//!
//! Fed by [`crate::http`], rendered at `/metrics`. Invariant: every series exists from the start with 0, and
//! no label names a user, device, space or file. `fst_bandwidth_usage_bytes` is untyped on purpose: its name
//! is fixed and fits neither counter nor gauge. Not here: pushing.
//! Source: docs/design/wire.md, monitoring.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fst_proto::ids::DeviceId;
use fst_proto::time::UnixMillis;

use durations::Durations;

mod durations;

/// A device counts as active this long after its last request, milliseconds.
const ACTIVE_MS: u64 = 5 * 60 * 1000;

/// Devices remembered at most; beyond, the idle ones are forgotten first.
const ACTIVE_MAX: usize = 100_000;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            const TEXTS: &'static [&'static str] = &[$($text),*];
        }
    };
}

labels! {
    /// Way of bytes and files, seen from a client.
    Direction {
        /// To the server.
        Upload = "upload",
        /// From the server.
        Download = "download",
    }
}

labels! {
    /// Kind of a failed request.
    ErrorKind {
        /// Broken or slow connection.
        Network = "network",
        /// Not signed in, or a wrong code.
        Auth = "auth",
        /// Storage failed.
        Disk = "disk",
        /// May not.
        Permission = "permission",
        /// Somebody else was first.
        Conflict = "conflict",
        /// Signatures, hashes or shapes are wrong.
        Integrity = "integrity",
        /// Above a limit.
        Quota = "quota",
        /// Locked.
        Locked = "locked",
        /// Anything else.
        Other = "other",
    }
}

labels! {
    /// How a conflict ended; only clients know, so a server's series stay 0.
    ConflictOutcome {
        /// Merged.
        Merged = "merged",
        /// Both kept.
        KeptBoth = "kept_both",
        /// Settled by a person.
        Manual = "manual",
    }
}

labels! {
    /// How a commit ended.
    CommitResult {
        /// Committed now.
        Committed = "committed",
        /// Committed before.
        Repeated = "repeated",
        /// Refused by the state of the log.
        Conflict = "conflict",
        /// Refused or failed otherwise.
        Failed = "failed",
    }
}

/// All series of one server.
#[derive(Debug, Default)]
pub struct Metrics {
    files: [AtomicU64; Direction::TEXTS.len()],
    bytes: [AtomicU64; Direction::TEXTS.len()],
    errors: [AtomicU64; ErrorKind::TEXTS.len()],
    conflicts: [AtomicU64; ConflictOutcome::TEXTS.len()],
    commits: [AtomicU64; CommitResult::TEXTS.len()],
    changing: AtomicU64,
    rate_limited: AtomicU64,
    in_flight: AtomicU64,
    requests: Mutex<Requests>,
    active: Mutex<BTreeMap<DeviceId, UnixMillis>>,
}

/// Requests by route template.
#[derive(Debug, Default)]
struct Requests {
    /// By method and class of status too.
    counts: BTreeMap<(String, &'static str, &'static str), u64>,
    durations: BTreeMap<String, Durations>,
}

/// A request that is being served; it counts until this is dropped.
#[derive(Debug)]
pub struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Values that are read when metrics are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readings {
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Calls that forced blobs to disk.
    pub fsyncs: u64,
    /// End of the TLS certificate, seconds since 1970.
    pub certificate_ends: Option<u64>,
    /// Devices of all accounts, revoked ones too.
    pub devices: u64,
    /// Event streams open now.
    pub streams: u64,
    /// Whether the server may serve.
    pub is_ready: bool,
    /// When a backup became whole last, seconds since 1970.
    pub last_backup: Option<u64>,
    /// Time now.
    pub now: UnixMillis,
}

impl Metrics {
    /// Counts files whose contents went this way.
    pub fn files(&self, direction: Direction, n: u64) {
        self.files[direction as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Counts bytes of bodies that went this way.
    pub fn bytes(&self, direction: Direction, n: usize) {
        self.bytes[direction as usize].fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts a failed request.
    pub fn error(&self, kind: ErrorKind) {
        self.errors[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a commit.
    pub fn commit(&self, result: CommitResult) {
        self.commits[result as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that changed something.
    pub fn changed(&self) {
        self.changing.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that came too early.
    pub fn rate_limited(&self) {
        self.rate_limited.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request while it is served.
    pub fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// Counts a request by its route template; `took` ends where the body of the answer begins.
    pub fn request(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let class = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (route.to_owned(), method, class);
        *requests.counts.entry(key).or_default() += 1;
        match requests.durations.get_mut(route) {
            Some(durations) => durations.note(took),
            None => requests
                .durations
                .entry(route.to_owned())
                .or_default()
                .note(took),
        }
    }

    /// Remembers that a device was here.
    pub fn seen(&self, device: DeviceId, now: UnixMillis) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if active.len() >= ACTIVE_MAX {
            active.retain(|_, last| is_active(*last, now));
        }
        active.insert(device, now);
    }

    /// The text of all series.
    #[must_use]
    pub fn render(&self, readings: Readings) -> String {
        let mut out = String::new();
        let vector = |out: &mut String, name, key, texts: &[&str], values: &[AtomicU64]| {
            for (text, value) in texts.iter().zip(values) {
                let value = value.load(Ordering::Relaxed);
                line(out, name, &format!("{{{key}=\"{text}\"}}"), value);
            }
        };
        head(
            &mut out,
            "fst_files_synced_total",
            "counter",
            "Files whose contents were synced.",
        );
        let name = "fst_files_synced_total";
        vector(&mut out, name, "direction", Direction::TEXTS, &self.files);
        head(
            &mut out,
            "fst_sync_errors_total",
            "counter",
            "Requests that failed.",
        );
        vector(
            &mut out,
            "fst_sync_errors_total",
            "kind",
            ErrorKind::TEXTS,
            &self.errors,
        );
        head(
            &mut out,
            "fst_bandwidth_usage_bytes",
            "untyped",
            "Bytes of bodies so far.",
        );
        let name = "fst_bandwidth_usage_bytes";
        vector(&mut out, name, "direction", Direction::TEXTS, &self.bytes);
        head(
            &mut out,
            "fst_conflicts_total",
            "counter",
            "Conflicts, as far as this side sees them.",
        );
        let texts = ConflictOutcome::TEXTS;
        vector(
            &mut out,
            "fst_conflicts_total",
            "outcome",
            texts,
            &self.conflicts,
        );
        head(&mut out, "fst_commits_total", "counter", "Commits.");
        vector(
            &mut out,
            "fst_commits_total",
            "result",
            CommitResult::TEXTS,
            &self.commits,
        );
        self.render_single(&mut out, readings);
        self.render_requests(&mut out);
        out
    }

    fn singles(&self, readings: Readings) -> [Single; 9] {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let n_active = active
            .values()
            .filter(|last| is_active(**last, readings.now))
            .count();
        drop(active);
        let changing = self.changing.load(Ordering::Relaxed);
        [
            (
                "fst_active_clients",
                "gauge",
                "Devices seen in 5 minutes.",
                n_active as u64,
            ),
            (
                "fst_storage_used_bytes",
                "gauge",
                "Bytes stored.",
                readings.stored_bytes,
            ),
            (
                "fst_storage_fsyncs_total",
                "counter",
                "Blob writes forced to disk.",
                readings.fsyncs,
            ),
            (
                "fst_changing_requests_total",
                "counter",
                "Requests that changed something.",
                changing,
            ),
            (
                "fst_rate_limited_total",
                "counter",
                "Requests refused because they came too often.",
                self.rate_limited.load(Ordering::Relaxed),
            ),
            (
                "fst_devices_registered",
                "gauge",
                "Devices of all accounts, revoked ones too.",
                readings.devices,
            ),
            (
                "fst_streams",
                "gauge",
                "Event streams open now.",
                readings.streams,
            ),
            (
                "fst_http_in_flight",
                "gauge",
                "Requests whose answer has not begun.",
                self.in_flight.load(Ordering::Relaxed),
            ),
            (
                "fst_ready",
                "gauge",
                "1 while the server may serve.",
                u64::from(readings.is_ready),
            ),
        ]
    }

    fn render_single(&self, out: &mut String, readings: Readings) {
        for (name, kind, help, value) in self.singles(readings) {
            head(out, name, kind, help);
            line(out, name, "", value);
        }
        if let Some(ends) = readings.certificate_ends {
            let name = "fst_tls_certificate_expiry_timestamp_seconds";
            head(out, name, "gauge", "When the TLS certificate ends.");
            line(out, name, "", ends);
        }
        if let Some(time) = readings.last_backup {
            let name = "fst_backup_last_success_timestamp_seconds";
            head(out, name, "gauge", "When a backup became whole last.");
            line(out, name, "", time);
        }
        head(out, "fst_build_info", "gauge", "Version of the server.");
        let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
        line(out, "fst_build_info", version, 1);
    }

    fn render_requests(&self, out: &mut String) {
        head(out, "fst_http_requests_total", "counter", "HTTP requests.");
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, method, class), n) in &requests.counts {
            let labels =
                format!("{{route=\"{route}\",method=\"{method}\",status_class=\"{class}\"}}");
            line(out, "fst_http_requests_total", &labels, *n);
        }
        let name = "fst_http_request_duration_seconds";
        head(out, name, "histogram", "Time until an answer began.");
        for (route, durations) in &requests.durations {
            durations.render(out, name, route);
        }
    }
}

/// Name, kind, help and value of a series without labels.
type Single = (&'static str, &'static str, &'static str, u64);

fn is_active(last: UnixMillis, now: UnixMillis) -> bool {
    now.0.saturating_sub(last.0) < ACTIVE_MS
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").unwrap_or_default();
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    writeln!(out, "{name}{labels} {value}").unwrap_or_default();
}
