//! TLS: who is let in, renewal under load, slow and wrong handshakes, the certificate that is made.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fst_proto::pin::KeyPin;
use fst_server::config::{Options, Tls};
use fst_server::run::RunError;
use fst_server::{Embedded, health};
use rcgen::{CertificateParams, KeyPair};

use crate::binary::run;
use crate::client::{Process, command};

/// Handshakes that are begun and left: far more than threads serve them.
const IDLERS: usize = 200;

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A server with a certificate in files of the test.
struct Site {
    _dir: tempfile::TempDir,
    chain: PathBuf,
    key: PathBuf,
    server: Embedded,
}

impl Site {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (chain, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        put_pair(&chain, &key);
        let mut options = Options::new(&dir.path().join("data"), any_port());
        options.tls = Some(Tls::Files {
            chain: chain.clone(),
            key: key.clone(),
        });
        options.tls_look_every = Duration::from_millis(10);
        Self {
            server: Embedded::start_with(options).unwrap(),
            _dir: dir,
            chain,
            key,
        }
    }

    fn address(&self) -> SocketAddr {
        self.server
            .url
            .strip_prefix("https://")
            .unwrap()
            .parse()
            .unwrap()
    }

    fn pin(&self) -> KeyPin {
        self.server.pin.unwrap()
    }

    /// Connects until the key is this one.
    async fn shows(&self, pin: KeyPin) {
        while !is_served(&self.server.url, pin).await {
            tokio::task::yield_now().await;
        }
    }
}

/// Writes a new certificate with its key and gives the key's pin.
fn put_pair(chain: &Path, key: &Path) -> KeyPin {
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    let certificate = params.self_signed(&pair).unwrap();
    std::fs::write(chain, certificate.pem()).unwrap();
    std::fs::write(key, pair.serialize_pem()).unwrap();
    KeyPin::of_certificate(certificate.der()).unwrap()
}

fn pinned(pin: KeyPin) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    let builder = builder.tls_backend_preconfigured(pin.client_config());
    builder.build().unwrap()
}

async fn is_served(url: &str, pin: KeyPin) -> bool {
    let asked = pinned(pin).get(format!("{url}/healthz")).send().await;
    asked.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test]
async fn a_certificate_from_files_is_shown() {
    let site = Site::start();
    assert!(site.server.url.starts_with("https://"));
    assert!(is_served(&site.server.url, site.pin()).await);
    assert!(!is_served(&site.server.url, KeyPin::of_key(b"other")).await);
    let metrics = pinned(site.pin()).get(format!("{}/metrics", site.server.url));
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    let ends = "fst_tls_certificate_expiry_timestamp_seconds 4102444800\n";
    assert!(metrics.contains(ends), "{metrics}");
    // Without a pin nobody vouches for it.
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(
        plain
            .get(format!("{}/healthz", site.server.url))
            .send()
            .await
            .is_err()
    );
    // And there is no plain HTTP beside it.
    let http = site.server.url.replace("https", "http");
    assert!(plain.get(format!("{http}/healthz")).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_under_load_fails_no_request() {
    let site = Site::start();
    let first = site.pin();
    let (done, stop) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let load = |_| {
        let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
        let url = format!("{}/v1/server", site.server.url);
        // One connection each, which stands while certificates come and go.
        let client = pinned(first);
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let answer = client.get(&url).send().await.unwrap();
                assert!(answer.status().is_success());
                answer.bytes().await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let clients: Vec<_> = (0..8).map(load).collect();
    while done.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let renewed = put_pair(&site.chain, &site.key);
        site.shows(renewed).await;
        let before = done.load(Ordering::SeqCst);
        while done.load(Ordering::SeqCst) < before + 100 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    // Who connects anew meets the new key.
    assert!(!is_served(&site.server.url, first).await);
}

#[tokio::test]
async fn a_bad_renewal_keeps_the_old_certificate_and_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let pin = put_pair(&chain, &key);
    let data = dir.path().join("data");
    let mut start = command(&data);
    start.args(["start", "--listen", "127.0.0.1:0", "--tls-cert"]);
    start.arg(&chain).arg("--tls-key").arg(&key);
    let server = Process::spawn(start);
    assert!(
        server.stdout.contains(&format!("pin       {pin}")),
        "{}",
        server.stdout
    );
    // The certificate is there already, its key not yet.
    put_pair(&chain, &dir.path().join("later.pem"));
    let has_logged = || {
        server
            .stderr
            .lock()
            .unwrap()
            .contains("the old certificate stays in use")
    };
    while !has_logged() {
        assert!(is_served(&server.url, pin).await);
    }
    let mended = put_pair(&chain, &key);
    while !is_served(&server.url, mended).await {
        tokio::task::yield_now().await;
    }
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("the old certificate stays").count(), 1, "{log}");
    assert!(log.contains("renewed with another key"), "{log}");
}

#[tokio::test]
async fn a_slow_handshake_holds_up_nobody() {
    let site = Site::start();
    let mut idlers = Vec::new();
    for n in 0..IDLERS {
        // From another address, which may use up its own share.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = socket.connect(site.address()).await.unwrap();
        let mut stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        // Half of them say nothing, half begin.
        stream.write_all(&[0x16, 3, 1, 2][..n % 2 * 4]).unwrap();
        idlers.push(stream);
    }
    assert!(is_served(&site.server.url, site.pin()).await);
    // And they are let go.
    for mut idler in idlers {
        idler
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let said = idler.read(&mut [0; 16]);
        let is_let_go = match &said {
            Ok(n) => *n == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(is_let_go, "{said:?}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes_and_rest() {
    let site = Site::start();
    let _idler = TcpStream::connect(site.address()).unwrap();
    let resting = pinned(site.pin());
    let url = format!("{}/healthz", site.server.url);
    resting
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let begun = tokio::time::Instant::now();
    tokio::task::spawn_blocking(move || site.server.stop().unwrap())
        .await
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = Embedded::start(dir.path(), any_port()).unwrap();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut said = Vec::new();
    slow.read_to_end(&mut said).unwrap();
    assert!(
        said.is_empty() || said.starts_with(b"HTTP/1.1 408"),
        "{said:?}"
    );
}

/// The first words of a client that knows TLS 1.2 and nothing later.
fn hello_of_tls_1_2() -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // groups: secp256r1
        0, 11, 0, 2, 1, 0, // points: uncompressed
        0, 13, 0, 6, 0, 4, 4, 3, 8, 4, // signatures: ECDSA and RSA-PSS with SHA-256
    ];
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    hello.extend([0, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let len = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 3, 1, 0, len + 4, 1, 0, 0, len];
    record.extend(hello);
    record
}

#[test]
fn tls_1_2_is_refused() {
    let site = Site::start();
    let mut stream = TcpStream::connect(site.address()).unwrap();
    stream.write_all(&hello_of_tls_1_2()).unwrap();
    let mut said = [0; 7];
    stream.read_exact(&mut said).unwrap();
    // A fatal alert: protocol version.
    assert_eq!((said[0], said[5], said[6]), (21, 2, 70), "{said:?}");
}

#[tokio::test]
async fn a_certificate_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut start = command(dir.path());
    start.args(["start", "--listen", "127.0.0.1:0", "--tls", "auto"]);
    let server = Process::spawn(start);
    let noted = health::noted(dir.path()).unwrap();
    let pin = noted.pin.unwrap();
    assert!(
        server.stdout.contains(&format!("pin       {pin}")),
        "{}",
        server.stdout
    );
    assert!(is_served(&server.url, pin).await);
    let kept = std::fs::metadata(dir.path().join("tls.pem")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        run(dir.path(), &["health"]),
        (Some(0), "ready\n".to_owned(), String::new())
    );
    assert_eq!(server.stop().0, Some(0));
    let mut options = Options::new(dir.path(), any_port());
    options.tls = Some(Tls::Own);
    let again = Embedded::start_with(options).unwrap();
    assert_eq!(again.pin, Some(pin));
    // Another one at this address would not be believed to be ready.
    let stranger = health::Address {
        pin: Some(KeyPin::of_key(b"other")),
        listen: again.url.strip_prefix("https://").unwrap().parse().unwrap(),
    };
    assert!(health::is_ready(&stranger).is_err());
}

#[test]
fn a_pair_that_does_not_fit_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    put_pair(&at("a.pem"), &at("a.key"));
    put_pair(&at("b.pem"), &at("b.key"));
    std::fs::write(at("none.pem"), "nothing").unwrap();
    for (chain, key) in [
        ("a.pem", "b.key"),
        ("none.pem", "a.key"),
        ("a.pem", "none.pem"),
        ("a.pem", "missing.key"),
    ] {
        let mut options = Options::new(&at("data"), any_port());
        options.tls = Some(Tls::Files {
            chain: at(chain),
            key: at(key),
        });
        let error = Embedded::start_with(options).err();
        assert!(
            matches!(error, Some(RunError::Tls(_))),
            "{chain} {key}: {error:?}"
        );
    }
}

#[test]
fn plain_http_for_others_is_refused_with_the_ways_out() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(dir.path(), &["start", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(6));
    for way in ["FST-4003", "--tls auto", "--tls-cert", "--insecure-http"] {
        assert!(err.contains(way), "{way}: {err}");
    }
    let both = ["start", "--tls", "auto", "--insecure-http"];
    assert_eq!(run(dir.path(), &both).0, Some(2));
}

#[tokio::test]
async fn with_tls_others_may_come() {
    let dir = tempfile::tempdir().unwrap();
    let mut start = command(dir.path());
    start.args(["start", "--listen", "0.0.0.0:0", "--tls", "auto"]);
    let server = Process::spawn(start);
    let pin = health::noted(dir.path()).unwrap().pin.unwrap();
    assert!(is_served(&server.url.replace("0.0.0.0", "127.0.0.1"), pin).await);
    assert_eq!(run(dir.path(), &["health"]).0, Some(0));
}
