//! Sockets that the service manager opened for us, so that none is lost while we are replaced, and ports below 1024 need no
//! privilege of ours.
//!
//! # Source
//! `sd_listen_fds_with_names(3)`, `systemd.socket(5)`.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The names of sockets, as `FileDescriptorName=` gives them.
const PUBLIC: &str = "http";
const ADMIN: &str = "admin";

/// What was given.
#[derive(Debug, Default)]
pub struct Given {
    /// For the public listener.
    pub public: Option<TcpListener>,
    /// For the admin listener.
    pub admin: Option<TcpListener>,
}

/// Why what was given cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// `LISTEN_FDS` and its kin make no sense.
    #[error("the service manager's LISTEN_FDS cannot be read: {0}")]
    Environment(#[source] io::Error),
    /// One is no listening TCP socket.
    #[error("socket {0} of the service manager is no listening TCP socket: {1}")]
    Socket(usize, #[source] io::Error),
    /// There is no use for one.
    #[error(
        "the service manager gave {0} sockets: one named `http` and one named `admin` are taken, or without names one or two"
    )]
    Number(usize),
}

/// Takes the sockets that were given to this process, if any. To be called once.
///
/// # Errors
/// They are not what can be listened on.
pub fn sockets() -> Result<Given, ActivationError> {
    let names: Vec<String> = match sd_notify::listen_fds_with_names() {
        Ok(named) => named.map(|(_, name)| name).collect(),
        // Without the variables, or with those of another process, nothing was given.
        Err(_) if std::env::var_os("LISTEN_FDS").is_none() => return Ok(Given::default()),
        Err(error) => return Err(ActivationError::Environment(error)),
    };
    let (public, admin) = places(&names)?;
    let mut sockets = ListenFd::from_env();
    let mut take = |index: Option<usize>| {
        let Some(index) = index else { return Ok(None) };
        sockets.take_tcp_listener(index).map_err(|error| ActivationError::Socket(index, error))
    };
    Ok(Given { public: take(public)?, admin: take(admin)? })
}

/// Which of the sockets is the public one, and which the admin one: by their names, or else in this order.
fn places(names: &[String]) -> Result<(Option<usize>, Option<usize>), ActivationError> {
    let named = |wanted: &str| names.iter().position(|name| name == wanted);
    let places = match (named(PUBLIC), named(ADMIN)) {
        (None, None) => ((!names.is_empty()).then_some(0), (names.len() > 1).then_some(1)),
        named => named,
    };
    let used = usize::from(places.0.is_some()) + usize::from(places.1.is_some());
    if used == names.len() { Ok(places) } else { Err(ActivationError::Number(names.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Option<(Option<usize>, Option<usize>)> {
        places(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).ok()
    }

    #[test]
    fn sockets_are_told_apart_by_name_or_else_by_their_order() {
        assert_eq!(of(&[]), Some((None, None)));
        assert_eq!(of(&["unknown"]), Some((Some(0), None)));
        assert_eq!(of(&["x.socket", "x.socket"]), Some((Some(0), Some(1))));
        assert_eq!(of(&["admin", "http"]), Some((Some(1), Some(0))));
        assert_eq!(of(&["admin"]), Some((None, Some(0))));
    }

    #[test]
    fn a_socket_without_a_use_is_an_error_and_not_left_open_to_nobody() {
        assert_eq!(of(&["a", "b", "c"]), None);
        assert_eq!(of(&["http", "other"]), None);
        assert_eq!(of(&["http", "http"]), None);
    }
}
