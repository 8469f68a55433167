//! What a stream of bytes adds up to: its content id, and the signature for deltas to come.
//!
//! Used by all that read or write whole files: [`crate::scan`], [`crate::push`], [`crate::fetch`]. A long one is summed up in a
//! thread of its own, beside reading, cutting and writing. Invariant: the outcome is that of one thread; what waits for
//! the other one is bounded ([`PIECES_MAX`]); a digest that is dropped ends its thread.

use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;

use fst_chunk::delta::SignatureBuilder;
use fst_crypto::ids::ContentHasher;
use fst_crypto::key::SpaceKeys;
use fst_proto::ids::ContentId;

/// Length from which a thread is worth its while: summing it up takes some milliseconds.
const BESIDE_FROM: u64 = 16 << 20;

/// Bytes handed over at a time: they stay in the cache of a processor, and thousands of them are few wake-ups.
const PIECE_LEN: usize = 256 << 10;

/// Pieces that wait for the other thread; who is faster waits.
const PIECES_MAX: usize = 4;

/// Zeros handed over at a time, so that a hole of any length stays bounded work.
const ZEROS_MAX: u64 = 64 << 20;

/// Adds bytes up.
#[derive(Debug)]
pub(crate) enum Digest {
    /// In the caller's thread.
    Here(Sum),
    /// In a thread of its own.
    Beside(Beside),
}

/// Both sums so far.
#[derive(Debug)]
pub(crate) struct Sum {
    hasher: ContentHasher,
    signature: Option<SignatureBuilder>,
}

/// The near end of another thread.
#[derive(Debug)]
pub(crate) struct Beside {
    piece: Vec<u8>,
    to: SyncSender<Piece>,
    /// Buffers that come back.
    spare: Receiver<Vec<u8>>,
    thread: JoinHandle<Sum>,
}

#[derive(Debug)]
enum Piece {
    Data(Vec<u8>),
    Zeros(u64),
}

impl Digest {
    /// Of a stream of about `size` bytes.
    pub(crate) fn new(keys: &SpaceKeys, signature: Option<SignatureBuilder>, size: u64) -> Self {
        let sum = Sum {
            hasher: ContentHasher::new(keys),
            signature,
        };
        if size < BESIDE_FROM {
            Self::Here(sum)
        } else {
            Self::Beside(Beside::new(sum))
        }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Here(sum) => sum.update(bytes),
            Self::Beside(beside) => beside.update(bytes),
        }
    }

    /// Takes `len` zero bytes.
    pub(crate) fn update_zeros(&mut self, len: u64) {
        match self {
            Self::Here(sum) => sum.update_zeros(len),
            Self::Beside(beside) => beside.update_zeros(len),
        }
    }

    /// Id of all that came, and its signature if there was to be one.
    pub(crate) fn finish(self) -> (ContentId, Option<SignatureBuilder>) {
        let Sum { hasher, signature } = match self {
            Self::Here(sum) => sum,
            Self::Beside(beside) => beside.finish(),
        };
        (hasher.finish(), signature)
    }
}

impl Sum {
    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some(signature) = &mut self.signature {
            signature.update(bytes);
        }
    }

    fn update_zeros(&mut self, len: u64) {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut left = len;
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            self.update(&ZEROS[..take]);
            left -= take as u64;
        }
    }

    fn run(mut self, pieces: Receiver<Piece>, back: &Sender<Vec<u8>>) -> Self {
        for piece in pieces {
            match piece {
                Piece::Data(mut bytes) => {
                    self.update(&bytes);
                    bytes.clear();
                    // Nobody takes it back who has given up.
                    back.send(bytes).unwrap_or_default();
                },
                Piece::Zeros(len) => self.update_zeros(len),
            }
        }
        self
    }
}

impl Beside {
    fn new(sum: Sum) -> Self {
        let (to, pieces) = mpsc::sync_channel(PIECES_MAX);
        let (back, spare) = mpsc::channel();
        Self {
            piece: Vec::with_capacity(PIECE_LEN),
            to,
            spare,
            thread: std::thread::spawn(move || sum.run(pieces, &back)),
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = PIECE_LEN - self.piece.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.piece.extend_from_slice(now);
            if self.piece.len() == PIECE_LEN {
                self.pass_on();
            }
            bytes = later;
        }
    }

    fn update_zeros(&mut self, len: u64) {
        self.pass_on();
        let mut left = len;
        while left > 0 {
            let take = left.min(ZEROS_MAX);
            self.send(Piece::Zeros(take));
            left -= take;
        }
    }

    fn pass_on(&mut self) {
        let spare = self.spare.try_recv();
        let next = spare.unwrap_or_else(|_| Vec::with_capacity(PIECE_LEN));
        let full = std::mem::replace(&mut self.piece, next);
        self.send(Piece::Data(full));
    }

    fn send(&self, piece: Piece) {
        let sent = self.to.send(piece);
        sent.expect("the other thread ends after this end is gone");
    }

    fn finish(mut self) -> Sum {
        self.pass_on();
        drop(self.to);
        self.thread.join().expect("adding up does not fail")
    }
}

#[cfg(test)]
mod tests {
    use fst_crypto::key::new_space_secrets;
    use fst_crypto::random::OsRandom;
    use fst_proto::ids::SpaceId;

    use super::*;

    #[test]
    fn a_thread_of_its_own_changes_nothing() {
        let (epoch, generation) = new_space_secrets(&OsRandom);
        let keys = SpaceKeys::derive(SpaceId([7; 16]), 1, &epoch, 1, &generation);
        // Lengths around a piece, holes in between, and one that is longer than what may wait.
        let lens = [
            0,
            1,
            PIECE_LEN - 1,
            PIECE_LEN,
            PIECE_LEN + 1,
            3 * PIECE_LEN,
            2 << 20,
        ];
        let size: usize = lens.iter().map(|len| len + len / 2).sum();
        let both = [0, BESIDE_FROM].map(|told| {
            let signature = SignatureBuilder::new([3; 32], size as u64);
            let mut digest = Digest::new(&keys, signature, told);
            assert_eq!(matches!(digest, Digest::Beside(_)), told > 0);
            for (nth, &len) in (0_u8..).zip(&lens) {
                digest.update(&vec![nth; len]);
                digest.update_zeros(len as u64 / 2);
            }
            let (id, signature) = digest.finish();
            (id, signature.map(SignatureBuilder::finish))
        });
        assert_eq!(both[0], both[1]);
    }

    #[test]
    fn a_digest_that_is_dropped_ends_its_thread() {
        let (epoch, generation) = new_space_secrets(&OsRandom);
        let keys = SpaceKeys::derive(SpaceId([7; 16]), 1, &epoch, 1, &generation);
        let mut digest = Digest::new(&keys, None, BESIDE_FROM);
        digest.update(&vec![1; 5 * PIECE_LEN]);
        let Digest::Beside(Beside { to, thread, .. }) = digest else {
            panic!("it is long");
        };
        drop(to);
        thread.join().expect("it ends");
    }
}
