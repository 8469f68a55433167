//! Keeps what a server showed that it must not have shown.
//!
//! Called where a check of the log fails, in a pull or a push. Invariant: nobody is accused from a damaged memory; the file holds what was received, signed by
//! the server and the authors, and nothing that was not sent over the wire. Not here: the checks ([`crate::log`]).

use std::path::Path;

use fst_proto::hash::sha256;
use fst_proto::ids::SpaceId;
use fst_proto::wire::{self, Changes};

use crate::db::Reader;
use crate::error::FolderError;
use crate::log::LogFault;

/// Writes `page` into `dir`, if there is one, and turns the fault into the error that freezes the space; when the log
/// that is stored here is itself not what it was, that is the error.
pub(crate) fn freeze(
    known: Reader<'_>,
    space: SpaceId,
    dir: Option<&Path>,
    fault: LogFault,
    page: &Changes,
) -> FolderError {
    if let Err(error) = known.check_log() {
        return error.into();
    }
    let evidence = wire::to_cbor(page);
    let name = &sha256(&[&evidence]).to_hex()[..16];
    tracing::error!(%space, %fault, "space frozen");
    if let Some(dir) = dir {
        let file = dir.join(format!("{space}-{name}.cbor"));
        if let Err(error) = crate::dirs::write_durably(&file, &evidence) {
            tracing::error!(%error, "write evidence");
        }
    }
    FolderError::Frozen(fault)
}
