//! Recipes and objects that a hostile member may upload, and old files that change while they are read.
//!
//! A member holds the keys, so what it seals opens. Each lie is refused within bounds, and no file is made of it.
//! Source: docs/design/limits.md; docs/adr/0018-deltas-by-a-kept-signature.md.

use std::fmt;
use std::io::{self, Write};

use fst_client::db::{Db, RemoteRow};
use fst_client::error::FolderError;
use fst_client::fetch::{Fetcher, Own};
use fst_client::folder::Space;
use fst_client::remote::Remote;
use fst_client::scan::content_of;
use fst_client::sealed::{self, Sealer};
use fst_crypto::envelope::Payload;
use fst_crypto::object::{self, ObjectKind};
use fst_fs::fake::FakeVault;
use fst_fs::vault::{FileAttrs, StagedFile, Stat, VaultError};
use fst_proto::frame;
use fst_proto::ids::{NodeId, ObjectId};
use fst_proto::limits;
use fst_proto::recipe::{self, Body, Extent, PartRef};
use fst_testkit::net::Weather;
use fst_testkit::scene::{Scene, noise, path};

const SIZE: usize = 3 << 20;

/// What a file of several objects looks like to the device that reads it.
struct Stage<'a> {
    db: &'a Db,
    space: &'a Space,
    remote: &'a dyn Remote,
    vault: FakeVault,
    weather: Weather,
    node: NodeId,
    row: RemoteRow,
}

/// Two devices that have `big.bin`, of which the first runs `look`.
fn on_stage(look: impl FnOnce(&Stage<'_>)) {
    let mut scene = Scene::new(61, 2);
    scene.write(0, "big.bin", &noise(61, SIZE));
    scene.quiet();
    let vault = scene.devices[0].vault.clone();
    let weather = scene.devices[0].weather.clone();
    scene.devices[0].beside(|db, space, remote| {
        let (_, tree) = db.trees().expect("in memory");
        let node = tree.lookup(&path("big.bin")).expect("it was synced");
        let row = db
            .read()
            .remote_row(node)
            .expect("in memory")
            .expect("it was pulled");
        look(&Stage {
            db,
            space,
            remote,
            vault,
            weather,
            node,
            row,
        });
    });
}

/// A staged file in memory; once `armed_at` bytes came in, `spring` happens.
struct Tap<'a> {
    bytes: Vec<u8>,
    armed_at: usize,
    spring: Option<Box<dyn FnOnce() + Send + 'a>>,
}

impl<'a> Tap<'a> {
    fn new() -> Self {
        Self {
            bytes: Vec::new(),
            armed_at: usize::MAX,
            spring: None,
        }
    }

    fn with_trap(armed_at: usize, spring: impl FnOnce() + Send + 'a) -> Self {
        Self {
            bytes: Vec::new(),
            armed_at,
            spring: Some(Box::new(spring)),
        }
    }
}

impl fmt::Debug for Tap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tap({} bytes)", self.bytes.len())
    }
}

impl Write for Tap<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= self.armed_at
            && let Some(spring) = self.spring.take()
        {
            spring();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StagedFile for Tap<'_> {
    fn skip(&mut self, len: u64) -> Result<(), VaultError> {
        if len > 1 << 40 {
            return Err(VaultError::Changed { op: "leave a hole" });
        }
        self.bytes.resize(
            self.bytes.len() + usize::try_from(len).expect("at most 1 TiB"),
            0,
        );
        Ok(())
    }

    fn finish(self: Box<Self>, _: FileAttrs) -> Result<Stat, VaultError> {
        unreachable!("these tests end before")
    }
}

impl Stage<'_> {
    /// Uploads a sealed envelope as a member does.
    fn upload(&self, id: ObjectId, envelope: &[u8]) -> ObjectId {
        let mut bytes = Vec::new();
        frame::push(&mut bytes, id, envelope).expect("of an object's size");
        self.remote
            .upload(self.space.id, bytes)
            .expect("the line is up");
        id
    }

    fn chunk(&self, raw: &[u8]) -> ObjectId {
        let id = sealed::chunk_id(self.space, raw);
        self.upload(
            id,
            &Sealer::new(self.space).chunk(id, raw).expect("small").0,
        )
    }

    fn part(&self, raw: &[u8]) -> ObjectId {
        let (id, envelope) = sealed::seal_recipe(self.space, raw).expect("small");
        self.upload(id, &envelope)
    }

    /// Reads the file as if its newest version had `body`.
    fn write(&self, body: Body, own: Option<Own>, into: &mut Tap<'_>) -> Result<(), FolderError> {
        let row = RemoteRow {
            body,
            ..self.row.clone()
        };
        let mut fetcher = Fetcher::new(self.space, self.remote, self.db.read());
        fetcher.write(self.node, &row, &row.node.content, into, own)
    }

    fn own(&self) -> Option<Own> {
        let fetcher = Fetcher::new(self.space, self.remote, self.db.read());
        let content = self.row.node.content.id;
        let own = fetcher.own(&self.vault, &path("big.bin"), content);
        own.expect("in memory")
    }

    fn refuses(&self, what: &str, body: Body, bytes_max: usize) {
        let mut tap = Tap::new();
        let told = self.write(body, None, &mut tap);
        assert!(
            matches!(told, Err(FolderError::Sealed(_))),
            "{what}: {told:?}"
        );
        let n = tap.bytes.len();
        assert!(n <= bytes_max, "{what}: {n} bytes were written before");
    }
}

fn data(object: ObjectId, len: u32) -> Extent {
    Extent::Data {
        object,
        offset: 0,
        len,
    }
}

#[test]
fn a_million_extents_of_one_byte_are_given_up_early() {
    on_stage(|stage| {
        let extents = vec![data(stage.chunk(b"x"), 1); limits::SEGMENT_EXTENTS_MAX];
        let len = limits::SEGMENT_EXTENTS_MAX as u64;
        let object = stage.part(&recipe::encode_segment(&extents));
        let parts = vec![PartRef { object, len }; limits::PARTS_MAX];
        let object = stage.part(&recipe::encode_parts(&parts));
        let len = len * limits::PARTS_MAX as u64;
        let parts = vec![PartRef { object, len }; 8];
        let budget = limits::FILE_EXTENTS_FREE + (1 << 20) / limits::FILE_BYTES_PER_EXTENT_MIN;
        let bytes_max = usize::try_from(budget).unwrap();
        stage.refuses("a million", Body::Parts { level: 1, parts }, bytes_max);
    });
}

#[test]
fn lengths_that_lie_are_refused() {
    on_stage(|stage| {
        let chunk = stage.chunk(&noise(1, 1000));
        let object = stage.part(&recipe::encode_segment(&[data(chunk, 1000)]));
        for len in [1, 999, 1001, u64::MAX] {
            let parts = vec![PartRef { object, len }];
            stage.refuses("a segment", Body::Parts { level: 0, parts }, 0);
            let inner = stage.part(&recipe::encode_parts(&[PartRef { object, len }]));
            let parts = vec![PartRef {
                object: inner,
                len: 1000,
            }];
            stage.refuses("an inner node", Body::Parts { level: 1, parts }, 0);
        }
        let beyond = [data(chunk, 1001), data(chunk, u32::MAX)];
        for extent in beyond {
            stage.refuses("an extent", Body::Inline(vec![extent]), 0);
        }
        let turned = Extent::Data {
            object: chunk,
            offset: u32::MAX,
            len: 2,
        };
        stage.refuses("an offset", Body::Inline(vec![turned]), 0);
        stage.refuses(
            "another content",
            Body::Inline(vec![data(chunk, 1000)]),
            1000,
        );
        let level = limits::PARTS_LEVEL_MAX + 1;
        let parts = vec![PartRef { object, len: 1000 }];
        stage.refuses("a depth", Body::Parts { level, parts }, 0);
    });
}

#[test]
fn a_part_of_too_many_objects_is_refused_before_any_is_fetched() {
    on_stage(|stage| {
        // Nobody has these objects: asking for them would be another error.
        let n_allowed = u8::try_from(limits::SEGMENT_OBJECTS_MAX).unwrap();
        let strangers = (0..=n_allowed).map(|n| ObjectId([n; 32]));
        let extents: Vec<Extent> = strangers.map(|id| data(id, 1)).collect();
        let len = extents.len() as u64;
        let object = stage.part(&recipe::encode_segment(&extents));
        let parts = vec![PartRef { object, len }];
        stage.refuses("65 objects", Body::Parts { level: 0, parts }, 0);
    });
}

#[test]
fn a_page_ahead_that_fails_ends_the_file_where_it_is_missing() {
    const LEN: u32 = 4 << 20;
    const PAGE: usize = limits::PAGE_BYTES_TARGET;
    on_stage(|stage| {
        let chunks: Vec<Vec<u8>> = (0..8).map(|n| vec![n; LEN as usize]).collect();
        let extents = chunks.iter().map(|raw| data(stage.chunk(raw), LEN));
        let body = Body::Inline(extents.collect());
        let whole = chunks.concat();
        let mut row = stage.row.clone();
        row.body = body;
        row.node.content.id = content_of(&stage.space.keys, &whole);
        let write = |tap: &mut Tap<'_>| {
            let before = stage.weather.n_requests();
            let mut fetcher = Fetcher::new(stage.space, stage.remote, stage.db.read());
            let told = fetcher.write(stage.node, &row, &row.node.content, tap, None);
            (told, stage.weather.n_requests() - before)
        };
        let n_pages = whole.len() / PAGE;
        for failing in 1..=n_pages {
            stage.weather.dark_after(failing as u64);
            let mut tap = Tap::new();
            let (told, n) = write(&mut tap);
            assert!(matches!(told, Err(FolderError::Remote(_))), "{told:?}");
            assert_eq!(n, failing as u64, "nothing is asked for behind it");
            assert!(tap.bytes == whole[..(failing - 1) * PAGE], "page {failing}");
        }
        stage.weather.dark_after(0);
        let mut tap = Tap::new();
        let (told, n) = write(&mut tap);
        told.expect("the line is up");
        assert_eq!(n, n_pages as u64, "each page is asked for once");
        assert!(tap.bytes == whole);
    });
}

#[test]
fn holes_longer_than_any_disk_are_not_even_hashed() {
    on_stage(|stage| {
        let hole = Extent::Hole { len: u64::MAX };
        let mut tap = Tap::new();
        let told = stage.write(Body::Inline(vec![hole, hole]), None, &mut tap);
        assert!(matches!(told, Err(FolderError::Vault(_))), "{told:?}");
    });
}

#[test]
fn a_chunk_that_inflates_beyond_its_declared_size_is_refused() {
    on_stage(|stage| {
        let len = 1 << 20;
        for (n, declared) in (0_u8..).zip([1, len - 1, len + 1]) {
            let raw = vec![n; len];
            let packed = fst_chunk::compress::compress(&raw);
            assert!(packed.is_zstd());
            // Named by what it inflates to: the length alone is a lie.
            let id = sealed::chunk_id(stage.space, &raw);
            let payload = Payload::zstd(packed.as_bytes(), declared);
            let (salts, keys) = (stage.space.salts(), &stage.space.keys);
            let envelope = object::seal_object(&salts, keys, ObjectKind::Data, &id, &payload);
            stage.upload(id, &envelope.unwrap());
            let mut tap = Tap::new();
            let told = stage.write(Body::Inline(vec![data(id, 1)]), None, &mut tap);
            let text = told.unwrap_err().to_string();
            assert!(text.contains("does not inflate"), "{declared}: {text}");
        }
    });
}

#[test]
fn small_envelopes_of_large_objects_are_taken_a_part_at_a_time() {
    on_stage(|stage| {
        let mut raw = vec![0; 4 << 20];
        let extents: Vec<Extent> = (0..40_u8)
            .map(|n| {
                raw[0] = n;
                data(stage.chunk(&raw), 1)
            })
            .collect();
        let len = extents.len() as u64;
        let object = stage.part(&recipe::encode_segment(&extents));
        let mut tap = Tap::new();
        let before = stage.weather.n_requests();
        let parts = vec![PartRef { object, len }];
        let told = stage.write(Body::Parts { level: 0, parts }, None, &mut tap);
        // 160 MiB unpacked, of which 68 are kept at most. All can be read; the content is another one in the end.
        assert!(matches!(told, Err(FolderError::Sealed(_))), "{told:?}");
        assert_eq!(tap.bytes, (0..40).collect::<Vec<u8>>());
        let n = stage.weather.n_requests() - before;
        assert!(n >= 4, "{n} requests for the recipe and its objects");
    });
}

#[test]
fn an_old_file_that_is_as_it_was_gives_all_its_bytes() {
    on_stage(|stage| {
        let own = stage.own();
        assert!(own.is_some(), "a sketch is kept");
        let mut tap = Tap::new();
        stage.write(stage.row.body.clone(), own, &mut tap).unwrap();
        assert!(tap.bytes == noise(61, SIZE));
    });
}

#[test]
fn an_old_file_that_changes_while_it_is_read_is_never_a_new_version() {
    let other = noise(62, SIZE);
    let shorter = noise(61, SIZE - 1);
    for (what, bytes) in [("other bytes", &other), ("fewer bytes", &shorter)] {
        on_stage(|stage| {
            let user = stage.vault.clone();
            let mut tap = Tap::with_trap(1 << 20, move || {
                user.user_write(&path("big.bin"), bytes).unwrap();
            });
            let told = stage.write(stage.row.body.clone(), stage.own(), &mut tap);
            assert!(tap.spring.is_none(), "{what}: nothing happened");
            assert!(
                matches!(told, Err(FolderError::Sealed(_))),
                "{what}: {told:?}"
            );
            let mut again = Tap::new();
            stage
                .write(stage.row.body.clone(), None, &mut again)
                .unwrap();
            assert!(again.bytes == noise(61, SIZE), "{what}: fetched anew");
        });
    }
}

#[test]
fn an_old_file_that_is_not_what_the_sketch_tells_of_is_never_a_new_version() {
    on_stage(|stage| {
        let mut bytes = noise(61, SIZE);
        bytes[SIZE / 2] ^= 1;
        stage.vault.user_write(&path("big.bin"), &bytes).unwrap();
        let mut tap = Tap::new();
        let told = stage.write(stage.row.body.clone(), stage.own(), &mut tap);
        assert!(matches!(told, Err(FolderError::Sealed(_))), "{told:?}");
    });
}
