//! Laws of the chunker.

use std::collections::BTreeSet;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use fst_chunk::cdc::Chunker;
use fst_chunk::params::ChunkParams;
use fst_proto::control::{Chunking, Policy};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use crate::corpus::{lines, policy, random, repeated, small};

const KEY: [u8; 32] = [7; 32];

fn cut(content: &[u8]) -> Vec<usize> {
    Chunker::new(small(), &KEY).cut_all(content)
}

/// Offsets where chunks end.
fn ends(lens: &[usize]) -> Vec<usize> {
    lens.iter()
        .scan(0, |at, len| {
            *at += len;
            Some(*at)
        })
        .collect()
}

/// The definition, byte by byte and without any cleverness: what the fast code must equal.
fn cut_by_definition(content: &[u8], (min, avg, max): (usize, usize, usize)) -> Vec<usize> {
    let mut stream = blake3::Hasher::new_keyed(&KEY)
        .update(b"fst-cdc-1")
        .finalize_xof();
    let mut word = || {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    };
    let tables: [Vec<u64>; 2] = std::array::from_fn(|_| (0..256).map(|_| word()).collect());
    let key = u128::from(word()) << 64 | u128::from(word());
    let cipher = Aes128::new(&Array::from(key.to_be_bytes()));
    let is_end = |window: &[u8], bits: u32| {
        let hash = tables.each_ref().map(|table| {
            window.iter().fold(0_u64, |h, &byte| {
                let shifted = (h << 1) ^ if h >> 63 == 1 { 0x1b } else { 0 };
                shifted ^ table[usize::from(byte)]
            })
        });
        let digest = u128::from(hash[0]) << 64 | u128::from(hash[1]);
        let mut block = Array::from(digest.to_be_bytes());
        cipher.encrypt_block(&mut block);
        let head = u64::from_be_bytes(*block.first_chunk().unwrap());
        head & ((1 << bits) - 1) == 0
    };
    let log2 = avg.ilog2();
    let mut lens = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let found = (min..max.min(rest.len() + 1)).find(|&len| {
            is_end(
                &rest[len - 64..len],
                if len < avg { log2 + 2 } else { log2 - 2 },
            )
        });
        let len = found.unwrap_or(rest.len().min(max));
        lens.push(len);
        rest = &rest[len..];
    }
    lens
}

#[test]
fn the_fast_path_equals_the_definition() {
    let sizes = (300, 1 << 15, 100_000);
    let params = ChunkParams::from_policy(&policy(Chunking::Cdc, 300, 1 << 15, 100_000)).unwrap();
    for content in [
        random("definition", 700_001),
        lines(300_000),
        repeated(b"ab", 250_000),
    ] {
        let fast = Chunker::new(params, &KEY).cut_all(&content);
        assert_eq!(fast, cut_by_definition(&content, sizes));
    }
    let content = random("definition, small", 300_000);
    assert_eq!(
        cut(&content),
        cut_by_definition(&content, (512, 2048, 8192))
    );
}

#[test]
fn averages_are_as_asked() {
    let content = random("average", 24 << 20);
    let lens = cut(&content);
    let mean = content.len() / lens.len();
    assert!((1700..=2900).contains(&mean), "mean chunk {mean}");
    // Cut statistics do not depend on the key.
    let other = Chunker::new(small(), &[8; 32]).cut_all(&content);
    assert!(lens.len().abs_diff(other.len()) * 20 < lens.len());
    let shared: BTreeSet<_> = ends(&lens).into_iter().collect();
    let common = ends(&other)
        .iter()
        .filter(|end| shared.contains(end))
        .count();
    assert!(
        common * 100 < lens.len(),
        "{common} equal cuts under another key"
    );
}

#[test]
fn default_sizes_give_default_chunks() {
    let content = random("default", 40 << 20);
    let params = ChunkParams::from_policy(&Policy::default()).unwrap();
    let lens = Chunker::new(params, &KEY).cut_all(&content);
    assert_eq!(lens.iter().sum::<usize>(), content.len());
    let mean = content.len() / lens.len();
    assert!(
        ((768 << 10)..=(2 << 20)).contains(&mean),
        "mean chunk {mean}"
    );
    assert_eq!(params.max(), 4 << 20);
}

#[test]
fn an_insertion_moves_cuts_only_nearby() {
    for (label, at, inserted) in [("a", 0, 1_usize), ("b", 300_000, 1024), ("c", 999_999, 13)] {
        let old = random(label, 1 << 20);
        let mut new = old.clone();
        new.splice(at..at, random("inserted", inserted));
        let before: BTreeSet<usize> = ends(&cut(&old)).into_iter().map(|e| e + inserted).collect();
        let after = ends(&cut(&new));
        let settled = after
            .iter()
            .find(|&&e| e >= at + inserted && before.contains(&e));
        let settled = *settled.unwrap_or(&new.len());
        assert!(
            settled <= at + inserted + 4 * 8192,
            "settled at {settled} after {at}"
        );
        assert!(
            after
                .iter()
                .filter(|&&e| e > settled)
                .all(|e| before.contains(e))
        );
    }
}

#[test]
fn constant_content_is_cut_at_a_constant_length() {
    for byte in [0, 0xff] {
        let lens = cut(&vec![byte; 100_000]);
        let (_, full) = lens.split_last().unwrap();
        assert!(full.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn fixed_chunks_are_fixed() {
    let params = ChunkParams::from_policy(&policy(Chunking::Fixed, 256, 1000, 4000)).unwrap();
    let lens = |n: usize| Chunker::new(params, &KEY).cut_all(&random("fixed", n));
    assert_eq!(lens(0), Vec::<usize>::new());
    assert_eq!(lens(999), [999]);
    assert_eq!(lens(1000), [1000]);
    assert_eq!(lens(2500), [1000, 1000, 500]);
    assert_eq!(params.max(), 1000);
}

#[test]
fn senseless_sizes_are_refused() {
    let is_bad =
        |min, avg, max| ChunkParams::from_policy(&policy(Chunking::Cdc, min, avg, max)).is_err();
    assert!(is_bad(255, 1024, 4096));
    assert!(is_bad(0, 0, 0));
    assert!(is_bad(2048, 1024, 4096));
    assert!(is_bad(256, 4097, 4096));
    assert!(is_bad(256, 1024, (8 << 20) + 1));
    assert!(!is_bad(256, 256, 256));
    assert!(!is_bad(256, 1024, 8 << 20));
}

#[test]
fn the_key_is_not_printed() {
    let text = format!("{:?}", Chunker::new(small(), &KEY));
    assert!(text.contains("key …") && !text.contains("7, 7"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sizes_stay_within_bounds(seed: u64, len in 0_usize..200_000) {
        let content = random(&seed.to_string(), len);
        let lens = cut(&content);
        prop_assert_eq!(lens.iter().sum::<usize>(), len);
        if let Some((last, full)) = lens.split_last() {
            prop_assert!(full.iter().all(|len| (512..=8192).contains(len)));
            prop_assert!((1..=8192).contains(last));
        }
    }

    #[test]
    fn cuts_do_not_depend_on_buffers(seed: u64, pieces in vec(1_usize..6000, 1..60)) {
        let content = random(&seed.to_string(), pieces.iter().sum());
        let mut chunker = Chunker::new(small(), &KEY);
        let (mut start, mut end) = (0, 0);
        let mut lens = Vec::new();
        for piece in &pieces {
            end += piece;
            while let Some(len) = chunker.next_cut(&content[start..end], false) {
                lens.push(len);
                start += len;
            }
        }
        while let Some(len) = chunker.next_cut(&content[start..], true) {
            lens.push(len);
            start += len;
        }
        prop_assert_eq!(lens, cut(&content));
    }

    #[test]
    fn small_alphabets_stay_within_bounds(unit in vec(any::<u8>(), 1..5), len in 0_usize..60_000) {
        let content = repeated(&unit, len);
        let lens = cut(&content);
        prop_assert!(lens.iter().all(|len| *len <= 8192));
        prop_assert_eq!(lens.iter().sum::<usize>(), len);
    }
}
