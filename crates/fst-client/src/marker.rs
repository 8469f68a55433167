//! The marker of a folder: which space it shows, and on which device, signed by that device.
//!
//! Read by [`crate::folder`] at each opening, from `.fst/marker`. Invariant: a folder that was synced here is synced on
//! only while it has the marker this device wrote, so that an empty mount point, another disk, or a folder that a second
//! device has taken over meanwhile is never taken for one whose files were deleted. Not here: the root's
//! device and inode while it is open ([`fst_fs::vault::Vault::root_identity`]).
//! Source: docs/design/sync-semantics.md, row S-131.

use fst_crypto::sign::DeviceKey;
use fst_proto::hash::is_signed_by;
use fst_proto::ids::{DeviceId, Signature, SpaceId};

/// Length of the signed part: text, space, device.
const SIGNED_LEN: usize = DOMAIN.len() + SpaceId::LEN + DeviceId::LEN;

/// First bytes of a marker, which say what its signature is for.
const DOMAIN: &[u8] = b"fst/v1/marker\0";

/// What the marker in a folder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Nothing,
    /// This device wrote it for this space.
    Own,
    /// It is for this space, and another device wrote it, or nobody can say who.
    Unknown,
    /// It is for another space, or no marker at all.
    Other,
}

/// The marker of a folder that shows `space` on the device with this key.
#[must_use]
pub fn write(space: SpaceId, device: DeviceId, key: &DeviceKey) -> Vec<u8> {
    let mut marker = [DOMAIN, space.as_bytes(), device.as_bytes()].concat();
    let sig = key.sign(&marker);
    marker.extend_from_slice(sig.as_bytes());
    marker
}

/// Reads a marker.
#[must_use]
pub fn read(marker: Option<&[u8]>, space: SpaceId, device: DeviceId, key: &DeviceKey) -> Found {
    let Some(marker) = marker else {
        return Found::Nothing;
    };
    let Some((signed, sig)) = marker.split_at_checked(SIGNED_LEN) else {
        return Found::Other;
    };
    if !signed.starts_with(&[DOMAIN, space.as_bytes()].concat()) {
        return Found::Other;
    }
    let sig = <[u8; Signature::LEN]>::try_from(sig).map(Signature);
    let is_own = signed.ends_with(device.as_bytes())
        && sig.is_ok_and(|sig| is_signed_by(&key.public(), signed, &sig));
    if is_own { Found::Own } else { Found::Unknown }
}
