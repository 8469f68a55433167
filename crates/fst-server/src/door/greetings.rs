//! Places for handshakes under way: some for all, fewer for one address.
//!
//! Used by [`super::Door`]. Invariant: an address that opens connections and says nothing takes its own share and leaves
//! the rest to others; whoever waits for its share holds no place of others. Addresses without a connection are forgotten.
//! Not here: how long a handshake may take. Source: docs/adr/0040-tls.md.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Handshakes under way at the same time: at some 30 KiB each they take no more memory than a large body.
const ALL_MAX: usize = 1024;

/// Those of one address: an office that comes back behind one address is through in a second, and sixteen addresses
/// are needed to fill the house.
const OF_ONE_MAX: usize = 64;

/// The network that one customer of IPv6 has for itself.
const IPV6_PREFIX_BITS: u32 = 64;

/// Places for handshakes.
#[derive(Debug)]
pub(super) struct Greetings {
    all: Arc<Semaphore>,
    shares: Mutex<BTreeMap<IpAddr, Share>>,
}

/// What one address has.
#[derive(Debug)]
struct Share {
    places: Arc<Semaphore>,
    users: usize,
}

/// A place for one handshake.
#[derive(Debug)]
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
    _user: User,
}

/// Somebody who waits for a place or has one.
#[derive(Debug)]
struct User {
    greetings: Arc<Greetings>,
    address: IpAddr,
}

impl Greetings {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(ALL_MAX)),
            shares: Mutex::default(),
        })
    }

    /// Waits for a place; `None` never comes, as nobody closes the semaphores.
    pub(super) async fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let (user, places) = self.enter(address);
        let of_one = places.acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place {
            _of_all: of_all,
            _of_one: of_one,
            _user: user,
        })
    }

    fn enter(self: &Arc<Self>, address: IpAddr) -> (User, Arc<Semaphore>) {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let share = shares.entry(address).or_insert_with(|| Share {
            places: Arc::new(Semaphore::new(OF_ONE_MAX)),
            users: 0,
        });
        share.users += 1;
        let user = User {
            greetings: Arc::clone(self),
            address,
        };
        (user, Arc::clone(&share.places))
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let shares = self.greetings.shares.lock();
        let mut shares = shares.unwrap_or_else(PoisonError::into_inner);
        let Some(share) = shares.get_mut(&self.address) else {
            return;
        };
        share.users -= 1;
        if share.users == 0 {
            shares.remove(&self.address);
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> IPV6_PREFIX_BITS << IPV6_PREFIX_BITS;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        },
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn one_address_leaves_places_to_others_and_is_forgotten() {
        let greetings = Greetings::new();
        let now = |address: &str| greetings.place(address.parse().unwrap()).now_or_never();
        let held: Vec<_> = (0..OF_ONE_MAX).map(|_| now("10.0.0.1").unwrap()).collect();
        assert!(now("10.0.0.1").is_none(), "its share is taken");
        assert!(now("::ffff:10.0.0.1").is_none(), "written otherwise too");
        assert!(now("10.0.0.2").is_some());
        drop(held);
        assert!(now("10.0.0.1").is_some());
        assert!(greetings.shares.lock().unwrap().is_empty());
        assert_eq!(greetings.all.available_permits(), ALL_MAX);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    }
}
