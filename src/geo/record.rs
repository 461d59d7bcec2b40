//! What a record says, in the words of those who make databases: `MaxMind` and DB-IP nest, ip-location-db and `IPinfo` do not.

use maxminddb::{LookupResult, PathElement};

use crate::base::location::Location;

/// Longest name of a place or an organisation that is kept, in characters.
const NAME_CHARS_MAX: usize = 128;

type Record<'a> = LookupResult<'a, Vec<u8>>;
type Path<'a> = &'a [PathElement<'a>];

/// Countries, and regions and cities where the record has them.
///
/// # Source
/// The nested names: <https://dev.maxmind.com/geoip/docs/databases/city-and-country/>. The flat ones: the databases of
/// ip-location-db and `IPinfo`.
pub(super) fn fill_country(location: &mut Location, record: &Record<'_>) {
    use PathElement::{Index, Key};
    let countries: [Path<'_>; 4] = [
        &[Key("country"), Key("iso_code")],
        &[Key("country_code")],
        &[Key("country")],
        &[Key("registered_country"), Key("iso_code")],
    ];
    location.country = code(record, &countries);
    location.continent =
        code(record, &[&[Key("continent"), Key("code")], &[Key("continent_code")], &[Key("continent")]]);
    location.region = name(
        record,
        &[
            &[Key("subdivisions"), Index(0), Key("iso_code")],
            &[Key("subdivisions"), Index(0), Key("names"), Key("en")],
            &[Key("state1")],
            &[Key("region")],
        ],
    );
    location.city = name(record, &[&[Key("city"), Key("names"), Key("en")], &[Key("city")]]);
}

/// The number and the name of the autonomous system.
pub(super) fn fill_asn(location: &mut Location, record: &Record<'_>) {
    use PathElement::Key;
    let number = number(record, &[Key("autonomous_system_number")]);
    let written = || read::<String>(record, &[Key("asn")])?.trim_start_matches("AS").parse().ok();
    location.asn = number.or_else(written).unwrap_or(0);
    let names: [Path<'_>; 3] = [&[Key("autonomous_system_organization")], &[Key("as_name")], &[Key("name")]];
    location.org = name(record, &names);
}

/// What some databases know of networks that hide people.
pub(super) fn fill_traits(location: &mut Location, record: &Record<'_>) {
    use PathElement::Key;
    let has = |key| {
        let there = |path: Path<'_>| read::<bool>(record, path).unwrap_or(false);
        there(&[Key(key)]) || there(&[Key("traits"), Key(key)])
    };
    location.is_tor |= has("is_tor_exit_node");
    location.is_vpn |= has("is_anonymous_vpn");
    location.is_hosting |= has("is_hosting_provider");
}

/// The first of the paths that leads to a two-letter code.
fn code(record: &Record<'_>, paths: &[Path<'_>]) -> String {
    let is_code = |text: &String| text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    let mut codes = paths.iter().filter_map(|path| read::<String>(record, path)).filter(is_code);
    codes.next().map(|code| code.to_ascii_uppercase()).unwrap_or_default()
}

/// The first of the paths that leads to a text with something in it.
fn name(record: &Record<'_>, paths: &[Path<'_>]) -> String {
    let mut names = paths.iter().filter_map(|path| read::<String>(record, path)).filter(|n| !n.is_empty());
    let clean = |name: String| name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    names.next().map(clean).unwrap_or_default()
}

/// A number of any width.
fn number(record: &Record<'_>, path: Path<'_>) -> Option<u32> {
    let narrow = || read::<u16>(record, path).map(u32::from);
    let wide = || u32::try_from(read::<u64>(record, path)?).ok();
    read::<u32>(record, path).or_else(narrow).or_else(wide)
}

/// A value of the record; another kind of value there is as good as none.
fn read<'a, T: serde::Deserialize<'a>>(record: &Record<'a>, path: Path<'_>) -> Option<T> {
    record.decode_path(path).ok().flatten()
}
