//! What a server's certificate says of itself (RFC 5280): its names, its dates, and the hash that it
//! was signed with. Reads just enough DER for that; whether the certificate can be trusted is
//! decided by `tls` and not here.

use ring::digest;

use crate::mail::clean::Clean;
use crate::mail::ids::Timestamp;

/// The most names that are kept.
const NAMES: usize = 64;

/// A certificate's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The hosts that it is made for; addresses are left out.
    pub names: Vec<Clean>,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// Reads a certificate; `None` where it cannot be followed.
pub fn read(der: &[u8]) -> Option<Certificate> {
    let mut fields = tbs(der)?;
    // Perhaps a version, then the serial number.
    if next(&mut fields)?.0 == 0xa0 {
        next(&mut fields)?;
    }
    let (_algorithm, _issuer) = (next(&mut fields)?, next(&mut fields)?);
    let (_, mut validity) = next(&mut fields)?;
    let not_before = moment(next(&mut validity)?)?;
    let not_after = moment(next(&mut validity)?)?;
    let mut names = Vec::new();
    while let Some((tag, inside)) = next(&mut fields) {
        if tag == 0xa3 {
            names = host_names(inside);
        }
    }
    Some(Certificate { names, not_before, not_after })
}

/// The hash of a certificate for `tls-server-end-point` (RFC 5929 §4.1): by the hash that it was
/// signed with, by SHA-256 where that is an old one; `None` where it has none or it is not known.
pub(super) fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let mut outer = der;
    let (_, mut certificate) = next(&mut outer)?;
    let _tbs = next(&mut certificate)?;
    let (_, mut algorithm) = next(&mut certificate)?;
    let (_, oid) = next(&mut algorithm)?;
    // sha*WithRSAEncryption: 1.2.840.113549.1.1.*; ecdsa-with-SHA*: 1.2.840.10045.4.*
    let by = match oid {
        // MD5 and SHA-1 count as SHA-256 (RFC 5929 §4.1).
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4 | 5 | 11]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => &digest::SHA256,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => &digest::SHA384,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(by, der).as_ref().to_vec())
}

fn tbs(der: &[u8]) -> Option<&[u8]> {
    let mut outer = der;
    let (_, mut certificate) = next(&mut outer)?;
    next(&mut certificate).map(|(_, inside)| inside)
}

/// Takes the next element off: its tag and what is in it.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after) = rest.split_first()?;
    let (&first, mut after) = after.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x84 => {
            let (digits, left) = after.split_at_checked(usize::from(first & 0x7f))?;
            after = left;
            digits.iter().fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit))
        }
        _ => return None,
    };
    let (inside, left) = after.split_at_checked(length)?;
    *rest = left;
    Some((tag, inside))
}

/// `UTCTime` (`YYMMDDhhmmssZ`) or `GeneralizedTime` (`YYYYMMDDhhmmssZ`).
fn moment((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full = match tag {
        // RFC 5280 §4.1.2.5.1: from 50 on it is the last century.
        0x17 => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        0x18 => text.to_owned(),
        _ => return None,
    };
    if full.len() != 14 || !full.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &full).ok()?;
    Some(Timestamp::new(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second()))
}

/// The DNS names of the extension `subjectAltName` (2.5.29.17).
fn host_names(extensions: &[u8]) -> Vec<Clean> {
    let mut outer = extensions;
    let Some((_, mut list)) = next(&mut outer) else { return Vec::new() };
    while let Some((_, mut extension)) = next(&mut list) {
        if next(&mut extension).is_none_or(|(_, oid)| oid != [0x55, 0x1d, 0x11]) {
            continue;
        }
        // Perhaps `critical`, then the value.
        let Some(mut value) = std::iter::from_fn(|| next(&mut extension)).find(|(tag, _)| *tag == 0x04).map(|v| v.1)
        else {
            continue;
        };
        let Some((_, mut names)) = next(&mut value) else { continue };
        let names = std::iter::from_fn(|| next(&mut names)).filter(|(tag, _)| *tag == 0x82);
        return names.take(NAMES).map(|(_, name)| Clean::bytes(name)).collect();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=t -days 10
    /// -addext subjectAltName=DNS:mail.example.org,IP:127.0.0.1,DNS:*.example.net`
    const PEM: &str = include_str!("certificate.pem");

    fn der() -> Vec<u8> {
        use rustls::pki_types::pem::PemObject as _;
        rustls::pki_types::CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap().to_vec()
    }

    #[test]
    fn names_and_dates_are_read() {
        let read = read(&der()).unwrap();
        let names: Vec<&str> = read.names.iter().map(Clean::as_str).collect();
        assert_eq!(names, ["mail.example.org", "*.example.net"]);
        assert_eq!(read.not_after.get() - read.not_before.get(), 10 * 86_400);
    }

    #[test]
    fn the_end_point_is_hashed_as_the_signature_was() {
        assert_eq!(end_point(&der()).unwrap(), digest::digest(&digest::SHA256, &der()).as_ref());
    }

    #[test]
    fn dates_of_both_kinds() {
        let at = |tag, text: &str| moment((tag, text.as_bytes())).map(Timestamp::get);
        assert_eq!(at(0x17, "700101000001Z"), Some(1));
        assert_eq!(at(0x18, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(at(0x17, "491231235959Z"), Some(2_524_607_999));
        assert_eq!((at(0x17, "49123123595Z"), at(0x18, "x"), at(0x02, "700101000001Z")), (None, None, None));
    }

    #[test]
    fn no_cut_or_bent_certificate_does_harm() {
        let whole = der();
        for end in 0..whole.len() {
            let _ = (read(&whole[..end]), end_point(&whole[..end]));
        }
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 0xff;
            let _ = (read(&bent), end_point(&bent));
        }
    }
}
