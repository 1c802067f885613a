//! What ties a sign-in to the TLS connection that it happens on: `tls-exporter` (RFC 9266) with TLS
//! 1.3, `tls-server-end-point` (RFC 5929) before, where the exporter may be the same on two
//! connections. Who stands in between has two connections and cannot hand the proof on.

use rustls::{ClientConnection, ProtocolVersion};

use super::certificate;

/// A channel binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its type's name.
    pub name: &'static str,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// The binding of a connection whose hand-shake is done, where it has one.
pub fn of(connection: &ClientConnection) -> Option<Binding> {
    if connection.protocol_version()? == ProtocolVersion::TLSv1_3 {
        let exported = connection.export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", None).ok()?;
        return Some(Binding { name: "tls-exporter", data: exported.to_vec() });
    }
    let certificate = connection.peer_certificates()?.first()?;
    Some(Binding { name: "tls-server-end-point", data: certificate::end_point(certificate)? })
}
