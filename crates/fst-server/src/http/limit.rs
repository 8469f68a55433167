//! How often who may ask: one bucket for each device and class of routes, one for each address that has no token.
//!
//! Every request that is answered from the stores is paid for before its body is read; bytes of objects are paid for when
//! their number is known. Invariant: only a proxy that the settings name is believed about addresses; neighbours in one
//! IPv6 /64, which one customer has, count as one address; health and metrics are never refused.
//! Not here: sums (`fst_store::cache::bucket`), defaults ([`crate::config`]). Source: docs/adr/0048-rate-limits.md.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::extract::MatchedPath;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use fst_store::cache::{BackOff, Pay, Rate, Taken};

use super::App;
use crate::config::{Network, RateLimits};
use crate::refusal::Refusal;
use crate::service::{Caller, Served};

/// Proxies in a row that are looked through: more is no set-up but an attack.
const HOPS_MAX: usize = 16;

/// Least price of a request for objects, bytes: what it costs a server besides; so small ones are limited as others are.
const OBJECTS_PRICE_MIN: u64 = 1 << 20;

/// Failed sign-ins from one address: an office in which some devices were revoked has more than one device has.
const FAILED_SIGN_INS: BackOff = BackOff {
    free: 20,
    first_ms: 1000,
    cap_ms: 60_000,
    forget_ms: 15 * 60_000,
};

/// Wrong set-up codes and invitations from one address: who mistypes one does so a few times; a code ends after a day.
const FAILED_CODES: BackOff = BackOff {
    free: 5,
    first_ms: 1000,
    cap_ms: 15 * 60_000,
    forget_ms: 60 * 60_000,
};

/// Draft names of the headers that say what is left (draft-ietf-httpapi-ratelimit-headers-10).
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The address at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What a route does, as far as limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Never limited.
    Free,
    /// Answered to anybody.
    Open,
    /// Reads.
    Read,
    /// Writes little.
    Write,
    /// Moves objects.
    Objects,
}

/// The class of a route; what has no route is open.
pub(super) fn class_of(route: &str, method: &Method) -> Class {
    match route {
        "/healthz" | "/readyz" | "/metrics" => Class::Free,
        "/v1/spaces/{space}/objects"
        | "/v1/spaces/{space}/objects/get"
        | "/v1/spaces/{space}/objects/{id}" => Class::Objects,
        "/v1/spaces/{space}/objects/missing" => Class::Read,
        "/v1/account/entries" | "/v1/events" => by_method(method),
        _ if route.starts_with("/v1/spaces") => by_method(method),
        _ => Class::Open,
    }
}

fn by_method(method: &Method) -> Class {
    match *method {
        Method::GET | Method::HEAD => Class::Read,
        _ => Class::Write,
    }
}

/// The limits with what they look like in headers.
#[derive(Debug)]
pub(super) struct Limits {
    read: Option<Limit>,
    write: Option<Limit>,
    bytes: Option<Limit>,
    sign_in: Option<Limit>,
    proxies: Vec<Network>,
}

#[derive(Debug)]
struct Limit {
    name: &'static str,
    rate: Rate,
    policy: HeaderValue,
}

impl Limit {
    fn new(name: &'static str, unit: &str, rate: Option<Rate>) -> Option<Self> {
        let rate = rate?;
        let (quota, seconds) = (rate.quota, rate.window_ms.div_ceil(1000));
        let policy = format!("\"{name}\";q={quota};w={seconds}{unit}");
        let policy = HeaderValue::from_str(&policy).ok()?;
        Some(Self { name, rate, policy })
    }
}

impl Limits {
    pub(super) fn new(rates: RateLimits, proxies: Vec<Network>) -> Self {
        Self {
            read: Limit::new("read", "", rates.read),
            write: Limit::new("write", "", rates.write),
            bytes: Limit::new("bytes", ";qu=\"content-bytes\"", rates.bytes),
            sign_in: Limit::new("sign-in", "", rates.sign_in),
            proxies,
        }
    }

    fn of(&self, class: Class) -> Option<&Limit> {
        match class {
            Class::Free => None,
            Class::Open => self.sign_in.as_ref(),
            Class::Read => self.read.as_ref(),
            Class::Write => self.write.as_ref(),
            Class::Objects => self.bytes.as_ref(),
        }
    }

    /// Who asks, as far as it can be known: what the last proxy that is trusted says, else who is connected.
    pub(super) fn asker(&self, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
        let peer = extensions.get::<Peer>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        asker(peer.to_canonical(), headers, &self.proxies)
    }
}

/// Looks through the proxies that are trusted, the nearest first; what the others claim is ignored.
fn asker(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_trusted = |address| proxies.iter().any(|network| network.holds(address));
    if !is_trusted(peer) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").iter();
    let lines: Vec<&str> = lines.map(|line| line.to_str().unwrap_or("")).collect();
    let claims = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut nearest = peer;
    for claim in claims.take(HOPS_MAX) {
        let claim = claim.trim();
        let with_port = |_| claim.parse::<SocketAddr>().map(|claimed| claimed.ip());
        let Ok(claimed) = claim.parse::<IpAddr>().or_else(with_port) else {
            return nearest;
        };
        nearest = claimed.to_canonical();
        if !is_trusted(nearest) {
            return nearest;
        }
    }
    nearest
}

/// The address for which a bucket is kept: of IPv6 the network that one customer has.
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        },
    }
}

/// What the answer says about the bucket that paid for it; set once, by whoever pays first.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing(Arc<OnceLock<[(HeaderName, HeaderValue); 2]>>);

impl Standing {
    pub(super) fn show(&self, headers: &mut HeaderMap) {
        headers.extend(self.0.get().cloned().into_iter().flatten());
    }

    fn note(&self, limit: &Limit, left: u64, full_ms: u64) {
        let seconds = full_ms.div_ceil(1000);
        let text = format!("\"{}\";r={left};t={seconds}", limit.name);
        let Ok(left) = HeaderValue::from_str(&text) else {
            return;
        };
        // Of two, the first is the one that this route is about.
        self.0
            .set([(LEFT, left), (POLICY, limit.policy.clone())])
            .unwrap_or_default();
    }
}

/// What an address can fail at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attempt {
    SignIn,
    Code,
}

/// Does `work` for an address, unless it has to wait after failures.
pub(super) async fn guarded<T>(
    app: &App,
    attempt: Attempt,
    from: IpAddr,
    work: impl Future<Output = Served<T>>,
) -> Served<T> {
    let (what, rule) = match attempt {
        Attempt::SignIn => ("sign-in-from", FAILED_SIGN_INS),
        Attempt::Code => ("code-from", FAILED_CODES),
    };
    let who = format!("{what}:{}", neighbourhood(from));
    app.service.guarded((&who, None), rule, work).await
}

/// Class of a request, by the route that the router found.
pub(super) fn class_of_request(extensions: &Extensions, method: &Method) -> Class {
    let route = extensions.get::<MatchedPath>();
    class_of(route.map_or("", MatchedPath::as_str), method)
}

/// Pays for a request that needs no token; others pay when their token was read.
pub(super) async fn pay_open(app: &App, request: &Parts) -> Served<()> {
    match class_of_request(&request.extensions, &request.method) {
        Class::Open => pay_as_address(app, &request.extensions, &request.headers).await,
        Class::Free | Class::Read | Class::Write | Class::Objects => Ok(()),
    }
}

/// Pays for a request by the address it comes from.
pub(super) async fn pay_as_address(
    app: &App,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Served<()> {
    let Some(limit) = app.limits.of(Class::Open) else {
        return Ok(());
    };
    let address = neighbourhood(app.limits.asker(extensions, headers));
    let bucket = format!("from:{address}");
    pay(app, limit, &bucket, Pay::Ahead(1), extensions).await
}

/// Pays for a request of a device.
pub(super) async fn pay_as_device(
    app: &App,
    caller: Caller,
    method: &Method,
    extensions: &Extensions,
) -> Served<()> {
    let class = class_of_request(extensions, method);
    let Some(limit) = app.limits.of(class) else {
        return Ok(());
    };
    let price = match class {
        Class::Objects => OBJECTS_PRICE_MIN,
        Class::Free | Class::Open | Class::Read | Class::Write => 1,
    };
    let bucket = bucket_of(limit, caller);
    pay(app, limit, &bucket, Pay::Ahead(price), extensions).await
}

/// Pays for the bytes of objects that were moved, past what the request has paid already.
pub(super) async fn pay_for_bytes(app: &App, caller: Caller, bytes: usize) -> Served<()> {
    let owed = (bytes as u64).saturating_sub(OBJECTS_PRICE_MIN);
    let Some(limit) = app.limits.of(Class::Objects).filter(|_| owed > 0) else {
        return Ok(());
    };
    let bucket = bucket_of(limit, caller);
    let paid = app.service.pay(&bucket, limit.rate, Pay::After(owed));
    paid.await.map(drop)
}

fn bucket_of(limit: &Limit, caller: Caller) -> String {
    format!("{}:{}", limit.name, caller.device)
}

async fn pay(
    app: &App,
    limit: &Limit,
    bucket: &str,
    price: Pay,
    extensions: &Extensions,
) -> Served<()> {
    let taken = app.service.pay(bucket, limit.rate, price).await?;
    let standing = extensions.get::<Standing>();
    let note = |left, full_ms| {
        standing
            .into_iter()
            .for_each(|standing| standing.note(limit, left, full_ms));
    };
    match taken {
        Taken::Granted { left, full_ms } => note(left, full_ms),
        Taken::Empty { retry_ms } => {
            note(0, retry_ms);
            return Err(Refusal::RateLimited { retry_ms });
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PEER trusts NETWORK … : HEADER | HEADER` against the asker.
    fn check(row: &str, expected: &str) {
        let (set_up, headers) = row.split_once(" : ").unwrap_or((row, ""));
        let (peer, proxies) = set_up.split_once(" trusts ").unwrap_or((set_up, ""));
        let proxies: Vec<Network> = proxies
            .split_whitespace()
            .map(|network| network.parse().unwrap())
            .collect();
        let mut map = HeaderMap::new();
        for line in headers.split(" | ").filter(|line| !line.is_empty()) {
            map.append("x-forwarded-for", line.parse().unwrap());
        }
        let found = asker(peer.parse().unwrap(), &map, &proxies);
        assert_eq!(found.to_string(), expected, "{row}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("9.9.9.9", "9.9.9.9");
        check("9.9.9.9 : 1.2.3.4", "9.9.9.9");
        check("9.9.9.9 trusts 10.0.0.0/8 : 1.2.3.4", "9.9.9.9");
        check("10.0.0.1 trusts 10.0.0.0/8 : 1.2.3.4", "1.2.3.4");
        check("10.0.0.1 trusts 10.0.0.0/8", "10.0.0.1");
        // What the client wrote itself stands further left, in its own line or in one that the proxy wrote on in.
        check("10.0.0.1 trusts 10.0.0.0/8 : 6.6.6.6, 1.2.3.4", "1.2.3.4");
        check("10.0.0.1 trusts 10.0.0.0/8 : 6.6.6.6 | 1.2.3.4", "1.2.3.4");
        check("10.0.0.1 trusts 10.0.0.0/8 : 1.2.3.4, 10.0.0.2", "1.2.3.4");
        check(
            "10.0.0.1 trusts 10.0.0.0/8 : 10.0.0.9, 10.0.0.2",
            "10.0.0.9",
        );
        check("10.0.0.1 trusts 10.0.0.0/8 : junk", "10.0.0.1");
        check(
            "10.0.0.1 trusts 10.0.0.0/8 : 6.6.6.6, junk, 10.0.0.2",
            "10.0.0.2",
        );
        check("10.0.0.1 trusts 10.0.0.0/8 : 1.2.3.4:5678", "1.2.3.4");
        check("::1 trusts ::1 : [2001:db8::7]:443", "2001:db8::7");
        check("::1 trusts ::1 : ::ffff:1.2.3.4", "1.2.3.4");
    }

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        let of = |address: &str| neighbourhood(address.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2:ffff::"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn every_route_has_its_class() {
        for (row, class) in [
            ("GET /healthz", Class::Free),
            ("GET /metrics", Class::Free),
            ("GET /v1/server", Class::Open),
            ("POST /v1/accounts", Class::Open),
            ("GET /v1/slots/{slot}", Class::Open),
            ("POST /v1/auth/token", Class::Open),
            ("GET /api/v1/files/{*path}", Class::Open),
            ("GET ", Class::Open),
            ("GET /v1/account/entries", Class::Read),
            ("POST /v1/account/entries", Class::Write),
            ("GET /v1/events", Class::Read),
            ("GET /v1/spaces", Class::Read),
            ("POST /v1/spaces", Class::Write),
            ("POST /v1/spaces/{space}/commit", Class::Write),
            ("GET /v1/spaces/{space}/changes", Class::Read),
            ("POST /v1/spaces/{space}/notes", Class::Write),
            ("POST /v1/spaces/{space}/objects/missing", Class::Read),
            ("POST /v1/spaces/{space}/objects", Class::Objects),
            ("HEAD /v1/spaces/{space}/objects/{id}", Class::Objects),
        ] {
            let (method, route) = row.split_once(' ').unwrap();
            assert_eq!(class_of(route, &method.parse().unwrap()), class, "{row}");
        }
    }
}
