mod writer;

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use self::writer::{Value, database};
use super::*;
use crate::config::{Config, Inputs, load};

/// As ip-location-db writes it.
fn flat() -> Vec<u8> {
    let country = |code| Value::Map(vec![("country_code", Value::Text(code))]);
    database(
        "geo-whois-asn-country",
        &[
            ("192.0.2.0/24", country("CH")),
            ("198.51.100.0/25", country("kp")),
            ("2001:db8::/32", country("DE")),
        ],
    )
}

/// As `MaxMind` writes it.
fn nested() -> Vec<u8> {
    use Value::{Flag, List, Map, Text};
    let names = |name| ("names", Map(vec![("de", Text("anders")), ("en", Text(name))]));
    let city = Map(vec![
        ("city", Map(vec![names("Zurich")])),
        ("continent", Map(vec![("code", Text("EU"))])),
        ("country", Map(vec![("iso_code", Text("CH")), names("Switzerland")])),
        ("subdivisions", List(vec![Map(vec![("iso_code", Text("ZH")), names("Zurich")])])),
        ("traits", Map(vec![("is_hosting_provider", Flag(true)), ("is_tor_exit_node", Flag(true))])),
    ]);
    let registered = Map(vec![("registered_country", Map(vec![("iso_code", Text("AT"))]))]);
    database("GeoLite2-City", &[("192.0.2.0/24", city), ("203.0.113.0/24", registered)])
}

fn networks() -> Vec<u8> {
    let network = Value::Map(vec![
        ("autonomous_system_number", Value::Number(64_496)),
        ("autonomous_system_organization", Value::Text("Example Networks")),
    ]);
    let written = Value::Map(vec![("asn", Value::Text("AS64511")), ("as_name", Value::Text("Ü\u{7}ber"))]);
    database("GeoLite2-ASN", &[("192.0.2.0/24", network), ("198.51.100.0/24", written)])
}

fn configured(folder: &Path, text: &str) -> Config {
    let inputs = Inputs {
        source: crate::base::problems::Source::new("config.toml", format!("[geo]\n{text}")),
        folder: folder.to_owned(),
        environment: std::collections::BTreeMap::new(),
        writable_by_all: false,
    };
    let inputs = Inputs {
        environment: [("BACKEND_SESSION_SECRET".to_owned(), "q8Zr2vX7nB4kL9wT1yD6cF3hJ5mP0sAe".to_owned())]
            .into(),
        ..inputs
    };
    let loaded = load(&inputs);
    let problems = loaded.problems.render();
    loaded.config.unwrap_or_else(|| panic!("{problems}"))
}

/// Loads `country` and `asn` from files of these contents.
fn geo(country: Option<&[u8]>, asn: Option<&[u8]>) -> (Geo, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for (key, bytes) in [("country", country), ("asn", asn)] {
        if let Some(bytes) = bytes {
            fs::write(folder.path().join(key), bytes).unwrap();
            text.extend([key, " = \"", key, "\"\n"]);
        }
    }
    let (geo, problems) = Geo::load(&configured(folder.path(), &text).geo, &Geo::default());
    (geo, problems.render())
}

fn at(geo: &Geo, address: &str) -> Location {
    geo.locate(address.parse::<IpAddr>().unwrap())
}

#[test]
fn flat_records_of_a_country_database_are_read() {
    let (geo, problems) = geo(Some(&flat()), None);
    assert_eq!(problems, "");
    assert_eq!(at(&geo, "192.0.2.77").country, "CH");
    assert_eq!(at(&geo, "198.51.100.7").country, "KP");
    assert_eq!(at(&geo, "2001:db8::1").country, "DE");
    for unknown in ["198.51.100.200", "127.0.0.1", "::1", "2001:db9::1"] {
        assert_eq!(at(&geo, unknown), Location::default(), "{unknown}");
    }
}

#[test]
fn nested_records_of_a_city_database_are_read_with_both_files_together() {
    let (geo, problems) = geo(Some(&nested()), Some(&networks()));
    assert_eq!(problems, "");
    let place = Location {
        country: "CH".to_owned(),
        region: "ZH".to_owned(),
        city: "Zurich".to_owned(),
        continent: "EU".to_owned(),
        asn: 64_496,
        org: "Example Networks".to_owned(),
        is_tor: true,
        is_vpn: false,
        is_hosting: true,
    };
    assert_eq!(at(&geo, "192.0.2.1"), place);
    assert_eq!(at(&geo, "203.0.113.1").country, "AT", "the registered country where no other is known");
    let written = at(&geo, "198.51.100.1");
    assert_eq!((written.asn, written.org.as_str()), (64_511, "Über"), "control characters are dropped");
}

#[test]
fn without_a_database_nothing_is_known() {
    let (geo, problems) = geo(None, None);
    assert_eq!(problems, "");
    assert!(geo.is_empty());
    assert_eq!(at(&geo, "192.0.2.1"), Location::default());
}

#[test]
fn an_absent_database_is_a_warning_at_the_line_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = configured(folder.path(), "country = \"none.mmdb\"\n");
    let (geo, problems) = Geo::load(&config.geo, &Geo::default());
    assert!(geo.is_empty() && !problems.has_errors());
    let text = problems.render();
    assert!(text.contains("warning: `geo.country`: none.mmdb is not there"), "{text}");
    assert!(text.contains("config.toml:2:11"), "{text}");
}

#[test]
fn a_file_that_is_no_database_is_an_error_at_the_line_that_names_it() {
    let (_, problems) = geo(Some(b"<html>Please sign in to download</html>"), None);
    assert!(
        problems.contains("error: `geo.country`: country is no database in MaxMind's format"),
        "{problems}"
    );
    assert!(problems.contains("config.toml:2:11"), "{problems}");
    let (_, problems) = geo(Some(b""), None);
    assert!(problems.contains("is no database"), "{problems}");
}

#[test]
fn every_truncated_database_is_an_error() {
    let whole = flat();
    for length in 0..whole.len() {
        let (_, problems) = geo(Some(&whole[..length]), None);
        assert!(problems.contains("error"), "{length} of {} bytes went live", whole.len());
    }
}

#[test]
fn a_database_with_any_byte_changed_is_refused_or_answers_and_never_panics() {
    let whole = nested();
    let addresses = ["192.0.2.1", "203.0.113.1", "2001:db8::1"];
    let mut refused = 0;
    for at_byte in 0..whole.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at_byte] = value;
            let Ok(database) = Database::new(bytes, Kind::Country) else {
                refused += 1;
                continue;
            };
            for address in addresses {
                database.fill(&mut Location::default(), address.parse().unwrap());
            }
        }
    }
    assert!(refused > whole.len() / 4, "{refused}");
}

#[test]
fn a_database_of_another_kind_is_an_error_that_says_what_it_is() {
    let (_, problems) = geo(Some(&networks()), Some(&nested()));
    let country = "`geo.country`: country holds no countries: it is a database of the type `GeoLite2-ASN`";
    let asn = "`geo.asn`: asn holds no autonomous systems: it is a database of the type `GeoLite2-City`";
    assert!(problems.contains(country) && problems.contains(asn), "{problems}");
}

#[test]
fn a_folder_a_pipe_a_device_and_a_file_that_is_too_large_are_errors_that_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
    assert!(status.success());
    fs::create_dir(folder.path().join("folder")).unwrap();
    let large = fs::File::create(folder.path().join("large")).unwrap();
    large.set_len(FILE_BYTES_MAX + 1).unwrap();
    for (file, why) in [
        ("folder", "folder is a folder, not a file"),
        ("pipe", "pipe is a pipe, not a file"),
        ("/dev/zero", "/dev/zero is a device, not a file"),
        ("large", "large is larger than 256 MiB"),
    ] {
        let config = configured(folder.path(), &format!("asn = \"{file}\"\n"));
        let (_, problems) = Geo::load(&config.geo, &Geo::default());
        assert!(problems.render().contains(&format!("error: `geo.asn`: {why}")), "{}", problems.render());
    }
}

#[test]
fn a_file_that_may_not_be_read_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, flat()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        return; // the superuser reads everything
    }
    let config = configured(folder.path(), "country = \"secret\"\n");
    let (_, problems) = Geo::load(&config.geo, &Geo::default());
    assert!(problems.render().contains("secret cannot be read: permission denied"), "{}", problems.render());
}

#[test]
fn a_file_that_has_not_changed_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country");
    fs::write(&path, flat()).unwrap();
    let config = configured(folder.path(), "country = \"country\"\n").geo;
    let (first, _) = Geo::load(&config, &Geo::default());
    let (second, _) = Geo::load(&config, &first);
    assert!(second.is_same(&first));

    // Written again with the same bytes: read, and found to be what is in memory.
    fs::write(folder.path().join("new"), flat()).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let (third, _) = Geo::load(&config, &second);
    assert!(third.is_same(&first));

    fs::write(folder.path().join("new"), nested()).unwrap();
    fs::rename(folder.path().join("new"), &path).unwrap();
    let (fourth, problems) = Geo::load(&config, &third);
    assert_eq!(problems.render(), "");
    assert!(!fourth.is_same(&first));
    assert_eq!(at(&fourth, "192.0.2.1").city, "Zurich");
}

#[test]
fn a_database_that_is_deleted_stays_in_memory_and_the_reload_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("country");
    fs::write(&path, flat()).unwrap();
    let config = configured(folder.path(), "country = \"country\"\n").geo;
    let (first, _) = Geo::load(&config, &Geo::default());
    fs::remove_file(&path).unwrap();
    let (second, problems) = Geo::load(&config, &first);
    assert!(problems.render().contains("warning: `geo.country`: country is gone"), "{}", problems.render());
    assert!(!second.is_same(&first), "so that the warning is told once");
    assert_eq!(at(&second, "192.0.2.1").country, "CH");
    let (third, _) = Geo::load(&config, &second);
    assert!(third.is_same(&second));
}

#[test]
fn a_world_may_be_assumed() {
    let place = Location { country: "KP".to_owned(), ..Location::default() };
    let geo = Geo::assuming(place.clone());
    assert_eq!(at(&geo, "192.0.2.1"), place);
    assert!(!geo.is_empty() && !geo.is_same(&Geo::default()));
}
