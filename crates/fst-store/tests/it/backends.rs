//! Conformance: one line per backend.

use fst_store::blob::faulty::FaultyBlobs;
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::memory::MemoryBlobs;
use fst_store::cache::local::LocalCache;
use fst_store::conformance;
use fst_store::meta::memory::MemoryMeta;
use fst_store::meta::sqlite::SqliteMeta;

/// Runs a suite against a backend; `$dir` is a fresh folder for each store.
macro_rules! backend {
    ($name:ident, $suite:path, |$dir:ident| $make:expr) => {
        #[tokio::test]
        async fn $name() {
            let root = tempfile::tempdir().unwrap();
            let n = std::cell::Cell::new(0);
            let fresh = || {
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
