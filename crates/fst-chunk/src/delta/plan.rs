//! Which bytes of a new version are sent, and which are referenced where the server has them already.
//!
//! `fst-client` passes what the [`super::Matcher`] found and the old recipe. Invariant: the parts of a plan add up to
//! the pieces; afterwards the objects that a content references hold at most
//! twice its bytes, and its recipe stays below half a percent of them. Deterministic: no clock, no randomness.
//! Not here: cutting what is sent into objects. Source: docs/adr/0018-deltas-by-a-kept-signature.md.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::ids::ObjectId;
use fst_proto::recipe::Extent;

use super::Piece;

/// Referenced bytes per byte of content, in tenths, above which old objects are rewritten: it is what a fresh device
/// has to download and what the server has to keep.
const AMPLIFICATION_MAX: u64 = 20;

/// What rewriting brings it down to, so that not every edit rewrites.
const AMPLIFICATION_AFTER: u64 = 17;

/// A recipe may take one part in this many of the content it describes. Measured once each, on 128 MiB after 30 rounds in
/// which a tenth of all 4 KiB pages was overwritten at random: with one in 50 a fresh device received 2.45 bytes per
/// byte, because few bytes of each object lie together; with one in 200, 1.85. Larger contents were not measured.
const RECIPE_SHARE: u64 = 200;

/// Bytes of one extent in an encoded recipe.
const EXTENT_BYTES: u64 = 48;

/// Extents that any content may have.
const EXTENTS_FREE: u64 = 64;

/// Extents rewritten together when a recipe is too long.
const RUN: usize = 64;

/// Contents up to this size are sent whole unless a delta saves a fifth of them and [`SAVED_MIN`] bytes.
const SMALL_MAX: u64 = 1 << 20;

/// Least that a delta of a small content must save: a recipe and an envelope cost about half of it.
const SAVED_MIN: u64 = 2048;

/// Most extents of a small content: it is one object otherwise.
const SMALL_EXTENTS_MAX: usize = 16;

/// Share of new bytes, in percent, from which a content counts as new and is cut afresh.
const NEW_SHARE_MAX: u64 = 70;

/// Shortest hole kept as a hole; shorter ones are bytes like any others.
const HOLE_MIN: u64 = 4096;

/// Copies shorter than this cost more in the recipe than as bytes.
const COPY_MIN: u64 = 256;

/// Appended tails are merged up to this size, doubling each time.
const TAIL_MAX: u64 = 256 << 10;

/// The old version: where its bytes are at the server.
#[derive(Debug, Clone, Copy)]
pub struct Old<'a> {
    /// Its extents in file order.
    pub extents: &'a [Extent],
    /// Plain length of each object they reference.
    pub lens: &'a BTreeMap<ObjectId, u32>,
}

/// A stretch of the new content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The server has it, or it is a hole.
    Known(Extent),
    /// It has to be sent.
    New {
        /// Number of bytes.
        len: u64,
    },
}

impl Part {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Known(extent) => extent.len(),
            Self::New { len } => *len,
        }
    }

    /// True for a part of no bytes, which no plan has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Decides how a new version is sent; `None` when it is better sent as if it were new.
///
/// `is_usable` says whether the server has an object. Shape: parts in file order, none empty, adjacent ones joined.
#[must_use]
pub fn plan(
    pieces: &[Piece],
    old: Old<'_>,
    is_usable: &dyn Fn(ObjectId) -> bool,
) -> Option<Vec<Part>> {
    let size: u64 = pieces.iter().map(Piece::len).sum();
    let mut parts = resolve(pieces, old, is_usable);
    if is_new(&parts, size) {
        return None;
    }
    merge_tail(&mut parts, old.lens);
    shorten(&mut parts, size);
    rewrite_emptiest(&mut parts, old.lens, size);
    (!is_new(&parts, size)).then_some(parts)
}

/// Follows each copy through the old recipe.
fn resolve(pieces: &[Piece], old: Old<'_>, is_usable: &dyn Fn(ObjectId) -> bool) -> Vec<Part> {
    let mut usable: BTreeMap<ObjectId, bool> = BTreeMap::new();
    let mut is_usable = |id: ObjectId| *usable.entry(id).or_insert_with(|| is_usable(id));
    let starts: Vec<u64> = old
        .extents
        .iter()
        .scan(0, |at, extent| {
            let start = *at;
            *at += extent.len();
            Some(start)
        })
        .collect();
    let mut parts = Vec::new();
    for piece in pieces {
        match *piece {
            Piece::New { len } => push(&mut parts, Part::New { len }),
            Piece::Zeros { len } => push(&mut parts, Part::Known(Extent::Hole { len })),
            Piece::Copy { from, len } => {
                let (mut at, mut left) = (from, len);
                let first = starts.partition_point(|&start| start <= from);
                let behind = old
                    .extents
                    .iter()
                    .zip(&starts)
                    .skip(first.saturating_sub(1));
                for (extent, &start) in behind {
                    if left == 0 {
                        break;
                    }
                    let skip = at - start;
                    let take = left.min(extent.len().saturating_sub(skip));
                    push(&mut parts, part_of(extent, skip, take, &mut is_usable));
                    at += take;
                    left -= take;
                }
                // A signature that is longer than its recipe: what is not described is sent.
                push(&mut parts, Part::New { len: left });
            },
        }
    }
    let short = |part: &Part| match part {
        Part::Known(Extent::Hole { len }) => *len < HOLE_MIN,
        Part::Known(Extent::Data { len, .. }) => u64::from(*len) < COPY_MIN,
        Part::New { .. } => false,
    };
    renew(&parts, |_, part| short(part))
}

fn part_of(
    extent: &Extent,
    skip: u64,
    take: u64,
    is_usable: &mut dyn FnMut(ObjectId) -> bool,
) -> Part {
    let known = match extent {
        Extent::Hole { .. } => Some(Extent::Hole { len: take }),
        Extent::Data { object, offset, .. } if is_usable(*object) => {
            let skip = u32::try_from(skip).ok();
            let offset = skip.and_then(|skip| offset.checked_add(skip));
            offset
                .zip(u32::try_from(take).ok())
                .map(|(offset, len)| Extent::Data {
                    object: *object,
                    offset,
                    len,
                })
        },
        Extent::Data { .. } => None,
    };
    known.map_or(Part::New { len: take }, Part::Known)
}

fn is_new(parts: &[Part], size: u64) -> bool {
    let new = new_bytes(parts);
    if size > SMALL_MAX {
        return new * 100 > size * NEW_SHARE_MAX;
    }
    let saved = size - new;
    saved <= SAVED_MIN || saved * 5 <= size || parts.len() > SMALL_EXTENTS_MAX
}

fn new_bytes(parts: &[Part]) -> u64 {
    let new = parts.iter().filter(|part| matches!(part, Part::New { .. }));
    new.map(Part::len).sum()
}

/// Sends the objects of many small appends again as one, each time the new tail has grown to the size of the last.
fn merge_tail(parts: &mut Vec<Part>, lens: &BTreeMap<ObjectId, u32>) {
    while let [
        ..,
        Part::Known(Extent::Data {
            object,
            offset: 0,
            len,
        }),
        Part::New { len: tail },
    ] = parts.as_slice()
    {
        let is_whole = lens.get(object) == Some(len);
        let merged = tail + u64::from(*len);
        if !is_whole || u64::from(*len) > *tail || merged > TAIL_MAX {
            break;
        }
        parts.truncate(parts.len() - 2);
        push(parts, Part::New { len: merged });
    }
}

/// Rewrites the densest runs of extents until the recipe is short enough.
fn shorten(parts: &mut Vec<Part>, size: u64) {
    let most = EXTENTS_FREE + size / (RECIPE_SHARE * EXTENT_BYTES);
    // Each time around at least one run of several parts becomes one part.
    while parts.len() as u64 > most {
        let over = parts.len() as u64 - most;
        let mut runs: Vec<(u64, usize)> = parts
            .chunks(RUN)
            .enumerate()
            .map(|(i, run)| (run.iter().map(Part::len).sum(), i))
            .collect();
        runs.sort_unstable();
        let n_runs = usize::try_from(over.div_ceil(RUN as u64 - 1)).unwrap_or(usize::MAX);
        let chosen: BTreeSet<usize> = runs.iter().take(n_runs.max(2)).map(|(_, i)| *i).collect();
        *parts = renew(parts, |i, _| chosen.contains(&(i / RUN)));
    }
}

/// Rewrites what is left of the emptiest objects until few enough dead bytes are referenced.
fn rewrite_emptiest(parts: &mut Vec<Part>, lens: &BTreeMap<ObjectId, u32>, size: u64) {
    let mut live: BTreeMap<ObjectId, u64> = BTreeMap::new();
    for part in parts.iter() {
        if let Part::Known(Extent::Data { object, len, .. }) = part {
            *live.entry(*object).or_default() += u64::from(*len);
        }
    }
    let whole = |id: &ObjectId| u64::from(lens.get(id).copied().unwrap_or(0));
    let mut referenced = new_bytes(parts) + live.keys().map(whole).sum::<u64>();
    if referenced * 10 <= size * AMPLIFICATION_MAX {
        return;
    }
    // Ordered by the share that is alive, in thousandths.
    let mut objects: Vec<(u64, ObjectId)> = live
        .iter()
        .map(|(id, live)| (live * 1000 / whole(id).max(1), *id))
        .collect();
    objects.sort_unstable();
    let mut dropped: BTreeSet<ObjectId> = BTreeSet::new();
    for (share, id) in objects {
        if referenced * 10 <= size * AMPLIFICATION_AFTER || share >= 1000 {
            break;
        }
        referenced = (referenced + live[&id]).saturating_sub(whole(&id));
        dropped.insert(id);
    }
    *parts = renew(parts, |_, part| match part {
        Part::Known(Extent::Data { object, .. }) => dropped.contains(object),
        Part::Known(Extent::Hole { .. }) | Part::New { .. } => false,
    });
}

/// The same parts, with those that `is_renewed` names to be sent.
fn renew(parts: &[Part], is_renewed: impl Fn(usize, &Part) -> bool) -> Vec<Part> {
    let mut out = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let part = if is_renewed(i, part) {
            Part::New { len: part.len() }
        } else {
            *part
        };
        push(&mut out, part);
    }
    out
}

/// Adds a part, joined to the last one where they continue each other.
fn push(parts: &mut Vec<Part>, part: Part) {
    if part.is_empty() {
        return;
    }
    match (parts.last_mut(), part) {
        (Some(Part::New { len }), Part::New { len: more })
        | (Some(Part::Known(Extent::Hole { len })), Part::Known(Extent::Hole { len: more })) => {
            *len += more;
        },
        (
            Some(Part::Known(Extent::Data {
                object,
                offset,
                len,
            })),
            Part::Known(Extent::Data {
                object: next,
                offset: begin,
                len: more,
            }),
        ) if *object == next
            && offset.checked_add(*len) == Some(begin)
            && len.checked_add(more).is_some() =>
        {
            *len += more;
        },
        (_, part) => parts.push(part),
    }
}
