//! Whom the client talks to, against servers of all kinds on real sockets.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use fst_proto::pin::provider;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate with a key, which need not be its own.
struct Party {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

fn self_signed() -> Party {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    Party {
        certificate: params.self_signed(&key).unwrap().der().clone(),
        key,
    }
}

/// A root, as a file, and a party that it vouches for under `name` until `year`.
fn vouched_for(name: &str, year: i32) -> (tempfile::NamedTempFile, Party) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(root.pem().as_bytes()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let certificate = params.signed_by(&key, &root).unwrap().der().clone();
    (file, Party { certificate, key })
}

impl Party {
    fn pin(&self) -> KeyPin {
        KeyPin::of_certificate(&self.certificate).unwrap()
    }

    /// Serves one connection: greets, answers, and gives back what it could read.
    fn serve(&self) -> (String, JoinHandle<Vec<u8>>) {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let key = provider().key_provider.load_private_key(key).unwrap();
        let shown = CertifiedKey::new(vec![self.certificate.clone()], key);
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
            let mut tls = rustls::Stream::new(&mut tls, &mut stream);
            let mut seen = vec![0; 4096];
            let len = tls.read(&mut seen).unwrap_or(0);
            seen.truncate(len);
            // A client that has gone is one of the cases.
            tls.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                .unwrap_or_default();
            seen
        });
        (format!("https://localhost:{port}"), serving)
    }

    /// What a client with this trust gets from it, and what the server could read.
    fn visited_with(&self, trust: &Trust) -> (Result<(), RemoteError>, Vec<u8>) {
        let (url, serving) = self.serve();
        let client = trust.client(&url, PATIENCE).unwrap();
        let answer = client.get(&url).header("authorization", "secret").send();
        let answer = answer.map(drop).map_err(|error| failure(&url, error));
        (answer, serving.join().unwrap())
    }
}

fn pinned(pin: KeyPin) -> Trust {
    Trust {
        pin: Some(pin),
        ..Trust::default()
    }
}

#[test]
fn the_pinned_key_is_enough() {
    let server = self_signed();
    let (answer, seen) = server.visited_with(&pinned(server.pin()));
    assert!(answer.is_ok(), "{answer:?}");
    assert!(seen.starts_with(b"GET / HTTP/1.1"));
    // Neither name nor date count.
    let (_root, ended) = vouched_for("elsewhere.example.com", 2021);
    let (answer, _) = ended.visited_with(&pinned(ended.pin()));
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn another_key_than_the_pinned_one_hears_nothing() {
    let (server, wanted) = (self_signed(), self_signed().pin());
    let (answer, seen) = server.visited_with(&pinned(wanted));
    let error = answer.unwrap_err();
    assert_eq!(error.code(), fst_proto::error::ErrorCode::WrongPin);
    let RemoteError::WrongPin { source, .. } = &error else {
        unreachable!("{error:?}");
    };
    let seen_pin = server.pin();
    assert_eq!(
        *source,
        WrongPin {
            seen: seen_pin,
            wanted
        }
    );
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn the_pinned_certificate_without_its_key_is_not_enough() {
    let victim = self_signed();
    let pin = victim.pin();
    let thief = Party {
        certificate: victim.certificate,
        key: KeyPair::generate().unwrap(),
    };
    let (answer, seen) = thief.visited_with(&pinned(pin));
    let error = answer.unwrap_err();
    assert_eq!(error.code(), fst_proto::error::ErrorCode::Untrusted);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn without_a_pin_a_root_has_to_vouch() {
    let (root, good) = vouched_for("localhost", 2100);
    let trust = Trust {
        ca_file: Some(root.path().to_owned()),
        ..Trust::default()
    };
    let (answer, _) = good.visited_with(&trust);
    assert!(answer.is_ok(), "{answer:?}");
    let (ended_root, ended) = vouched_for("localhost", 2021);
    let (other_root, other) = vouched_for("elsewhere.example.com", 2100);
    let with = |file: &tempfile::NamedTempFile| Trust {
        ca_file: Some(file.path().to_owned()),
        ..Trust::default()
    };
    let cases = [
        ("unknown", &good, Trust::default()),
        ("of another root", &good, with(&ended_root)),
        ("expired", &ended, with(&ended_root)),
        ("for another name", &other, with(&other_root)),
        ("of its own", &self_signed(), trust),
    ];
    for (what, server, trust) in cases {
        let (answer, seen) = server.visited_with(&trust);
        let error = answer.unwrap_err();
        assert_eq!(
            error.code(),
            fst_proto::error::ErrorCode::Untrusted,
            "{what}: {error:?}"
        );
        assert!(seen.is_empty(), "{what}: {seen:?}");
    }
}

#[test]
fn a_file_without_roots_is_said() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path(), Path::new("/nonexistent")] {
        let trust = Trust {
            ca_file: Some(path.to_owned()),
            ..Trust::default()
        };
        let error = trust.client("https://localhost", PATIENCE).unwrap_err();
        assert!(matches!(error, RemoteError::Roots { .. }), "{error:?}");
    }
}

fn code(url: &str, trust: &Trust) -> Option<fst_proto::error::ErrorCode> {
    trust.check(url).err().map(|error| error.code())
}

#[test]
fn plain_http_stays_on_this_machine() {
    use fst_proto::error::ErrorCode::{InsecureHttp, Usage};
    let table = [
        ("https://sync.example.com", None),
        ("https://127.0.0.1:8000/x", None),
        ("http://127.0.0.1:8765", None),
        ("http://127.9.9.9", None),
        ("http://localhost", None),
        ("http://[::1]:80/x", None),
        ("http://10.0.0.2:8765", Some(InsecureHttp)),
        ("http://sync.example.com", Some(InsecureHttp)),
        ("http://localhost.example.com", Some(InsecureHttp)),
        ("http://127.0.0.1:80@example.com", Some(InsecureHttp)),
        ("http://127.0.0.1\\@example.com", None),
        ("http://[::2]", Some(InsecureHttp)),
        ("http:/127.0.0.1", Some(Usage)),
        ("ftp://127.0.0.1", Some(Usage)),
        ("https://", Some(Usage)),
        ("nonsense", Some(Usage)),
    ];
    for (url, wanted) in table {
        assert_eq!(code(url, &Trust::default()), wanted, "{url}");
    }
    let allowed = Trust {
        plain_http: PlainHttp::Anywhere,
        ..Trust::default()
    };
    assert_eq!(code("http://10.0.0.2", &allowed), None);
    assert_eq!(code("ftp://10.0.0.2", &allowed), Some(Usage));
}

#[test]
fn a_pin_without_tls_is_refused() {
    let trust = Trust {
        pin: Some(KeyPin::of_key(b"key")),
        plain_http: PlainHttp::Anywhere,
        ..Trust::default()
    };
    let refused = Some(fst_proto::error::ErrorCode::InsecureHttp);
    assert_eq!(code("http://127.0.0.1:1", &trust), refused);
    assert_eq!(code("https://127.0.0.1:1", &trust), None);
}
