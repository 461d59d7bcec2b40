//! Whom a client certificate names: a text that rules compare, so it must not be possible to write one name that reads as
//! another.
//!
//! # Source
//! RFC 4514; the short names are those of its table and of OpenSSL, so that the text is what nginx calls `$ssl_client_s_dn`.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::base::text::hex;
use crate::base::tls::ClientCertificate;

/// Longest subject, in bytes as it is written; a certificate with a longer one is turned away.
const SUBJECT_BYTES_MAX: usize = 4_096;

/// Types of attributes with a short name, by their object identifier.
const SHORT_NAMES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Who a verified certificate says that it is; nothing where it cannot be read.
pub(super) fn name(certificate: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject = subject(parsed.subject());
    let fingerprint = hex(digest(&SHA256, certificate).as_ref());
    (subject.len() <= SUBJECT_BYTES_MAX).then_some(ClientCertificate { subject, fingerprint })
}

/// The distinguished name as RFC 4514 writes it: the last part first, `,` between parts, `+` within one.
fn subject(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let written =
        parts.into_iter().rev().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"));
    written.collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
    match (short, attribute.as_str()) {
        (Some(short), Ok(text)) => format!("{short}={}", escaped(text)),
        // No short name, or no text: the value as it was encoded (section 2.4).
        _ => {
            let value = attribute.attr_value();
            let mut der = Vec::new();
            let tag = u8::try_from(value.tag().0).unwrap_or(0x1f);
            der.push(tag);
            length(value.data.len(), &mut der);
            der.extend_from_slice(value.data);
            format!("{}=#{}", short.unwrap_or(&oid), hex(&der))
        }
    }
}

/// A length as DER writes it.
fn length(length: usize, out: &mut Vec<u8>) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let bytes = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1)..];
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            out.extend_from_slice(bytes);
        }
    }
}

/// A value with everything escaped that ends it, that means something in it, or that is no printable ASCII (sections 2.4
/// and 3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let edge = (byte == b' ' && (at == 0 || at == last)) || (byte == b'#' && at == 0);
        if edge || matches!(byte, b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=') {
            out.push('\\');
            out.push(char::from(byte));
        } else if byte == b' ' || byte.is_ascii_graphic() {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn named(parts: &[(DnType, DnValue)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        name(certificate.der()).unwrap().subject
    }

    #[test]
    fn the_subject_is_written_from_its_last_part_to_its_first() {
        let parts = [
            (DnType::CountryName, "CH".into()),
            (DnType::OrganizationName, "Example".into()),
            (DnType::CommonName, "robot 7".into()),
        ];
        assert_eq!(named(&parts), "CN=robot 7,O=Example,C=CH");
    }

    #[test]
    fn one_name_cannot_be_written_so_that_it_reads_as_another() {
        let forged = [(DnType::OrganizationName, "Evil".into()), (DnType::CommonName, "x,O=Example".into())];
        assert_eq!(named(&forged), "CN=x\\,O\\=Example,O=Evil");
        for (value, written) in [
            ("a+CN=admin", "a\\+CN\\=admin"),
            (" a ", "\\ a\\ "),
            ("#30", "\\#30"),
            ("a\"b<c>;", "a\\\"b\\<c\\>\\;"),
            ("a\\", "a\\\\"),
            ("a\nb\0", "a\\0Ab\\00"),
            ("Zoë", "Zo\\C3\\AB"),
            ("", ""),
        ] {
            let text = named(&[(DnType::CommonName, DnValue::Utf8String(value.into()))]);
            assert_eq!(text, format!("CN={written}"));
            assert!(text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
        }
    }

    #[test]
    fn what_has_no_short_name_or_is_no_text_is_written_as_it_was_encoded() {
        let kind = DnType::CustomDnType(vec![1, 2, 3, 4]);
        assert_eq!(named(&[(kind, DnValue::Utf8String("hi".into()))]), "1.2.3.4=#0c026869");
        let mut long = Vec::new();
        length(300, &mut long);
        assert_eq!(long, [0x82, 0x01, 0x2c]);
    }

    #[test]
    fn a_fingerprint_is_that_of_the_whole_certificate() {
        let certificate = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expected = hex(digest(&SHA256, certificate.der()).as_ref());
        assert_eq!(name(certificate.der()).unwrap().fingerprint, expected);
        assert!(name(&CertificateDer::from(vec![0x30, 0x00])).is_none());
    }
}
