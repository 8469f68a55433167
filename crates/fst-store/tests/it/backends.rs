//! Conformance: one line per backend.

use fst_store::blob::faulty::FaultyBlobs;
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::memory::MemoryBlobs;
use fst_store::blob::s3::{Patience, S3Blobs};
use fst_store::cache::local::LocalCache;
use fst_store::conformance;
use fst_store::conformance::s3::PrivateS3;
use fst_store::conformance::servers::{Fsync, PrivatePostgres, PrivateRedis};
use fst_store::meta::memory::MemoryMeta;
use fst_store::meta::sqlite::SqliteMeta;

use crate::postgres::fresh_database;
use crate::redis::TwoWorkers;

/// Runs a suite against a backend; `$dir` is a fresh folder for each store.
macro_rules! backend {
    ($name:ident, $suite:path, |$dir:ident| $make:expr) => {
        #[tokio::test]
        async fn $name() {
            let root = tempfile::tempdir().unwrap();
            let n = std::cell::Cell::new(0);
            let fresh = async || {
                n.set(n.get() + 1);
                let $dir = root.path().join(n.get().to_string());
                std::fs::create_dir(&$dir).unwrap();
                $make
            };
            $suite(fresh).await;
        }
    };
}

backend!(meta_memory, conformance::meta::all, |_dir| MemoryMeta::new(
));
backend!(meta_sqlite, conformance::meta::all, |dir| SqliteMeta::open(
    &dir.join("db")
)
.unwrap());
backend!(
    blob_memory,
    conformance::blob::all,
    |_dir| MemoryBlobs::new()
);
backend!(blob_fs, conformance::blob::all, |dir| FsBlobs::open(
    &dir.join("objects")
)
.unwrap());
backend!(
    blob_faulty,
    conformance::blob::all,
    |_dir| FaultyBlobs::new(MemoryBlobs::new())
);
backend!(
    cache_local,
    conformance::cache::all,
    |_dir| LocalCache::new()
);

#[tokio::test]
async fn meta_postgres() {
    let server = PrivatePostgres::start(Fsync::Off);
    let n = std::cell::Cell::new(0);
    let fresh = async || {
        n.set(n.get() + 1);
        fresh_database(&server, &format!("fst_{}", n.get())).await
    };
    conformance::meta::all(&fresh).await;
    conformance::cache::short(&fresh).await;
}

#[tokio::test]
async fn blob_s3() {
    let server = PrivateS3::start().await;
    let n = std::cell::Cell::new(0);
    let fresh = async || {
        n.set(n.get() + 1);
        let place = server.place(&n.get().to_string(), Patience::default());
        S3Blobs::open(&place).unwrap()
    };
    conformance::blob::all(fresh).await;
}

#[tokio::test]
async fn cache_redis() {
    let server = PrivateRedis::start();
    let fresh = async || {
        assert_eq!(server.cli(&["FLUSHALL"]), "OK");
        TwoWorkers::open(&server).await
    };
    conformance::cache::all(fresh).await;
}
