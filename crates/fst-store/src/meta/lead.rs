//! Leadership: work that one worker at a time may do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// A lock that can be lost.
pub trait Held: Send + Sync + std::fmt::Debug {
    /// False once the lock was lost.
    fn is_held(&self) -> bool;
}

/// Leadership of one role; dropping it lets another one lead.
#[derive(Debug)]
pub struct Lead(Box<dyn Held>);

impl Lead {
    /// Wraps a backend's lock.
    #[must_use]
    pub fn new(held: impl Held + 'static) -> Self {
        Self(Box::new(held))
    }

    /// False once leadership was lost, because the backend went away; the leader stops then.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.is_held()
    }
}

/// Roles taken in this process, for backends that only one process uses.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalRoles(Arc<Mutex<BTreeSet<String>>>);

/// A role taken in this process.
#[derive(Debug)]
struct LocalRole {
    roles: LocalRoles,
    role: String,
}

impl LocalRoles {
    pub(crate) fn lead(&self, role: &str) -> Option<Lead> {
        let is_free = self.lock().insert(role.to_owned());
        is_free.then(|| {
            Lead::new(LocalRole {
                roles: self.clone(),
                role: role.to_owned(),
            })
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held for LocalRole {
    fn is_held(&self) -> bool {
        true
    }
}

impl Drop for LocalRole {
    fn drop(&mut self) {
        self.roles.lock().remove(&self.role);
    }
}
