//! Limits of the engine, each with its reason.

use std::ops::RangeInclusive;

/// A mass deletion is more files than this …
///
/// Cleaning up a directory by hand stays below; a lost mount or a script gone wrong does not.
pub const MASS_DELETE_FILES: usize = 50;

/// … and more than one file in this many.
///
/// A quarter: deleting one of several projects is normal, deleting most of a folder is not.
pub const MASS_DELETE_ONE_IN: usize = 4;

/// Deletions within this time count together, milliseconds.
///
/// A script or a failing disk takes its time, and a folder is looked at while it does; what somebody tidied up before
/// lunch is not held against what they do after it.
pub const MASS_DELETE_WINDOW_MS: u64 = 5 * 60 * 1000;

/// Files that a folder must have had for "the folder is empty" to be suspicious.
///
/// A folder of a few files is emptied on purpose every day.
pub const EMPTIED_FILES_MIN: usize = 5;

/// Longest time between two attempts, in milliseconds.
///
/// After any fault heals, work goes on within 30 s on average (full jitter halves it).
pub const RETRY_DELAY_MS_MAX: u64 = 60_000;

/// Upper bound of the first delay, in milliseconds; each further one is twice as long.
pub const RETRY_DELAY_MS_FIRST: u64 = 250;

/// Quiet time after a file event before a scan, in milliseconds.
///
/// Long enough for an editor's write, rename, remove; too short to feel.
pub const SETTLE_QUIET_MS: u64 = 20;

/// Quiet time after a file was written and closed, when nothing else goes on, in milliseconds.
///
/// Who saves by closing and renaming does both within a fraction of it.
pub const SETTLE_CLOSED_MS: u64 = 4;

/// Time without a scan after which a single save is taken up at once, in milliseconds.
///
/// Within it, many small saves are gathered into one scan and one commit.
pub const SETTLE_REST_MS: u64 = 200;

/// Longest time from the first event to a scan, in milliseconds: constant writing must not put it off.
pub const SETTLE_WAIT_MS_MAX: u64 = 500;

/// Longest device name inside a conflict name, in bytes.
pub const DEVICE_NAME_LEN_MAX: usize = 40;

/// Longest file name extension that a conflict name keeps, in bytes; more is part of the stem.
pub const EXTENSION_LEN_MAX: usize = 32;

/// Deletions of one content that stay with what takes it over, in one batch.
///
/// Who renames a file over another, or settles a conflict by it, gives up one or a few; more are no rename.
pub const REPLACED_MAX: usize = 16;

/// Ids tried for the copy of one losing content.
///
/// Each failed try is a copy of that content which somebody edited since; more than a few are not real.
pub const COPIES_OF_ONE_CONTENT_MAX: usize = 1000;

/// Number of the second name tried when a conflict name is taken, and the last.
///
/// The last is never reached: a directory would have to hold four billion copies of one version.
pub const CONFLICT_COUNTER: RangeInclusive<u32> = 2..=u32::MAX;

/// States of one ignore glob: a longer pattern is refused.
///
/// Matching takes states times bytes of the path; real patterns have a few dozen.
pub const IGNORE_STATES_MAX: usize = 512;

/// Longest line of a rule file, in bytes: the longest path there is.
pub const IGNORE_LINE_LEN_MAX: usize = 4096;

/// Rules in one rule file: each is asked for every entry below it.
pub const IGNORE_RULES_MAX: usize = 4096;

/// Largest rule file that is read, in bytes: rules come from other devices, and each has to be kept in memory.
pub const IGNORE_FILE_LEN_MAX: u64 = 256 << 10;

/// Time that anything superseded is kept whatever the rules say, in milliseconds: one day.
///
/// A client that planned with it a moment ago, or a mistake noticed the same day, still finds it.
pub const RETENTION_GRACE_MS: u64 = 24 * 60 * 60 * 1000;

/// Largest side of a merge, in bytes.
///
/// Text that people write is far smaller; a log or a data dump is nothing to merge by lines.
pub const MERGE_BYTES_MAX: usize = 4 << 20;

/// Most lines of one side of a merge: bounds the time that two very different texts take.
pub const MERGE_LINES_MAX: usize = 100_000;

/// Most keys of one mapping in a merge by keys: each is looked for among all others.
pub const MERGE_KEYS_MAX: usize = 5_000;

/// Mappings within mappings that a merge by keys looks into; what lies deeper is one value.
pub const MERGE_DEPTH_MAX: usize = 32;

/// Longest run of bytes that a limited line lets through at once after a rest, as a part of a second's worth.
///
/// A tenth of a second: too short to be felt by others on the line, long enough to cost no speed.
pub const RATE_BURSTS_PER_SECOND: u64 = 10;

/// Smallest such run, in bytes: a request of a few hundred bytes goes out whole on any line.
pub const RATE_BURST_MIN: u64 = 1024;

/// A limited line is shared by as many streams as get this much each, in bytes per second.
///
/// Frames would otherwise take so long that the server gives them up, and an interruption would cost several.
pub const STREAM_RATE_MIN: u64 = 256 << 10;

/// Time that a frame may take on a limited line, in seconds: what an interruption may cost.
pub const FRAME_SECONDS_TARGET: u64 = 8;

/// Smallest frame that is aimed at on a slow line, in bytes: a request has its own cost.
pub const FRAME_BYTES_MIN: u64 = 256 << 10;

/// An upload does not give way to anything before it has sent for this long, in milliseconds.
pub const GIVE_WAY_MS_MIN: u64 = 250;

/// … and for this many times as long as taking it up again takes: a quarter more work at worst.
pub const GIVE_WAY_GAIN_MIN: u64 = 4;
