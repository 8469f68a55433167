//! Laws of envelopes and objects: what opens, and everything that must not.

use fst_crypto::envelope::{self, Encoding, Kind, Payload, SaltSource, Scope};
use fst_crypto::error::{OpenError, SealError};
use fst_crypto::object::{self, ObjectKind};
use fst_crypto::pad;
use fst_crypto::random::{ConstantRandom, OsRandom};
use fst_proto::ids::{ObjectId, SpaceId};
use fst_proto::limits;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{prop_assert, prop_assert_eq, prop_assume};

use crate::support::{SPACE, flipped, hedge, keys, keys_of, seeded};

const KEY: [u8; 32] = [3; 32];

fn seal(kind: Kind, epoch: u32, ctx: &[u8], payload: &Payload<'_>) -> Result<Vec<u8>, SealError> {
    let hedge = hedge();
    let salts = SaltSource {
        hedge: &hedge,
        random: &OsRandom,
    };
    envelope::seal(&salts, &KEY, &Scope { kind, epoch, ctx }, payload)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Data),
        Just(Kind::Recipe),
        Just(Kind::Directory),
        Just(Kind::KeySlot),
        Just(Kind::Blob),
    ]
}

proptest! {
    #[test]
    fn opening_undoes_sealing(kind in kinds(), epoch: u32, ctx in vec(any::<u8>(), 0..64), raw in vec(any::<u8>(), 0..9000)) {
        let sealed = seal(kind, epoch, &ctx, &Payload::raw(&raw)).unwrap();
        let opened = envelope::open(&KEY, kind, &ctx, &sealed).unwrap();
        prop_assert_eq!(opened.encoding, Encoding::Raw);
        prop_assert_eq!(opened.raw_len, raw.len());
        prop_assert_eq!(opened.payload, raw);
        prop_assert_eq!(envelope::epoch(&sealed).unwrap(), epoch);
    }

    #[test]
    fn any_changed_bit_is_noticed(raw in vec(any::<u8>(), 0..700), at: proptest::sample::Index) {
        let sealed = seal(Kind::Data, 1, b"ctx", &Payload::raw(&raw)).unwrap();
        let bit = at.index(sealed.len() * 8);
        prop_assert!(envelope::open(&KEY, Kind::Data, b"ctx", &flipped(&sealed, bit)).is_err());
    }

    #[test]
    fn any_other_length_is_noticed(raw in vec(any::<u8>(), 0..700), at: proptest::sample::Index) {
        let sealed = seal(Kind::Data, 1, b"ctx", &Payload::raw(&raw)).unwrap();
        let cut = &sealed[..at.index(sealed.len())];
        prop_assert!(envelope::open(&KEY, Kind::Data, b"ctx", cut).is_err());
        let longer = [sealed.as_slice(), &[0]].concat();
        prop_assert_eq!(envelope::open(&KEY, Kind::Data, b"ctx", &longer), Err(OpenError::Tampered));
    }

    #[test]
    fn another_key_or_context_is_not_even_tried(key: [u8; 32], ctx in vec(any::<u8>(), 0..40)) {
        prop_assume!(key != KEY && ctx != b"ctx");
        let sealed = seal(Kind::Data, 1, b"ctx", &Payload::raw(b"x")).unwrap();
        prop_assert_eq!(envelope::open(&key, Kind::Data, b"ctx", &sealed), Err(OpenError::WrongContext));
        prop_assert_eq!(envelope::open(&KEY, Kind::Data, &ctx, &sealed), Err(OpenError::WrongContext));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(envelope::open(&KEY, Kind::Data, b"", &bytes).is_err());
        let framed = [&[0xf5, 1, 1, 1], bytes.as_slice()].concat();
        prop_assert!(envelope::open(&KEY, Kind::Data, b"", &framed).is_err());
    }

    #[test]
    fn padme_is_monotone_canonical_and_cheap(len in 0_usize..1 << 40) {
        let padded = pad::padme(len);
        prop_assert!(padded >= len);
        prop_assert!(padded <= pad::padme(len + 1));
        prop_assert_eq!(pad::padme(padded), padded);
        prop_assert!((padded - len) * 100 <= len * 12);
    }

    #[test]
    fn a_broken_generator_repeats_no_salt_for_different_bodies(a in vec(any::<u8>(), 0..300), b in vec(any::<u8>(), 0..300)) {
        prop_assume!(a != b);
        let hedge = hedge();
        let salts = SaltSource { hedge: &hedge, random: &ConstantRandom(0) };
        let scope = Scope { kind: Kind::Data, epoch: 1, ctx: b"ctx" };
        let first = envelope::seal(&salts, &KEY, &scope, &Payload::raw(&a)).unwrap();
        let second = envelope::seal(&salts, &KEY, &scope, &Payload::raw(&b)).unwrap();
        prop_assert!(first[8..32] != second[8..32]);
    }
}

#[test]
fn every_single_bit_of_an_envelope_counts() {
    let sealed = seal(Kind::Blob, 7, b"ctx", &Payload::raw(b"body")).unwrap();
    for bit in 0..sealed.len() * 8 {
        let opened = envelope::open(&KEY, Kind::Blob, b"ctx", &flipped(&sealed, bit));
        match bit / 8 {
            0..64 => assert!(opened.is_err(), "bit {bit}"),
            _ => assert_eq!(opened, Err(OpenError::Tampered), "bit {bit}"),
        }
    }
}

#[test]
fn another_kind_or_epoch_is_another_context() {
    let sealed = seal(Kind::Data, 1, b"ctx", &Payload::raw(b"x")).unwrap();
    assert_eq!(
        envelope::open(&KEY, Kind::Recipe, b"ctx", &sealed),
        Err(OpenError::WrongContext)
    );
    let mut relabelled = sealed.clone();
    relabelled[3] = Kind::Recipe as u8;
    assert_eq!(
        envelope::open(&KEY, Kind::Recipe, b"ctx", &relabelled),
        Err(OpenError::WrongContext)
    );
    let mut other_epoch = sealed;
    other_epoch[7] = 2;
    assert_eq!(
        envelope::open(&KEY, Kind::Data, b"ctx", &other_epoch),
        Err(OpenError::WrongContext)
    );
}

#[test]
fn unknown_versions_suites_and_kinds_are_named() {
    let sealed = seal(Kind::Data, 1, b"ctx", &Payload::raw(b"x")).unwrap();
    let with = |at: usize, value: u8| {
        let mut changed = sealed.clone();
        changed[at] = value;
        envelope::open(&KEY, Kind::Data, b"ctx", &changed).unwrap_err()
    };
    assert_eq!(
        with(0, 0xf4),
        OpenError::Malformed {
            what: "not an envelope"
        }
    );
    assert_eq!(
        with(1, 2),
        OpenError::Unsupported {
            what: "version",
            value: 2
        }
    );
    assert_eq!(
        with(2, 0),
        OpenError::Unsupported {
            what: "suite",
            value: 0
        }
    );
    assert_eq!(
        with(3, 5),
        OpenError::Unsupported {
            what: "kind",
            value: 5
        }
    );
}

#[test]
fn sizes_are_those_of_the_format() {
    for (kind, raw_len, sealed_len) in [
        (Kind::Data, 0, 89 + 256),
        (Kind::Data, 256, 89 + 256),
        (Kind::Data, 257, 89 + 272),
        (Kind::Data, 4096, 89 + 4096),
        (Kind::Data, 1 << 20, 89 + (1 << 20)),
        (Kind::KeySlot, 0, 89 + 1024),
        (Kind::KeySlot, 1024, 89 + 1024),
        (Kind::KeySlot, 1025, 89 + 2048),
    ] {
        let sealed = seal(kind, 1, b"", &Payload::raw(&vec![7; raw_len])).unwrap();
        assert_eq!(sealed.len(), sealed_len, "{kind:?} {raw_len}");
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let too_long = vec![0; limits::CHUNK_MAX + 1];
    let error = SealError::TooLarge {
        len: limits::CHUNK_MAX + 1,
        max: limits::CHUNK_MAX,
    };
    assert_eq!(
        seal(Kind::Data, 1, b"", &Payload::raw(&too_long)),
        Err(error)
    );
    assert_eq!(
        seal(
            Kind::Data,
            1,
            b"",
            &Payload::zstd(b"z", limits::CHUNK_MAX + 1)
        ),
        Err(error)
    );
    assert_eq!(
        seal(Kind::Recipe, 1, b"", &Payload::zstd(b"z", 9)),
        Err(SealError::WrongKind)
    );
    assert_eq!(
        seal(Kind::Batch, 1, b"", &Payload::raw(b"")),
        Err(SealError::WrongKind)
    );
    let largest = seal(Kind::Data, 1, b"", &Payload::raw(&too_long[1..])).unwrap();
    assert!(largest.len() <= limits::OBJECT_BYTES_MAX);
    assert!(envelope::open(&KEY, Kind::Data, b"", &largest).is_ok());
    let endless = vec![0xf5; limits::OBJECT_BYTES_MAX + 1];
    assert!(matches!(
        envelope::open(&KEY, Kind::Data, b"", &endless),
        Err(OpenError::TooLarge { .. })
    ));
}

fn salts() -> (fst_crypto::device::HedgeKey, OsRandom) {
    (hedge(), OsRandom)
}

#[test]
fn an_object_opens_under_its_own_id_space_epoch_and_kind_only() {
    let (hedge, random) = salts();
    let salts = SaltSource {
        hedge: &hedge,
        random: &random,
    };
    let keys = keys();
    let id = object::object_id(&keys, ObjectKind::Recipe, b"raw");
    let payload = Payload::raw(b"raw");
    let sealed = object::seal_object(&salts, &keys, ObjectKind::Recipe, &id, &payload).unwrap();
    assert_eq!(object::open_recipe(&keys, &id, &sealed).unwrap(), b"raw");
    let wrong = Err(OpenError::WrongContext);
    assert_eq!(
        object::open_recipe(&keys, &ObjectId([1; 32]), &sealed),
        wrong
    );
    assert_eq!(object::open_directory(&keys, &id, &sealed), wrong);
    assert_eq!(object::open_chunk(&keys, &id, &sealed, |_, _| None), wrong);
    for other in [
        keys_of(SpaceId([9; 16]), 1, 0x11),
        keys_of(SPACE, 2, 0x11),
        keys_of(SPACE, 1, 0x12),
    ] {
        assert_eq!(object::open_recipe(&other, &id, &sealed), wrong);
    }
}

#[test]
fn a_poisoned_chunk_is_noticed() {
    let (hedge, random) = salts();
    let salts = SaltSource {
        hedge: &hedge,
        random: &random,
    };
    let keys = keys();
    let id = object::object_id(&keys, ObjectKind::Data, b"good");
    let payload = Payload::raw(b"evil");
    let sealed = object::seal_object(&salts, &keys, ObjectKind::Data, &id, &payload).unwrap();
    assert_eq!(
        object::open_chunk(&keys, &id, &sealed, |_, _| None),
        Err(OpenError::WrongId)
    );
}

#[test]
fn a_compressed_chunk_inflates_to_exactly_what_it_says() {
    let (hedge, random) = salts();
    let salts = SaltSource {
        hedge: &hedge,
        random: &random,
    };
    let keys = keys();
    let id = object::object_id(&keys, ObjectKind::Data, b"raw bytes");
    let payload = Payload::zstd(b"frame", 9);
    let sealed = object::seal_object(&salts, &keys, ObjectKind::Data, &id, &payload).unwrap();
    let open = |raw: Option<&[u8]>| {
        object::open_chunk(&keys, &id, &sealed, |frame, raw_len| {
            assert_eq!((frame, raw_len), (b"frame".as_slice(), 9));
            raw.map(<[u8]>::to_vec)
        })
    };
    assert_eq!(open(Some(b"raw bytes")).unwrap(), b"raw bytes");
    let malformed = OpenError::Malformed {
        what: "compressed chunk does not inflate",
    };
    assert_eq!(open(None), Err(malformed));
    assert_eq!(open(Some(b"raw byte")), Err(malformed));
    assert_eq!(open(Some(b"raw bytez")), Err(OpenError::WrongId));
}

#[test]
fn ids_of_different_spaces_and_kinds_are_unrelated() {
    let keys = keys();
    let other = keys_of(SpaceId([9; 16]), 1, 0x11);
    let all = [
        object::object_id(&keys, ObjectKind::Data, b"x"),
        object::object_id(&keys, ObjectKind::Recipe, b"x"),
        object::object_id(&keys, ObjectKind::Directory, b"x"),
        object::object_id(&other, ObjectKind::Data, b"x"),
        ObjectId(fst_crypto::ids::content_id(&keys, b"x").0),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn a_content_is_hashed_alike_in_any_pieces() {
    let keys = keys();
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut hasher = fst_crypto::ids::ContentHasher::new(&keys);
    for piece in bytes.chunks(777) {
        hasher.update(piece);
    }
    assert_eq!(hasher.finish(), fst_crypto::ids::content_id(&keys, &bytes));
}

#[test]
fn names_that_are_not_text_keep_their_bytes() {
    let mixed = b"e\xcc\x81\xff";
    assert_eq!(fst_crypto::ids::canon(mixed).as_ref(), mixed);
    assert_eq!(
        fst_crypto::ids::canon("e\u{301}".as_bytes()).as_ref(),
        "é".as_bytes()
    );
}

#[test]
fn nothing_secret_is_printed() {
    let keys = keys();
    let device = fst_crypto::device::DeviceSecrets::generate(&seeded(1));
    let text = format!("{keys:?} {device:?} {:?} {:?}", device.to_bytes(), hedge());
    for secret in ["17, 17", "11111111", "4e4e", "78, 78"] {
        assert!(!text.contains(secret), "{text}");
    }
}
