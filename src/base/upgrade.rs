//! Whether a request asks to speak another protocol from here on.
//!
//! # Source
//! RFC 9110 section 7.8; RFC 6455 section 4.2.1.

use http::header::{CONNECTION, HeaderMap, HeaderName, UPGRADE};

/// Whether headers ask for WebSocket: `websocket` in `Upgrade`, and `upgrade` in `Connection`, without which an `Upgrade`
/// is about somebody else's connection.
pub fn asks_websocket(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        && tokens(headers, &UPGRADE).any(|t| t.eq_ignore_ascii_case("websocket"))
        && tokens(headers, &CONNECTION).any(|t| t.eq_ignore_ascii_case("upgrade"))
}

/// The items of a list header, over all its lines; a line that is no text has none.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(connection: &str, upgrade: &str) -> bool {
        let lines = [(CONNECTION, connection), (UPGRADE, upgrade)].into_iter().filter(|(_, v)| !v.is_empty());
        asks_websocket(&lines.map(|(n, v)| (n, v.parse().unwrap())).collect())
    }

    #[test]
    fn sm_28_and_h2_16_only_websocket_that_the_connection_names_is_asked_for() {
        for (connection, upgrade) in
            [("Upgrade", "websocket"), ("keep-alive, UPGRADE", "WebSocket"), ("upgrade", "foo, websocket")]
        {
            assert!(asks(connection, upgrade), "{connection} {upgrade}");
        }
        for (connection, upgrade) in [
            ("upgrade", ""),
            ("", "websocket"),
            ("keep-alive", "websocket"),
            ("upgrade", "h2c"),
            ("upgrade", "websocket2"),
            ("upgrade", "websocket/13"),
            ("Upgrade, HTTP2-Settings", "h2c"),
        ] {
            assert!(!asks(connection, upgrade), "{connection} {upgrade}");
        }
    }
}
