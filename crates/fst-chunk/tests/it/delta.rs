//! Laws of deltas: what is put together again is the new content, whatever was edited.

use std::collections::{BTreeMap, BTreeSet};

use fst_chunk::delta::{Matcher, Old, Part, Piece, Signature, SignatureBuilder, plan};
use fst_proto::ids::ObjectId;
use fst_proto::recipe::Extent;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use crate::corpus::{random, repeated};

const KEY: [u8; 32] = [3; 32];

fn sign(content: &[u8]) -> Signature {
    let mut builder = SignatureBuilder::new(KEY, content.len() as u64).unwrap();
    for part in content.chunks(70_001) {
        builder.update(part);
    }
    builder.finish()
}

fn compare(old: &[u8], new: &[u8]) -> Vec<Piece> {
    let signature = sign(old);
    let mut matcher = Matcher::new(&signature);
    for part in new.chunks(100_003) {
        matcher.push(part);
    }
    matcher.finish()
}

/// Puts the new content together from the old one and the bytes that were not found.
fn apply(pieces: &[Piece], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        let len = usize::try_from(piece.len()).unwrap();
        match *piece {
            Piece::Copy { from, .. } => {
                let from = usize::try_from(from).unwrap();
                out.extend_from_slice(&old[from..from + len]);
            },
            Piece::New { .. } => out.extend_from_slice(&new[out.len()..out.len() + len]),
            Piece::Zeros { .. } => out.resize(out.len() + len, 0),
        }
    }
    out
}

fn new_len(pieces: &[Piece]) -> u64 {
    let new = pieces.iter().filter(|p| matches!(p, Piece::New { .. }));
    new.map(Piece::len).sum()
}

/// One change of a content; positions are taken modulo its length.
#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, usize),
    Delete(usize, usize),
    Overwrite(usize, usize),
    Move(usize, usize, usize),
    Zero(usize, usize),
    Append(usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (0_u8..6, any::<usize>(), 1_usize..9000, any::<usize>());
    let edit = edit.prop_map(|(kind, at, len, to)| match kind {
        0 => Edit::Insert(at, len),
        1 => Edit::Delete(at, len),
        2 => Edit::Overwrite(at, len),
        3 => Edit::Move(at, len, to),
        4 => Edit::Zero(at, len),
        _ => Edit::Append(len),
    });
    vec(edit, 1..8)
}

fn edited(old: &[u8], edits: &[Edit], seed: u64) -> Vec<u8> {
    let mut new = old.to_vec();
    for (i, edit) in edits.iter().enumerate() {
        let fresh = |len: usize| random(&format!("{seed} {i}"), len);
        let n = new.len().max(1);
        let range = |at: usize, len: usize| (at % n).min(new.len())..(at % n + len).min(new.len());
        match *edit {
            Edit::Insert(at, len) => drop(new.splice(at % n..at % n, fresh(len))),
            Edit::Delete(at, len) => drop(new.drain(range(at, len))),
            Edit::Overwrite(at, len) => {
                let range = range(at, len);
                let bytes = fresh(range.len());
                new[range].copy_from_slice(&bytes);
            },
            Edit::Zero(at, len) => {
                let range = range(at, len);
                new[range].fill(0);
            },
            Edit::Move(at, len, to) => {
                let moved: Vec<u8> = new.drain(range(at, len)).collect();
                let to = to % new.len().max(1);
                new.splice(to..to, moved);
            },
            Edit::Append(len) => new.extend_from_slice(&fresh(len)),
        }
    }
    new
}

/// What the server holds, and a content described by it.
#[derive(Default)]
struct Store {
    objects: BTreeMap<ObjectId, Vec<u8>>,
    lens: BTreeMap<ObjectId, u32>,
    extents: Vec<Extent>,
    content: Vec<u8>,
}

impl Store {
    fn add(&mut self, bytes: &[u8]) -> Extent {
        let object = ObjectId(*blake3::hash(bytes).as_bytes());
        let len = u32::try_from(bytes.len()).unwrap();
        self.objects.insert(object, bytes.to_vec());
        self.lens.insert(object, len);
        Extent::Data {
            object,
            offset: 0,
            len,
        }
    }

    /// A content never seen before.
    fn fresh(content: Vec<u8>) -> Self {
        let mut store = Self::default();
        for chunk in content.chunks(50_000) {
            let extent = store.add(chunk);
            store.extents.push(extent);
        }
        store.content = content;
        store
    }

    /// Moves to `new`; says how many bytes were sent.
    fn edit(&mut self, new: Vec<u8>) -> u64 {
        let pieces = compare(&self.content, &new);
        let old = Old {
            extents: &self.extents,
            lens: &self.lens,
        };
        let Some(parts) = plan(&pieces, old, &|_| true) else {
            let size = new.len() as u64;
            *self = Self::fresh(new);
            return size;
        };
        let mut at = 0;
        let mut sent = 0;
        let mut extents = Vec::new();
        for part in parts {
            let len = usize::try_from(part.len()).unwrap();
            extents.push(match part {
                Part::Known(extent) => extent,
                Part::New { .. } => {
                    sent += part.len();
                    self.add(&new[at..at + len])
                },
            });
            at += len;
        }
        self.extents = extents;
        self.content = new;
        sent
    }

    fn read(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for extent in &self.extents {
            match *extent {
                Extent::Hole { len } => out.resize(out.len() + usize::try_from(len).unwrap(), 0),
                Extent::Data {
                    object,
                    offset,
                    len,
                } => {
                    let range = offset as usize..(offset + len) as usize;
                    out.extend_from_slice(&self.objects[&object][range]);
                },
            }
        }
        out
    }

    /// Bytes of all objects referenced, per byte of content.
    fn amplification(&self) -> f64 {
        let ids: BTreeSet<ObjectId> = self
            .extents
            .iter()
            .filter_map(|extent| match extent {
                Extent::Data { object, .. } => Some(*object),
                Extent::Hole { .. } => None,
            })
            .collect();
        let bytes: u32 = ids.iter().map(|id| self.lens[id]).sum();
        f64::from(bytes) / f64::from(u32::try_from(self.content.len()).unwrap())
    }
}

#[test]
fn small_edits_of_a_large_content_cost_little() {
    let old = random("old", 20 << 20);
    let mut one_byte = old.clone();
    one_byte[9_000_000] ^= 1;
    let inserted = [random("front", 1024), old.clone()].concat();
    let appended = [old.clone(), random("behind", 1 << 20)].concat();
    for (new, most) in [
        (&old, 0),
        (&one_byte, 4096),
        (&inserted, 1024),
        (&appended, 1 << 20),
    ] {
        let pieces = compare(&old, new);
        assert_eq!(new_len(&pieces), most);
        assert_eq!(apply(&pieces, &old, new), *new);
    }
}

#[test]
fn an_append_behind_a_short_last_block_costs_what_was_appended() {
    let old = random("old", 100_777);
    for n in [1, 300, 5000] {
        let new = [old.clone(), random("behind", n)].concat();
        let pieces = compare(&old, &new);
        assert_eq!(new_len(&pieces), n as u64);
        assert_eq!(apply(&pieces, &old, &new), new);
    }
}

/// Blocks whose rolling hashes are equal though their bytes differ: `+1 -2 +1` changes neither sum.
#[test]
fn collisions_on_purpose_change_no_byte_and_cost_a_bounded_amount() {
    let mut old = vec![5_u8; 1 << 20];
    for (i, block) in old.chunks_mut(2048).enumerate() {
        let at = i * 3 % 2000;
        for (byte, value) in block[at..at + 3].iter_mut().zip([6, 3, 6]) {
            *byte = value;
        }
    }
    let new = vec![5_u8; 8 << 20];
    let signature = sign(&old);
    let mut matcher = Matcher::new(&signature);
    for part in new.chunks(1 << 18) {
        matcher.push(part);
    }
    assert!(matcher.wasted() > 0, "the blocks do not collide");
    let bound = (4 << 20) + 4 * new.len() as u64 + 4096;
    assert!(matcher.wasted() <= bound, "{} wasted", matcher.wasted());
    let pieces = matcher.finish();
    assert_eq!(apply(&pieces, &old, &new), new);
}

#[test]
fn equal_blocks_everywhere_are_found_in_order() {
    let old = repeated(b"abcdefgh", 1 << 20);
    let pieces = compare(&old, &old);
    assert_eq!(
        pieces,
        [Piece::Copy {
            from: 0,
            len: 1 << 20
        }]
    );
}

#[test]
fn signatures_survive_storage_and_lying_lengths_do_not() {
    let signature = sign(&random("stored", 300_000));
    let bytes = signature.encode();
    assert_eq!(Signature::decode(&bytes).unwrap(), signature);
    for cut in [0, 31, 40, 44, bytes.len() - 1, bytes.len() - 16] {
        assert!(Signature::decode(&bytes[..cut]).is_err(), "{cut}");
    }
    // A change of the length below one block cannot be told.
    for at in 32..43 {
        let mut bent = bytes.clone();
        bent[at] ^= 0x40;
        assert!(Signature::decode(&bent).is_err(), "byte {at}");
    }
}

#[test]
fn random_page_writes_keep_amplification_and_recipe_bounded() {
    let mut store = Store::fresh(random("pages", 4 << 20));
    for round in 0..30 {
        let mut new = store.content.clone();
        let picks = random(&format!("round {round}"), 2 * 102);
        for (i, pick) in picks.as_chunks().0.iter().enumerate() {
            let page = usize::from(u16::from_be_bytes(*pick)) % 1024;
            let bytes = random(&format!("{round} {i}"), 4096);
            new[page * 4096..(page + 1) * 4096].copy_from_slice(&bytes);
        }
        store.edit(new.clone());
        assert_eq!(store.read(), new);
        let amplification = store.amplification();
        assert!(amplification <= 2.0, "{amplification} in round {round}");
        assert!(store.extents.len() as u64 * 48 <= (4 << 20) / 200 + 64 * 48);
    }
}

#[test]
fn many_small_appends_are_merged() {
    let mut store = Store::fresh(random("log", 2 << 20));
    let before = store.extents.len();
    let mut sent = 0;
    for i in 0..256 {
        let new = [store.content.clone(), random(&i.to_string(), 512)].concat();
        sent += store.edit(new);
    }
    let n = store.extents.len().saturating_sub(before);
    assert!(n <= 16, "{n} extents");
    assert!(sent <= 256 * 512 * 10, "{sent} bytes sent");
    assert_eq!(store.read(), store.content);
}

#[test]
fn an_object_that_the_server_lost_is_sent_again() {
    let store = Store::fresh(random("lost", 2 << 20));
    let Some(Extent::Data { object: lost, .. }) = store.extents.first().copied() else {
        unreachable!("a fresh content has data");
    };
    let pieces = compare(&store.content, &store.content);
    let old = Old {
        extents: &store.extents,
        lens: &store.lens,
    };
    let parts = plan(&pieces, old, &|id| id != lost).unwrap();
    assert_eq!(parts.first(), Some(&Part::New { len: 50_000 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn applying_a_delta_gives_the_new_content(
        seed: u64,
        len in 65_536_usize..400_000,
        is_dull: bool,
        script in edits(),
    ) {
        let old = if is_dull { repeated(&[1, 2, 3], len) } else { random(&seed.to_string(), len) };
        let new = edited(&old, &script, seed);
        let pieces = compare(&old, &new);
        prop_assert_eq!(apply(&pieces, &old, &new), new);
        prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
    }

    #[test]
    fn a_chain_of_versions_stays_readable_and_lean(
        seed: u64,
        len in 65_536_usize..1_500_000,
        scripts in vec(edits(), 1..8),
    ) {
        let mut store = Store::fresh(random(&seed.to_string(), len));
        for (i, script) in scripts.iter().enumerate() {
            let new = edited(&store.content, script, seed ^ i as u64);
            if new.len() < 65_536 {
                break;
            }
            store.edit(new.clone());
            prop_assert_eq!(store.read(), new);
            prop_assert!(store.amplification() <= 2.0 + 1e-9);
        }
    }
}
