//! A certificate and its key, from the operator's files.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::names::Names;
use crate::base::problems::{Problem, Problems};
use crate::config::{CertificateFiles, FileError, NamedFile, TextFile, read_file};

/// Most certificates of one chain.
const CHAIN_MAX: usize = 32;

/// Before this long a certificate that ends is told, in seconds.
const NEAR_SECONDS: i64 = 14 * 24 * 60 * 60;

/// A certificate with its key, ready to be shown.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: Names,
    /// When it ends, in seconds since 1970-01-01 UTC.
    pub(super) not_after: i64,
}

/// What a look at files gives besides its result.
pub(super) struct Look<'a> {
    pub(super) provider: &'a CryptoProvider,
    /// Whether what is careless is refused.
    pub(super) strict: bool,
    /// Seconds since 1970-01-01 UTC.
    pub(super) now: i64,
    pub(super) problems: &'a mut Problems,
    /// Hashes every content that is read.
    pub(super) content: aws_lc_rs::digest::Context,
}

impl Look<'_> {
    /// The text of a file; a problem at the line that names it where there is none.
    pub(super) fn read(&mut self, file: &NamedFile) -> Option<TextFile> {
        match read_file(&file.path) {
            Ok(read) => {
                self.content.update(&read.text.len().to_le_bytes());
                self.content.update(read.text.as_bytes());
                Some(read)
            }
            Err(why) => {
                let why = if why == FileError::Missing { "is not there".to_owned() } else { why.to_string() };
                self.problems.push(file.problem(&why));
                None
            }
        }
    }

    /// The certificates of a file, at least one.
    pub(super) fn certificates(
        &mut self,
        file: &NamedFile,
        most: usize,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let text = self.read(file)?.text;
        let read: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(text.as_bytes()).take(most + 1).collect();
        match read {
            Ok(chain) if (1..=most).contains(&chain.len()) => Some(chain),
            Ok(chain) if chain.is_empty() => {
                let hint = "it begins with `-----BEGIN CERTIFICATE-----`";
                self.problems.push(file.problem("holds no certificate in PEM").hint(hint));
                None
            }
            Ok(_) => {
                self.problems.push(file.problem(&format!("holds more than {most} certificates")));
                None
            }
            Err(_) => {
                self.problems.push(file.problem("is broken PEM: it may have been written half"));
                None
            }
        }
    }

    /// The pair of certificate and key. Every problem is told; none shows a byte of the key.
    pub(super) fn pair(&mut self, files: &CertificateFiles) -> Option<Certificate> {
        let chain = self.certificates(&files.certificate, CHAIN_MAX);
        let key = self.private_key(&files.key);
        let (chain, key) = (chain?, key?);
        let (names, not_after) = self.read_leaf(chain.first()?, &files.certificate)?;
        match CertifiedKey::from_der(chain, key, self.provider) {
            Ok(key) => Some(Certificate { key: Arc::new(key), names, not_after }),
            Err(why) => {
                self.problems.push(unfit(&why, files));
                None
            }
        }
    }

    fn private_key(&mut self, file: &NamedFile) -> Option<PrivateKeyDer<'static>> {
        let read = self.read(file)?;
        if read.readable_by_all {
            let problem = file.problem("can be read by every account of the machine").hint("chmod o-r");
            if self.strict {
                self.problems.push(problem);
                return None;
            }
            self.problems.push(problem.warning());
        }
        match PrivateKeyDer::from_pem_slice(read.text.as_bytes()) {
            Ok(key) => Some(key),
            Err(_) if read.text.contains("ENCRYPTED") => {
                let hint = "keep it without a password, readable by the gateway alone";
                self.problems
                    .push(file.problem("is encrypted, and nobody is there to type its password").hint(hint));
                None
            }
            Err(_) => {
                let hint = "it begins with `-----BEGIN PRIVATE KEY-----`";
                self.problems.push(file.problem("holds no private key in PEM").hint(hint));
                None
            }
        }
    }

    fn read_leaf(&mut self, leaf: &CertificateDer<'_>, file: &NamedFile) -> Option<(Names, i64)> {
        let Ok((_, leaf)) = X509Certificate::from_der(leaf) else {
            self.problems.push(file.problem("holds a certificate that cannot be read"));
            return None;
        };
        let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
        let names = Names::of(&leaf);
        if names.first().is_none() {
            let why = "names no host: clients look at the subject alternative names alone";
            self.problems.push(file.problem(why).warning());
        }
        let told = if until < self.now {
            Some(file.problem("has expired: clients refuse it").warning())
        } else if from > self.now {
            Some(file.problem("is not valid yet: clients refuse it").warning())
        } else if until - self.now < NEAR_SECONDS {
            let days = (until - self.now) / (24 * 60 * 60);
            Some(file.problem(&format!("ends in {days} days")).warning().hint("renew it"))
        } else {
            None
        };
        if let Some(problem) = told {
            self.problems.push(problem);
        }
        Some((names, until))
    }
}

/// Why a certificate and a key are no pair.
fn unfit(why: &Error, files: &CertificateFiles) -> Problem {
    match why {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => files
            .key
            .problem("does not belong to the certificate")
            .hint("the gateway's own certificate stands first in its file, what vouches for it after it"),
        Error::InvalidCertificate(_) => files.certificate.problem("holds a certificate that cannot be used"),
        _ => files
            .key
            .problem("holds a key that cannot be used: RSA, ECDSA (P-256, P-384, P-521) and Ed25519 can"),
    }
}

/// Whether a certificate that ends then is to be told about.
pub(super) fn is_near(not_after: i64, now: i64) -> bool {
    not_after - now < NEAR_SECONDS
}
