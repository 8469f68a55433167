//! Sealed objects.

use bytes::Bytes;
use fst_proto::ids::ObjectId;
use fst_proto::wire::ObjectIds;
use fst_proto::{frame, limits};
use fst_server::refusal::Refusal;
use fst_server::service::ByteRange;

use crate::support::{World, assert_refused, frame_of, object, object_bytes};

fn ids(numbers: &[u32]) -> ObjectIds {
    ObjectIds {
        ids: numbers.iter().copied().map(object).collect(),
    }
}

fn numbers(frame: &Bytes) -> Vec<ObjectId> {
    frame::parse(frame)
        .unwrap()
        .iter()
        .map(|item| item.id)
        .collect()
}

#[tokio::test]
async fn uploads_are_found_and_may_be_repeated() {
    let (world, device, space) = World::with_space().await;
    let (service, caller) = (&world.service, device.caller());
    let frame = Bytes::from(frame_of(&[(1, 100), (2, 0), (3, 70_000)]));
    let new = service
        .upload_objects(caller, space, frame.clone())
        .await
        .unwrap();
    assert_eq!(new, ids(&[1, 2, 3]));
    let bytes = service.totals().await.unwrap().bytes;
    let new = service.upload_objects(caller, space, frame).await.unwrap();
    assert!(new.ids.is_empty());
    let mixed = Bytes::from(frame_of(&[(3, 5), (4, 10)]));
    let new = service.upload_objects(caller, space, mixed).await.unwrap();
    assert_eq!(new, ids(&[4]));
    assert_eq!(
        service.totals().await.unwrap().bytes - bytes,
        5 + 10 + 2 * 36
    );
    // The object that was there stays as it was.
    let part = service
        .get_object(caller, space, object(3), None)
        .await
        .unwrap();
    assert_eq!(part.bytes, object_bytes(3, 70_000));
    let missing = service
        .missing(caller, space, ids(&[4, 9, 1, 8]))
        .await
        .unwrap();
    assert_eq!(missing, ids(&[9, 8]));
    let nothing = service
        .upload_objects(caller, space, Bytes::new())
        .await
        .unwrap();
    assert!(nothing.ids.is_empty());
}

#[tokio::test]
async fn broken_and_large_frames_are_refused() {
    let (world, device, space) = World::with_space().await;
    let (service, caller) = (&world.service, device.caller());
    let mut cut = frame_of(&[(1, 100)]);
    cut.pop();
    let refused = service.upload_objects(caller, space, cut.into()).await;
    assert_refused!(refused, Refusal::Malformed(_));
    let many: Vec<(u32, usize)> = (0..=u32::try_from(limits::FRAME_OBJECTS_MAX).unwrap())
        .map(|n| (n, 1))
        .collect();
    let refused = service
        .upload_objects(caller, space, frame_of(&many).into())
        .await;
    assert_refused!(refused, Refusal::TooLarge { .. });
    let asked = ObjectIds {
        ids: vec![object(1); limits::IDS_PER_REQUEST_MAX + 1],
    };
    assert_refused!(
        service.missing(caller, space, asked.clone()).await,
        Refusal::TooLarge { .. }
    );
    assert_refused!(
        service.get_objects(caller, space, asked).await,
        Refusal::TooLarge { .. }
    );
}

#[tokio::test]
async fn frames_come_in_the_order_asked() {
    let (world, device, space) = World::with_space().await;
    let (service, caller) = (&world.service, device.caller());
    for frame in [
        frame_of(&[(1, 10), (2, 200_000), (3, 30)]),
        frame_of(&[(4, 40), (5, 50)]),
    ] {
        service
            .upload_objects(caller, space, frame.into())
            .await
            .unwrap();
    }
    for order in [
        &[1, 2, 3, 4, 5][..],
        &[5, 3, 1, 4, 2],
        &[1, 3],
        &[2, 2],
        &[4, 9, 5],
        &[9],
    ] {
        let frame = service
            .get_objects(caller, space, ids(order))
            .await
            .unwrap();
        let there: Vec<u32> = order.iter().copied().filter(|n| *n != 9).collect();
        assert_eq!(numbers(&frame), ids(&there).ids, "{order:?}");
        for item in frame::parse(&frame).unwrap() {
            let n = (1..=5).find(|n| object(*n) == item.id).unwrap();
            assert_eq!(item.envelope, object_bytes(n, item.envelope.len()));
        }
    }
}

#[tokio::test]
async fn a_page_of_objects_is_bounded() {
    let (world, device, space) = World::with_space().await;
    let (service, caller) = (&world.service, device.caller());
    for n in 0..4 {
        let frame = frame_of(&[(n, 3 << 20)]);
        service
            .upload_objects(caller, space, frame.into())
            .await
            .unwrap();
    }
    service
        .upload_objects(caller, space, frame_of(&[(9, 9 << 20)]).into())
        .await
        .unwrap();
    let asked = [0, 1, 2, 3, 9];
    let frame = service
        .get_objects(caller, space, ids(&asked))
        .await
        .unwrap();
    assert_eq!(numbers(&frame), ids(&[0, 1]).ids);
    let frame = service
        .get_objects(caller, space, ids(&asked[2..]))
        .await
        .unwrap();
    assert_eq!(numbers(&frame), ids(&[2, 3]).ids);
    // One object above the target still comes, alone.
    let frame = service
        .get_objects(caller, space, ids(&[9, 0]))
        .await
        .unwrap();
    assert_eq!(numbers(&frame), ids(&[9]).ids);
}

#[tokio::test]
async fn ranges_are_cut_as_http_says() {
    let (world, device, space) = World::with_space().await;
    let (service, caller) = (&world.service, device.caller());
    service
        .upload_objects(caller, space, frame_of(&[(1, 7), (2, 100)]).into())
        .await
        .unwrap();
    let all = object_bytes(2, 100);
    let from = |first, last| Some(ByteRange::From { first, last });
    let cases = [
        (None, 0..100),
        (from(0, Some(9)), 0..10),
        (from(90, None), 90..100),
        (from(99, Some(99)), 99..100),
        (from(50, Some(1000)), 50..100),
        (Some(ByteRange::Suffix(10)), 90..100),
        (Some(ByteRange::Suffix(1000)), 0..100),
    ];
    for (range, expected) in cases {
        let part = service
            .get_object(caller, space, object(2), range)
            .await
            .unwrap();
        assert_eq!(
            (part.offset, part.total),
            (expected.start as u64, 100),
            "{range:?}"
        );
        assert_eq!(part.bytes, all[expected]);
    }
    for range in [
        from(100, None),
        from(5, Some(4)),
        Some(ByteRange::Suffix(0)),
    ] {
        let refused = service.get_object(caller, space, object(2), range).await;
        assert_refused!(refused, Refusal::Range { len: 100 });
    }
    let missing = service.get_object(caller, space, object(3), None).await;
    assert_refused!(missing, Refusal::NotFound(_));
}
