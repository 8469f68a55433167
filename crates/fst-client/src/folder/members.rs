//! Devices of the account as a folder needs them: verified keys and readable names.

use std::collections::BTreeMap;
use std::sync::Arc;

use fst_proto::account::{AccountEntry, BadChain, Chain};
use fst_proto::ids::DeviceId;

use crate::keystore::Enrolled;

/// A verified account chain and the names of its devices.
#[derive(Debug)]
pub struct Members {
    /// The chain.
    pub chain: Chain,
    enrolled: Arc<Enrolled>,
    names: BTreeMap<DeviceId, String>,
}

impl Members {
    /// Devices of the account that are not revoked.
    #[must_use]
    pub fn n_live(&self) -> u64 {
        let devices = self.chain.devices.values();
        devices.filter(|device| device.revoked_at.is_none()).count() as u64
    }

    /// True for a device of the account that is not revoked.
    #[must_use]
    pub fn is_live(&self, device: DeviceId) -> bool {
        let state = self.chain.devices.get(&device);
        state.is_some_and(|state| state.revoked_at.is_none())
    }

    /// True for a device that has ever been one of the account, as far as the chain is known.
    #[must_use]
    pub fn knows(&self, device: DeviceId) -> bool {
        self.chain.devices.contains_key(&device)
    }

    /// Opens the device names of a verified chain.
    #[must_use]
    pub fn new(chain: Chain, enrolled: Arc<Enrolled>) -> Self {
        let mut members = Self {
            chain,
            enrolled,
            names: BTreeMap::new(),
        };
        members.read_names();
        members
    }

    /// Continues the chain; on an error it stays as it was before the bad entry.
    ///
    /// # Errors
    /// [`BadChain`].
    pub fn extend(&mut self, entries: &[AccountEntry]) -> Result<(), BadChain> {
        for entry in entries {
            self.chain.append(entry)?;
        }
        self.read_names();
        Ok(())
    }

    /// Name of a device for people; the start of its id when the name is unknown.
    #[must_use]
    pub fn name(&self, device: DeviceId) -> String {
        self.names
            .get(&device)
            .cloned()
            .unwrap_or_else(|| device.to_hex()[..8].to_owned())
    }

    fn read_names(&mut self) {
        for (id, state) in &self.chain.devices {
            if let Ok(name) = self.enrolled.account.open_device_name(state) {
                self.names.insert(*id, name);
            }
        }
    }
}
