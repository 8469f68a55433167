//! What only the SQLite backend promises.

use std::sync::Arc;

use fst_proto::time::UnixMillis;
use fst_store::conformance::make::{Author, SPACE, create};
use fst_store::meta::sqlite::SqliteMeta;
use fst_store::meta::{MetaStore as _, Outcome, PageLimit};

const ALL: PageLimit = PageLimit {
    entries: 1000,
    bytes: 1 << 30,
};

#[tokio::test]
async fn everything_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fst.db");
    let mut author = Author::new(1);
    let genesis = author.genesis(UnixMillis(1));
    {
        let store = SqliteMeta::open(&path).unwrap();
        let made = store.create_space(genesis.clone()).await.unwrap();
        author.wrote(&genesis.commit, made.head);
        store.get_or_create_secret("a", [1; 32]).await.unwrap();
    }
    let store = SqliteMeta::open(&path).unwrap();
    assert_eq!(
        store.get_or_create_secret("a", [2; 32]).await.unwrap(),
        [1; 32]
    );
    let tx = author.batch(vec![create(1, 0, 1)], UnixMillis(2));
    assert_eq!(store.commit(tx).await.unwrap().head.size, 2);
    let repeated = store.create_space(genesis).await.unwrap();
    assert_eq!(repeated.outcome, Outcome::Repeated);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fst.db");
    drop(SqliteMeta::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA user_version = 999")
        .unwrap();
    drop(connection);
    assert!(SqliteMeta::open(&path).is_err());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fst.db");
    std::fs::write(&path, vec![7; 8192]).unwrap();
    assert!(SqliteMeta::open(&path).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_at_one_revision_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteMeta::open(&dir.path().join("fst.db")).unwrap());
    let mut author = Author::new(1);
    let genesis = author.genesis(UnixMillis(1));
    let made = store.create_space(genesis.clone()).await.unwrap();
    author.wrote(&genesis.commit, made.head);
    let mut tasks = Vec::new();
    for n in 2..34 {
        let mut device = Author::new(n);
        device.seen = author.seen;
        let tx = device.batch(vec![create(1, 0, n)], UnixMillis(2));
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move { store.commit(tx).await.is_ok() }));
    }
    let mut wins = 0;
    for task in tasks {
        wins += usize::from(task.await.unwrap());
    }
    assert_eq!(wins, 1);
    assert_eq!(store.changes(SPACE, 0, ALL).await.unwrap().entries.len(), 2);
}
