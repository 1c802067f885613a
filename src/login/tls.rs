//! The one TLS set-up: rustls with ring, TLS 1.2 and 1.3, the system's trusted certificates and
//! those of the server's `ca` file. There is no way to turn the verification off. A `pin` names
//! the one public key that is trusted instead: then the chain, the names and the dates of the
//! certificate say nothing that the key does not (RFC 7671 §5.1), and no other key will do, were
//! its certificate ever so good.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::config::Server;
use crate::fault::{Again, Cause, Doing, Fault};

/// No file of authorities is longer: those of all the world have 250 kB.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Makes the TLS set-up for a server. Reads the system's certificates and the `ca` file, so that
/// a change of theirs counts from the next connection on.
pub fn client_config(server: &Server) -> Result<Arc<ClientConfig>, Fault> {
    let provider = Arc::new(ring::default_provider());
    let chain: Option<Arc<dyn ServerCertVerifier>> = match server.pin {
        Some(_) => None,
        None => Some(Arc::new(chain_verifier(server, &provider)?)),
    };
    let verifier = Verifier { pin: server.pin, chain, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refusal(&error, server))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The name that the certificate must be made for.
pub fn server_name(server: &Server) -> Result<ServerName<'static>, Fault> {
    ServerName::try_from(server.host.clone()).map_err(|_| {
        Fault::new(Doing::Securing, &server.host, Cause::Config)
            .again(Again::AfterUser)
            .detail("no certificate can be made for such a host name")
    })
}

fn chain_verifier(
    server: &Server,
    provider: &Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, Fault> {
    let extra = server.ca.as_deref().map(authorities).transpose()?.unwrap_or_default();
    rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(provider)).map_err(|error| {
        Fault::new(Doing::Securing, &server.host, Cause::Certificate)
            .again(Again::AfterUser)
            .detail(&format!("the trusted certificates cannot be read: {error}"))
    })
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let shown = file.to_string_lossy();
    let unusable =
        |cause, detail: &str| Fault::new(Doing::Configuring, &shown, cause).again(Again::AfterUser).detail(detail);
    let mut pem = Vec::new();
    File::open(file)
        .and_then(|open| open.take(LONGEST).read_to_end(&mut pem))
        .map_err(|error| Fault::io(Doing::Configuring, &shown, &error).again(Again::AfterUser))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => {
            Err(unusable(Cause::Config, "there is no certificate in it (PEM)"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(Cause::Damaged, &error.to_string())),
    }
}

/// The SHA-256 of a certificate's public key (SPKI), which is what a pin holds.
fn fingerprint(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(Sha256::digest(parsed.subject_public_key_info().as_ref()).into())
}

/// Writes a fingerprint as the config takes it.
pub fn pin_text(pin: &[u8; 32]) -> String {
    pin.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Verifies by pin where there is one, else by chain, name and dates.
struct Verifier {
    pin: Option<[u8; 32]>,
    chain: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("pin", &self.pin.as_ref().map(pin_text)).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = fingerprint(end_entity)?;
        let why = match (&self.pin, &self.chain) {
            (Some(pin), _) if *pin == found => return Ok(ServerCertVerified::assertion()),
            (Some(pin), _) => Why::OtherKey { pinned: *pin },
            (None, Some(chain)) => {
                match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => Why::NotTrusted(error),
                }
            }
            (None, None) => Why::NotTrusted(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused { found, why })))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate that was refused: carried through rustls to [`refusal`], which has no other way
/// to know which certificate it was.
#[derive(Debug)]
struct Refused {
    found: [u8; 32],
    why: Why,
}

#[derive(Debug)]
enum Why {
    OtherKey { pinned: [u8; 32] },
    NotTrusted(Error),
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = pin_text(&self.found);
        match &self.why {
            Why::OtherKey { pinned } => {
                write!(f, "its key is not the pinned one; pinned: {}, found: {found}", pin_text(pinned))
            }
            Why::NotTrusted(error) => {
                write!(f, "{}; if you know it to be right: pin = \"{found}\"", reason(error))
            }
        }
    }
}

/// Says in words what is wrong with a certificate.
fn reason(error: &Error) -> String {
    let Error::InvalidCertificate(invalid) = error else { return error.to_string() };
    match invalid {
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate expired on {}", day(*not_after))
        }
        CertificateError::NotValidYet => "the certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the certificate is not valid before {}; is the clock right?", day(*not_before))
        }
        CertificateError::UnknownIssuer => "the certificate is not from an authority that is trusted here".to_owned(),
        CertificateError::NotValidForName => "the certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "the certificate names no host".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("the certificate is for another name: {}", names(presented))
        }
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        CertificateError::BadSignature => "the certificate's signature is wrong".to_owned(),
        CertificateError::BadEncoding => "the certificate is damaged".to_owned(),
        other if other.to_string().contains("CaUsedAsEndEntity") => "the certificate is self-signed".to_owned(),
        other => format!("the certificate is not valid: {other}"),
    }
}

/// The names of a certificate, as rustls spells them (`DnsName("mail.example.org")`), made plain.
fn names(presented: &[String]) -> String {
    const MOST: usize = 4;
    let plain = |name: &String| match name.split_once('(') {
        Some((_, inner)) => inner.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.clone(),
    };
    let mut shown: Vec<String> = presented.iter().take(MOST).map(plain).collect();
    if presented.len() > MOST {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

fn day(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "an impossible date".to_owned(), |moment| moment.strftime("%Y-%m-%d").to_string())
}

/// Makes a fault of what rustls says: a certificate waits for the user, what may be the network's
/// or the server's passing trouble does not.
pub fn refusal(error: &Error, server: &Server) -> Fault {
    let fault = |cause| Fault::new(Doing::Securing, &server.host, cause);
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => match other.0.downcast_ref::<Refused>() {
            Some(refused) => fault(Cause::Certificate).again(Again::AfterUser).detail(&refused.to_string()),
            None => fault(Cause::Certificate).again(Again::AfterUser).detail(&reason(error)),
        },
        Error::InvalidCertificate(_) => fault(Cause::Certificate).again(Again::AfterUser).detail(&reason(error)),
        Error::InvalidMessage(_) => fault(Cause::Protocol)
            .again(Again::AfterUser)
            .detail("it does not speak TLS on this port; should `tls` be \"starttls\"?"),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
            fault(Cause::NotOffered).again(Again::AfterUser).detail(&format!("no TLS that both sides know: {error}"))
        }
        other => fault(Cause::Protocol).detail(&other.to_string()),
    }
}

/// Makes a fault of an I/O error of a hand-shake, whether rustls is inside it or not.
pub fn unsecured(error: &io::Error, server: &Server) -> Fault {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return refusal(inner, server);
    }
    let fault = |cause| Fault::new(Doing::Securing, &server.host, cause);
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            fault(Cause::TimedOut).detail(&format!("no answer within {} s", server.timeout.as_secs()))
        }
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => fault(Cause::Closed).detail("it closed the connection during the TLS hand-shake"),
        _ => fault(Cause::Closed).detail(&error.to_string()),
    }
}
