//! The whole of it on files: what goes live, what does not, and what is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::Tls;
use crate::base::problems::{Problems, Severity, Source};
use crate::config::{self, Inputs};

/// A moment at which certificates of rcgen are valid: 2026-01-01.
const NOW: i64 = 1_767_225_600;

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    /// A certificate for these names as `NAME.pem` and `NAME.key`.
    fn pair(&self, name: &str, hosts: &[&str]) -> &Self {
        self.pair_with(name, hosts, |_| ())
    }

    fn pair_with(&self, name: &str, hosts: &[&str], change: impl FnOnce(&mut CertificateParams)) -> &Self {
        let mut params =
            CertificateParams::new(hosts.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        self.write(&format!("{name}.pem"), &pem("CERTIFICATE", certificate.der()))
            .write(&format!("{name}.key"), &pem("PRIVATE KEY", &key.serialize_der()))
    }

    fn load(&self, text: &str) -> (Option<Arc<Tls>>, String) {
        self.load_after(text, None, "development", NOW)
    }

    fn load_after(
        &self,
        text: &str,
        before: Option<&Arc<Tls>>,
        environment: &str,
        now: i64,
    ) -> (Option<Arc<Tls>>, String) {
        let secret = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let environment = [("ENVIRONMENT", environment), ("BACKEND_SESSION_SECRET", secret)];
        let inputs = Inputs {
            source: Source::new("config.toml", text),
            folder: self.path().to_owned(),
            environment: environment.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            writable_by_all: false,
        };
        let loaded = config::load(&inputs);
        let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.problems.render()));
        let mut problems = Problems::default();
        let tls = Tls::load(&config, true, before, now, &mut problems);
        assert_eq!(tls.is_none(), problems.has_errors(), "all or nothing");
        let line = |p: &crate::base::problems::Problem| {
            let word = if p.severity == Severity::Warning { "warning " } else { "" };
            format!("{word}{}", p.short())
        };
        (tls, problems.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

const ONE: &str = "[server.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";

#[track_caller]
fn finds(report: &str, part: &str) {
    assert!(report.contains(part), "looked for: {part}\nfound:\n{report}");
}

#[test]
fn a_good_pair_goes_live_without_a_word() {
    let folder = Folder::new();
    let (tls, report) = folder.pair("a", &["app.example", "*.app.example", "192.0.2.1"]).load(ONE);
    assert_eq!(report, "");
    let tls = tls.unwrap();
    let server = tls.server();
    assert_eq!(server.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(tls.serves("app.example") && tls.serves("a.app.example") && tls.serves("192.0.2.1"));
    assert!(!tls.serves("evil.example"));
    assert_eq!(tls.expiries().len(), 1);
    assert_eq!(tls.expiries()[0].name, "app.example");
}

#[test]
fn h2_17_early_data_is_never_taken() {
    let folder = Folder::new();
    let server = folder.pair("a", &["a.example"]).load(ONE).0.unwrap().server();
    assert_eq!(server.max_early_data_size, 0);
    assert!(!server.send_half_rtt_data);
}

#[test]
fn what_is_absent_half_written_or_no_pem_is_told_at_its_line() {
    let folder = Folder::new();
    finds(&folder.load(ONE).1, "config.toml:2:15: `server.tls.certificate`: a.pem is not there");
    finds(&folder.load(ONE).1, "config.toml:3:7: `server.tls.key`: a.key is not there");
    folder.pair("a", &["a.example"]);
    let whole = fs::read_to_string(folder.path().join("a.pem")).unwrap();
    folder.write("a.pem", &whole[..whole.len() / 2]);
    finds(&folder.load(ONE).1, "a.pem ");
    folder.write("a.pem", "").write("a.key", "no key");
    let (_, report) = folder.load(ONE);
    finds(&report, "a.pem holds no certificate in PEM");
    finds(&report, "a.key holds no private key in PEM");
    folder.write("a.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    folder
        .write("a.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let (_, report) = folder.load(ONE);
    finds(&report, "a.key is encrypted");
    fs::remove_file(folder.path().join("a.key")).unwrap();
    fs::create_dir(folder.path().join("a.key")).unwrap();
    finds(&folder.load(ONE).1, "a.key is a folder, not a file");
}

#[test]
fn a_key_of_another_certificate_never_goes_live_and_no_byte_of_it_is_shown() {
    let folder = Folder::new();
    folder.pair("a", &["a.example"]).pair("b", &["b.example"]);
    let key = fs::read_to_string(folder.path().join("b.key")).unwrap();
    folder.write("a.key", &key);
    let (tls, report) = folder.load(ONE);
    assert!(tls.is_none());
    finds(&report, "config.toml:3:7: `server.tls.key`: a.key does not belong to the certificate");
    assert!(key.lines().filter(|l| !l.starts_with('-')).all(|line| !report.contains(line)));
}

#[test]
fn one_bad_pair_of_several_keeps_all_of_them_from_going_live() {
    let folder = Folder::new();
    folder.pair("a", &["a.example"]);
    let text = format!("{ONE}certificates = [{{ certificate = \"b.pem\", key = \"b.key\" }}]\n");
    let (tls, report) = folder.load(&text);
    assert!(tls.is_none());
    finds(&report, "config.toml:4:33: `server.tls.certificates[].certificate`: b.pem is not there");
}

#[test]
fn a_key_that_everybody_may_read_is_a_warning_and_in_production_an_error() {
    let folder = Folder::new();
    folder.pair("a", &["a.example"]);
    fs::set_permissions(folder.path().join("a.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let (tls, report) = folder.load(ONE);
    assert!(tls.is_some());
    finds(&report, "warning config.toml:3:7: `server.tls.key`: a.key can be read by every account");
    let (tls, report) = folder.load_after(ONE, None, "production", NOW);
    assert!(tls.is_none());
    finds(&report, "config.toml:3:7: `server.tls.key`: a.key can be read by every account");
}

#[test]
fn an_end_that_is_near_or_past_is_a_warning_and_never_keeps_an_edit_from_going_live() {
    let folder = Folder::new();
    folder.pair_with("a", &["a.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2025, 12, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 15);
    });
    let day = 24 * 60 * 60;
    for (now, told) in [
        (NOW - 10 * day, ""),
        (NOW, ""),
        (NOW + day, "warning config.toml:2:15: `server.tls.certificate`: a.pem ends in 13 days"),
        (NOW + 20 * day, "a.pem has expired"),
        (NOW - 60 * day, "a.pem is not valid yet"),
    ] {
        let (tls, report) = folder.load_after(ONE, None, "production", now);
        assert!(tls.is_some());
        if told.is_empty() { assert_eq!(report, "") } else { finds(&report, told) }
    }
}

#[test]
fn ad_05_an_authority_that_cannot_be_read_keeps_everything_from_going_live() {
    let folder = Folder::new();
    let text = format!("{ONE}client_ca = \"ca.pem\"\nclient_auth = \"required\"\n");
    folder
        .pair("a", &["a.example"])
        .pair_with("ca", &[], |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let good = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    assert!(folder.load(&text).0.is_some());
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for bad in ["", "junk", not_der, &format!("{good}{not_der}"), &good[..good.len() - 40]] {
        let (tls, report) = folder.write("ca.pem", bad).load(&text);
        assert!(tls.is_none(), "{bad}");
        finds(&report, "config.toml:4:13: `server.tls.client_ca`: ca.pem ");
    }
    fs::remove_file(folder.path().join("ca.pem")).unwrap();
    finds(&folder.load(&text).1, "`server.tls.client_ca`: ca.pem is not there");
}

#[test]
fn hosts_without_a_certificate_and_certificates_without_a_host_are_told() {
    let folder = Folder::new();
    folder.pair("a", &["a.example"]);
    let route = |host: &str| {
        format!("[[routes]]\npath = \"/{host}\"\n{host}\nauth = \"none\"\nrespond = {{ text = \"x\" }}\n")
    };
    let with = |host: &str| {
        format!(
            "{ONE}{}",
            route(&format!("host = \"{host}\"")).replacen("/host = \"", "/", 1).replacen("\"\"", "\"", 1)
        )
    };
    let (_, report) = folder.load(&with("b.example"));
    finds(&report, "warning config.toml:2:15: no certificate is for `b.example`");
    finds(&report, "warning config.toml:2:15: `server.tls.certificate`: a.pem is for no host of any route");
    assert_eq!(folder.load(&with("a.example")).1, "");
    assert_eq!(folder.load(&format!("{ONE}{}", route(""))).1, "", "a route without a host takes every name");
    let (tls, report) = folder.load(&format!("{ONE}[gateway]\npublic_url = \"https://www.example:8443\"\n"));
    finds(&report, "no certificate is for `www.example`");
    let tls = tls.unwrap();
    assert!(tls.serves("www.example"));
    assert_eq!(tls.public_port(), Some(8443));
}

#[test]
fn a_connection_carries_only_hosts_of_its_certificate_where_there_are_several() {
    let folder = Folder::new();
    folder.pair("a", &["a.example", "x.example"]).pair("b", &["*.b.example"]);
    let one = folder.load(ONE).0.unwrap();
    assert!(one.may_carry("a.example", "anything"), "with one certificate there is nothing to mistake");
    let text = format!("{ONE}certificates = [{{ certificate = \"b.pem\", key = \"b.key\" }}]\n");
    let two = folder.load(&text).0.unwrap();
    assert!(two.may_carry("a.example", "x.example"));
    assert!(two.may_carry("A.example", "a.example"));
    assert!(two.may_carry("1.b.example", "2.b.example"));
    assert!(!two.may_carry("a.example", "1.b.example"));
    assert!(!two.may_carry("1.b.example", "a.example"));
    assert!(two.may_carry("unknown.example", "a.example"), "who asks for no known name is shown the first");
}

#[test]
fn the_same_files_give_the_same_sessions_and_other_files_end_them() {
    let folder = Folder::new();
    folder.pair("a", &["a.example"]);
    let first = folder.load(ONE).0.unwrap();
    let edited = format!("{ONE}[log]\nlevel = \"warn\"\n");
    let same = folder.load_after(&edited, Some(&first), "development", NOW).0.unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    let stricter = format!("{ONE}min_version = \"1.3\"\n");
    let other = folder.load_after(&stricter, Some(&first), "development", NOW).0.unwrap();
    assert!(!first.is_same(&other));
    folder.pair("a", &["a.example"]);
    let renewed = folder.load_after(ONE, Some(&first), "development", NOW).0.unwrap();
    assert!(!first.is_same(&renewed));
    assert!(renewed.is_same(&folder.load(ONE).0.unwrap()));
}
