//! The keys of this device, in one file readable by its owner only.
//!
//! Written at enrolment and when the account's chain grows; read at every start. Invariant: losing everything
//! else loses nothing; the bytes are wiped from memory after use. Not here: making keys (`fst-crypto`).

use fst_crypto::account::{AccountKeys, AccountSeed};
use fst_crypto::device::DeviceSecrets;
use fst_proto::account::{AccountEntry, Chain};
use fst_proto::error::ErrorCode;
use fst_proto::ids::{SpaceId, VerifyKey};
use fst_proto::merkle::Head;
use fst_proto::wire;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::dirs::{Dirs, write_durably};
use crate::error::ClientError;

/// File inside the key store directory.
const FILE: &str = "account.cbor";

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    version: u8,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    device: Vec<u8>,
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    account_seed: Vec<u8>,
    #[n(3)]
    receipt_key: VerifyKey,
    #[n(4)]
    url: String,
    #[n(5)]
    name: String,
    #[n(6)]
    chain: Vec<AccountEntry>,
    #[n(7)]
    heads: Vec<(SpaceId, Head)>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.device.zeroize();
        self.account_seed.zeroize();
    }
}

/// An enrolled device.
#[derive(Debug)]
pub struct Enrolled {
    /// Secrets of the device.
    pub device: DeviceSecrets,
    /// Secret that all devices of the account share.
    pub seed: AccountSeed,
    /// Keys derived from it.
    pub account: AccountKeys,
    /// Key that verifies the server's receipts.
    pub receipt_key: VerifyKey,
    /// Server address.
    pub url: String,
    /// Name of this device.
    pub name: String,
    /// The account's chain as last seen.
    pub chain: Vec<AccountEntry>,
    /// Log heads that the inviting device had verified: no space may be older.
    pub heads: Vec<(SpaceId, Head)>,
}

impl Enrolled {
    /// Writes the key store durably.
    ///
    /// # Errors
    /// [`ErrorCode::Io`].
    pub fn save(&self, dirs: &Dirs) -> Result<(), ClientError> {
        let stored = Stored {
            version: 1,
            device: self.device.to_bytes().expose_secret().to_vec(),
            account_seed: self.seed.expose_secret().to_vec(),
            receipt_key: self.receipt_key,
            url: self.url.clone(),
            name: self.name.clone(),
            chain: self.chain.clone(),
            heads: self.heads.clone(),
        };
        let bytes = Zeroizing::new(wire::to_cbor(&stored));
        let file = dirs.keystore().join(FILE);
        let failed = |e| ClientError::caused(ErrorCode::Io, format!("write {}", file.display()), e);
        write_durably(&file, &bytes).map_err(failed)?;
        restrict(&dirs.keystore()).map_err(failed)
    }

    /// Reads the key store; `None` when this device was never set up.
    ///
    /// # Errors
    /// [`ErrorCode::BadState`] when it is damaged; it is never replaced.
    pub fn load(dirs: &Dirs) -> Result<Option<Self>, ClientError> {
        let file = dirs.keystore().join(FILE);
        let damaged = || {
            ClientError::new(
                ErrorCode::BadState,
                format!("{} is damaged", file.display()),
            )
        };
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let detail = format!("read {}", file.display());
                return Err(ClientError::caused(ErrorCode::Io, detail, error));
            },
        };
        let stored: Stored = wire::from_cbor(&bytes).map_err(|_| damaged())?;
        let chain = Chain::replay(&stored.chain).map_err(|_| damaged())?;
        let device = DeviceSecrets::from_bytes(&stored.device).map_err(|_| damaged())?;
        let seed: [u8; 32] = stored
            .account_seed
            .as_slice()
            .try_into()
            .map_err(|_| damaged())?;
        let seed = AccountSeed::from_bytes(seed);
        Ok(Some(Self {
            device,
            account: AccountKeys::derive(chain.account, &seed),
            seed,
            receipt_key: stored.receipt_key,
            url: stored.url.clone(),
            name: stored.name.clone(),
            chain: stored.chain.clone(),
            heads: stored.heads.clone(),
        }))
    }
}

fn restrict(dir: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}
