//! The canonical path and the host against the reference reader's.

use pluginmind::base::target::{CanonicalPath, EncodedSlashes, Host};

use super::strict::{self, canonical_path};

/// The bytes as a path, and as a host in a request.
pub fn run(data: &[u8]) -> usize {
    let text = String::from_utf8_lossy(data).into_owned();
    path(&text);
    if !data.contains(&b'\r') && !data.contains(&b'\n') {
        host(data);
    }
    1
}

fn path(text: &str) {
    let read = CanonicalPath::parse(text)
        .and_then(|path| path.check_slashes(EncodedSlashes::Refuse).map(|()| path.as_str().to_owned()));
    // A query and a fragment are cut off before a path is read.
    let expected = canonical_path(text).filter(|p| !p.contains(['?', '#']));
    assert_eq!(read.clone().ok(), expected, "{text:?}");
    if let Ok(path) = read {
        let again = CanonicalPath::parse(&path).expect("canonical");
        assert_eq!(again.as_str(), path, "once is enough: {text:?}");
    }
}

fn host(data: &[u8]) {
    let head = [b"GET / HTTP/1.1\r\nHost: ", data, b"\r\n\r\n"].concat();
    let reading = strict::read(&head);
    let text = std::str::from_utf8(data).ok().map(|t| t.trim_matches([' ', '\t']));
    let read = text.and_then(|text| Host::parse(text).ok());
    if let Some(host) = &read {
        let again = Host::parse(host.authority()).expect("canonical");
        assert_eq!(&again, host, "{data:?}");
    }
    assert_eq!(read.is_some(), reading.requests.len() == 1, "{}", data.escape_ascii());
}
