//! The audit log: what the service tells of itself, and its way out.
//!
//! What changes accounts, devices, spaces and quotas is recorded by the store in the same transaction; here is told what has no
//! transaction. Invariant: a record that cannot be written stops nothing that was done already, and is logged.
//! Not here: the chain (`fst_store::meta::audit`). Source: docs/adr/0049-quotas-and-audit.md.

use fst_proto::ids::DeviceId;
use fst_store::meta::{Actor, AuditEvent, AuditKind, AuditRecord};

use super::{Pruned, Served, Service};

impl Service {
    /// Records with numbers above `after`, at most `n_max`.
    ///
    /// # Errors
    /// [`crate::refusal::Refusal::Storage`].
    pub async fn audit_records(&self, after: u64, n_max: usize) -> Served<Vec<AuditRecord>> {
        Ok(self.parts.meta.audit_records(after, n_max).await?)
    }

    /// Records a backup.
    pub(crate) async fn tell_backup(&self, n_blobs: u64) {
        let numbers = vec![n_blobs];
        self.tell_event(AuditKind::BackupMade, Actor::Administrator, None, numbers)
            .await;
    }

    /// Records what a pruning deleted, if anything.
    pub(super) async fn tell_pruned(&self, pruned: &Pruned) {
        if *pruned != Pruned::default() {
            let numbers = vec![pruned.objects, pruned.bytes, pruned.blobs];
            self.tell_event(AuditKind::Pruned, Actor::Server, None, numbers)
                .await;
        }
    }

    /// Records that failures cost time from now on; devices that do not exist would fill the log.
    pub(super) async fn tell_back_off(&self, device: Option<DeviceId>) {
        if let Some(device) = device
            && !matches!(self.parts.meta.device_account(device).await, Ok(Some(_)))
        {
            return;
        }
        self.tell_event(AuditKind::BackOffBegun, Actor::Server, device, Vec::new())
            .await;
    }

    async fn tell_event(
        &self,
        kind: AuditKind,
        actor: Actor,
        device: Option<DeviceId>,
        numbers: Vec<u64>,
    ) {
        let event = AuditEvent {
            device,
            numbers,
            ..AuditEvent::new(self.clock().now(), kind, actor)
        };
        if let Err(error) = self.parts.meta.tell_audit(event).await {
            tracing::warn!(%error, kind = kind.word(), "the audit log lacks a record");
        }
    }
}
