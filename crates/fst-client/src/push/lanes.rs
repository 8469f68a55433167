//! Frames on their way to the server, several at a time.
//!
//! Kept by [`crate::folder`] over its cycles, so that a push that gave way loses nothing of what it had under way. Without
//! a line everything happens in the caller's thread, in order: worlds of one seed need that. Invariant: an object counts as
//! arrived only after the server's answer. Bounded by the places of the line ([`Throttle`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use fst_proto::ids::{ObjectId, SpaceId};
use fst_proto::limits;

use super::packing::{Packed, Packing};
use crate::db::Arrived;
use crate::error::FolderError;
use crate::remote::Remote;
use crate::remote::throttle::Throttle;
use crate::sealed::Sealer;

/// What became of a frame.
type Report = (u64, Result<Saved, FolderError>);

/// Bytes that compression took off.
type Saved = u64;

/// Frames on their way.
#[derive(Debug)]
pub(crate) struct Lanes {
    remote: Arc<dyn Remote>,
    line: Option<Arc<Throttle>>,
    flying: BTreeMap<u64, Vec<ObjectId>>,
    ids: BTreeSet<ObjectId>,
    arrived: Arrived,
    next: u64,
    tell: Sender<Report>,
    reports: Receiver<Report>,
}

/// Whether a frame went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is on its way, or there.
    Yes,
    /// Something else is more urgent.
    GaveWay,
}

impl Lanes {
    pub(crate) fn new(remote: Arc<dyn Remote>, line: Option<Arc<Throttle>>) -> Self {
        let (tell, reports) = mpsc::channel();
        Self {
            remote,
            line,
            flying: BTreeMap::new(),
            ids: BTreeSet::new(),
            arrived: Arrived::default(),
            next: 0,
            tell,
            reports,
        }
    }

    /// True when the object is on its way.
    pub(super) fn has(&self, id: ObjectId) -> bool {
        self.ids.contains(&id)
    }

    /// Bytes at which a frame is to be closed.
    pub(super) fn frame_bytes(&self) -> usize {
        let line = self.line.as_ref();
        line.map_or(limits::FRAME_BYTES_TARGET, |line| line.frame_bytes())
    }

    /// Milliseconds of the line's clock; 0 without one.
    pub(super) fn now_ms(&self) -> u64 {
        self.line.as_ref().map_or(0, |line| line.now_ms())
    }

    /// The line's clock, to be read while a frame waits.
    pub(super) fn clock(&self) -> impl Fn() -> u64 + use<> {
        let line = self.line.clone();
        move || line.as_ref().map_or(0, |line| line.now_ms())
    }

    /// What has arrived since the last call.
    pub(super) fn take_arrived(&mut self) -> Arrived {
        std::mem::take(&mut self.arrived)
    }

    /// Sends a frame when there is a place for it.
    ///
    /// # Errors
    /// [`FolderError`] of this frame or of one before it.
    pub(super) fn send(
        &mut self,
        space: SpaceId,
        (frame, sealer): (Packing, &Sealer),
        gives_way: &dyn Fn() -> bool,
    ) -> Result<Sent, FolderError> {
        let ids = frame.ids();
        let Some(line) = &self.line else {
            let saved = upload(self.remote.as_ref(), space, frame, sealer)?;
            self.arrived.add(Arrived { ids, saved });
            return Ok(Sent::Yes);
        };
        let Some(place) = line.enter(frame.len(), gives_way) else {
            return Ok(Sent::GaveWay);
        };
        let (remote, tell, number) = (Arc::clone(&self.remote), self.tell.clone(), self.next);
        self.next += 1;
        self.ids.extend(&ids);
        self.flying.insert(number, ids);
        let sealer = sealer.clone();
        std::thread::spawn(move || {
            let result = upload(remote.as_ref(), space, frame, &sealer);
            match &result {
                Ok(_) => place.done(),
                Err(_) => drop(place),
            }
            // A folder that was closed meanwhile asks the server anew.
            tell.send((number, result)).unwrap_or_default();
        });
        self.reap()?;
        Ok(Sent::Yes)
    }

    /// Waits until none of `refs` is on its way any more.
    ///
    /// # Errors
    /// [`FolderError`] of any frame.
    pub(super) fn settle(&mut self, refs: &BTreeSet<ObjectId>) -> Result<(), FolderError> {
        while !self.ids.is_disjoint(refs) {
            let report = self.reports.recv().expect("this end keeps a sender");
            self.land(report)?;
        }
        self.reap()
    }

    /// Frames of an earlier push that failed meanwhile are no reason for this one to fail: their objects are sent again.
    pub(super) fn forget_failures(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.land(report).unwrap_or_default();
        }
    }

    fn reap(&mut self) -> Result<(), FolderError> {
        while let Ok(report) = self.reports.try_recv() {
            self.land(report)?;
        }
        Ok(())
    }

    fn land(&mut self, (number, result): Report) -> Result<(), FolderError> {
        let ids = self.flying.remove(&number).unwrap_or_default();
        for id in &ids {
            self.ids.remove(id);
        }
        let saved = result?;
        self.arrived.add(Arrived { ids, saved });
        Ok(())
    }
}

/// Seals a frame and sends it; returns what compression took off.
fn upload(
    remote: &dyn Remote,
    space: SpaceId,
    frame: Packing,
    sealer: &Sealer,
) -> Result<Saved, FolderError> {
    let Packed { bytes, saved } = frame.pack(sealer)?;
    remote.upload(space, bytes)?;
    Ok(saved)
}
