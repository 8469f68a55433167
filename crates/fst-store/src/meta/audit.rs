//! Who did what to accounts, devices and the server: a chain of records that nobody changes unseen.
//!
//! Every backend appends what its transactions did by the rules here. Invariant: a record names ids, times and counts, never
//! names or secrets; its hash covers the hash before it, so a record that was changed, removed or put in breaks the
//! chain behind it. Cut off at its end the chain is whole: who must notice that keeps the newest hash elsewhere.
//! Not here: when something is worth a record (the callers). Source: docs/adr/0049-quotas-and-audit.md.

use fst_proto::hash::sha256;
use fst_proto::ids::{AccountId, DeviceId, Hash32, SpaceId};
use fst_proto::time::UnixMillis;

use super::{AppendAccountTx, CreateAccountTx, CreateSpaceTx, Quota, Subject};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// What happened. Numbers are for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AuditKind { $($(#[$doc])* $name = $number),* }

        impl AuditKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in exports.
            #[must_use]
            pub fn word(self) -> &'static str { match self { $(Self::$name => $word),* } }
        }
    };
}

kinds! {
    /// A set-up code was made.
    SetupCodeMade = 1, "setup-code-made";
    /// A set-up code was used.
    SetupCodeUsed = 2, "setup-code-used";
    /// An account began.
    AccountCreated = 3, "account-created";
    /// A device joined.
    DeviceEnrolled = 4, "device-enrolled";
    /// An account revoked a device.
    DeviceRevoked = 5, "device-revoked";
    /// The administrator barred a device.
    DeviceBarred = 6, "device-barred";
    /// The administrator let a device in again.
    DeviceAdmitted = 7, "device-admitted";
    /// The administrator disabled an account.
    UserDisabled = 8, "user-disabled";
    /// The administrator enabled an account again.
    UserEnabled = 9, "user-enabled";
    /// Numbers: most bytes and files plus one each, 0 for no bound; none for the default of the server.
    QuotaChanged = 10, "quota-changed";
    /// Failures of a device, or of an address, began to cost time.
    BackOffBegun = 11, "back-off-begun";
    /// A space began.
    SpaceCreated = 12, "space-created";
    /// Numbers: blobs copied.
    BackupMade = 13, "backup-made";
    /// Numbers: objects, bytes and blobs that were deleted.
    Pruned = 14, "pruned";
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The server by itself, or somebody who did not prove who it is.
    Server,
    /// Whoever runs the `fst-server` command.
    Administrator,
    /// A device.
    Device(DeviceId),
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub time: UnixMillis,
    /// What.
    pub kind: AuditKind,
    /// Who.
    pub actor: Actor,
    /// Account concerned.
    pub account: Option<AccountId>,
    /// Device concerned.
    pub device: Option<DeviceId>,
    /// Space concerned.
    pub space: Option<SpaceId>,
    /// Counts, as the kind says.
    pub numbers: Vec<u64>,
}

/// A record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number, from 1.
    pub no: u64,
    /// The event, encoded.
    pub body: Vec<u8>,
    /// Hash of the record before, its number and its body.
    pub hash: Hash32,
}

impl AuditEvent {
    /// An event that concerns nobody yet.
    #[must_use]
    pub fn new(time: UnixMillis, kind: AuditKind, actor: Actor) -> Self {
        Self {
            time,
            kind,
            actor,
            account: None,
            device: None,
            space: None,
            numbers: Vec::new(),
        }
    }

    /// The one encoding: fixed widths, then the counts.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // FROZEN v1: see docs/adr/0049-quotas-and-audit.md
        let mut out = vec![1];
        out.extend(self.time.0.to_be_bytes());
        out.extend((self.kind as u16).to_be_bytes());
        let (kind, actor) = match self.actor {
            Actor::Server => (0, None),
            Actor::Administrator => (1, None),
            Actor::Device(device) => (2, Some(device.0)),
        };
        out.push(kind);
        let ids = [
            actor,
            self.account.map(|id| id.0),
            self.device.map(|id| id.0),
            self.space.map(|id| id.0),
        ];
        for id in ids {
            out.push(u8::from(id.is_some()));
            out.extend(id.unwrap_or_default());
        }
        out.extend(self.numbers.iter().flat_map(|number| number.to_be_bytes()));
        out
    }

    /// Reads an encoding; `None` when it is not exactly one.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (head, rest) = body.split_first_chunk::<12>()?;
        let kind = u16::from_be_bytes([head[9], head[10]]);
        let kind = AuditKind::ALL
            .iter()
            .copied()
            .find(|known| *known as u16 == kind)?;
        let time = UnixMillis(u64::from_be_bytes(*head[1..].first_chunk::<8>()?));
        let (ids, numbers) = rest.split_first_chunk::<68>()?;
        let id = |index: usize| {
            let at = ids.get(index * 17..)?.first_chunk::<17>()?;
            (at[0] == 1).then_some(*at[1..].first_chunk::<16>()?)
        };
        let actor = match (head[11], id(0)) {
            (0, None) => Actor::Server,
            (1, None) => Actor::Administrator,
            (2, Some(device)) => Actor::Device(DeviceId(device)),
            _ => return None,
        };
        let numbers = numbers
            .chunks(8)
            .map(|chunk| Some(u64::from_be_bytes(*chunk.first_chunk()?)));
        let event = Self {
            time,
            kind,
            actor,
            account: id(1).map(AccountId),
            device: id(2).map(DeviceId),
            space: id(3).map(SpaceId),
            numbers: numbers.collect::<Option<_>>()?,
        };
        (event.encode() == body).then_some(event)
    }
}

/// A place in the chain: the record that was read last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its number.
    pub no: u64,
    /// Its hash.
    pub hash: Hash32,
}

/// Before the first record.
pub const START: Position = Position {
    no: 0,
    hash: Hash32::ZERO,
};

impl Position {
    /// The place behind a record; `None` when it does not follow here: it was changed, put in, or one before it is gone.
    #[must_use]
    pub fn then(self, record: &AuditRecord) -> Option<Self> {
        let AuditRecord { no, body, hash } = record;
        let is_read = AuditEvent::decode(body).is_some();
        let follows = *no == self.no + 1 && *hash == chained(self.hash, *no, body);
        let (no, hash) = (*no, *hash);
        (is_read && follows).then_some(Self { no, hash })
    }
}

impl AuditRecord {
    /// The record of an event that comes next.
    #[must_use]
    pub fn after(last: Position, event: &AuditEvent) -> Self {
        let (no, body) = (last.no + 1, event.encode());
        let hash = chained(last.hash, no, &body);
        Self { no, body, hash }
    }
}

fn chained(before: Hash32, no: u64, body: &[u8]) -> Hash32 {
    sha256(&[
        b"fst/v1/audit\0",
        before.as_bytes(),
        &no.to_be_bytes(),
        body,
    ])
}

impl CreateAccountTx {
    pub(super) fn told(&self) -> Vec<AuditEvent> {
        let kinds = [AuditKind::SetupCodeUsed, AuditKind::AccountCreated];
        let event = |kind| AuditEvent {
            account: Some(self.account),
            device: Some(self.device),
            ..AuditEvent::new(self.now, kind, Actor::Device(self.device))
        };
        kinds.map(event).to_vec()
    }
}

impl AppendAccountTx {
    pub(super) fn told(&self) -> Vec<AuditEvent> {
        let event = |kind, device: DeviceId| AuditEvent {
            account: Some(self.account),
            device: Some(device),
            ..AuditEvent::new(self.now, kind, Actor::Device(self.by.unwrap_or(device)))
        };
        let added = self.adds.map(|id| event(AuditKind::DeviceEnrolled, id));
        let revoked = self.revokes.map(|id| event(AuditKind::DeviceRevoked, id));
        added.into_iter().chain(revoked).collect()
    }
}

impl CreateSpaceTx {
    pub(super) fn told(&self) -> AuditEvent {
        let header = &self.commit.header;
        AuditEvent {
            account: Some(self.account),
            device: Some(header.device),
            space: Some(header.space),
            ..AuditEvent::new(
                self.commit.now,
                AuditKind::SpaceCreated,
                Actor::Device(header.device),
            )
        }
    }
}

pub(super) fn told_of_bar(subject: Subject, is_barred: bool, now: UnixMillis) -> AuditEvent {
    let event = |kind| AuditEvent::new(now, kind, Actor::Administrator);
    let (account, device, event) = match (subject, is_barred) {
        (Subject::Account(id), true) => (Some(id), None, event(AuditKind::UserDisabled)),
        (Subject::Account(id), false) => (Some(id), None, event(AuditKind::UserEnabled)),
        (Subject::Device(id), true) => (None, Some(id), event(AuditKind::DeviceBarred)),
        (Subject::Device(id), false) => (None, Some(id), event(AuditKind::DeviceAdmitted)),
    };
    AuditEvent {
        account,
        device,
        ..event
    }
}

pub(super) fn told_of_quota(
    account: AccountId,
    quota: Option<Quota>,
    now: UnixMillis,
) -> AuditEvent {
    let number = |bound: Option<u64>| bound.map_or(0, |bound| bound.saturating_add(1));
    let numbers = quota.map(|quota| vec![number(quota.bytes), number(quota.files)]);
    AuditEvent {
        account: Some(account),
        numbers: numbers.unwrap_or_default(),
        ..AuditEvent::new(now, AuditKind::QuotaChanged, Actor::Administrator)
    }
}

pub(super) fn told_of_code(now: UnixMillis) -> AuditEvent {
    AuditEvent::new(now, AuditKind::SetupCodeMade, Actor::Administrator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_encoding_and_a_frozen_hash() {
        let mut event = AuditEvent::new(
            UnixMillis(1_800_000_000_000),
            AuditKind::QuotaChanged,
            Actor::Administrator,
        );
        event.account = Some(AccountId([7; 16]));
        event.numbers = vec![11, 0];
        let body = event.encode();
        assert_eq!(AuditEvent::decode(&body), Some(event.clone()));
        for wrong in [&body[..body.len() - 1], &body[1..], &[]] {
            assert_eq!(AuditEvent::decode(wrong), None);
        }
        for at in 0..80 {
            let mut bent = body.clone();
            bent[at] ^= 0x80;
            assert_ne!(AuditEvent::decode(&bent), Some(event.clone()), "{at}");
        }
        let record = AuditRecord::after(START, &event);
        let hash = fst_proto::text::to_hex(record.hash.as_bytes());
        assert_eq!(
            hash,
            "b73d91a7d0b45e0b21f0fa935ed509681ce120c274fcc8b2609b1f70dd864434"
        );
    }

    /// Records 1 to 5 of a chain.
    fn chain() -> Vec<AuditRecord> {
        let mut position = START;
        let record = |n| {
            let mut event = AuditEvent::new(UnixMillis(n), AuditKind::Pruned, Actor::Server);
            event.numbers = vec![n, n, n];
            let record = AuditRecord::after(position, &event);
            position = position.then(&record).unwrap();
            record
        };
        (1..=5).map(record).collect()
    }

    fn broken_at(records: &[AuditRecord]) -> Option<u64> {
        let mut position = START;
        for record in records {
            position = match position.then(record) {
                Some(next) => next,
                None => return Some(record.no),
            };
        }
        None
    }

    #[test]
    fn what_was_changed_removed_or_put_in_is_found() {
        assert_eq!(broken_at(&chain()), None);
        let with = |change: &dyn Fn(&mut Vec<AuditRecord>)| {
            let mut records = chain();
            change(&mut records);
            broken_at(&records)
        };
        assert_eq!(
            with(&|records| records[2].body[8] ^= 1),
            Some(3),
            "its time"
        );
        assert_eq!(with(&|records| records[2].hash.0[0] ^= 1), Some(3));
        assert_eq!(with(&|records| drop(records.remove(2))), Some(4));
        assert_eq!(with(&|records| drop(records.remove(0))), Some(2));
        assert_eq!(with(&|records| records.swap(1, 2)), Some(3));
        // Numbers made good behind the one that was removed, or put in.
        let renumber = |records: &mut Vec<AuditRecord>| {
            (1_u64..)
                .zip(records)
                .for_each(|(no, record)| record.no = no);
        };
        assert_eq!(
            with(&|records| {
                records.remove(2);
                renumber(records);
            }),
            Some(3)
        );
        assert_eq!(
            with(&|records| {
                records.insert(2, records[1].clone());
                renumber(records);
            }),
            Some(3)
        );
        // Changed with a hash that fits: the next one does not.
        let forged = with(&|records| {
            let mut event = AuditEvent::decode(&records[2].body).unwrap();
            event.kind = AuditKind::BackupMade;
            let (no, hash) = (records[1].no, records[1].hash);
            records[2] = AuditRecord::after(Position { no, hash }, &event);
        });
        assert_eq!(forged, Some(4));
    }
}
