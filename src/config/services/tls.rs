//! How an `https://` upstream is recognised.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::base::document::Table;

use super::super::context::Context;
use super::super::file::read_file;

/// Most certificates of an operator's own file.
const AUTHORITIES_MAX: usize = 256;

/// Whose certificates an `https://` upstream may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The PEM text of the only authorities that are believed; without one, those that are built in.
    pub authorities: Option<Arc<str>>,
    /// The name that the certificate must have, and that is asked for (SNI), instead of the address's host.
    pub name: Option<String>,
}

impl Tls {
    pub(super) fn read(table: &mut Table<'_>, context: &mut Context) -> Self {
        let name = table.parsed(
            "tls_name",
            "host name",
            "",
            "The name that its certificate must have, where that is not the host of `urls`.",
            |text| match ServerName::try_from(text) {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(format!("`{text}` is not a host name")),
            },
        );
        Self { authorities: authorities(table, context), name }
    }
}

fn authorities(table: &mut Table<'_>, context: &mut Context) -> Option<Arc<str>> {
    let doc = "A PEM file of the only authorities under which an `https://` address is believed; without it, those \
               of browsers. A self-signed certificate is its own authority.";
    let path = table.optional_text("ca", doc)?;
    let path = context.resolve(&path);
    context.files.push(path.clone());
    let text = match read_file(&path) {
        Ok(file) => file.text,
        Err(why) => {
            let message = format!("`services[].ca`: {}: {why}", path.display());
            table.report(table.problem("ca", message));
            return None;
        }
    };
    if let Err(why) = check(&text) {
        table.report(table.problem("ca", format!("`services[].ca`: {}: {why}", path.display())));
        return None;
    }
    Some(text.into())
}

fn check(pem: &str) -> Result<(), &'static str> {
    let no_pem = "not a PEM file of 1 to 256 certificates";
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .take(AUTHORITIES_MAX + 1)
        .collect::<Result<_, _>>()
        .map_err(|_| no_pem)?;
    if found.is_empty() || found.len() > AUTHORITIES_MAX {
        return Err(no_pem);
    }
    let mut store = RootCertStore::empty();
    found.into_iter().try_for_each(|c| store.add(c)).map_err(|_| "a certificate in it cannot be read")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::check::{dev, finds, report_in};

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[services]]\nname = \"a\"\nurls = [\"https://a\"]\nca = \"ca.pem\"\n";
        let read = || report_in(folder.path(), text, &[]);
        finds(&read(), "config.toml:4:6: `services[].ca`: ");
        finds(&read(), "there is no such file");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (content, why) in [("hello", "not a PEM file"), (broken, "a certificate in it cannot be read")] {
            fs::write(folder.path().join("ca.pem"), content).unwrap();
            finds(&read(), why);
        }
    }

    #[test]
    fn a_tls_name_is_a_host() {
        let text = "[[services]]\nname = \"a\"\nurls = [\"https://a\"]\ntls_name = \"a b\"\n";
        finds(&dev(text), "`a b` is not a host name");
    }
}
