//! What can be told of a TLS connection.

use rustls::{ClientConnection, ProtocolVersion};

use super::certificate::{self, Certificate};

/// A TLS connection, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// `TLS 1.3` or `TLS 1.2`.
    pub version: &'static str,
    /// The server's certificate, where it can be read.
    pub certificate: Option<Certificate>,
}

/// Describes a connection whose hand-shake is done.
pub fn of(connection: &ClientConnection) -> Channel {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let chain = connection.peer_certificates().unwrap_or_default();
    Channel { version, certificate: chain.first().and_then(|first| certificate::read(first)) }
}
