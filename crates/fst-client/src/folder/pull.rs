//! The pull phase: brings the verified log up to the server's head.
//!
//! Invariant: a page is applied whole or not at all, after every check; a fault freezes the space, keeps
//! evidence and touches no file. A later pull that verifies thaws it.

use fst_proto::hash::sha256;
use fst_proto::log;
use fst_proto::merkle::Head;
use fst_proto::wire::{self, Changes};

use super::Folder;
use crate::error::FolderError;
use crate::db::{DbError, Tx};
use crate::log::{LogError, LogFault};

/// Pages pulled in one phase before other phases get their turn.
const PAGES_MAX: usize = 1000;

impl Folder {
    /// Pulls until the head the server promised is reached. True when there was something new.
    pub(super) fn pull(&mut self) -> Result<bool, FolderError> {
        let mut has_news = false;
        for _ in 0..PAGES_MAX {
            let since = self.state.range.size();
            let page = self.seams.remote.changes(self.space.id, since)?;
            let known = self.state.range.head();
            let checked = self.space.verifier().check_receipt(&page.receipt, &known);
            checked.map_err(|fault| self.freeze(fault, &page))?;
            if page.receipt.head.size == known.size {
                return Ok(has_news);
            }
            self.learn_members(&page)?;
            self.accept_page(&page)?;
            has_news = true;
            if self.state.range.size() >= page.receipt.head.size {
                return Ok(has_news);
            }
        }
        Ok(has_news)
    }

    /// Fetches the account's chain when an entry names more of it than is known.
    fn learn_members(&mut self, page: &Changes) -> Result<(), FolderError> {
        let headers = page.entries.iter().filter_map(|e| log::decode_header(&e.header).ok());
        let newest = headers.map(|header| header.account_len).max().unwrap_or(0);
        if newest > self.space.members.chain.len {
            let since = self.space.members.chain.len;
            let reply = self.seams.remote.account_entries(since)?;
            let grown = self.space.members.extend(&reply.entries);
            grown.map_err(|_| {
                let idx = self.state.range.size();
                let fault = LogFault::Invalid { idx, rule: "the account's chain does not continue" };
                self.freeze(fault, page)
            })?;
        }
        Ok(())
    }

    fn accept_page(&mut self, page: &Changes) -> Result<(), FolderError> {
        let (state, space) = (&mut self.state, &self.space);
        let idx = state.range.size();
        let (promised, pinned) = (page.receipt.head, self.settings.pinned);
        let done = self.db.transaction(|tx| {
            if page.entries.is_empty() {
                return Err(LogFault::Invalid { idx, rule: "entries are withheld" }.into());
            }
            for entry in &page.entries {
                space.verifier().advance(state, tx, entry)?;
            }
            check_promise(&state.range.head(), &promised)?;
            check_pinned(tx, &state.range.head(), &promised, pinned)?;
            tx.set_meta("receipt", &wire::to_cbor(&page.receipt))?;
            Ok::<_, LogError>(())
        });
        match done {
            Ok(()) => Ok(()),
            Err(error) => {
                self.state = self.db.load()?;
                Err(match error {
                    LogError::Fault(fault) => self.freeze(fault, page),
                    LogError::Db(error) => error.into(),
                })
            },
        }
    }

    /// Keeps evidence of what the server showed.
    fn freeze(&self, fault: LogFault, page: &Changes) -> FolderError {
        let evidence = wire::to_cbor(page);
        let name = &sha256(&[&evidence]).to_hex()[..16];
        tracing::error!(space = %self.space.id, %fault, "space frozen");
        if let Some(dir) = &self.settings.evidence {
            let file = dir.join(format!("{}-{name}.cbor", self.space.id));
            if let Err(error) = crate::dirs::write_durably(&file, &evidence) {
                tracing::error!(%error, "write evidence");
            }
        }
        FolderError::Frozen(fault)
    }
}

/// The verified log must run into the head that the server signed.
fn check_promise(reached: &Head, promised: &Head) -> Result<(), LogFault> {
    if reached.size > promised.size || (reached.size == promised.size && reached != promised) {
        return Err(LogFault::Fork { at: reached.size });
    }
    Ok(())
}

/// The log must contain the head that the device which let this one in had verified.
fn check_pinned(
    tx: &Tx<'_>,
    reached: &Head,
    promised: &Head,
    pinned: Option<Head>,
) -> Result<(), LogError> {
    let Some(pinned) = pinned.filter(|head| head.size > 0) else { return Ok(()) };
    if promised.size < pinned.size {
        let (have, offered) = (pinned.size, promised.size);
        return Err(LogFault::Rollback { have, offered }.into());
    }
    if reached.size >= pinned.size {
        let entry = tx.read().entry(pinned.size - 1)?.ok_or(DbError::Damaged { what: "log" })?;
        if entry.root != pinned.root {
            return Err(LogFault::Fork { at: pinned.size }.into());
        }
    }
    Ok(())
}
