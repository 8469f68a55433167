//! The table of descriptions: what a meta slot may say about a node, and what it may not.

use fst_crypto::batch::{self, BatchSealer};
use fst_crypto::error::SealError;
use fst_proto::entry::{Kind, NodeMeta};
use fst_proto::ids::{ContentId, NodeId, ObjectId};
use fst_proto::recipe::{Body, Extent, PartRef};

use crate::support::{DEVICE, Put, dir_meta, header_for, keys, seal_puts, seeded};

fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn with(change: impl FnOnce(&mut NodeMeta)) -> NodeMeta {
    let mut meta = dir_meta("n");
    change(&mut meta);
    meta
}

fn file(size: u64, body: Body) -> NodeMeta {
    with(|meta| {
        meta.kind = Kind::File;
        meta.size = size;
        meta.body = body;
    })
}

fn data(len: u32) -> Extent {
    Extent::Data {
        object: ObjectId([1; 32]),
        offset: 0,
        len,
    }
}

#[test]
fn impossible_descriptions_are_neither_written_nor_read() {
    let link =
        |body, size| with(|meta| (meta.kind, meta.body, meta.size) = (Kind::Symlink, body, size));
    let part = |len| PartRef {
        object: ObjectId([2; 32]),
        len,
    };
    let cases: Vec<(NodeMeta, Option<&[u8]>)> = vec![
        (with(|meta| meta.size = 1), None),
        (with(|meta| meta.exec = true), None),
        (with(|meta| meta.content = ContentId([1; 32])), None),
        (with(|meta| meta.body = Body::Slot), Some(b"x")),
        (with(|meta| meta.body = Body::Inline(Vec::new())), None),
        (dir_meta("d"), Some(b"x")),
        (file(1, Body::None), None),
        (file(1, Body::Slot), None),
        (file(2, Body::Slot), Some(b"x")),
        (file(0, Body::Slot), Some(b"")),
        (file(1, Body::Inline(vec![data(1)])), Some(b"x")),
        (file(2, Body::Inline(vec![data(1)])), None),
        (file(0, Body::Inline(Vec::new())), None),
        (file(1, Body::Inline(vec![data(1), data(0)])), None),
        (file(100, Body::Inline(vec![data(1); 100])), None),
        (
            file(
                9,
                Body::Parts {
                    level: 0,
                    parts: vec![part(8)],
                },
            ),
            None,
        ),
        (
            file(
                9,
                Body::Parts {
                    level: 5,
                    parts: vec![part(9)],
                },
            ),
            None,
        ),
        (
            file(
                129,
                Body::Parts {
                    level: 0,
                    parts: vec![part(1); 129],
                },
            ),
            None,
        ),
        (link(Body::None, 0), None),
        (link(Body::Slot, 2), Some(b"x")),
        (link(Body::Inline(vec![data(1)]), 1), None),
    ];
    for (meta, body) in cases {
        let keys = keys();
        let mut sealer = BatchSealer::new(&keys, DEVICE, 1);
        let refused = sealer.put(0, node(1), 0, &meta, body);
        assert!(
            matches!(refused, Err(SealError::BadMeta { op: 0, .. })),
            "{meta:?} {body:?}"
        );
    }
}

#[test]
fn possible_descriptions_pass() {
    let keys = keys();
    let link = with(|meta| {
        (meta.kind, meta.body, meta.size) = (Kind::Symlink, Body::Slot, 6);
    });
    let parts = vec![
        PartRef {
            object: ObjectId([2; 32]),
            len: 1 << 30
        };
        128
    ];
    let recipe = vec![data(5), Extent::Hole { len: 1 << 40 }];
    let cases: Vec<(NodeMeta, Option<&[u8]>)> = vec![
        (link, Some(b"target")),
        (file(5 + (1 << 40), Body::Inline(recipe)), None),
        (file(128 << 30, Body::Parts { level: 4, parts }), None),
        (file(0, Body::None), None),
    ];
    let puts: Vec<Put<'_>> = cases
        .into_iter()
        .zip(1..)
        .map(|((meta, body), n)| Put {
            node: node(n),
            base_rev: 0,
            meta,
            body,
        })
        .collect();
    let sealed = seal_puts(&keys, 1, &puts, &seeded(2));
    let header = header_for(&keys, 1, &puts, &sealed);
    assert_eq!(
        batch::open_batch(&keys, &header, &sealed.payload)
            .unwrap()
            .len(),
        4
    );
}
