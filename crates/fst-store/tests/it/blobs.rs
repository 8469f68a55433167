//! What only one blob backend promises.

use bytes::Bytes;
use fst_store::blob::faulty::{Fault, FaultyBlobs};
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::memory::MemoryBlobs;
use fst_store::blob::{BlobKey, BlobStore as _};
use fst_store::error::StoreError;

const KEY: BlobKey = BlobKey([0xab; 16]);

#[tokio::test]
async fn files_survive_reopening_and_leftovers_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("objects");
    let store = FsBlobs::open(&root).unwrap();
    store.put(KEY, Bytes::from_static(b"kept")).await.unwrap();
    let leftover = root.join("0/0/00000000000000000000000000000000.tmp");
    std::fs::write(&leftover, b"half").unwrap();
    drop(store);
    let store = FsBlobs::open(&root).unwrap();
    assert_eq!(&store.get(KEY).await.unwrap()[..], b"kept");
    assert!(!leftover.exists());
    assert_eq!(store.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_put_costs_two_fsyncs_and_opening_again_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = FsBlobs::open(dir.path()).unwrap();
    drop(store);
    let store = FsBlobs::open(dir.path()).unwrap();
    assert_eq!(store.counts().fsyncs, 0);
    for n in 0..8 {
        store
            .put(BlobKey([n * 31; 16]), Bytes::from(vec![n; 1 << 20]))
            .await
            .unwrap();
    }
    assert_eq!(store.counts().fsyncs, 16);
}

#[tokio::test]
async fn a_blob_that_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = FsBlobs::open(dir.path()).unwrap();
    // A folder where the staged file belongs: creating it fails.
    std::fs::create_dir(dir.path().join(format!("a/b/{KEY}.tmp"))).unwrap();
    let put = store.put(KEY, Bytes::from_static(b"x")).await;
    assert!(matches!(put, Err(StoreError::Backend { .. })));
    assert!(matches!(store.get(KEY).await, Err(StoreError::NoBlob)));
}

#[tokio::test]
async fn faults_strike_in_order() {
    let store = FaultyBlobs::new(MemoryBlobs::new());
    store.plan([Fault::Fails, Fault::DoneButFails]);
    let bytes = Bytes::from_static(b"x");
    assert!(store.put(KEY, bytes.clone()).await.is_err());
    assert!(store.list(None, 1).await.unwrap().is_empty());
    assert!(store.put(KEY, bytes).await.is_err());
    assert_eq!(store.list(None, 1).await.unwrap().len(), 1);
    assert!(store.get(KEY).await.is_ok());
}
