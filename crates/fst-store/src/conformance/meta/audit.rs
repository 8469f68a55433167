//! What every metadata store promises of the audit log.

use fst_proto::ids::{AccountId, DeviceId, Hash32};

use super::{ALL, CODE, at, with_space, write};
use crate::conformance::make::{self, SPACE, create};
use crate::meta::audit::{Position, START};
use crate::meta::{Actor, AuditEvent, AuditKind, MetaStore, Outcome, Quota, Subject};

/// Runs every case, each on a fresh store.
pub(super) async fn all<M: MetaStore>(fresh: &impl AsyncFn() -> M) {
    what_is_done_is_told_once(&fresh().await).await;
    what_is_refused_is_not_told(&fresh().await).await;
    entries_of_spaces_are_not_told(&fresh().await).await;
    records_come_in_pages(&fresh().await).await;
    two_at_once_make_one_chain(&fresh().await).await;
}

/// The kinds of all records, whose chain is whole.
async fn told<M: MetaStore>(store: &M) -> Vec<AuditKind> {
    let records = store.audit_records(0, 1000).await.unwrap();
    let mut position = START;
    let kinds = records.iter().map(|record| {
        position = position.then(record).expect("the chain holds");
        AuditEvent::decode(&record.body).unwrap().kind
    });
    kinds.collect()
}

async fn what_is_done_is_told_once<M: MetaStore>(store: &M) {
    use AuditKind as Kind;
    store
        .create_setup_code(CODE, at(5000), at(1))
        .await
        .unwrap();
    let account = AccountId([2; 16]);
    for _ in 0..2 {
        store
            .create_account(make::account(2, CODE, at(2)))
            .await
            .unwrap();
    }
    let mut joins = super::accounts::append(account, 1, 3);
    joins.adds = Some(DeviceId([3; 16]));
    let mut revokes = super::accounts::append(account, 2, 4);
    (revokes.revokes, revokes.by) = (Some(DeviceId([3; 16])), Some(DeviceId([2; 16])));
    for tx in [&joins, &joins, &revokes, &revokes] {
        store.append_account(tx.clone()).await.unwrap();
    }
    for _ in 0..2 {
        for subject in [
            Subject::Account(account),
            Subject::Device(DeviceId([2; 16])),
        ] {
            store.bar(subject, at(7)).await.unwrap();
        }
    }
    for _ in 0..2 {
        for subject in [
            Subject::Account(account),
            Subject::Device(DeviceId([2; 16])),
        ] {
            store.unbar(subject, at(8)).await.unwrap();
        }
    }
    let quota = Quota {
        bytes: Some(5),
        files: None,
    };
    for _ in 0..2 {
        store.set_quota(account, Some(quota), at(9)).await.unwrap();
    }
    let event = AuditEvent::new(at(10), Kind::Pruned, Actor::Server);
    store.tell_audit(event).await.unwrap();
    let expected = [
        Kind::SetupCodeMade,
        Kind::SetupCodeUsed,
        Kind::AccountCreated,
        Kind::DeviceEnrolled,
        Kind::DeviceRevoked,
        Kind::UserDisabled,
        Kind::DeviceBarred,
        Kind::UserEnabled,
        Kind::DeviceAdmitted,
        Kind::QuotaChanged,
        Kind::Pruned,
    ];
    assert_eq!(told(store).await, expected);
    check_ids(store, account).await;
}

async fn check_ids<M: MetaStore>(store: &M, account: AccountId) {
    let revoked = store.audit_records(4, 1).await.unwrap().remove(0);
    let revoked = AuditEvent::decode(&revoked.body).unwrap();
    assert_eq!(
        (revoked.account, revoked.device),
        (Some(account), Some(DeviceId([3; 16])))
    );
    assert_eq!(
        (revoked.actor, revoked.time),
        (Actor::Device(DeviceId([2; 16])), at(10))
    );
    let quota = store.audit_records(9, 1).await.unwrap().remove(0);
    assert_eq!(AuditEvent::decode(&quota.body).unwrap().numbers, [6, 0]);
}

async fn what_is_refused_is_not_told<M: MetaStore>(store: &M) {
    let refused = store.create_account(make::account(2, CODE, at(2))).await;
    assert!(refused.unwrap_err().refused().is_some());
    let unknown = super::accounts::append(AccountId([9; 16]), 1, 3);
    assert!(store.append_account(unknown).await.is_err());
    let nobody = Subject::Account(AccountId([9; 16]));
    assert_eq!(store.unbar(nobody, at(1)).await.unwrap(), Outcome::Repeated);
    assert_eq!(told(store).await, []);
}

async fn entries_of_spaces_are_not_told<M: MetaStore>(store: &M) {
    let mut author = with_space(store).await;
    write(store, &mut author, vec![create(1, 0, 1)]).await;
    assert_eq!(store.changes(SPACE, 0, ALL).await.unwrap().entries.len(), 2);
    assert_eq!(told(store).await, [AuditKind::SpaceCreated]);
    let record = store.audit_records(0, 9).await.unwrap().remove(0);
    assert_eq!(AuditEvent::decode(&record.body).unwrap().space, Some(SPACE));
}

async fn records_come_in_pages<M: MetaStore>(store: &M) {
    for n in 0..5 {
        let mut event = AuditEvent::new(at(n), AuditKind::BackupMade, Actor::Administrator);
        event.numbers = vec![n];
        store.tell_audit(event).await.unwrap();
    }
    let numbers = async |after, n_max| {
        let records = store.audit_records(after, n_max).await.unwrap();
        records.iter().map(|record| record.no).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, 3).await, [1, 2, 3]);
    assert_eq!(numbers(3, 3).await, [4, 5]);
    assert!(numbers(5, 3).await.is_empty() && numbers(u64::MAX, 3).await.is_empty());
}

async fn two_at_once_make_one_chain<M: MetaStore>(store: &M) {
    let many = async |kind| {
        for n in 0..20 {
            let event = AuditEvent::new(at(n), kind, Actor::Server);
            store.tell_audit(event).await.unwrap();
        }
    };
    futures::join!(
        many(AuditKind::Pruned),
        many(AuditKind::BackOffBegun),
        many(AuditKind::BackupMade)
    );
    assert_eq!(told(store).await.len(), 60);
    let last = store.audit_records(59, 9).await.unwrap().remove(0);
    assert_ne!(last.hash, Hash32::ZERO);
    let broken = Position {
        no: 58,
        hash: last.hash,
    };
    assert!(broken.then(&last).is_none());
}
