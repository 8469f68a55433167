//! Storage that fails: nothing is acknowledged that is not durable, and everything may be sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fst_proto::ids::SpaceId;
use fst_proto::time::{Clock, UnixMillis};
use fst_server::refusal::Refusal;
use fst_server::seams::OsRandom;
use fst_server::service::{Parts, Service};
use fst_store::blob::BlobStore as _;
use fst_store::blob::faulty::{Fault, FaultyBlobs};
use fst_store::blob::memory::MemoryBlobs;
use fst_store::cache::local::LocalCache;
use fst_store::meta::memory::MemoryMeta;

use crate::support::{Device, assert_refused, conflict, frame_of, new_account, object, put_with};

#[derive(Debug, Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

const SPACE: SpaceId = SpaceId([0x51; 16]);

async fn service() -> (Service, Arc<FaultyBlobs<MemoryBlobs>>, Device) {
    let blobs = Arc::new(FaultyBlobs::new(MemoryBlobs::new()));
    let parts = Parts {
        meta: Arc::new(MemoryMeta::new()),
        blobs: Arc::clone(&blobs) as _,
        cache: Arc::new(LocalCache::new()),
        clock: Arc::new(Ticks::default()),
        random: Arc::new(OsRandom),
    };
    let service = Service::open(parts).await.unwrap();
    let code = service.create_setup_code().await.unwrap();
    let (mut device, request) = new_account(1, &code);
    service.create_account(request).await.unwrap();
    let request = device.genesis(SPACE);
    let receipt = service
        .create_space(device.caller(), request.clone())
        .await
        .unwrap();
    device.wrote(&request.commit, receipt.head);
    (service, blobs, device)
}

#[tokio::test]
async fn a_blob_that_fails_is_not_acknowledged() {
    let (service, blobs, device) = service().await;
    let caller = device.caller();
    for fault in [Fault::Fails, Fault::DoneButFails] {
        blobs.plan([fault]);
        let frame = frame_of(&[(1, 100)]).into();
        let refused = service.upload_objects(caller, SPACE, frame).await;
        assert_refused!(refused, Refusal::Storage(_));
        let asked = fst_proto::wire::ObjectIds {
            ids: vec![object(1)],
        };
        let missing = service.missing(caller, SPACE, asked.clone()).await.unwrap();
        assert_eq!(missing, asked);

        let op = put_with(1, 0, vec![1; 300], Some(vec![2; 100_000]));
        let commit = device.batch(SPACE, vec![op]);
        blobs.plan([fault]);
        let refused = service.commit(caller, SPACE, commit).await;
        assert_refused!(refused, Refusal::Storage(_));
        assert_eq!(service.size_of(caller, SPACE).await.unwrap(), 1);
    }
    // The same commit again succeeds.
    let op = put_with(1, 0, vec![1; 300], Some(vec![2; 100_000]));
    let commit = device.batch(SPACE, vec![op]);
    service.commit(caller, SPACE, commit).await.unwrap();
    assert_eq!(service.size_of(caller, SPACE).await.unwrap(), 2);
}

#[tokio::test]
async fn refused_and_repeated_requests_leave_no_blob_behind() {
    let (service, blobs, mut device) = service().await;
    let caller = device.caller();
    let op = put_with(1, 0, vec![1; 300], Some(vec![2; 100_000]));
    let commit = device.batch(SPACE, vec![op]);
    let receipt = service.commit(caller, SPACE, commit.clone()).await.unwrap();
    assert_eq!(blobs.list(None, 10).await.unwrap().len(), 1);
    service.commit(caller, SPACE, commit.clone()).await.unwrap();
    assert_eq!(blobs.list(None, 10).await.unwrap().len(), 1);
    device.wrote(&commit, receipt.head);
    let op = put_with(1, 0, vec![1; 300], Some(vec![2; 100_000]));
    conflict(
        service
            .commit(caller, SPACE, device.batch(SPACE, vec![op]))
            .await,
    );
    assert_eq!(blobs.list(None, 10).await.unwrap().len(), 1);
    let frame = frame_of(&[(1, 100)]);
    for _ in 0..2 {
        service
            .upload_objects(caller, SPACE, frame.clone().into())
            .await
            .unwrap();
        assert_eq!(blobs.list(None, 10).await.unwrap().len(), 2);
    }
    // Objects that are there already do not make a pack of their own.
    let mut op = put_with(2, 0, vec![1; 300], None);
    op.op.add_refs = vec![object(1)];
    let mut commit = device.batch(SPACE, vec![op]);
    commit.objects = frame;
    service.commit(caller, SPACE, commit).await.unwrap();
    assert_eq!(blobs.list(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failing_read_is_said_and_a_later_one_works() {
    let (service, blobs, device) = service().await;
    let caller = device.caller();
    service
        .upload_objects(caller, SPACE, frame_of(&[(1, 100)]).into())
        .await
        .unwrap();
    blobs.plan([Fault::Fails]);
    let refused = service.get_object(caller, SPACE, object(1), None).await;
    assert_refused!(refused, Refusal::Storage(_));
    service
        .get_object(caller, SPACE, object(1), None)
        .await
        .unwrap();
}
