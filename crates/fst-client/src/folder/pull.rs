//! The pull phase: brings the verified log up to the server's head.
//!
//! Invariant: a page is applied whole or not at all, after every check; a fault freezes the space, keeps
//! evidence and touches no file. A later pull that verifies thaws it.

use fst_proto::log;
use fst_proto::merkle::Head;
use fst_proto::wire::{self, Changes, Receipt};

use super::Folder;
use crate::db::{DbError, Tx};
use crate::error::FolderError;
use crate::evidence;
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
            let now = self.seams.clock.now();
            let floors = self.floors()?;
            let checked = self
                .space
                .verifier(now)
                .check_receipt(&page.receipt, &known);
            let checked = checked.and_then(|()| check_size(&page.receipt.head, &floors));
            checked.map_err(|fault| self.freeze(fault, &page))?;
            if page.receipt.head.size == known.size {
                return Ok(has_news);
            }
            self.learn_members(&page)?;
            self.accept_page(&page, &floors)?;
            has_news = true;
            if self.state.range.size() >= page.receipt.head.size {
                return Ok(has_news);
            }
        }
        Ok(has_news)
    }

    /// Heads that the log must contain: what the inviting device had verified, and the newest promise of the
    /// server, whether its entries have come yet or not.
    fn floors(&self) -> Result<Vec<Head>, DbError> {
        let damaged = |_| DbError::Damaged { what: "receipt" };
        let promised = match self.db.read().meta("receipt")? {
            Some(bytes) => Some(wire::from_cbor::<Receipt>(&bytes).map_err(damaged)?.head),
            None => None,
        };
        Ok(self
            .settings
            .pinned
            .into_iter()
            .chain(promised)
            .filter(|head| head.size > 0)
            .collect())
    }

    /// Fetches the account's chain when an entry names more of it than is known.
    fn learn_members(&mut self, page: &Changes) -> Result<(), FolderError> {
        let headers = page
            .entries
            .iter()
            .filter_map(|e| log::decode_header(&e.header).ok());
        let newest = headers.map(|header| header.account_len).max().unwrap_or(0);
        if newest > self.space.members.chain.len {
            let since = self.space.members.chain.len;
            let reply = self.seams.remote.account_entries(since)?;
            let grown = self.space.members.extend(&reply.entries);
            grown.map_err(|_| {
                let idx = self.state.range.size();
                let fault = LogFault::Invalid {
                    idx,
                    rule: "the account's chain does not continue",
                };
                self.freeze(fault, page)
            })?;
        }
        Ok(())
    }

    fn accept_page(&mut self, page: &Changes, floors: &[Head]) -> Result<(), FolderError> {
        let now = self.seams.clock.now();
        let (state, space) = (&mut self.state, &self.space);
        let idx = state.range.size();
        let promised = page.receipt.head;
        let done = self.db.transaction(|tx| {
            if page.entries.is_empty() {
                return Err(LogFault::Invalid {
                    idx,
                    rule: "entries are withheld",
                }
                .into());
            }
            for entry in &page.entries {
                space.verifier(now).advance(state, tx, entry)?;
            }
            check_promise(&state.range.head(), &promised)?;
            check_floors(tx, &state.range.head(), floors)?;
            // A promise that is not kept yet stands until it is.
            if floors.iter().all(|floor| floor.size <= state.range.size()) {
                tx.set_meta("receipt", &wire::to_cbor(&page.receipt))?;
            }
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

    fn freeze(&self, fault: LogFault, page: &Changes) -> FolderError {
        evidence::freeze(
            self.db.read(),
            self.space.id,
            self.settings.evidence.as_deref(),
            fault,
            page,
        )
    }
}

/// The verified log must run into the head that the server signed.
fn check_promise(reached: &Head, promised: &Head) -> Result<(), LogFault> {
    if reached.size > promised.size || (reached.size == promised.size && reached != promised) {
        return Err(LogFault::Fork { at: reached.size });
    }
    Ok(())
}

/// The server may not offer less than any head that the log must contain.
fn check_size(offered: &Head, floors: &[Head]) -> Result<(), LogFault> {
    match floors.iter().find(|floor| offered.size < floor.size) {
        Some(floor) => Err(LogFault::Rollback {
            have: floor.size,
            offered: offered.size,
        }),
        None => Ok(()),
    }
}

/// Where the log has reached a head that it must contain, it must have run through it.
fn check_floors(tx: &Tx<'_>, reached: &Head, floors: &[Head]) -> Result<(), LogError> {
    for floor in floors.iter().filter(|floor| floor.size <= reached.size) {
        let last = tx
            .read()
            .entry(floor.size - 1)?
            .ok_or(DbError::Damaged { what: "log" })?;
        if last.root != floor.root {
            return Err(LogFault::Fork { at: floor.size }.into());
        }
    }
    Ok(())
}
