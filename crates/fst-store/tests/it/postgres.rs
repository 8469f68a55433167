//! What only the PostgreSQL backend promises.

use std::sync::Arc;

use fst_proto::time::UnixMillis;
use fst_store::conformance::make::{Author, SPACE, create, pack};
use fst_store::conformance::meta::prune_beside_commits;
use fst_store::conformance::servers::{Fsync, PrivatePostgres, look_again};
use fst_store::meta::postgres::{
    self, PostgresMeta, PostgresUrl, Sharing, create_database, migrate,
};
use fst_store::meta::{MetaStore as _, Outcome, PageLimit};

const ALL: PageLimit = PageLimit {
    entries: 1000,
    bytes: 1 << 30,
};

/// A new, empty database of the newest version.
pub(crate) async fn fresh_database(server: &PrivatePostgres, name: &str) -> PostgresMeta {
    let url = PostgresUrl::parse(&server.url(name)).unwrap();
    assert!(create_database(&url).await.unwrap());
    migrate(&url).await.unwrap();
    PostgresMeta::open(&url, &url, 4).await.unwrap()
}

#[test]
fn a_readable_way_to_another_machine_must_be_meant() {
    for near in [
        "postgresql://u:p@localhost/fst",
        "postgresql://u@127.0.0.1,[::1]/fst",
        "postgresql:///fst?host=/run/x",
    ] {
        assert!(PostgresUrl::parse(near).is_ok(), "{near}");
    }
    for far in [
        "postgresql://u@db/fst",
        "postgresql://u@localhost,10.0.0.1/fst?sslmode=require",
    ] {
        let bad = PostgresUrl::parse(far).unwrap_err();
        assert!(bad.to_string().contains("sslmode=disable"), "{far}: {bad}");
    }
    assert!(PostgresUrl::parse("postgresql://u@db/fst?sslmode=disable").is_ok());
    assert!(PostgresUrl::parse("postgresql://u@db:port/fst").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_start_at_once_migrate_once() {
    let server = PrivatePostgres::start(Fsync::Off);
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    let start = |url: PostgresUrl| async move {
        let made = create_database(&url).await.unwrap();
        let steps = migrate(&url).await.unwrap();
        PostgresMeta::open(&url, &url, 2).await.unwrap();
        (made, steps.len())
    };
    let started: Vec<_> = (0..6).map(|_| tokio::spawn(start(url.clone()))).collect();
    let mut done = Vec::new();
    for worker in started {
        done.push(worker.await.unwrap());
    }
    assert_eq!(done.iter().filter(|(made, _)| *made).count(), 1);
    assert_eq!(done.iter().filter(|(_, steps)| *steps > 0).count(), 1);
    assert!(postgres::pending(&url).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_database_of_another_version_is_refused() {
    let server = PrivatePostgres::start(Fsync::Off);
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    let missing = PostgresMeta::open(&url, &url, 1).await.unwrap_err();
    assert!(
        text(&missing).contains("fst-server init"),
        "{}",
        text(&missing)
    );
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let all = std::fs::read_dir(migrations).unwrap().count();
    assert_eq!(postgres::pending(&url).await.unwrap().len(), all);
    create_database(&url).await.unwrap();
    assert_eq!(postgres::pending(&url).await.unwrap().len(), all);
    let old = PostgresMeta::open(&url, &url, 1).await.unwrap_err();
    assert!(text(&old).contains("fst-server migrate"), "{}", text(&old));
    migrate(&url).await.unwrap();
    sql(
        &server,
        "fst",
        "INSERT INTO fst_version (version) VALUES (999)",
    )
    .await;
    let new = PostgresMeta::open(&url, &url, 1).await.unwrap_err();
    assert!(text(&new).contains("newer version"), "{}", text(&new));
    assert!(migrate(&url).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_writers_on_two_workers_at_one_revision_one_wins() {
    let server = PrivatePostgres::start(Fsync::Off);
    let first = Arc::new(fresh_database(&server, "fst").await);
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    let second = Arc::new(PostgresMeta::open(&url, &url, 8).await.unwrap());
    let mut author = Author::new(1);
    let genesis = author.genesis(UnixMillis(1));
    let made = first.create_space(genesis.clone()).await.unwrap();
    author.wrote(&genesis.commit, made.head);
    let mut tasks = Vec::new();
    for n in 2..66 {
        let mut device = Author::new(n);
        device.seen = author.seen;
        let tx = device.batch(vec![create(1, 0, n)], UnixMillis(2));
        let store = Arc::clone(if n % 2 == 0 { &first } else { &second });
        tasks.push(tokio::spawn(async move { store.commit(tx).await }));
    }
    let mut wins = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => wins += 1,
            Err(error) => assert!(error.refused().is_some(), "{error:?}"),
        }
    }
    assert_eq!(wins, 1);
    assert_eq!(first.changes(SPACE, 0, ALL).await.unwrap().entries.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_pack_from_many_is_registered_once() {
    let server = PrivatePostgres::start(Fsync::Off);
    let store = Arc::new(fresh_database(&server, "fst").await);
    let author = Author::new(1);
    store
        .create_space(author.genesis(UnixMillis(1)))
        .await
        .unwrap();
    let before = store.totals().await.unwrap().bytes;
    let mut tasks = Vec::new();
    for n in 0..16 {
        let store = Arc::clone(&store);
        let request = pack(n, &[1, 2, 3, 2]);
        tasks.push(tokio::spawn(async move {
            store.register_pack(request).await.unwrap()
        }));
    }
    let mut new = Vec::new();
    for task in tasks {
        new.extend(task.await.unwrap());
    }
    assert_eq!(new.len(), 3);
    assert_eq!(store.totals().await.unwrap().bytes, before + 4 * 46);
}

#[tokio::test]
async fn a_prune_beside_commits_of_another_worker_loses_nothing() {
    let server = PrivatePostgres::start(Fsync::Off);
    let commits = fresh_database(&server, "fst").await;
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    let prunes = PostgresMeta::open(&url, &url, 2).await.unwrap();
    prune_beside_commits(&commits, &prunes).await;
}

#[tokio::test]
async fn commits_are_flushed_where_the_role_would_not() {
    let server = PrivatePostgres::start(Fsync::On);
    let store = fresh_database(&server, "fst").await;
    sql(
        &server,
        "fst",
        "ALTER ROLE fst SET synchronous_commit = off",
    )
    .await;
    let url = PostgresUrl::parse(&server.url("fst")).unwrap();
    drop(store);
    let store = PostgresMeta::open(&url, &url, 1).await.unwrap();
    let mut author = Author::new(1);
    let genesis = author.genesis(UnixMillis(1));
    let made = store.create_space(genesis.clone()).await.unwrap();
    author.wrote(&genesis.commit, made.head);
    for n in 1..=4 {
        let tx = author.batch(vec![create(n, 0, n)], UnixMillis(2));
        let made = store.commit(tx.clone()).await.unwrap();
        author.wrote(&tx, made.head);
        server.crash();
        server.restart();
        // The first call may meet a connection that has just died.
        let head = match store.head_at(SPACE, author.seen.size).await {
            Ok(head) => head,
            Err(_) => store.head_at(SPACE, author.seen.size).await.unwrap(),
        };
        assert_eq!(head.unwrap().0, author.seen, "commit {n} was acknowledged");
        let again = store.commit(tx).await.unwrap();
        assert_eq!(again.outcome, Outcome::Repeated);
    }
}

#[tokio::test]
async fn a_worker_alone_stays_alone() {
    let server = PrivatePostgres::start(Fsync::Off);
    let store = fresh_database(&server, "fst").await;
    let alone = store.enlist(Sharing::Alone).await.unwrap().unwrap();
    assert!(store.enlist(Sharing::Alone).await.unwrap().is_none());
    assert!(store.enlist(Sharing::WithOthers).await.unwrap().is_none());
    server.crash();
    server.restart();
    wait_until(|| !alone.is_held()).await;
    let (one, two) = (
        store.enlist(Sharing::WithOthers).await.unwrap().unwrap(),
        store.enlist(Sharing::WithOthers).await.unwrap().unwrap(),
    );
    assert!(one.is_held() && two.is_held());
    assert!(store.enlist(Sharing::Alone).await.unwrap().is_none());
}

/// Lets other tasks run until `is_done`; the test's own time limit ends it otherwise.
async fn wait_until(is_done: impl Fn() -> bool) {
    while !is_done() {
        look_again().await;
    }
}

async fn sql(server: &PrivatePostgres, database: &str, sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(&server.url(database), tokio_postgres::NoTls)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

fn text(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", text(source)),
        None => error.to_string(),
    }
}
