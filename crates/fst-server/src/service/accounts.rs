//! Accounts: the first device by a set-up code, more by a slot, and the chain that says who they are.
//!
//! Invariant: an entry is stored only when `fst_proto::account::Chain` accepts it after all entries before,
//! and only at the position it names. Not here: sealed bundles are opaque; sign-in ([`super::tokens`]).
//! Source: docs/design/crypto-format.md §1.4, §1.5.

use std::sync::{Arc, PoisonError};

use fst_proto::account::{self, AccountEntry, AccountHeader, BadChain, Body, Chain, Signer};
use fst_proto::hash::sha256;
use fst_proto::ids::{AccountId, Hash32, SlotId};
use fst_proto::limits;
use fst_proto::time::UnixMillis;
use fst_proto::wire::{
    self, AccountEntries, AppendAccount, CreateAccount, Join, SealedSlot, SlotReply,
};
use fst_store::cache::{Hint, Rate, Topic};
use fst_store::error::StoreError;
use fst_store::meta::{AppendAccountTx, CreateAccountTx, Outcome, Slot, SlotKind};

use super::{Caller, Served, Service};
use crate::refusal::Refusal;
use crate::seams;

/// Letters of a set-up code: no I, L, O, U, so that nobody mistakes one for another.
const CODE_LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Tries of set-up codes, all callers together: guessing 40 bits in a day stays hopeless.
const SETUP_TRIES: Rate = Rate {
    quota: 20,
    window_ms: 20 * 3000,
};

/// Chains kept in memory; all are dropped beyond.
const CHAINS_MAX: usize = 10_000;

impl Service {
    /// Makes a set-up code, valid for a day and one account; earlier unused ones end.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn create_setup_code(&self) -> Served<String> {
        let letters = seams::bytes::<8>(self.random());
        let letter = |byte: &u8| char::from(CODE_LETTERS[usize::from(byte % 32)]);
        let (left, right) = letters.split_at(4);
        let code: String = left
            .iter()
            .map(letter)
            .chain(['-'])
            .chain(right.iter().map(letter))
            .collect();
        let now = self.clock().now();
        let ends = UnixMillis(now.0 + limits::SETUP_CODE_MS);
        self.parts
            .meta
            .create_setup_code(code_hash(&code), ends, now)
            .await?;
        Ok(code)
    }

    /// Tells whether a set-up code could be used now.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn is_setup_code_open(&self, code: &str) -> Served<bool> {
        Ok(self
            .parts
            .meta
            .is_setup_code_open(code_hash(code), self.clock().now())
            .await?)
    }

    /// Creates an account with its first device. The same request again gives the same answer.
    ///
    /// # Errors
    /// [`Refusal::SetupCode`], [`Refusal::Malformed`], [`Refusal::RateLimited`], or `Conflict::Exists` when
    /// the device or recovery slot is taken.
    pub async fn create_account(&self, request: CreateAccount) -> Served<Outcome> {
        self.take_token("setup-code", SETUP_TRIES).await?;
        check_sizes(&request.genesis, Some(&request.recovery))?;
        let chain = Chain::start(&request.genesis)
            .map_err(|error| Refusal::malformed(error.to_string()))?;
        let device = chain.devices.keys().next().copied();
        let tx = CreateAccountTx {
            setup_code: code_hash(&request.setup_code),
            now: self.clock().now(),
            account: chain.account,
            device: device.ok_or_else(|| Refusal::malformed("genesis without a device"))?,
            genesis: request.genesis,
            recovery: Slot {
                slot: request.recovery.slot,
                kind: SlotKind::Recovery,
                sealed: request.recovery.sealed,
            },
        };
        Ok(self.parts.meta.create_account(tx).await?)
    }

    /// What a joining device needs; whoever knows the slot's id may read it.
    ///
    /// # Errors
    /// [`Refusal::Slot`] when it is unknown, used or expired; [`Refusal::Disabled`].
    pub async fn get_slot(&self, slot: SlotId) -> Served<SlotReply> {
        let stored = self.parts.meta.slot(slot).await?.ok_or(Refusal::Slot)?;
        if !stored.is_open(self.clock().now()) {
            return Err(Refusal::Slot);
        }
        self.check_enabled(stored.account).await?;
        let chain = self.parts.meta.account_entries(stored.account, 0).await?;
        Ok(SlotReply {
            account: stored.account,
            sealed: stored.slot.sealed,
            chain,
        })
    }

    /// Adds a device by a slot. The same entry again gives the same answer.
    ///
    /// # Errors
    /// [`Refusal::Slot`]; [`Refusal::Disabled`]; [`Refusal::Malformed`]; `Conflict::Exists` when the chain moved on: read the slot
    /// again and sign anew.
    pub async fn join(&self, slot: SlotId, request: Join) -> Served<Outcome> {
        let entry = request.entry;
        check_sizes(&entry, None)?;
        let header = read_header(&entry)?;
        let stored = self.parts.meta.slot(slot).await?.ok_or(Refusal::Slot)?;
        let fits = match stored.slot.kind {
            SlotKind::Recovery => header.signer == Signer::Recovery,
            SlotKind::Invite { .. } => header.signer == Signer::Invite(slot),
        };
        let Body::DeviceAdd(record) = &header.body else {
            return Err(Refusal::malformed("a join adds a device"));
        };
        if !fits || header.account != stored.account {
            return Err(Refusal::malformed("the join is not signed for this slot"));
        }
        self.check_enabled(stored.account).await?;
        let adds = Some(record.device);
        let tx = AppendAccountTx {
            account: stored.account,
            expected_len: header.index,
            entry,
            adds,
            revokes: None,
            by: None,
            opens: None,
            joins_by: Some(slot),
            now: self.clock().now(),
        };
        self.append(tx).await
    }

    /// Entries of the caller's chain from `since` on.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn account_entries(&self, caller: Caller, since: u64) -> Served<AccountEntries> {
        let entries = self
            .parts
            .meta
            .account_entries(caller.account, since)
            .await?;
        Ok(AccountEntries { entries })
    }

    /// Appends to the caller's chain. The same entry again gives the same answer.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]; `Conflict::Exists` when the chain moved on.
    pub async fn append_account(&self, caller: Caller, request: AppendAccount) -> Served<Outcome> {
        let AppendAccount { entry, slot } = request;
        check_sizes(&entry, slot.as_ref())?;
        let header = read_header(&entry)?;
        let may_sign = match header.signer {
            Signer::Device(device) => device == caller.device,
            Signer::Recovery => true,
            Signer::Invite(_) => false,
        };
        if !may_sign || header.account != caller.account {
            return Err(Refusal::malformed("the entry is signed for somebody else"));
        }
        let now = self.clock().now();
        let tx = AppendAccountTx {
            account: caller.account,
            expected_len: header.index,
            entry,
            adds: match &header.body {
                Body::DeviceAdd(record) => Some(record.device),
                Body::Genesis { .. } | Body::InviteAdd { .. } | Body::DeviceRevoke(_) => None,
            },
            revokes: match &header.body {
                Body::DeviceRevoke(device) => Some(*device),
                Body::Genesis { .. } | Body::InviteAdd { .. } | Body::DeviceAdd(_) => None,
            },
            by: Some(caller.device),
            opens: opened_slot(&header.body, slot, now)?,
            joins_by: None,
            now,
        };
        self.append(tx).await
    }

    async fn append(&self, tx: AppendAccountTx) -> Served<Outcome> {
        let chain = self.chain(tx.account).await?;
        let at = usize::try_from(tx.expected_len).unwrap_or(usize::MAX);
        if chain.hashes.get(at) == Some(&account::entry_hash(&tx.entry)) {
            return Ok(Outcome::Repeated);
        }
        if let Some(slot) = tx.joins_by {
            // Before the chain is asked, which would call a spent invitation a wrong signer.
            let stored = self.parts.meta.slot(slot).await?;
            let is_spent = chain.invites.get(&slot).is_some_and(|known| known.is_spent);
            if is_spent || !stored.is_some_and(|stored| stored.is_open(tx.now)) {
                return Err(Refusal::Slot);
            }
        }
        Chain::clone(&chain).append(&tx.entry)?;
        let (account, size) = (tx.account, tx.expected_len + 1);
        let outcome = self.parts.meta.append_account(tx).await?;
        self.publish(Hint {
            topic: Topic::Account(account),
            size,
        })
        .await;
        Ok(outcome)
    }

    /// The verified chain of an account: kept in memory, extended when the stored one is longer.
    pub(super) async fn chain(&self, account: AccountId) -> Served<Arc<Chain>> {
        let len = self.parts.meta.account_len(account).await?;
        if len == 0 {
            return Err(Refusal::NotFound("no such account"));
        }
        let kept = {
            let chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
            chains.get(&account).cloned()
        };
        if let Some(kept) = kept.as_ref().filter(|kept| kept.len >= len) {
            return Ok(Arc::clone(kept));
        }
        let since = kept.as_ref().map_or(0, |kept| kept.len);
        let entries = self.parts.meta.account_entries(account, since).await?;
        let chain = Arc::new(extend(kept.as_deref(), &entries).map_err(damaged)?);
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if chains.len() >= CHAINS_MAX {
            chains.clear();
        }
        chains.insert(account, Arc::clone(&chain));
        Ok(chain)
    }
}

fn extend(kept: Option<&Chain>, entries: &[AccountEntry]) -> Result<Chain, BadChain> {
    match kept {
        None => Chain::replay(entries),
        Some(kept) => {
            let mut chain = kept.clone();
            for entry in entries {
                chain.append(entry)?;
            }
            Ok(chain)
        },
    }
}

fn damaged(_: BadChain) -> Refusal {
    Refusal::Storage(StoreError::Damaged {
        what: "account chain",
    })
}

fn read_header(entry: &AccountEntry) -> Served<AccountHeader> {
    Ok(wire::from_canonical(&entry.header)?)
}

fn opened_slot(body: &Body, slot: Option<SealedSlot>, now: UnixMillis) -> Served<Option<Slot>> {
    match (body, slot) {
        (
            Body::InviteAdd {
                slot: id,
                expires_ms,
                ..
            },
            Some(sealed),
        ) if sealed.slot == *id => {
            // Whatever the author asks for, an invitation does not outlive the limit.
            let ends = UnixMillis((*expires_ms).min(now.0 + limits::INVITE_MS));
            Ok(Some(Slot {
                slot: *id,
                kind: SlotKind::Invite { ends },
                sealed: sealed.sealed,
            }))
        },
        (Body::InviteAdd { .. }, _) => Err(Refusal::malformed(
            "an invitation comes with its own bundle",
        )),
        (Body::Genesis { .. } | Body::DeviceAdd(_) | Body::DeviceRevoke(_), None) => Ok(None),
        (Body::Genesis { .. } | Body::DeviceAdd(_) | Body::DeviceRevoke(_), Some(_)) => {
            Err(Refusal::malformed("a bundle comes with an invitation only"))
        },
    }
}

fn check_sizes(entry: &AccountEntry, slot: Option<&SealedSlot>) -> Served<()> {
    let limit = limits::SLOT_BYTES_MAX;
    if entry.header.len() > limit {
        return Err(Refusal::TooLarge {
            what: "account entry",
            limit,
        });
    }
    if slot.is_some_and(|slot| slot.sealed.len() > limit) {
        return Err(Refusal::TooLarge {
            what: "sealed bundle",
            limit,
        });
    }
    Ok(())
}

/// Hash under which a set-up code is stored; case and dashes do not matter.
fn code_hash(code: &str) -> Hash32 {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    sha256(&[
        b"fst/v1/setup-code\0",
        plain.to_ascii_uppercase().as_bytes(),
    ])
}
