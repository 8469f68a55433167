//! Getting into an account, letting others in, and finding spaces.
//!
//! `crate::client` calls it. Invariant: a key is trusted only when the account's chain, replayed from its
//! self-certifying genesis or from the pins of a bundle, says so; the server's word is never enough.
//! Not here: cryptography (`fst-crypto`), files. Source: docs/design/crypto-format.md §2.

use std::sync::Arc;

use fst_crypto::account::{AccountKeys, NewAccount, create_account};
use fst_crypto::bundle::{Bundle, open_bundle};
use fst_crypto::device::DeviceSecrets;
use fst_crypto::enrol::{Inviter, make_invite, make_join_entry};
use fst_crypto::key::SpaceKeys;
use fst_crypto::random::SecureRandom;
use fst_crypto::slot::{EnrolSecret, Holder};
use fst_crypto::space::{NewSpace, Owner, create_space, open_space, open_space_name};
use fst_proto::account::Chain;
use fst_proto::control::{Control, Policy, SpaceGenesis};
use fst_proto::error::ErrorCode;
use fst_proto::hash::{is_signed_by, sha256};
use fst_proto::ids::SpaceId;
use fst_proto::limits;
use fst_proto::log::{self, Header};
use fst_proto::merkle::Head;
use fst_proto::time::UnixMillis;
use fst_proto::wire::{self, AppendAccount, CreateAccount, Entry, Join, ServerInfo};

use crate::client::Enrol;
use crate::db::Db;
use crate::error::ClientError;
use crate::keystore::Enrolled;
use crate::remote::http::Identity;
use crate::remote::{Remote, RemoteError};

/// How often a racing append to the account's chain is signed anew.
const APPEND_TRIES_MAX: usize = 8;

/// Creates an account or joins one; returns the device's keys and, for a new account, the 24 words.
///
/// # Errors
/// [`ErrorCode::BadSetupCode`], [`ErrorCode::BadJoin`], [`ErrorCode::MalformedJoin`],
/// [`ErrorCode::BadRecovery`], or the server's.
pub fn enrol(
    remote: &dyn Remote,
    info: &ServerInfo,
    (url, name): (&str, &str),
    how: Enrol<'_>,
    random: &dyn SecureRandom,
) -> Result<(Enrolled, Option<String>), ClientError> {
    match how {
        Enrol::SetupCode(code) => found(remote, info, (url, name), code, random),
        Enrol::Join(text) => {
            let malformed =
                |e| ClientError::caused(ErrorCode::MalformedJoin, "read join string", e);
            let secret = EnrolSecret::parse_join(text).map_err(malformed)?;
            join(remote, info, (url, name), &secret, random).map(|enrolled| (enrolled, None))
        },
        Enrol::Recover(words) => {
            let wrong = |e| ClientError::caused(ErrorCode::BadRecovery, "read recovery words", e);
            let secret = EnrolSecret::parse_words(words).map_err(wrong)?;
            join(remote, info, (url, name), &secret, random).map(|enrolled| (enrolled, None))
        },
    }
}

fn found(
    remote: &dyn Remote,
    info: &ServerInfo,
    (url, name): (&str, &str),
    code: &str,
    random: &dyn SecureRandom,
) -> Result<(Enrolled, Option<String>), ClientError> {
    let NewAccount {
        account,
        genesis,
        device,
        seed,
        words,
        recovery,
    } = create_account(random, name, info.receipt_key).map_err(internal)?;
    let setup_code = code.trim().to_owned();
    remote.create_account(&CreateAccount {
        setup_code,
        genesis: genesis.clone(),
        recovery,
    })?;
    let enrolled = Enrolled {
        account: AccountKeys::derive(account, &seed),
        device,
        seed,
        receipt_key: info.receipt_key,
        url: url.to_owned(),
        name: name.to_owned(),
        chain: vec![genesis],
        heads: Vec::new(),
    };
    Ok((enrolled, Some(words.expose_secret().to_owned())))
}

fn join(
    remote: &dyn Remote,
    info: &ServerInfo,
    (url, name): (&str, &str),
    secret: &EnrolSecret,
    random: &dyn SecureRandom,
) -> Result<Enrolled, ClientError> {
    let device = DeviceSecrets::generate(random);
    for _ in 0..APPEND_TRIES_MAX {
        let reply = remote
            .slot(secret.slot())
            .map_err(|error| slot_error(error, secret))?;
        let mut chain = Chain::replay(&reply.chain).map_err(invalid_chain)?;
        let bundle = open_bundle(secret, &reply.sealed).map_err(invalid_chain)?;
        check_bundle(&bundle, &chain, info)?;
        let account = AccountKeys::derive(chain.account, &bundle.seed);
        let name = unique_name(name, &account, &chain);
        let entry = make_join_entry(random, secret, &chain, &bundle.seed, (&device, &name))
            .map_err(internal)?;
        match remote.join(
            secret.slot(),
            &Join {
                entry: entry.clone(),
            },
        ) {
            Ok(()) => {
                chain.append(&entry).map_err(invalid_chain)?;
                let mut entries = reply.chain;
                entries.push(entry);
                return Ok(Enrolled {
                    account,
                    device,
                    seed: bundle.seed,
                    receipt_key: bundle.receipt_key,
                    url: url.to_owned(),
                    name,
                    chain: entries,
                    heads: bundle.heads,
                });
            },
            // Another device joined meanwhile: sign on top of it.
            Err(error) if error.conflict().is_some() => {},
            Err(error) => return Err(slot_error(error, secret)),
        }
    }
    Err(ClientError::new(
        ErrorCode::Conflict,
        "the account's chain keeps moving",
    ))
}

/// `name`, or `name-2` and so on when another device of the account is called so: conflict copies and
/// history name devices.
fn unique_name(name: &str, account: &AccountKeys, chain: &Chain) -> String {
    let devices = chain.devices.values();
    let taken: Vec<String> = devices
        .filter_map(|device| account.open_device_name(device).ok())
        .collect();
    let numbered = (2..=u64::MAX).map(|n| format!("{name}-{n}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    candidates
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| name.to_owned())
}

fn check_bundle(bundle: &Bundle, chain: &Chain, info: &ServerInfo) -> Result<(), ClientError> {
    bundle.check_chain(chain).map_err(invalid_chain)?;
    if bundle.receipt_key == info.receipt_key {
        Ok(())
    } else {
        Err(ClientError::new(
            ErrorCode::Fork,
            "this server is not the one that the account belongs to",
        ))
    }
}

fn slot_error(error: RemoteError, secret: &EnrolSecret) -> ClientError {
    let is_unknown = matches!(error.code(), ErrorCode::BadJoin | ErrorCode::NotFound);
    match secret.holder() {
        Holder::Recovery if is_unknown => ClientError::caused(
            ErrorCode::BadRecovery,
            "no account fits these words here",
            error,
        ),
        Holder::Recovery | Holder::Invite(_) => error.into(),
    }
}

/// Makes a one-time join string.
///
/// # Errors
/// [`ClientError`] when the server refuses or cannot be reached.
pub fn invite(
    remote: &dyn Remote,
    enrolled: &Enrolled,
    heads: &[(SpaceId, Head)],
    now: UnixMillis,
    random: &dyn SecureRandom,
) -> Result<String, ClientError> {
    let mut chain = Chain::replay(&enrolled.chain).map_err(invalid_chain)?;
    for _ in 0..APPEND_TRIES_MAX {
        for entry in remote.account_entries(chain.len)?.entries {
            chain.append(&entry).map_err(invalid_chain)?;
        }
        let inviter = Inviter {
            device: &enrolled.device,
            seed: &enrolled.seed,
            chain: &chain,
            heads,
            receipt_key: enrolled.receipt_key,
        };
        let invite = make_invite(random, &inviter, now.0 + limits::INVITE_MS).map_err(internal)?;
        let request = AppendAccount {
            entry: invite.entry,
            slot: Some(invite.slot),
        };
        match remote.append_account(&request) {
            Ok(()) => return Ok(invite.join.expose_secret().to_owned()),
            Err(error) if error.conflict().is_some() => {},
            Err(error) => return Err(error.into()),
        }
    }
    Err(ClientError::new(
        ErrorCode::Conflict,
        "the account's chain keeps moving",
    ))
}

/// Who signs in for an enrolled device.
#[must_use]
pub fn identity(enrolled: &Enrolled) -> Identity {
    Identity {
        device: enrolled.device.device,
        key: enrolled.device.sign_key(),
        origin: enrolled.receipt_key,
    }
}

/// Finds and opens the spaces of an account.
#[derive(Debug)]
pub struct Spaces<'a> {
    /// The server.
    pub remote: &'a dyn Remote,
    /// This device.
    pub enrolled: &'a Enrolled,
    /// The account's chain, up to date enough to name its members.
    pub chain: &'a Chain,
    /// Rules of spaces that are made.
    pub new_spaces: Policy,
}

/// A space as it was opened.
#[derive(Debug)]
pub struct OpenedSpace {
    /// Its id.
    pub id: SpaceId,
    /// Its keys.
    pub keys: Arc<SpaceKeys>,
    /// Its rules.
    pub policy: Policy,
}

impl Spaces<'_> {
    /// The space with this remote name; created when there is none. Two devices that do so at once get one.
    ///
    /// # Errors
    /// [`ClientError`] when the server refuses or cannot be reached.
    pub fn find_or_create(
        &self,
        remote_path: &str,
        random: &dyn SecureRandom,
    ) -> Result<SpaceId, ClientError> {
        if let Some(found) = self.find(remote_path)? {
            return Ok(found);
        }
        let new = self.new_space(remote_path, random)?;
        match self.remote.create_space(&new.create) {
            Ok(_) => Ok(new.space),
            Err(error) if error.conflict().is_some() => {
                self.find(remote_path)?.ok_or_else(|| error.into())
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The space with this remote name, and whether the server has it. One that it does not have gets keys that
    /// nobody ever sees.
    ///
    /// # Errors
    /// As [`Spaces::open`].
    pub fn preview(
        &self,
        remote_path: &str,
        random: &dyn SecureRandom,
    ) -> Result<(OpenedSpace, bool), ClientError> {
        let payload = match self.find(remote_path)? {
            Some(space) => Some(self.fetch_genesis(space)?),
            None => None,
        };
        let is_there = payload.is_some();
        let payload = match payload {
            Some(payload) => payload,
            None => self.new_space(remote_path, random)?.create.commit.payload,
        };
        Ok((self.opened(remote_path, &payload)?, is_there))
    }

    fn new_space(
        &self,
        remote_path: &str,
        random: &dyn SecureRandom,
    ) -> Result<NewSpace, ClientError> {
        let owner = Owner {
            keys: &self.enrolled.account,
            device: &self.enrolled.device,
            chain_len: self.chain.len,
            chain_head: self.chain.head(),
        };
        create_space(random, &owner, remote_path, self.new_spaces).map_err(internal)
    }

    fn find(&self, remote_path: &str) -> Result<Option<SpaceId>, ClientError> {
        let tag = self.enrolled.account.space_tag(remote_path);
        let known = self.remote.spaces()?.spaces;
        Ok(known
            .into_iter()
            .find(|space| space.tag == tag)
            .map(|space| space.space))
    }

    /// The space that the first names of a remote path stand for, and how many those are; of several the longest.
    ///
    /// # Errors
    /// [`ClientError`] when the server refuses or cannot be reached.
    pub fn find_above(&self, names: &[&str]) -> Result<Option<(String, usize)>, ClientError> {
        let known = self.remote.spaces()?.spaces;
        let found = (1..=names.len()).rev().find_map(|n| {
            let remote_path = format!("/{}", names.get(..n)?.join("/"));
            let tag = self.enrolled.account.space_tag(&remote_path);
            known
                .iter()
                .any(|space| space.tag == tag)
                .then_some((remote_path, n))
        });
        Ok(found)
    }

    /// Remote paths of all spaces that this account can open, sorted.
    ///
    /// # Errors
    /// [`ErrorCode::CannotOpen`], [`ErrorCode::InvalidLog`]; server errors.
    pub fn remote_paths(&self) -> Result<Vec<String>, ClientError> {
        let mut paths = Vec::new();
        for known in self.remote.spaces()?.spaces {
            let genesis = read_genesis(&self.fetch_genesis(known.space)?)?;
            let keys = open_space(&self.enrolled.account, &genesis).map_err(cannot_open)?;
            paths.push(open_space_name(&keys, &genesis).map_err(cannot_open)?);
        }
        paths.sort();
        Ok(paths)
    }

    /// Opens the space of a folder: from its database when it was opened before, else from the server.
    ///
    /// # Errors
    /// [`ErrorCode::CannotOpen`] when its keys do not open; server errors.
    pub fn open(
        &self,
        remote_path: &str,
        db: &mut Db,
        random: &dyn SecureRandom,
    ) -> Result<OpenedSpace, ClientError> {
        let payload = match db.read().meta("genesis")? {
            Some(payload) => payload,
            None => {
                let space = self.find_or_create(remote_path, random)?;
                let payload = self.fetch_genesis(space)?;
                db.transaction(|tx| tx.set_meta("genesis", &payload))?;
                payload
            },
        };
        self.opened(remote_path, &payload)
    }

    /// Opens a space that was opened on this device before; `None` when it never was. Asks nobody.
    ///
    /// # Errors
    /// [`ErrorCode::CannotOpen`] when its keys do not open.
    pub fn open_known(
        &self,
        remote_path: &str,
        db: &Db,
    ) -> Result<Option<OpenedSpace>, ClientError> {
        let payload = db.read().meta("genesis")?;
        payload
            .map(|payload| self.opened(remote_path, &payload))
            .transpose()
    }

    fn opened(&self, remote_path: &str, payload: &[u8]) -> Result<OpenedSpace, ClientError> {
        let genesis = read_genesis(payload)?;
        let keys = open_space(&self.enrolled.account, &genesis).map_err(cannot_open)?;
        let name = open_space_name(&keys, &genesis).map_err(cannot_open)?;
        if name != remote_path || genesis.owner != self.chain.account {
            let detail = format!("the server gave another space for {remote_path}");
            return Err(ClientError::new(ErrorCode::InvalidLog, detail));
        }
        Ok(OpenedSpace {
            id: genesis.space,
            keys: Arc::new(keys),
            policy: genesis.policy,
        })
    }

    /// Control payload of a space's first entry, signed by a device of the account.
    ///
    /// Anybody can wrap keys of their own choice to the account's public key: only the signature tells.
    fn fetch_genesis(&self, space: SpaceId) -> Result<Vec<u8>, ClientError> {
        let page = self.remote.changes(space, 0)?;
        let lost = || ClientError::new(ErrorCode::InvalidLog, "the space has no genesis");
        let first = page.entries.into_iter().next().ok_or_else(lost)?;
        let header = log::decode_header(&first.header).map_err(invalid_chain)?;
        self.check_author(&header, &first)?;
        let payload = first.payload.ok_or_else(lost)?;
        let is_named = header
            .ops
            .iter()
            .all(|op| op.meta_hash == Some(sha256(&[&payload])));
        let genesis = read_genesis(&payload)?;
        let is_of_space = header.space == space && genesis.space == space;
        if is_named && is_of_space {
            Ok(payload)
        } else {
            Err(lost())
        }
    }

    /// The entry is signed by a device that its author's account had.
    fn check_author(&self, header: &Header, entry: &Entry) -> Result<(), ClientError> {
        let mut chain = self.chain.clone();
        if header.account_len > chain.len {
            for entry in self.remote.account_entries(chain.len)?.entries {
                chain.append(&entry).map_err(invalid_chain)?;
            }
        }
        let key = chain.device_key_at(header.device, header.account_len);
        let message = log::entry_message(&entry.header);
        let is_signed = key.is_some_and(|key| is_signed_by(&key, &message, &entry.sig));
        if is_signed && header.account == chain.account {
            Ok(())
        } else {
            Err(ClientError::new(
                ErrorCode::InvalidLog,
                "the space's genesis is not of this account",
            ))
        }
    }
}

/// The space that a stored genesis payload begins.
///
/// # Errors
/// [`ErrorCode::InvalidLog`] when it is damaged.
pub fn space_of(payload: &[u8]) -> Result<SpaceId, ClientError> {
    Ok(read_genesis(payload)?.space)
}

fn read_genesis(payload: &[u8]) -> Result<SpaceGenesis, ClientError> {
    let control: Control = wire::from_canonical(payload)
        .map_err(|e| ClientError::caused(ErrorCode::InvalidLog, "read the space's genesis", e))?;
    control
        .genesis()
        .ok_or_else(|| ClientError::new(ErrorCode::InvalidLog, "a space begins with its genesis"))
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> ClientError {
    ClientError::caused(ErrorCode::Internal, "seal", error)
}

fn invalid_chain(error: impl std::error::Error + Send + Sync + 'static) -> ClientError {
    ClientError::caused(ErrorCode::InvalidLog, "check the account", error)
}

fn cannot_open(error: impl std::error::Error + Send + Sync + 'static) -> ClientError {
    ClientError::caused(ErrorCode::CannotOpen, "open the space's keys", error)
}
