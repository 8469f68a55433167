//! What only the S3 backend promises, behind faults.

use std::time::Duration;

use bytes::Bytes;
use fst_store::blob::s3::{PART_BYTES, Patience, S3Blobs};
use fst_store::blob::{BlobKey, BlobStore as _};
use fst_store::conformance::s3::{PrivateS3, S3Fault};
use fst_store::error::StoreError;

const KEY: BlobKey = BlobKey([0x51; 16]);

/// Attempts after the first of a store that does not give up.
const STUBBORN: usize = 6;

/// Long enough for a busy machine, short enough to wait for an answer that does not come.
const REQUEST: Duration = Duration::from_secs(5);

fn open(server: &PrivateS3, request: Duration, retries: usize) -> S3Blobs {
    let patience = Patience {
        request,
        total: 6 * request,
        retries,
    };
    S3Blobs::open(&server.place("a/b", patience)).unwrap()
}

fn is_backend<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Backend { .. }))
}

#[tokio::test]
async fn passing_faults_are_outlived() {
    let server = PrivateS3::start().await;
    let store = open(&server, REQUEST, STUBBORN);
    for fault in [
        S3Fault::Status(500),
        S3Fault::Status(503),
        S3Fault::DoneButStatus(500),
        S3Fault::Hangs,
    ] {
        let bytes = Bytes::from(vec![7; 5000]);
        server.plan([fault]);
        store.put(KEY, bytes.clone()).await.unwrap();
        assert_eq!(server.clear(), 0, "{fault:?} struck");
        server.plan([fault]);
        assert_eq!(store.get(KEY).await.unwrap(), bytes, "{fault:?}");
        server.plan([fault]);
        assert_eq!(store.get_range(KEY, 10, 20).await.unwrap(), bytes[10..30]);
        server.plan([fault]);
        assert_eq!(store.list(None, 10).await.unwrap().len(), 1);
        server.plan([fault]);
        let deleted = store.delete(KEY).await;
        if fault == S3Fault::Hangs {
            assert!(
                is_backend(&deleted),
                "a delete that hangs is given up: it is only garbage"
            );
            store.delete(KEY).await.unwrap();
        } else {
            deleted.unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_that_was_not_stored() {
    let server = PrivateS3::start().await;
    let store = open(&server, REQUEST, 0);
    let bytes = Bytes::from(vec![7; 5000]);
    for fault in [
        S3Fault::Status(500),
        S3Fault::Status(503),
        S3Fault::Hangs,
        S3Fault::Forgets,
        S3Fault::WrongBytesUp,
    ] {
        server.plan([fault]);
        let put = store.put(KEY, bytes.clone()).await;
        assert!(is_backend(&put), "{fault:?} was acknowledged");
        let got = store.get(KEY).await;
        assert!(matches!(got, Err(StoreError::NoBlob)), "{fault:?}: {got:?}");
    }
    assert_eq!(store.counts().puts, 0);
    // The blob is there, but nobody can be sure of it.
    server.plan([S3Fault::Works, S3Fault::Status(404)]);
    assert!(is_backend(&store.put(KEY, bytes.clone()).await));
    store.put(KEY, bytes).await.unwrap();
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let server = PrivateS3::start().await;
    let bytes = Bytes::from(
        (0..60_000_u32)
            .map(|n| n.to_le_bytes()[0])
            .collect::<Vec<_>>(),
    );
    let patient = open(&server, REQUEST, STUBBORN);
    patient.put(KEY, bytes.clone()).await.unwrap();
    server.plan([S3Fault::HalfAnswer]);
    match patient.get(KEY).await {
        Ok(got) => assert_eq!(got, bytes, "asked for the rest"),
        Err(error) => assert!(matches!(error, StoreError::Backend { .. })),
    }
    server.clear();
    server.plan([S3Fault::HalfAnswer]);
    match patient.get_range(KEY, 100, 50_000).await {
        Ok(got) => assert_eq!(got, bytes[100..50_100], "asked for the rest"),
        Err(error) => assert!(matches!(error, StoreError::Backend { .. })),
    }
}

#[tokio::test]
async fn large_blobs_go_in_parts_that_are_all_there_or_none() {
    let server = PrivateS3::start().await;
    let store = open(&server, 12 * REQUEST, 0);
    let len = 2 * PART_BYTES + 12_345;
    let bytes = Bytes::from(
        (0..len)
            .map(|n| (n / 251).to_le_bytes()[0])
            .collect::<Vec<_>>(),
    );
    // Begin, three parts, complete, look.
    for broken in 0..5 {
        let works = std::iter::repeat_n(S3Fault::Works, broken);
        server.plan(works.chain([S3Fault::Status(503)]));
        assert!(is_backend(&store.put(KEY, bytes.clone()).await), "{broken}");
        assert_eq!(server.clear(), 0);
        let got = store.get(KEY).await;
        assert!(matches!(got, Err(StoreError::NoBlob)), "{broken}");
    }
    server.plan([S3Fault::Works, S3Fault::Works, S3Fault::WrongBytesUp]);
    assert!(is_backend(&store.put(KEY, bytes.clone()).await));
    store.put(KEY, bytes.clone()).await.unwrap();
    assert_eq!(store.get(KEY).await.unwrap(), bytes);
    let over = PART_BYTES as u64 - 10;
    let range = store.get_range(KEY, over, 20).await.unwrap();
    assert_eq!(range, bytes[PART_BYTES - 10..PART_BYTES + 10]);
}

#[tokio::test]
async fn prefixes_are_apart() {
    let server = PrivateS3::start().await;
    let (one, other) = (
        S3Blobs::open(&server.place("one", Patience::default())).unwrap(),
        S3Blobs::open(&server.place("", Patience::default())).unwrap(),
    );
    one.put(KEY, Bytes::from_static(b"x")).await.unwrap();
    assert!(other.list(None, 10).await.unwrap().is_empty());
    assert!(matches!(other.get(KEY).await, Err(StoreError::NoBlob)));
}

#[tokio::test]
async fn wrong_keys_are_refused() {
    let server = PrivateS3::start().await;
    let mut place = server.place("", Patience::default());
    if let Some(keys) = &mut place.credentials {
        keys.secret.push('x');
        assert!(!format!("{keys:?}").contains("secret"), "{keys:?}");
    }
    let store = S3Blobs::open(&place).unwrap();
    assert!(is_backend(&store.put(KEY, Bytes::from_static(b"x")).await));
    assert!(is_backend(&store.get(KEY).await));
}
