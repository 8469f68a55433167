//! Checks a TLS server by its pinned key.
//!
//! Invariant: the signature over the handshake is checked by the provider's own code, so who only knows the
//! certificate does not pass; TLS 1.2 never does.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, PeerIncompatible,
    SignatureScheme,
};

use super::KeyPin;

/// What is spoken inside TLS: several connections of HTTP/1.1 carry more than one of HTTP/2.
pub const ALPN: &[u8] = b"http/1.1";

/// The one provider of TLS cryptography in the product.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Another key than the pinned one answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its key is {seen}, the pin says {wanted}")]
pub struct WrongPin {
    /// The key that answered.
    pub seen: KeyPin,
    /// The pinned one.
    pub wanted: KeyPin,
}

/// Accepts a server that holds the pinned key, and no other.
#[derive(Debug)]
struct PinnedKey {
    pin: KeyPin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl KeyPin {
    /// TLS for connections to the server with this key: 1.3 alone, HTTP/1.1 inside.
    ///
    /// # Panics
    /// Never: the provider has suites of TLS 1.3.
    #[must_use]
    pub fn client_config(self) -> ClientConfig {
        let provider = provider();
        let verifier = PinnedKey {
            pin: self,
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has suites of TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    }

    /// The pin of a certificate's key.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        Ok(Self::of_key(&parsed.subject_public_key_info()))
    }
}

impl ServerCertVerifier for PinnedKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = KeyPin::of_certificate(end_entity)?;
        let wanted = self.pin;
        if seen == wanted {
            return Ok(ServerCertVerified::assertion());
        }
        let wrong = OtherError(Arc::new(WrongPin { seen, wanted }));
        Err(CertificateError::Other(wrong).into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
