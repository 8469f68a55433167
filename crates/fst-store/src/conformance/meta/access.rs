//! What a metadata store promises about accounts, listed, and those who are barred.

use fst_proto::ids::{AccountId, DeviceId};

use super::{CODE, at};
use crate::conformance::make;
use crate::meta::{MetaStore, Outcome, Subject};

pub(super) async fn accounts_are_listed_in_pages<M: MetaStore>(store: &M) {
    for n in [3, 1, 2] {
        store
            .create_setup_code(CODE, at(5000), at(1))
            .await
            .unwrap();
        let tx = make::account(n, CODE, at(1));
        store.create_account(tx).await.unwrap();
    }
    let [one, two, three] = [1, 2, 3].map(|n| AccountId([n; 16]));
    assert_eq!(store.accounts(None, 2).await.unwrap(), [one, two]);
    assert_eq!(store.accounts(Some(two), 2).await.unwrap(), [three]);
    assert!(store.accounts(Some(three), 2).await.unwrap().is_empty());
}

pub(super) async fn the_barred_are_known<M: MetaStore>(store: &M) {
    // An account and a device of the same id are two.
    let account = Subject::Account(AccountId([1; 16]));
    let device = Subject::Device(DeviceId([1; 16]));
    assert_eq!(store.barred_since(account).await.unwrap(), None);
    assert_eq!(store.bar(account, at(7)).await.unwrap(), Outcome::New);
    assert_eq!(store.bar(account, at(9)).await.unwrap(), Outcome::Repeated);
    assert_eq!(store.barred_since(account).await.unwrap(), Some(at(7)));
    assert_eq!(store.barred_since(device).await.unwrap(), None);
    assert_eq!(
        store.unbar(device, at(10)).await.unwrap(),
        Outcome::Repeated
    );
    assert_eq!(store.bar(device, at(8)).await.unwrap(), Outcome::New);
    assert_eq!(store.unbar(account, at(10)).await.unwrap(), Outcome::New);
    assert_eq!(store.barred_since(account).await.unwrap(), None);
    assert_eq!(store.barred_since(device).await.unwrap(), Some(at(8)));
}
