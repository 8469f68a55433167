//! Looks whether every object and payload that the database names is there.
//!
//! Called by `fst-server verify`. Invariant: one damaged blob hides no other; nothing is changed. Not here: repair; the
//! contents of objects, whose ids are keyed, so that only a device can check them. Source: ADR 0030.

use std::fmt;

use fst_proto::frame::ITEM_HEAD_LEN;
use fst_proto::log;
use fst_store::blob::fs::FsBlobs;
use fst_store::blob::{BlobKey, BlobStore as _};
use fst_store::error::{StoreError, StoreResult};
use fst_store::meta::sqlite::holdings::{Holdings, NamedBlob, NamedObject, NamedPayload};

use super::{Hold, places};
use crate::config::Options;
use crate::run::RunError;
use crate::service::payload;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Blobs are there, and as long as the database says.
    Lengths,
    /// Reads every blob: heads of objects, hashes of large payloads, and the database's own check.
    Deep,
}

/// One thing that is not as the database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it is: an object, a payload, a blob or the database.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Blobs looked at.
    pub blobs: u64,
    /// Objects in them.
    pub objects: u64,
    /// Large payloads in them.
    pub payloads: u64,
    /// Everything that is wrong.
    pub damage: Vec<Damage>,
}

impl Damage {
    pub(super) fn of_blob(key: BlobKey, why: &str) -> Self {
        Self {
            what: format!("blob {key}"),
            why: why.to_owned(),
        }
    }

    pub(super) fn of_database(why: impl Into<String>) -> Self {
        Self {
            what: "database".to_owned(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged  {}  {}", self.what, self.why)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.damage
            .iter()
            .try_for_each(|one| writeln!(f, "{one}"))?;
        writeln!(
            f,
            "blobs {}  objects {}  large payloads {}  damaged {}",
            self.blobs,
            self.objects,
            self.payloads,
            self.damage.len()
        )
    }
}

/// Looks at everything that the database names; may run beside a server.
///
/// # Errors
/// [`RunError`] when the looking itself fails; damage is in the report.
pub async fn verify(options: &Options, depth: Depth) -> Result<Report, RunError> {
    let (database, folder) = places(options)?;
    let _hold = Hold::to_read(&options.data)?;
    let holdings = Holdings::open(database)?;
    let blobs = FsBlobs::beside(folder);
    let mut report = Report::default();
    if depth == Depth::Deep {
        for why in holdings.complaints()? {
            report.note("database".to_owned(), why);
        }
    }
    for named in holdings.blobs()? {
        let (objects, payloads) = (holdings.objects(named.key)?, holdings.payloads(named.key)?);
        report.blobs += 1;
        report.objects += objects.len() as u64;
        report.payloads += payloads.len() as u64;
        match look(&blobs, named, depth).await? {
            Ok(bytes) if depth == Depth::Deep => report.compare(&bytes, &objects, &payloads),
            Ok(_) => {},
            Err(why) => report.note_all(named.key, &objects, &payloads, why),
        }
    }
    Ok(report)
}

/// The bytes of a blob, empty unless all of them are asked for; inside, why the blob is damaged.
pub(super) async fn look(
    blobs: &FsBlobs,
    named: NamedBlob,
    depth: Depth,
) -> StoreResult<Result<bytes::Bytes, &'static str>> {
    let found = match depth {
        Depth::Lengths => blobs
            .len(named.key)
            .await
            .map(|len| (len, bytes::Bytes::new())),
        Depth::Deep => blobs
            .get(named.key)
            .await
            .map(|all| (all.len() as u64, all)),
    };
    match found {
        Ok((len, bytes)) if len == named.bytes => Ok(Ok(bytes)),
        Ok((len, _)) if len < named.bytes => Ok(Err("its blob is cut short")),
        Ok(_) => Ok(Err("its blob is too long")),
        Err(StoreError::NoBlob) => Ok(Err("its blob is missing")),
        Err(StoreError::Backend { .. }) => Ok(Err("its blob cannot be read")),
        Err(error) => Err(error),
    }
}

impl Report {
    fn note(&mut self, what: String, why: String) {
        self.damage.push(Damage { what, why });
    }

    fn note_all(
        &mut self,
        blob: BlobKey,
        objects: &[NamedObject],
        payloads: &[NamedPayload],
        why: &str,
    ) {
        let objects = objects.iter().map(name_object);
        let named: Vec<String> = objects.chain(payloads.iter().map(name_payload)).collect();
        if named.is_empty() {
            self.note(format!("blob {blob}"), why.to_owned());
        }
        for what in named {
            self.note(what, format!("{why}: {blob}"));
        }
    }

    fn compare(&mut self, blob: &[u8], objects: &[NamedObject], payloads: &[NamedPayload]) {
        for object in objects {
            if !is_framed(blob, object) {
                self.note(
                    name_object(object),
                    "another object lies in its place".to_owned(),
                );
            }
        }
        for entry in payloads {
            let bytes = part(blob, entry.offset, entry.len);
            let header = log::decode_header(&entry.header).ok();
            let is_whole = bytes
                .zip(header)
                .is_some_and(|(bytes, header)| payload::check(&header, bytes).is_ok());
            if !is_whole {
                self.note(name_payload(entry), "it has another hash".to_owned());
            }
        }
    }
}

/// True when id and length before the envelope are the object's, and the envelope lies in the blob.
fn is_framed(blob: &[u8], object: &NamedObject) -> bool {
    let head = object.offset.checked_sub(ITEM_HEAD_LEN as u64);
    let head = head.and_then(|at| part(blob, at, ITEM_HEAD_LEN as u64));
    let (Some(head), Ok(len)) = (head, u32::try_from(object.len)) else {
        return false;
    };
    head == [object.id.as_bytes(), &len.to_be_bytes()].concat()
        && part(blob, object.offset, object.len).is_some()
}

fn part(blob: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    blob.get(start..end)
}

fn name_object(object: &NamedObject) -> String {
    format!("object {} of space {}", object.id, object.space)
}

fn name_payload(payload: &NamedPayload) -> String {
    format!("payload {} of space {}", payload.index, payload.space)
}
