//! How often who may ask, and whose word about addresses counts: `security.rate_limit` and `security.trusted_proxies`.
//!
//! Read by [`crate::http`]. Invariant: the defaults are far above what clients of this product do; they end floods, not
//! work. Not here: buckets (`fst_store::cache`), back-off after failures ([`crate::service`]).
//! Source: docs/adr/0048-rate-limits.md.

use std::net::IpAddr;
use std::str::FromStr;

use fst_store::cache::Rate;

/// Time in which a quota is used up and comes back: what people think of as a rate, and soon over when it is met.
const WINDOW_MS: u64 = 60_000;

/// Requests of a device in a minute that read: a thousand a second is what one server answers to all its devices.
const READS: u64 = 60_000;

/// Requests of a device in a minute that write: a commit for each of 500 single edits in a second; a first upload of
/// 100 000 files takes a few hundred.
const WRITES: u64 = 30_000;

/// Bytes of objects of a device in a minute: what a line of ten gigabits carries.
const BYTES: u64 = 64 << 30;

/// Requests of an address in a minute by who has not signed in: 500 devices behind one address that all start at once
/// need two each, and two more in ten minutes; a proxy that is not named in the settings has one address for all.
const SIGN_INS: u64 = 6000;

/// Limits of rates; `None` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests of a device that read.
    pub read: Option<Rate>,
    /// Requests of a device that write.
    pub write: Option<Rate>,
    /// Bytes of objects, up and down, of a device.
    pub bytes: Option<Rate>,
    /// Requests of an address without a token, or with a bad one.
    pub sign_in: Option<Rate>,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            read: Self::in_a_minute(READS),
            write: Self::in_a_minute(WRITES),
            bytes: Self::in_a_minute(BYTES),
            sign_in: Self::in_a_minute(SIGN_INS),
        }
    }
}

impl RateLimits {
    /// A limit of so many in a minute; 0 is none.
    #[must_use]
    pub fn in_a_minute(quota: u64) -> Option<Rate> {
        let window_ms = WINDOW_MS;
        (quota > 0).then_some(Rate { quota, window_ms })
    }
}

/// A network, such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address such as `127.0.0.1`, or a network such as `10.0.0.0/8`")]
pub struct BadNetwork;

impl Network {
    /// True when the address lies in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let (own, width) = bits_of(self.address);
        let (other, other_width) = bits_of(address.to_canonical());
        let differing = (own ^ other).checked_shr((width - self.bits).into());
        width == other_width && differing.unwrap_or(0) == 0
    }
}

/// The bits of an address, and how many there are.
fn bits_of(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| BadNetwork)?)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| BadNetwork)?;
        let address = address.to_canonical();
        let (_, width) = bits_of(address);
        let bits = bits.unwrap_or(width);
        (bits <= width)
            .then_some(Self { address, bits })
            .ok_or(BadNetwork)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_as_it_does() {
        for (network, address, is_held) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
        ] {
            let network: Network = network.parse().unwrap();
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(network.holds(address), is_held, "{network:?} {address}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "proxy.example.com",
            "10.0.0.0/x",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }
}
