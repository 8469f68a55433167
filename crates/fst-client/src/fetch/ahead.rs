//! Asks for the next page of objects while the last one is opened, hashed and written.
//!
//! Used by [`super::Fetcher`] along the extents of one file. Invariant: at most one request is under way, and what it asked
//! for is what would be asked for next; its answer is checked like any other. Memory: one page more.
//! Not here: what comes next.

use std::panic::resume_unwind;
use std::thread::{Scope, ScopedJoinHandle};

use fst_proto::ids::{ObjectId, SpaceId};

use crate::remote::{Remote, RemoteError};

/// Where pages come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'r> {
    pub(super) remote: &'r dyn Remote,
    pub(super) space: SpaceId,
}

impl Line<'_> {
    fn ask(self, ids: &[ObjectId]) -> Result<Vec<u8>, RemoteError> {
        self.remote.objects(self.space, ids)
    }
}

/// Objects that were asked for, and their frame once it is here.
pub(super) struct Page {
    pub(super) asked: Vec<ObjectId>,
    pub(super) frame: Vec<u8>,
}

type Answer = Result<Page, RemoteError>;

/// The request under way, if there is one.
pub(super) struct Ahead<'s, 'r: 's> {
    scope: &'s Scope<'s, 'r>,
    line: Line<'r>,
    next: Option<(Vec<ObjectId>, ScopedJoinHandle<'s, Answer>)>,
}

impl<'s, 'r> Ahead<'s, 'r> {
    pub(super) fn new(scope: &'s Scope<'s, 'r>, line: Line<'r>) -> Self {
        Self {
            scope,
            line,
            next: None,
        }
    }

    /// A page that has the first of `wanted` in it, unless the server does not deliver it: the one that was asked for, or
    /// a new one.
    pub(super) fn page(&mut self, wanted: Vec<ObjectId>) -> Answer {
        if let Some((asked, answer)) = self.next.take() {
            let page = answer.join().unwrap_or_else(|panic| resume_unwind(panic));
            if wanted.first().is_none_or(|first| asked.contains(first)) {
                return page;
            }
        }
        ask(self.line, wanted)
    }

    /// Begins to ask for what is needed after the page at hand.
    pub(super) fn begin(&mut self, wanted: Vec<ObjectId>) {
        let line = self.line;
        if !wanted.is_empty() {
            let asked = wanted.clone();
            let answer = self.scope.spawn(move || ask(line, asked));
            self.next = Some((wanted, answer));
        }
    }
}

fn ask(line: Line<'_>, asked: Vec<ObjectId>) -> Answer {
    let frame = line.ask(&asked)?;
    Ok(Page { asked, frame })
}
