//! Where the running gateway is: three keys that are looked up even in a config file that holds problems, for that is when
//! somebody asks a running gateway what is wrong.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Options;
use super::failure::Failure;
use super::inputs;
use crate::base::document::{Document, Overlay};
use crate::base::problems::Problems;
use crate::config::{self, Inputs};
use crate::server::admin::address::{reachable, recorded};
use crate::server::admin::token::token_path;

/// Longest wait for a connection to where a gateway was.
const KNOCK_MAX: Duration = Duration::from_secs(1);

/// Where the running gateway is, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// The admin listener.
    pub(super) admin: SocketAddr,
    /// The file with its token.
    pub(super) token: PathBuf,
}

/// Looks where the running gateway is.
pub(super) fn find(options: &Options) -> Result<Whereabouts, Failure> {
    let inputs = inputs::gather(options).map_err(Failure::unread)?;
    let loaded = config::load(&inputs);
    if let Some(config) = loaded.config {
        let folder = config.storage.data_folder();
        let token = token_path(config.admin.token_file.as_deref(), folder);
        return Ok(Whereabouts { admin: address(config.admin.listen, folder), token });
    }
    salvage(&inputs).ok_or(Failure::Found(loaded.problems))
}

/// Reads the three keys out of what can be read; nothing where the one that counts is wrong itself.
fn salvage(inputs: &Inputs) -> Option<Whereabouts> {
    let overlay = overlay(&inputs.environment);
    let parsed = Document::parse(&inputs.source, &mut Problems::default());
    let document = Document::new(&inputs.source, &overlay);
    let mut root = document.root(&parsed);
    let mut admin = root.table("admin");
    let listen = admin.text("listen", "127.0.0.1:8081", "").parse().ok()?;
    let token_file = admin.optional_text("token_file", "").map(|file| inputs.folder.join(file));
    let database = inputs.folder.join(root.table("storage").text("path", "data/pluginmind.db", ""));
    let folder = database.parent()?;
    let token = token_path(token_file.as_deref(), folder);
    Some(Whereabouts { admin: address(listen, folder), token })
}

fn overlay(environment: &BTreeMap<String, String>) -> Overlay {
    let keys = [
        ("PLUGINMIND_ADMIN__LISTEN", "admin.listen"),
        ("PLUGINMIND_ADMIN__TOKEN_FILE", "admin.token_file"),
        ("PLUGINMIND_STORAGE__PATH", "storage.path"),
    ];
    let laid = keys.iter().filter_map(|(name, key)| {
        Some(((*key).to_owned(), ((*name).to_owned(), environment.get(*name)?.clone())))
    });
    laid.collect()
}

/// Where the admin listener is: where the running gateway wrote down that it is, if somebody is there; else where the
/// configuration says. The two differ after an edit that was refused, and with port 0.
fn address(configured: SocketAddr, data_folder: &Path) -> SocketAddr {
    let configured = reachable(configured);
    let recorded = recorded(data_folder).map(reachable).filter(|address| *address != configured);
    let is_there = |address: &SocketAddr| TcpStream::connect_timeout(address, KNOCK_MAX).is_ok();
    recorded.filter(is_there).unwrap_or(configured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::problems::Source;

    fn look(text: &str, environment: &[(&str, &str)]) -> Option<Whereabouts> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        salvage(&Inputs {
            source: Source::new("config.toml", text),
            folder: PathBuf::from("/srv"),
            environment,
            writable_by_all: false,
        })
    }

    #[test]
    fn a_file_with_problems_still_says_where_the_gateway_is() {
        let broken = "[admin]\nlisten = \"127.0.0.1:9\"\nbrust = 2\n[storage]\npath = \"d/x.db\"\n[server]\nlisten = \n";
        let found = look(broken, &[]).unwrap();
        assert_eq!(found.admin, "127.0.0.1:9".parse().unwrap());
        assert_eq!(found.token, PathBuf::from("/srv/d/admin.token"));
    }

    #[test]
    fn the_environment_outranks_the_file_and_a_wrong_address_is_none() {
        let env = [("PLUGINMIND_ADMIN__LISTEN", "[::]:7"), ("PLUGINMIND_ADMIN__TOKEN_FILE", "/run/t")];
        let found = look("[admin]\nlisten = \"127.0.0.1:9\"\nx = ", &env).unwrap();
        assert_eq!((found.admin, found.token), ("[::1]:7".parse().unwrap(), PathBuf::from("/run/t")));
        assert_eq!(look("[admin]\nlisten = \"here\"\n", &[]), None);
    }
}
