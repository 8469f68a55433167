//! Every limit of formats and wire, named once with its reason.
//!
//! `docs/design/limits.md` is generated from this file (`cargo xtask codegen`).

/// Largest file body carried inside a batch: most source and config files, 10 % overhead.
pub const INLINE_BODY_MAX: usize = 4096;

/// Largest recipe written straight into a meta slot: keeps a one-chunk file at one request.
pub const INLINE_RECIPE_MAX: usize = 2048;

/// Extents in one recipe segment: an edit rewrites only touched segments.
pub const SEGMENT_EXTENTS_MAX: usize = 1024;

/// Distinct objects in one recipe segment: bounds what opening a segment may fetch.
pub const SEGMENT_OBJECTS_MAX: usize = 64;

/// Bytes of one file, and so of one hole: no system has offsets beyond, and sums of lengths below it never overflow.
pub const FILE_BYTES_MAX: u64 = i64::MAX as u64;

/// Extents that a file of any size may have.
pub const FILE_EXTENTS_FREE: u64 = 1024;

/// Fewest bytes per further extent on average: a recipe may not cost more to read than the file.
pub const FILE_BYTES_PER_EXTENT_MIN: u64 = 64;

/// Parts listed by one inner node of a recipe.
pub const PARTS_MAX: usize = 128;

/// Height of a recipe tree above its segments: 128^4 segments of 64 chunks is beyond any file.
pub const PARTS_LEVEL_MAX: u8 = 4;

/// Operations in one batch: one server transaction stays short.
pub const BATCH_OPS_MAX: usize = 2000;

/// Payload bytes of one batch: bounds memory of a request on both sides.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// Objects in one upload frame (one pack).
pub const FRAME_OBJECTS_MAX: usize = 512;

/// Bytes at which an upload frame is closed; one oversized object may exceed it.
pub const FRAME_BYTES_TARGET: usize = 8 << 20;

/// Largest plain chunk any policy may allow: bounds memory per stream.
pub const CHUNK_MAX: usize = 8 << 20;

/// Largest sealed object: chunk plus Padmé (12 %) plus envelope, rounded up.
pub const OBJECT_BYTES_MAX: usize = 10 << 20;

/// Largest request body the server accepts: a full frame with one oversized object.
pub const REQUEST_BYTES_MAX: usize = 24 << 20;

/// References added or dropped by one operation: a 1 TiB file of 1 MiB chunks in one commit.
pub const OP_REFS_MAX: usize = 1 << 20;

/// Ids in one `objects:missing` or `objects:get` request.
pub const IDS_PER_REQUEST_MAX: usize = 4096;

/// Bytes at which a page of changes or objects is closed.
pub const PAGE_BYTES_TARGET: usize = 8 << 20;

/// Largest answer a client reads: a page whose last entry or object is the largest there is.
pub const ANSWER_BYTES_MAX: u64 = (PAGE_BYTES_TARGET + REQUEST_BYTES_MAX) as u64;

/// Largest note between devices: so many extents, padded; a stream of events carries it as hex in one line.
pub const NOTE_BYTES_MAX: usize = 8 << 10;

/// Extents in one note: more than a frame of usual chunks.
pub const NOTE_EXTENTS_MAX: usize = 96;

/// Entries in one page of changes.
pub const PAGE_ENTRIES_MAX: usize = 1000;

/// Longest long-poll the server grants, seconds: below common proxy time-outs.
pub const LONG_POLL_SECONDS_MAX: u64 = 55;

/// Farthest an entry's author may lag behind the log before clients warn.
pub const SEEN_LAG_MAX: u64 = 1000;

/// Largest difference between a fresh entry's server time and the local clock, milliseconds.
pub const SERVER_TIME_SKEW_MS_MAX: u64 = 10 * 60 * 1000;

/// Life of an access token, seconds.
pub const TOKEN_SECONDS: u64 = 600;

/// Life of a set-up code, milliseconds: one day.
pub const SETUP_CODE_MS: u64 = 24 * 60 * 60 * 1000;

/// Life of a join invitation, milliseconds: three days.
pub const INVITE_MS: u64 = 72 * 60 * 60 * 1000;

/// Life of a login challenge, milliseconds.
pub const CHALLENGE_MS: u64 = 60 * 1000;

/// Largest sealed bundle kept for an invitation or recovery slot.
pub const SLOT_BYTES_MAX: usize = 64 << 10;

/// Largest control payload (wraps, policy).
pub const CONTROL_BYTES_MAX: usize = 1 << 20;

/// Largest sealed ignore policy of a space: a text of 64 KiB, padded.
pub const IGNORE_POLICY_BYTES_MAX: usize = 72 << 10;

/// Longest time that a space may ask superseded versions to be kept, days: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

/// Most versions of a node that a space may ask to be kept: one a minute for a week.
pub const RETENTION_VERSIONS_MAX: u32 = 10_000;
