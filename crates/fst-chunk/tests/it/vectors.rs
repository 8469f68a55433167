//! Frozen cut points: three keys, five contents.

use fst_chunk::cdc::Chunker;
use fst_chunk::params::ChunkParams;
use fst_proto::control::Policy;
use fst_proto::text::to_hex;
use serde_json::{Value, json};

use crate::corpus::{lines, random, repeated, small};

fn corpora() -> [(&'static str, &'static str, Vec<u8>); 5] {
    let len = 200_000;
    let mut islands = vec![0; len];
    islands[50_000..90_000].copy_from_slice(&random("fst-cdc islands", 40_000));
    islands[150_000..].copy_from_slice(&random("fst-cdc tail", 50_000));
    [
        (
            "noise",
            "BLAKE3-XOF('fst-cdc noise')",
            random("fst-cdc noise", len),
        ),
        ("zeros", "zero bytes", vec![0; len]),
        (
            "period",
            "bytes 0..=96 over and over",
            repeated(&(0..=96).collect::<Vec<_>>(), len),
        ),
        ("lines", "'line 0\\n', 'line 1\\n', ... cut off", lines(len)),
        (
            "islands",
            "zeros; 50000.. is 40000 bytes of BLAKE3-XOF('fst-cdc islands'); 150000.. is \
             BLAKE3-XOF('fst-cdc tail')",
            islands,
        ),
    ]
}

fn document() -> Value {
    let mut rows = Vec::new();
    for key in [
        [0; 32],
        [7; 32],
        std::array::from_fn(|i| [0xc5, 0x3a][i % 2]),
    ] {
        for (corpus, rule, content) in corpora() {
            let lens = Chunker::new(small(), &key).cut_all(&content);
            rows.push(json!({
                "k_cdc": to_hex(&key), "corpus": corpus, "rule": rule, "bytes": content.len(), "lens": lens,
            }));
        }
    }
    let params = ChunkParams::from_policy(&Policy::default()).unwrap();
    let content = random("fst-cdc default", 16 << 20);
    let lens = Chunker::new(params, &[7; 32]).cut_all(&content);
    json!({
        "about": "fst-cdc-1 chunk lengths with min 512, avg 2048, max 8192; contents are made by 'rule', where \
                  BLAKE3-XOF(text) is the output stream of the unkeyed hash of the text.",
        "small": rows,
        "default": {
            "k_cdc": to_hex(&[7; 32]), "rule": "BLAKE3-XOF('fst-cdc default')", "bytes": content.len(),
            "min": 256 << 10, "avg": 1 << 20, "max": 4 << 20, "lens": lens,
        },
    })
}

fn path() -> String {
    format!(
        "{}/../../testdata/vectors/cdc.json",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn cut_points_are_frozen() {
    let frozen: Value = serde_json::from_slice(&std::fs::read(path()).unwrap()).unwrap();
    assert!(frozen == document(), "cdc.json is not what the code makes");
}

/// Writes the file if it does not exist yet; once there it is frozen and never touched.
#[test]
#[ignore = "writes into testdata"]
fn write_missing_vectors() {
    if !std::path::Path::new(&path()).exists() {
        std::fs::write(
            path(),
            serde_json::to_string_pretty(&document()).unwrap() + "\n",
        )
        .unwrap();
    }
}
