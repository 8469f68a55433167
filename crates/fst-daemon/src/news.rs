//! What the watcher saw since the worker last asked, in one byte.
//!
//! Written on the watcher's thread, read on the worker's. Invariant: a rename is not forgotten until it is taken;
//! of other touches the last one counts. Not here: what follows from it (`fst-engine`'s `Settle`).

use std::sync::atomic::{AtomicU8, Ordering};

use fst_engine::settle::Touch;

const NONE: u8 = 0;
const OTHER: u8 = 1;
const CLOSED: u8 = 2;
const RENAMED: u8 = 3;

/// Shared between a folder's watcher and its worker.
#[derive(Debug, Default)]
pub(crate) struct News(AtomicU8);

impl News {
    /// Adds a touch; true when the worker is to be told, as nothing was waiting.
    pub(crate) fn note(&self, touch: Touch) -> bool {
        let code = match touch {
            Touch::Other => OTHER,
            Touch::Closed => CLOSED,
            Touch::Renamed => RENAMED,
        };
        let next = |seen| (seen != RENAMED).then_some(code);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            == Ok(NONE)
    }

    /// Takes what was seen.
    pub(crate) fn take(&self) -> Touch {
        match self.0.swap(NONE, Ordering::AcqRel) {
            CLOSED => Touch::Closed,
            RENAMED => Touch::Renamed,
            _ => Touch::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_for_many_touches_and_a_rename_counts() {
        let news = News::default();
        assert!(news.note(Touch::Other));
        assert!(!news.note(Touch::Closed));
        assert_eq!(news.take(), Touch::Closed);
        assert!(news.note(Touch::Renamed));
        assert!(!news.note(Touch::Closed));
        assert_eq!(news.take(), Touch::Renamed);
        assert_eq!(news.take(), Touch::Other);
        assert!(news.note(Touch::Closed));
    }
}
