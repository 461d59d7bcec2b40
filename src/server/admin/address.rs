//! Where the admin listener of the running gateway really is, in a file beside the database: the configuration may say
//! something else by now, or port 0. The command line looks here first.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The name of the file in the data folder.
pub const ADDRESS_FILE: &str = "admin.address";

/// The longest such file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 128;

/// Writes down where the admin listener is. Written under another name and renamed, so that nobody reads half of it.
///
/// # Errors
/// The file cannot be written; then the command line goes by the configuration.
pub fn record(data_folder: &Path, address: SocketAddr) -> io::Result<()> {
    let draft = data_folder.join(format!(".{ADDRESS_FILE}.draft"));
    std::fs::remove_file(&draft).ok();
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{address}")?;
    std::fs::rename(&draft, data_folder.join(ADDRESS_FILE))
}

/// What was written down last; nothing where nobody runs, or what is there is no address.
pub fn recorded(data_folder: &Path) -> Option<SocketAddr> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(data_folder.join(ADDRESS_FILE)).ok()?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Takes the file away at the end.
pub fn forget(data_folder: &Path) {
    // One that stays leads to nobody, which is found out by whoever goes there.
    std::fs::remove_file(data_folder.join(ADDRESS_FILE)).ok();
}

/// How an address that is listened on is reached from this machine: one on all addresses on the machine's own.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_address_is_read_back_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(recorded(dir.path()), None);
        for address in ["127.0.0.1:9", "[::1]:10"] {
            record(dir.path(), address.parse().unwrap()).unwrap();
            assert_eq!(recorded(dir.path()), Some(address.parse().unwrap()));
        }
        let mode = std::fs::metadata(dir.path().join(ADDRESS_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
        forget(dir.path());
        assert_eq!(recorded(dir.path()), None);
        std::fs::write(dir.path().join(ADDRESS_FILE), "here\n").unwrap();
        assert_eq!(recorded(dir.path()), None);
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_the_machines_own() {
        for (listen, reached) in
            [("0.0.0.0:7", "127.0.0.1:7"), ("[::]:7", "[::1]:7"), ("192.0.2.1:7", "192.0.2.1:7")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
