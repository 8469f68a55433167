//! Checks everything the server shows of a space's log, before anything of it is believed.
//!
//! [`crate::folder`] hands in pages and own receipts; verified entries change the remote tree. Invariant: an
//! entry is applied only when all checks of its position passed, in the order of the numbered steps below;
//! after a fault nothing of the page stays. Not here: fetching, what the local side does about it.
//! Source: docs/design/crypto-format.md §4.

use fst_crypto::batch::{self, OpenedOp};
use fst_crypto::key::SpaceKeys;
use fst_crypto::space::open_ignore_policy;
use fst_engine::ignore::RuleFile;
use fst_proto::account::Chain;
use fst_proto::control::{Control, Pin, Retention};
use fst_proto::error::ErrorCode;
use fst_proto::hash::{is_signed_by, sha256};
use fst_proto::ids::{DeviceId, Hash32, SpaceId, VerifyKey};
use fst_proto::limits;
use fst_proto::log::{self, EntryKind, Header};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;
use fst_proto::wire::{self, Entry, Receipt};

use crate::db::{DbError, EntryRow, Loaded, Tx};

mod replay;

pub use replay::Applied;

/// The server's log breaks a rule, or contradicts what was seen before. Never healed by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// It is shorter than it was.
    #[error("the log had {have} entries, the server now shows {offered}")]
    Rollback {
        /// Entries verified here.
        have: u64,
        /// Entries offered.
        offered: u64,
    },
    /// It is another history.
    #[error("the log differs from the history known up to entry {at}")]
    Fork {
        /// Entries verified here.
        at: u64,
    },
    /// An entry breaks a rule.
    #[error("entry {idx} is invalid: {rule}")]
    Invalid {
        /// Position.
        idx: u64,
        /// The rule, in words.
        rule: &'static str,
    },
    /// An entry's payload is missing or does not open.
    #[error("entry {idx} cannot be opened")]
    CannotOpen {
        /// Position.
        idx: u64,
    },
    /// The receipt is not the server's.
    #[error("the receipt for entry {size} is not signed by the server this device knows")]
    BadReceipt {
        /// Size of the head it claims.
        size: u64,
    },
}

impl LogFault {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Rollback { .. } => ErrorCode::Rollback,
            Self::Fork { .. } => ErrorCode::Fork,
            Self::Invalid { .. } | Self::BadReceipt { .. } => ErrorCode::InvalidLog,
            Self::CannotOpen { .. } => ErrorCode::CannotOpen,
        }
    }
}

/// A fault, or the database failed while checking.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log is wrong.
    #[error(transparent)]
    Fault(#[from] LogFault),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What the checks need to know besides the log itself.
#[derive(Debug)]
pub struct Verifier<'a> {
    /// The space.
    pub space: SpaceId,
    /// This device.
    pub device: DeviceId,
    /// The account's verified chain, at least as long as any entry names.
    pub chain: &'a Chain,
    /// Keys of the space.
    pub keys: &'a SpaceKeys,
    /// Key that verifies the server's receipts.
    pub receipt_key: VerifyKey,
    /// Wall-clock time of this device.
    pub now: UnixMillis,
}

/// An entry that passed every check; only [`Verifier`] makes one.
#[derive(Debug)]
pub struct Verified {
    idx: u64,
    header: Header,
    header_hash: Hash32,
    row: EntryRow,
    opened: Vec<OpenedOp>,
    ruling: Option<Ruling>,
}

/// What a payload says: nodes of a batch, or a change of rules.
type Opened = (Vec<OpenedOp>, Option<Ruling>);

/// A control entry after the genesis, opened.
#[derive(Debug)]
enum Ruling {
    /// Versions are kept by other rules.
    Retention(Retention),
    /// A revision is pinned or no more.
    Pin(Pin),
    /// Text of the rules of what nobody syncs.
    Ignore(String),
}

impl Verifier<'_> {
    /// Checks the server's promise against what is known: signature, no rollback, no fork.
    ///
    /// # Errors
    /// [`LogFault`].
    pub fn check_receipt(&self, receipt: &Receipt, known: &Head) -> Result<(), LogFault> {
        let message = log::receipt_message(self.space, &receipt.head, receipt.time_ms);
        if !is_signed_by(&self.receipt_key, &message, &receipt.sig) {
            return Err(LogFault::BadReceipt {
                size: receipt.head.size,
            });
        }
        if receipt.head.size < known.size {
            let offered = receipt.head.size;
            return Err(LogFault::Rollback {
                have: known.size,
                offered,
            });
        }
        if receipt.head.size == known.size && receipt.head.root != known.root {
            return Err(LogFault::Fork { at: known.size });
        }
        Ok(())
    }

    /// Checks one entry at the end of the verified log and applies it.
    ///
    /// # Errors
    /// [`LogError`]; the caller drops the transaction and reloads `state`.
    pub fn advance(
        &self,
        state: &mut Loaded,
        tx: &Tx<'_>,
        entry: &Entry,
    ) -> Result<Applied, LogError> {
        let verified = self.verify(state, tx, entry)?;
        replay::apply(self.device, state, tx, &verified)
    }

    fn verify(&self, state: &mut Loaded, tx: &Tx<'_>, entry: &Entry) -> Result<Verified, LogError> {
        let idx = state.range.size();
        let invalid = |rule| LogFault::Invalid { idx, rule };
        let header = log::decode_header(&entry.header).map_err(|_| invalid("header"))?;
        if header.space != self.space {
            return Err(invalid("belongs to another space").into());
        }
        self.check_author(&header, entry, (idx, state.account_len))?;
        check_device_chain(state, &header, idx)?;
        check_seen(tx, &header, idx)?;
        if header.epoch != self.keys.epoch() || header.generation != self.keys.generation() {
            return Err(invalid("epoch or generation is not current").into());
        }
        if entry.time_ms < state.last_time_ms {
            return Err(invalid("server time runs backwards").into());
        }
        if entry.time_ms > self.now.0.saturating_add(limits::SERVER_TIME_SKEW_MS_MAX) {
            return Err(invalid("its server time lies ahead of this device's clock").into());
        }
        let (opened, ruling) = self.open(&header, entry, idx)?;
        let hash = log::entry_hash(&entry.header, &entry.sig);
        state.range.append(&log::leaf(&hash, entry.time_ms));
        let row = EntryRow {
            root: state.range.root(),
            hash,
            device: header.device,
            class: header.order_class(),
            time_ms: entry.time_ms,
        };
        let header_hash = sha256(&[&entry.header]);
        Ok(Verified {
            idx,
            header,
            header_hash,
            row,
            opened,
            ruling,
        })
    }

    /// A device that the log knows to be revoked cannot pretend that it does not know yet.
    fn check_author(
        &self,
        header: &Header,
        entry: &Entry,
        (idx, account_len): (u64, u64),
    ) -> Result<(), LogFault> {
        let invalid = |rule| LogFault::Invalid { idx, rule };
        let last = usize::try_from(header.account_len)
            .ok()
            .and_then(|len| len.checked_sub(1));
        let known = last.and_then(|last| self.chain.hashes.get(last));
        if header.account != self.chain.account || known != Some(&header.account_hash) {
            return Err(invalid("its author's account is not the one known here"));
        }
        let key = self
            .chain
            .device_key_at(header.device, header.account_len.max(account_len))
            .ok_or(invalid("its author was not a device of the account"))?;
        if is_signed_by(&key, &log::entry_message(&entry.header), &entry.sig) {
            Ok(())
        } else {
            Err(invalid("signature"))
        }
    }

    fn open(&self, header: &Header, entry: &Entry, idx: u64) -> Result<Opened, LogFault> {
        let payload = entry
            .payload
            .as_deref()
            .ok_or(LogFault::CannotOpen { idx })?;
        match header.kind {
            EntryKind::Batch if idx > 0 => batch::open_batch(self.keys, header, payload)
                .map(|opened| (opened, None))
                .map_err(|_| LogFault::CannotOpen { idx }),
            EntryKind::Batch => Err(LogFault::Invalid {
                idx,
                rule: "a log begins with its genesis",
            }),
            EntryKind::Control => {
                let ruling = self.ruling(header, payload, idx)?;
                Ok((Vec::new(), ruling))
            },
        }
    }

    /// A log begins with its genesis; later control entries change how long versions are kept or what nobody syncs.
    fn ruling(
        &self,
        header: &Header,
        payload: &[u8],
        idx: u64,
    ) -> Result<Option<Ruling>, LogFault> {
        let invalid = |rule| LogFault::Invalid { idx, rule };
        let is_named = header.ops.len() == 1
            && header
                .ops
                .iter()
                .all(|op| op.meta_hash == Some(sha256(&[payload])));
        if !is_named {
            return Err(invalid("control entry"));
        }
        let control = wire::from_canonical(payload).map_err(|_| invalid("control payload"))?;
        match control {
            Control::Genesis(genesis) if idx == 0 => {
                if genesis.space == self.space && genesis.owner == self.chain.account {
                    Ok(None)
                } else {
                    Err(invalid("genesis of another space"))
                }
            },
            Control::Retention(retention) if idx > 0 && retention.is_acceptable() => {
                Ok(Some(Ruling::Retention(retention)))
            },
            Control::Pin(pin) if idx > 0 => Ok(Some(Ruling::Pin(pin))),
            Control::Ignore(policy) if idx > 0 && policy.is_acceptable() => {
                let text = open_ignore_policy(self.keys, &policy)
                    .map_err(|_| LogFault::CannotOpen { idx })?;
                match RuleFile::parse(text.as_bytes()).damage() {
                    None => Ok(Some(Ruling::Ignore(text))),
                    Some(_) => Err(invalid("ignore policy")),
                }
            },
            Control::Genesis(_) | Control::Retention(_) | Control::Pin(_) | Control::Ignore(_) => {
                Err(invalid("control entry"))
            },
        }
    }
}

fn check_device_chain(state: &Loaded, header: &Header, idx: u64) -> Result<(), LogFault> {
    let (ctr, prev) = state
        .chains
        .get(&header.device)
        .copied()
        .unwrap_or((0, Hash32::ZERO));
    if header.dev_ctr == ctr + 1 && header.dev_prev == prev {
        Ok(())
    } else {
        Err(LogFault::Invalid {
            idx,
            rule: "does not continue its device's chain",
        })
    }
}

fn check_seen(tx: &Tx<'_>, header: &Header, idx: u64) -> Result<(), LogError> {
    let size = header.seen.size;
    let invalid = |rule| LogError::Fault(LogFault::Invalid { idx, rule });
    let known = match size.checked_sub(1) {
        _ if size > idx => return Err(invalid("saw more than there is")),
        None => Head::empty().root,
        Some(last) => {
            tx.read()
                .entry(last)?
                .ok_or(DbError::Damaged { what: "log" })?
                .root
        },
    };
    if known != header.seen.root {
        return Err(LogFault::Fork { at: size }.into());
    }
    let unseen = tx.read().entries_from(size)?;
    let class = header.order_class();
    let is_allowed = unseen
        .iter()
        .all(|other| other.device == header.device || class.may_follow(other.class));
    if is_allowed {
        Ok(())
    } else {
        Err(invalid("was ordered after entries it may not follow"))
    }
}
