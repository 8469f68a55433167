//! What a metadata store promises about secrets, set-up codes, accounts and slots.

use fst_proto::ids::{AccountId, DeviceId, Hash32, SlotId};
use fst_proto::wire::Conflict;

use super::{CODE, at, conflict, refused};
use crate::conformance::make::{self, account_entry};
use crate::error::Refused;
use crate::meta::{AppendAccountTx, MetaStore, Outcome, Slot, SlotKind};

pub(super) async fn secrets_stay<M: MetaStore>(store: &M) {
    assert_eq!(
        store.get_or_create_secret("a", [1; 32]).await.unwrap(),
        [1; 32]
    );
    assert_eq!(
        store.get_or_create_secret("a", [2; 32]).await.unwrap(),
        [1; 32]
    );
    assert_eq!(
        store.get_or_create_secret("b", [3; 32]).await.unwrap(),
        [3; 32]
    );
}

pub(super) async fn setup_codes_work_once<M: MetaStore>(store: &M) {
    store
        .create_setup_code(CODE, at(5000), at(1))
        .await
        .unwrap();
    assert!(store.is_setup_code_open(CODE, at(1)).await.unwrap());
    let outcome = store
        .create_account(make::account(1, CODE, at(1)))
        .await
        .unwrap();
    assert_eq!(outcome, Outcome::New);
    assert!(!store.is_setup_code_open(CODE, at(1)).await.unwrap());
    let second = store.create_account(make::account(2, CODE, at(1))).await;
    assert_eq!(refused(second), Refused::SetupCode);
    let again = store
        .create_account(make::account(1, CODE, at(1)))
        .await
        .unwrap();
    assert_eq!(again, Outcome::Repeated);
}

pub(super) async fn setup_codes_end_and_replace<M: MetaStore>(store: &M) {
    store
        .create_setup_code(CODE, at(5000), at(1))
        .await
        .unwrap();
    let late = store.create_account(make::account(1, CODE, at(5000))).await;
    assert_eq!(refused(late), Refused::SetupCode);
    let newer = Hash32([0xc1; 32]);
    store
        .create_setup_code(newer, at(9000), at(1))
        .await
        .unwrap();
    assert!(!store.is_setup_code_open(CODE, at(1)).await.unwrap());
    store
        .create_account(make::account(1, newer, at(5000)))
        .await
        .unwrap();
}

pub(super) async fn accounts_are_created_whole<M: MetaStore>(store: &M) {
    store
        .create_setup_code(CODE, at(5000), at(1))
        .await
        .unwrap();
    store
        .create_account(make::account(1, CODE, at(1)))
        .await
        .unwrap();
    let account = AccountId([1; 16]);
    assert_eq!(
        store.account_entries(account, 0).await.unwrap(),
        [account_entry(1)]
    );
    assert_eq!(store.account_len(account).await.unwrap(), 1);
    assert_eq!(
        store.device_account(DeviceId([1; 16])).await.unwrap(),
        Some(account)
    );
    let slot = store.slot(SlotId([1; 16])).await.unwrap().unwrap();
    assert_eq!(
        (slot.account, slot.slot.kind),
        (account, SlotKind::Recovery)
    );

    // A taken device refuses the whole account and leaves the code open.
    store
        .create_setup_code(CODE, at(5000), at(1))
        .await
        .unwrap();
    let mut clash = make::account(2, CODE, at(1));
    clash.device = DeviceId([1; 16]);
    assert_eq!(
        conflict(store.create_account(clash).await),
        Conflict::Exists
    );
    assert!(store.is_setup_code_open(CODE, at(1)).await.unwrap());
    assert_eq!(store.account_len(AccountId([2; 16])).await.unwrap(), 0);
}

pub(super) async fn with_account<M: MetaStore>(store: &M) -> AccountId {
    store
        .create_setup_code(CODE, at(5000), at(1))
        .await
        .unwrap();
    store
        .create_account(make::account(1, CODE, at(1)))
        .await
        .unwrap();
    AccountId([1; 16])
}

pub(super) fn append(account: AccountId, expected_len: u64, n: u8) -> AppendAccountTx {
    AppendAccountTx {
        account,
        expected_len,
        entry: account_entry(n),
        adds: None,
        revokes: None,
        by: None,
        opens: None,
        joins_by: None,
        now: at(10),
    }
}

pub(super) async fn chains_grow_at_their_end<M: MetaStore>(store: &M) {
    let account = with_account(store).await;
    assert_eq!(
        store.append_account(append(account, 1, 2)).await.unwrap(),
        Outcome::New
    );
    assert_eq!(
        store.append_account(append(account, 1, 2)).await.unwrap(),
        Outcome::Repeated
    );
    assert_eq!(
        conflict(store.append_account(append(account, 1, 3)).await),
        Conflict::Exists
    );
    assert_eq!(
        conflict(store.append_account(append(account, 3, 3)).await),
        Conflict::Exists
    );
    let unknown = store.append_account(append(AccountId([9; 16]), 0, 3)).await;
    assert_eq!(refused(unknown), Refused::NoAccount);
    let taken = AppendAccountTx {
        adds: Some(DeviceId([1; 16])),
        ..append(account, 2, 3)
    };
    assert_eq!(
        conflict(store.append_account(taken).await),
        Conflict::Exists
    );
    let entries = store.account_entries(account, 1).await.unwrap();
    assert_eq!(entries, [account_entry(2)]);
    assert!(
        store
            .account_entries(account, u64::MAX)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn with_invite<M: MetaStore>(store: &M) -> (AccountId, SlotId) {
    let account = with_account(store).await;
    let slot = SlotId([0x77; 16]);
    let kind = SlotKind::Invite { ends: at(100) };
    let opens = Some(Slot {
        slot,
        kind,
        sealed: b"sealed".to_vec(),
    });
    let tx = AppendAccountTx {
        opens,
        ..append(account, 1, 2)
    };
    store.append_account(tx).await.unwrap();
    (account, slot)
}

pub(super) async fn invitations_work_once<M: MetaStore>(store: &M) {
    let (account, slot) = with_invite(store).await;
    let stored = store.slot(slot).await.unwrap().unwrap();
    assert_eq!(stored.slot.sealed, b"sealed");
    assert!(stored.is_open(at(99)) && !stored.is_open(at(100)));
    let device = DeviceId([2; 16]);
    let join = AppendAccountTx {
        adds: Some(device),
        joins_by: Some(slot),
        ..append(account, 2, 3)
    };
    assert_eq!(
        store.append_account(join.clone()).await.unwrap(),
        Outcome::New
    );
    assert_eq!(store.device_account(device).await.unwrap(), Some(account));
    assert!(store.slot(slot).await.unwrap().unwrap().is_used);
    assert_eq!(store.append_account(join).await.unwrap(), Outcome::Repeated);
    let second = AppendAccountTx {
        adds: Some(DeviceId([3; 16])),
        joins_by: Some(slot),
        ..append(account, 3, 4)
    };
    assert_eq!(refused(store.append_account(second).await), Refused::Slot);
    assert_eq!(store.account_len(account).await.unwrap(), 3);
}

pub(super) async fn invitations_end<M: MetaStore>(store: &M) {
    let (account, slot) = with_invite(store).await;
    let late = AppendAccountTx {
        now: at(100),
        joins_by: Some(slot),
        ..append(account, 2, 3)
    };
    assert_eq!(
        refused(store.append_account(late.clone()).await),
        Refused::Slot
    );
    let unknown = AppendAccountTx {
        joins_by: Some(SlotId([9; 16])),
        ..late
    };
    assert_eq!(refused(store.append_account(unknown).await), Refused::Slot);
    // A refused join does not use the invitation up.
    let stale = AppendAccountTx {
        joins_by: Some(slot),
        ..append(account, 1, 3)
    };
    assert_eq!(
        conflict(store.append_account(stale).await),
        Conflict::Exists
    );
    assert!(!store.slot(slot).await.unwrap().unwrap().is_used);
}

pub(super) async fn recovery_slots_stay<M: MetaStore>(store: &M) {
    let account = with_account(store).await;
    let slot = SlotId([1; 16]);
    for n in [2, 3] {
        let adds = Some(DeviceId([n; 16]));
        let len = u64::from(n) - 1;
        let tx = AppendAccountTx {
            adds,
            joins_by: Some(slot),
            ..append(account, len, n)
        };
        assert_eq!(store.append_account(tx).await.unwrap(), Outcome::New);
    }
    assert!(
        store
            .slot(slot)
            .await
            .unwrap()
            .unwrap()
            .is_open(at(u64::MAX))
    );
}
