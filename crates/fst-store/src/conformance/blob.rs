//! What every blob store promises.

use bytes::Bytes;

use crate::blob::{BLOB_BYTES_MAX, BlobInfo, BlobKey, BlobStore};
use crate::error::StoreError;

/// Runs every case, each on a fresh store.
pub async fn all<B: BlobStore>(fresh: impl AsyncFn() -> B) {
    reads_what_was_written(&fresh().await).await;
    reads_ranges_inside_only(&fresh().await).await;
    says_when_nothing_is_there(&fresh().await).await;
    takes_the_same_bytes_again(&fresh().await).await;
    deletes_and_forgives(&fresh().await).await;
    lists_in_order_by_pages(&fresh().await).await;
    refuses_what_is_too_large(&fresh().await).await;
    counts_puts(&fresh().await).await;
}

fn key(n: u8) -> BlobKey {
    BlobKey([n.wrapping_mul(37); 16])
}

async fn reads_what_was_written<B: BlobStore>(store: &B) {
    for (n, len) in [(1, 0), (2, 1), (3, 4096), (4, 3 << 20)] {
        let bytes = Bytes::from(vec![n; len]);
        store.put(key(n), bytes.clone()).await.unwrap();
        assert_eq!(store.get(key(n)).await.unwrap(), bytes);
    }
}

async fn reads_ranges_inside_only<B: BlobStore>(store: &B) {
    store
        .put(key(1), Bytes::from_static(b"0123456789"))
        .await
        .unwrap();
    assert_eq!(
        &store.get_range(key(1), 0, 10).await.unwrap()[..],
        b"0123456789"
    );
    assert_eq!(&store.get_range(key(1), 3, 4).await.unwrap()[..], b"3456");
    assert_eq!(&store.get_range(key(1), 10, 0).await.unwrap()[..], b"");
    for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 2)] {
        let read = store.get_range(key(1), offset, len).await;
        assert!(
            matches!(read, Err(StoreError::Range)),
            "{offset}+{len}: {read:?}"
        );
    }
}

async fn says_when_nothing_is_there<B: BlobStore>(store: &B) {
    assert!(matches!(store.get(key(1)).await, Err(StoreError::NoBlob)));
    assert!(matches!(
        store.get_range(key(1), 0, 0).await,
        Err(StoreError::NoBlob)
    ));
}

async fn takes_the_same_bytes_again<B: BlobStore>(store: &B) {
    let bytes = Bytes::from_static(b"again");
    store.put(key(1), bytes.clone()).await.unwrap();
    store.put(key(1), bytes.clone()).await.unwrap();
    assert_eq!(store.get(key(1)).await.unwrap(), bytes);
    assert_eq!(store.list(None, 10).await.unwrap().len(), 1);
}

async fn deletes_and_forgives<B: BlobStore>(store: &B) {
    store.put(key(1), Bytes::from_static(b"x")).await.unwrap();
    store.delete(key(1)).await.unwrap();
    store.delete(key(1)).await.unwrap();
    assert!(matches!(store.get(key(1)).await, Err(StoreError::NoBlob)));
    assert!(store.list(None, 10).await.unwrap().is_empty());
}

async fn lists_in_order_by_pages<B: BlobStore>(store: &B) {
    let mut keys: Vec<BlobKey> = (0..20).map(key).collect();
    for key in &keys {
        store.put(*key, Bytes::from_static(b"abc")).await.unwrap();
    }
    keys.sort_unstable();
    let mut listed = Vec::new();
    loop {
        let after = listed.last().map(|info: &BlobInfo| info.key);
        let page = store.list(after, 7).await.unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert!(listed.iter().all(|info| info.bytes == 3));
    assert_eq!(listed.iter().map(|info| info.key).collect::<Vec<_>>(), keys);
}

async fn refuses_what_is_too_large<B: BlobStore>(store: &B) {
    let put = store
        .put(key(1), Bytes::from(vec![0; BLOB_BYTES_MAX + 1]))
        .await;
    assert!(matches!(put, Err(StoreError::TooLarge)));
    assert!(store.list(None, 10).await.unwrap().is_empty());
}

async fn counts_puts<B: BlobStore>(store: &B) {
    let before = store.counts();
    store.put(key(1), Bytes::from_static(b"x")).await.unwrap();
    let after = store.counts();
    assert_eq!(after.puts, before.puts + 1);
    assert!(
        after.fsyncs <= before.fsyncs + 2,
        "a put costs at most two fsyncs"
    );
}
