//! How fast each part of this machine is that syncing needs.
//!
//! For `fst bench`. Every part is measured with the code that syncing uses, on one core, for `PART_MS_MAX`. Invariant:
//! nothing of a user is read or changed, and nothing stays on the disk (`disk`); keys are made up for the moment.
//! Not here: what the figures mean ([`slowest()`]), words (`fst-cli`).
//! Source: docs/design/commands.md §18.

use std::path::Path;
use std::time::{Duration, Instant};

use fst_chunk::cdc::Chunker;
use fst_chunk::compress;
use fst_chunk::params::ChunkParams;
use fst_crypto::device::HedgeKey;
use fst_crypto::envelope::{Payload, SaltSource};
use fst_crypto::ids::ContentHasher;
use fst_crypto::key::{SpaceKeys, new_space_secrets};
use fst_crypto::object::{ObjectKind, object_id, seal_object};
use fst_crypto::random::{self, OsRandom, SecureRandom as _};
use fst_proto::control::Policy;
use fst_proto::error::ErrorCode;
use fst_proto::ids::SpaceId;

use crate::Client;
use crate::error::ClientError;
use crate::remote::Remote as _;

mod disk;
mod slowest;

pub use slowest::{Slowest, slowest};

/// Longest time that one kind of work goes on, milliseconds: long enough that a figure repeats, short enough that
/// somebody waits for all of them.
const PART_MS_MAX: u64 = 500;

/// Bytes of one piece of work in memory: a few average chunks, more than the caches next to a core.
const BLOCK_BYTES: usize = 4 << 20;

/// Most bytes that one kind of work in memory goes through: on a fast machine the figure is steady long before.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Most round trips to the server: enough for a 95th percentile, too few to disturb it.
const ROUND_TRIPS_MAX: usize = 40;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Writing, saving and reading files.
    Disk,
    /// Ids of contents.
    Hash,
    /// Sealing of chunks.
    Cipher,
    /// Cutting into chunks.
    Chunker,
    /// Compressing chunks that can be compressed.
    Compression,
    /// Round trips to the server.
    Network,
}

impl Part {
    /// All of them, in the order in which a file meets them.
    pub const ALL: [Self; 6] = [
        Self::Disk,
        Self::Hash,
        Self::Chunker,
        Self::Compression,
        Self::Cipher,
        Self::Network,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Hash => "hash",
            Self::Cipher => "cipher",
            Self::Chunker => "chunker",
            Self::Compression => "compression",
            Self::Network => "network",
        }
    }
}

/// One thing that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The disk.
    Disk {
        /// Large files, made durable every few MiB.
        write_bytes_per_s: u64,
        /// The same bytes, asked of the disk and not of memory where the system allows it.
        read_bytes_per_s: u64,
        /// One small file written, made durable and given its name: the middle one.
        save_p50_us: u64,
        /// The same: all but one in twenty are faster.
        save_p95_us: u64,
    },
    /// Work of one core.
    Core {
        /// Bytes of files.
        bytes_per_s: u64,
    },
    /// The way to the server.
    Network {
        /// The first request, with opening the connection.
        first_us: u64,
        /// Further ones: the middle one.
        round_trip_p50_us: u64,
        /// The same: all but one in twenty are faster.
        round_trip_p95_us: u64,
    },
}

/// Measures one part that needs no server. `dir` says which file system is meant.
///
/// # Errors
/// [`ErrorCode::NotInitialised`] for the network: see [`Client::round_trips`]. Of the disk, what it said; then nothing
/// stays there either.
pub fn measure(part: Part, dir: &Path) -> Result<Figure, ClientError> {
    let bytes_per_s = match part {
        Part::Disk => return disk::measure(dir),
        Part::Network => {
            let why = "no server is configured";
            return Err(ClientError::new(ErrorCode::NotInitialised, why));
        },
        Part::Hash => hash(),
        Part::Cipher => cipher()?,
        Part::Chunker => chunker()?,
        Part::Compression => compression(),
    };
    Ok(Figure::Core { bytes_per_s })
}

impl Client {
    /// Measures round trips to the configured server.
    ///
    /// # Errors
    /// [`ClientError`] when it does not answer.
    pub fn round_trips(&self) -> Result<Figure, ClientError> {
        let budget = Budget::start();
        let mut trips = Vec::new();
        let first = Budget::start();
        self.remote().server_info()?;
        let first_us = first.us();
        while trips.is_empty() || (trips.len() < ROUND_TRIPS_MAX && !budget.is_spent()) {
            let one = Budget::start();
            self.remote().server_info()?;
            trips.push(one.us());
        }
        trips.sort_unstable();
        Ok(Figure::Network {
            first_us,
            round_trip_p50_us: percentile(&trips, 50),
            round_trip_p95_us: percentile(&trips, 95),
        })
    }
}

/// The time that one kind of work may take.
#[derive(Debug, Clone, Copy)]
struct Budget(Instant);

impl Budget {
    #[expect(
        clippy::disallowed_methods,
        reason = "the time it takes is what is measured; it decides nothing"
    )]
    fn start() -> Self {
        Self(Instant::now())
    }

    fn is_spent(self) -> bool {
        self.0.elapsed() >= Duration::from_millis(PART_MS_MAX)
    }

    fn us(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Bytes each second; of less than a microsecond as if it were one.
fn per_second(bytes: u64, us: u64) -> u64 {
    let rate = u128::from(bytes) * 1_000_000 / u128::from(us.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The smallest of `sorted` that is not exceeded by `percent` of them; 0 when there is none.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// Does the work on a block, at least once, until time or bytes are spent.
fn core(block: &[u8], mut work: impl FnMut(&[u8])) -> u64 {
    let (budget, mut bytes) = (Budget::start(), 0);
    while bytes == 0 || (bytes < MEMORY_BYTES_MAX && !budget.is_spent()) {
        work(block);
        bytes += block.len() as u64;
    }
    per_second(bytes, budget.us())
}

/// Bytes that nothing can compress.
fn noise(len: usize) -> Vec<u8> {
    let mut block = vec![0; len];
    OsRandom.fill(&mut block);
    block
}

/// Bytes that compress about as well as logs and tables do.
fn prose(len: usize) -> Vec<u8> {
    let lines = (0_u64..).map(|line| format!("{line:08x} the quick brown fox {}\n", line * line));
    lines.flat_map(String::into_bytes).take(len).collect()
}

/// Keys of a space that does not exist.
fn made_up_keys() -> SpaceKeys {
    let (epoch, generation) = new_space_secrets(&OsRandom);
    SpaceKeys::derive(SpaceId(random::bytes(&OsRandom)), 1, &epoch, 1, &generation)
}

fn hash() -> u64 {
    let mut hasher = ContentHasher::new(&made_up_keys());
    core(&noise(BLOCK_BYTES), |block| hasher.update(block))
}

fn cipher() -> Result<u64, ClientError> {
    let keys = made_up_keys();
    let hedge = HedgeKey::from_bytes(random::bytes(&OsRandom));
    let salts = SaltSource {
        hedge: &hedge,
        random: &OsRandom,
    };
    let block = noise(BLOCK_BYTES);
    let id = object_id(&keys, ObjectKind::Data, &block);
    let mut failed = None;
    let rate = core(&block, |block| {
        let payload = Payload::raw(block);
        let sealed = seal_object(&salts, &keys, ObjectKind::Data, &id, &payload);
        failed = sealed.map(std::hint::black_box).err().or(failed.take());
    });
    match failed {
        Some(error) => Err(ClientError::caused(
            ErrorCode::Internal,
            "seal a block",
            error,
        )),
        None => Ok(rate),
    }
}

fn chunker() -> Result<u64, ClientError> {
    let params = ChunkParams::from_policy(&Policy::default())
        .map_err(|error| ClientError::caused(ErrorCode::Internal, "cut a block", error))?;
    let keys = made_up_keys();
    Ok(core(&noise(BLOCK_BYTES), |block| {
        let mut chunker = Chunker::new(params, keys.cdc().expose_secret());
        std::hint::black_box(chunker.cut_all(block));
    }))
}

fn compression() -> u64 {
    core(&prose(BLOCK_BYTES), |block| {
        std::hint::black_box(compress::compress(block).as_bytes().len());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let trips: Vec<u64> = (1..=20).collect();
        assert_eq!(percentile(&trips, 50), 10);
        assert_eq!(percentile(&trips, 95), 19);
        assert_eq!(percentile(&[7], 95), 7);
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn rates_are_bytes_in_a_second() {
        assert_eq!(per_second(1000, 1_000_000), 1000);
        assert_eq!(per_second(u64::MAX, 1_000_000), u64::MAX);
        assert_eq!(per_second(1, 0), 1_000_000);
    }

    #[test]
    fn what_a_core_does_has_a_rate() {
        for part in [Part::Hash, Part::Cipher, Part::Chunker, Part::Compression] {
            let figure = measure(part, Path::new("/")).expect("memory");
            let Figure::Core { bytes_per_s } = figure else {
                panic!("{part:?}: {figure:?}");
            };
            assert!(bytes_per_s > 0, "{part:?}");
        }
        let error = measure(Part::Network, Path::new("/")).expect_err("no server");
        assert_eq!(error.code(), ErrorCode::NotInitialised);
    }
}
