//! Opened objects, kept for the extents to come.
//!
//! Used by [`super::Fetcher`]. A file that was edited often uses few bytes of each of many objects, and comes back to each of them
//! over a long stretch: what is dropped too early is fetched again, for every byte many times. Invariant: no more than
//! `CACHE_BYTES_MAX` and one page are held. Not here: fetching.

use std::collections::{BTreeMap, BTreeSet};

use fst_proto::ids::ObjectId;
use fst_proto::limits;
use fst_proto::recipe::Extent;

/// Plain bytes of objects kept for the extents to come.
const CACHE_BYTES_MAX: usize = 16 << 20;

/// What may stay so that the next page fits whole: what of it did not would be fetched twice.
const KEPT_BYTES_MAX: usize = CACHE_BYTES_MAX - limits::PAGE_BYTES_TARGET;

#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    /// When it was used last.
    used: u64,
}

/// Objects by id.
#[derive(Debug, Default)]
pub(super) struct Cache {
    held: BTreeMap<ObjectId, Held>,
    n_bytes: usize,
    /// Counts uses.
    now: u64,
}

impl Cache {
    pub(super) fn contains(&self, id: &ObjectId) -> bool {
        self.held.contains_key(id)
    }

    /// Plain bytes of an object, which was thereby used.
    pub(super) fn get(&mut self, id: &ObjectId) -> Option<&[u8]> {
        self.now += 1;
        let held = self.held.get_mut(id)?;
        held.used = self.now;
        Some(&held.bytes)
    }

    /// True when nothing more may come in.
    pub(super) fn is_full(&self) -> bool {
        self.n_bytes > CACHE_BYTES_MAX
    }

    pub(super) fn insert(&mut self, id: ObjectId, bytes: Vec<u8>) {
        self.n_bytes += bytes.len();
        let used = self.now;
        if let Some(before) = self.held.insert(id, Held { bytes, used }) {
            self.n_bytes -= before.bytes.len();
        }
    }

    /// Drops what is needed last, so that a page fits: what `upcoming` needs stays first, then what was used last, since
    /// the next part of the recipe goes on where this one ends.
    pub(super) fn make_room(&mut self, upcoming: &[Extent]) {
        if self.n_bytes <= KEPT_BYTES_MAX {
            return;
        }
        let mut seen = BTreeSet::new();
        let needed = upcoming
            .iter()
            .filter_map(Extent::object)
            .filter(|id| self.held.contains_key(id) && seen.insert(*id));
        let mut kept: Vec<ObjectId> = needed.collect();
        let mut others: Vec<(u64, ObjectId)> = self
            .held
            .iter()
            .filter(|(id, _)| !seen.contains(id))
            .map(|(id, held)| (held.used, *id))
            .collect();
        others.sort_unstable_by(|a, b| b.cmp(a));
        kept.extend(others.into_iter().map(|(_, id)| id));
        let mut before = std::mem::take(&mut self.held);
        self.n_bytes = 0;
        for id in kept {
            let Some(held) = before.remove(&id) else {
                continue;
            };
            if self.n_bytes + held.bytes.len() > KEPT_BYTES_MAX {
                return;
            }
            self.n_bytes += held.bytes.len();
            self.held.insert(id, held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    fn extent(n: u8) -> Extent {
        Extent::Data {
            object: id(n),
            offset: 0,
            len: 1,
        }
    }

    /// Objects that stay of `held` (`N` is one MiB; used in this order) when `upcoming` is needed.
    fn kept(held: &[u8], upcoming: &[u8]) -> Vec<u8> {
        let mut cache = Cache::default();
        for n in held {
            cache.insert(id(*n), vec![0; MIB]);
            cache.get(&id(*n));
        }
        let upcoming: Vec<Extent> = upcoming.iter().map(|n| extent(*n)).collect();
        cache.make_room(&upcoming);
        let stays = held.iter().filter(|n| cache.contains(&id(**n)));
        stays.copied().collect()
    }

    #[test]
    fn what_is_needed_next_stays() {
        let all: Vec<u8> = (0..12).collect();
        assert_eq!(kept(&all[..8], &[]), all[..8], "there is room");
        assert_eq!(kept(&all, &[]), all[4..], "what was used last stays");
        assert_eq!(kept(&all, &[0, 99, 1, 0]), [0, 1, 6, 7, 8, 9, 10, 11]);
        let many: Vec<u8> = (0..10).collect();
        assert_eq!(kept(&all, &many), all[..8], "the nearest of what is needed");
    }
}
