//! Laws of per-chunk compression.

use fst_chunk::compress::{Encoded, compress, decompress};
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::{prop_assert, prop_assert_eq};

use crate::corpus::{lines, random, repeated};

#[test]
fn text_shrinks_and_noise_stays() {
    for len in [1000, 100_000, 1 << 20, 4 << 20] {
        let text = lines(len);
        let encoded = compress(&text);
        assert!(
            encoded.is_zstd() && encoded.as_bytes().len() * 2 < len,
            "{len}"
        );
        assert_eq!(decompress(encoded.as_bytes(), len), Some(text));
        let noise = random("noise", len);
        assert_eq!(compress(&noise), Encoded::Raw(&noise));
    }
    assert_eq!(compress(b""), Encoded::Raw(b""));
    assert_eq!(compress(b"x"), Encoded::Raw(b"x"));
}

#[test]
fn less_than_five_percent_is_not_worth_it() {
    let mut barely = random("barely", 100_000);
    barely[..4000].fill(0);
    assert!(!compress(&barely).is_zstd());
    barely[..7000].fill(0);
    assert!(compress(&barely).is_zstd());
}

#[test]
fn one_promising_sample_is_enough() {
    let mut mixed = random("mixed", 1 << 20);
    mixed[..(1 << 18)].fill(b'x');
    assert!(compress(&mixed).is_zstd());
}

#[test]
fn a_bomb_is_not_inflated() {
    let zeros = repeated(&[0], 4 << 20);
    let frame = compress(&zeros).as_bytes().to_vec();
    assert!(frame.len() < 1000);
    assert_eq!(decompress(&frame, zeros.len()), Some(zeros.clone()));
    assert_eq!(decompress(&frame, zeros.len() - 1), None);
    assert_eq!(decompress(&frame, zeros.len() + 1), None);
    assert_eq!(decompress(&frame, 0), None);
    let twice = [frame.as_slice(), &frame].concat();
    assert_eq!(decompress(&twice, zeros.len()), None);
}

/// The frame in `testdata/vectors/sealed_kinds.json`, written by hand: one RLE block.
#[test]
fn a_frame_of_another_encoder_inflates() {
    let frame = [
        0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0x0f, 0x03, 0x80, 0x00, 0x00,
    ];
    assert_eq!(decompress(&frame, 4096), Some(vec![0; 4096]));
}

proptest! {
    #[test]
    fn decompressing_undoes_compressing(unit in vec(any::<u8>(), 0..300), len in 0_usize..20_000) {
        let raw = if unit.is_empty() { Vec::new() } else { repeated(&unit, len) };
        let encoded = compress(&raw);
        if encoded.is_zstd() {
            prop_assert!(encoded.as_bytes().len() * 100 <= raw.len() * 95);
            prop_assert_eq!(decompress(encoded.as_bytes(), raw.len()), Some(raw.clone()));
        } else {
            prop_assert_eq!(encoded.as_bytes(), raw.as_slice());
        }
    }

    #[test]
    fn hostile_frames_give_nothing_or_the_length_asked(mut bytes in vec(any::<u8>(), 0..200), len in 0_usize..5000) {
        bytes.splice(0..0, [0x28, 0xb5, 0x2f, 0xfd]);
        if let Some(raw) = decompress(&bytes, len) {
            prop_assert_eq!(raw.len(), len);
        }
    }
}
