//! The writer thread and the pool of readers.
//!
//! Invariant: a write job is one immediate transaction: committed when the job returns `Ok`, rolled back
//! otherwise, also when it panics. Not here: SQL.
//! Source: measured: whole transactions on one thread, 125–195 k upserts/s; one message per statement, 13 k.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{StoreError, StoreResult};

/// Write jobs that may wait; callers beyond wait themselves.
const QUEUE_MAX: usize = 256;

/// Connections that read at the same time.
const READERS_MAX: usize = 4;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection) -> StoreResult<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE_MAX);
        let work = move || {
            while let Some(job) = queue.blocking_recv() {
                // A panic ends the job, whose transaction rolls back while unwinding; its caller sees the
                // answer channel close.
                let done = panic::catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
                if done.is_err() {
                    tracing::error!("a write job panicked and was rolled back");
                }
            }
        };
        let thread = thread::Builder::new()
            .name("fst-meta".to_owned())
            .spawn(work);
        let thread = thread.map_err(StoreError::backend("start the database thread"))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `f` in one transaction.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have gone; the transaction stands all the same.
            answer.send(transact(connection, f)).unwrap_or_default();
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches panics of jobs, so it ends well.
            thread.join().unwrap_or_default();
        }
    }
}

fn transact<T>(
    connection: &mut Connection,
    f: impl FnOnce(&Transaction<'_>) -> StoreResult<T>,
) -> StoreResult<T> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = f(&tx)?;
    tx.commit()
        .map_err(StoreError::backend("commit to the database"))?;
    Ok(value)
}

/// Connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    slots: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Arc::default(),
            slots: Arc::new(Semaphore::new(READERS_MAX)),
        }
    }

    /// Runs `f` on one snapshot.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| StoreError::Closed)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let work = move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = kept.map_or_else(|| super::connect(&path), Ok)?;
            let value = f(&connection.transaction()?);
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            drop(slot);
            value
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| StoreError::Closed)?
    }
}
