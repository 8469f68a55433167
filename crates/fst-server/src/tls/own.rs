//! A certificate that the server makes itself, for sites where clients pin its key.
//!
//! Invariant: it is made once and kept, so the pin stays; certificate and key lie in one file that only its owner can
//! read, complete or not there at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use super::BadCertificate;

/// Certificate and key that the server made, in the data folder.
const FILE: &str = "tls.pem";

/// The file, made when it is missing.
pub(super) fn ensure(data: &Path) -> Result<PathBuf, BadCertificate> {
    let path = data.join(FILE);
    let is_there = path.try_exists();
    if is_there.map_err(|source| failed(&path, source))? {
        return Ok(path);
    }
    let text = make().map_err(BadCertificate::Make)?;
    keep(data, &path, &text).map_err(|source| failed(&path, source))?;
    Ok(path)
}

/// A key and a certificate for it without an end: clients know the key, so names and dates would only break it.
fn make() -> Result<String, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "FileSyncTool server");
    let certificate = params.self_signed(&key)?;
    Ok(certificate.pem() + &key.serialize_pem())
}

fn keep(data: &Path, path: &Path, text: &str) -> io::Result<()> {
    let staged = path.with_extension("pem.tmp");
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {},
    }
    let mut how = OpenOptions::new();
    let mut file = how.write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(text.as_bytes())?;
    // A key that clients have pinned must not be gone after a power cut.
    file.sync_all()?;
    fs::rename(&staged, path)?;
    File::open(data)?.sync_all()
}

fn failed(path: &Path, source: io::Error) -> BadCertificate {
    BadCertificate::Io {
        what: "keep the server's own certificate in",
        path: path.to_owned(),
        source,
    }
}
