//! Bends a genuine log into one that the adversary would rather show.
//!
//! Invariant: what the lie does not concern stays as it is, so that only the rule it breaks can catch it.
//! An attack that needs more fresh entries than there are changes nothing.

use fst_proto::hash::sha256;
use fst_proto::ids::{DeviceId, Hash32, NodeId, SpaceId};
use fst_proto::log::{self, EntryKind, Flags, Header, Op, OpCode};
use fst_proto::wire::Entry;

use super::{LogAttack, Rewrite, ServerKey, head_of};

/// The log after the lie; `n_seen` of its entries are known to the client already.
pub(super) fn log(
    attack: &LogAttack,
    mut log: Vec<Entry>,
    n_seen: usize,
    key: &ServerKey,
) -> Vec<Entry> {
    let n_fresh = log.len().saturating_sub(n_seen);
    match attack {
        LogAttack::DropLastEntries(n) => log.truncate(log.len().saturating_sub(*n)),
        LogAttack::ReplayOldEntryAsNew if n_seen > 0 => {
            let old = Entry {
                time_ms: last_time(&log),
                ..log[n_seen - 1].clone()
            };
            log.push(old);
        },
        LogAttack::LaterServerTime => {
            if let Some(last) = log.last_mut() {
                last.time_ms += 1;
            }
        },
        LogAttack::EntryOfUnknownDevice => {
            let stranger = of_stranger(&log, key);
            log.extend(stranger);
        },
        LogAttack::Append(entries) => {
            let time_ms = last_time(&log);
            log.extend(entries.iter().map(|entry| Entry {
                time_ms,
                ..entry.clone()
            }));
        },
        LogAttack::DropMiddleEntry if n_fresh > 2 => drop(log.remove(n_seen + 1)),
        LogAttack::ReorderTwoEntries(a, b) if n_fresh > *a.max(b) => {
            let (a, b) = (n_seen + a, n_seen + b);
            let (time_a, time_b) = (log[a].time_ms, log[b].time_ms);
            log.swap(a, b);
            (log[a].time_ms, log[b].time_ms) = (time_a, time_b);
        },
        LogAttack::SwapPayloads if n_fresh > 1 => {
            let payload = log[n_seen].payload.take();
            log[n_seen].payload = log[n_seen + 1].payload.take();
            log[n_seen + 1].payload = payload;
        },
        LogAttack::BackwardsServerTime if n_fresh > 0 && n_seen > 0 => {
            log[n_seen].time_ms = log[n_seen - 1].time_ms.saturating_sub(1);
        },
        LogAttack::FutureServerTime if n_fresh > 0 => {
            let last = log.len() - 1;
            log[last].time_ms += 60 * 60 * 1000;
        },
        LogAttack::Rewrite(what, insider) if n_fresh > 0 => {
            let genesis = log[0].payload.clone().unwrap_or_default();
            let last = log.len() - 1;
            if let Some((header, payload)) = rewritten(*what, &log[last], &genesis) {
                log[last].sig = insider.0.sign_entry(&header);
                log[last].header = header;
                log[last].payload = payload;
            }
        },
        // No later entry builds on the last one: only its own signature can tell.
        LogAttack::FlipEntryByte | LogAttack::ForgeSignature if n_fresh > 0 => {
            let last = log.len() - 1;
            entry(attack, &mut log[last], key);
        },
        _ if n_fresh > 0 => entry(attack, &mut log[n_seen], key),
        _ => {},
    }
    log
}

/// Lies about one entry by itself.
fn entry(attack: &LogAttack, entry: &mut Entry, key: &ServerKey) {
    match attack {
        LogAttack::FlipEntryByte => {
            if let Ok(mut header) = log::decode_header(&entry.header) {
                header.ops[0].flags = Flags(header.ops[0].flags.0 ^ Flags::CONFLICT.0);
                entry.header = log::encode_header(&header);
            }
        },
        LogAttack::ForgeSignature => entry.sig = key.sign_entry(&entry.header),
        LogAttack::WithholdPayload => entry.payload = None,
        LogAttack::FlipPayloadByte => {
            if let Some(last) = entry.payload.as_mut().and_then(|bytes| bytes.last_mut()) {
                *last ^= 1;
            }
        },
        LogAttack::GarbageHeader => entry.header = vec![0xff; entry.header.len()],
        LogAttack::GarbagePayload => entry.payload = Some(vec![0xff; 100]),
        LogAttack::DropMiddleEntry
        | LogAttack::DropLastEntries(_)
        | LogAttack::ReorderTwoEntries(..)
        | LogAttack::ReplayOldEntryAsNew
        | LogAttack::SwapPayloads
        | LogAttack::BackwardsServerTime
        | LogAttack::FutureServerTime
        | LogAttack::LaterServerTime
        | LogAttack::EntryOfUnknownDevice
        | LogAttack::Append(_)
        | LogAttack::Rewrite(..) => {},
    }
}

fn last_time(log: &[Entry]) -> u64 {
    log.last().map_or(0, |entry| entry.time_ms)
}

/// An entry in perfect order but for its author: the server's own key, as a new device.
fn of_stranger(entries: &[Entry], key: &ServerKey) -> Option<Entry> {
    let like = entries.last()?;
    let mut header = log::decode_header(&like.header).ok()?;
    header.device = DeviceId([66; 16]);
    header.dev_ctr = 1;
    header.dev_prev = Hash32::ZERO;
    header.seen = head_of(entries);
    let header = log::encode_header(&header);
    let sig = key.sign_entry(&header);
    Some(Entry {
        header,
        sig,
        time_ms: like.time_ms,
        payload: like.payload.clone(),
    })
}

/// The header that a member in league signs instead, and the payload that goes with it.
fn rewritten(what: Rewrite, entry: &Entry, genesis: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let header = log::decode_header(&entry.header).ok()?;
    let payload = entry.payload.clone();
    let (header, payload) = match what {
        Rewrite::EpochDowngrade => (
            Header {
                epoch: header.epoch.saturating_sub(1),
                ..header
            },
            payload,
        ),
        Rewrite::OtherSpace => (
            Header {
                space: SpaceId([66; 16]),
                ..header
            },
            payload,
        ),
        Rewrite::SawTheFuture => {
            let mut seen = header.seen;
            seen.size += 1000;
            (Header { seen, ..header }, payload)
        },
        Rewrite::ControlEntryInjected => {
            let ops = vec![control_op(sha256(&[genesis]))];
            (
                Header {
                    kind: EntryKind::Control,
                    ops,
                    ..header
                },
                Some(genesis.to_vec()),
            )
        },
    };
    Some((log::encode_header(&header), payload))
}

fn control_op(hash: Hash32) -> Op {
    Op {
        code: OpCode::Control,
        node: NodeId::ZERO,
        base_rev: 0,
        flags: Flags::default(),
        name_tag: None,
        meta_hash: Some(hash),
        body_hash: None,
        add_refs: Vec::new(),
        drop_refs: Vec::new(),
    }
}
