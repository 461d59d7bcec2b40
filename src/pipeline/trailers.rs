//! The trailers of an upstream's answer on their way to a client: all of them over HTTP/2, over HTTP/1.1 those that were
//! announced to a client that asked for them, and none to any other.
//!
//! # Source
//! RFC 9110 section 6.5, RFC 9112 section 7.1.2.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, TRAILER};
use http::request::Parts;
use http::{Response, Version};

use super::answer::Body;
use super::http2::is_grpc;
use crate::proxy::hops::may_trail;

/// Most names that an upstream may announce.
const ANNOUNCED_MAX: usize = 32;

/// What every gRPC answer ends with, announced or not.
const GRPC: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

/// Which trailers a client is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trailers {
    /// None.
    #[default]
    Dropped,
    /// Whichever come.
    Any,
    /// These, which the head announces.
    Announced(Vec<HeaderName>),
}

impl Trailers {
    /// What this client can be sent after an answer with this head, as it came from the upstream.
    pub fn of(client: &Parts, answer: &HeaderMap) -> Self {
        match client.version {
            Version::HTTP_2 => Self::Any,
            Version::HTTP_11 if asks(&client.headers) => {
                let names = announced(answer);
                if names.is_empty() { Self::Dropped } else { Self::Announced(names) }
            }
            _ => Self::Dropped,
        }
    }

    /// What is left of the trailers that came; nothing where there is nothing to send.
    pub fn keep(&self, mut came: HeaderMap) -> Option<HeaderMap> {
        match self {
            Self::Dropped => return None,
            Self::Any => {}
            Self::Announced(names) => {
                let doomed: Vec<HeaderName> = came.keys().filter(|n| !names.contains(n)).cloned().collect();
                for name in doomed {
                    came.remove(name);
                }
            }
        }
        (!came.is_empty()).then_some(came)
    }
}

/// Announces in the head what the body will end with. A body of declared length has no room for trailers in HTTP/1.1.
pub fn announce(answer: &mut Response<Body>) {
    let Trailers::Announced(names) = answer.body().trailers() else { return };
    let names = names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
    match HeaderValue::try_from(names) {
        Ok(names) if !answer.headers().contains_key(CONTENT_LENGTH) => {
            answer.headers_mut().insert(TRAILER, names);
        }
        _ => answer.body_mut().drop_trailers(),
    }
}

fn asks(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

fn announced(answer: &HeaderMap) -> Vec<HeaderName> {
    let by_grpc = answer.get(CONTENT_TYPE).is_some_and(is_grpc);
    let grpc = GRPC.iter().filter(|_| by_grpc).map(|name| HeaderName::from_static(name));
    let named = tokens(answer, &TRAILER).filter_map(|token| token.parse::<HeaderName>().ok());
    let mut names: Vec<HeaderName> = Vec::new();
    for name in grpc.chain(named).filter(may_trail).take(ANNOUNCED_MAX) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: Version, te: &str, answer: &[(&'static str, &str)]) -> Trailers {
        let request = http::Request::get("/").version(version).header("te", te).body(()).unwrap();
        let answer = answer.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect();
        Trailers::of(&request.into_parts().0, &answer)
    }

    #[test]
    fn a_client_is_sent_the_trailers_that_it_can_read() {
        let grpc = [("content-type", "application/grpc")];
        let names = GRPC.map(HeaderName::from_static).to_vec();
        assert_eq!(of(Version::HTTP_2, "", &[]), Trailers::Any);
        assert_eq!(of(Version::HTTP_11, "gzip, Trailers", &grpc), Trailers::Announced(names));
        assert_eq!(of(Version::HTTP_11, "gzip", &grpc), Trailers::Dropped);
        assert_eq!(of(Version::HTTP_10, "trailers", &grpc), Trailers::Dropped);
        let named = [("trailer", "Digest, set-cookie, x a, host")];
        assert_eq!(
            of(Version::HTTP_11, "trailers", &named),
            Trailers::Announced(vec![HeaderName::from_static("digest")])
        );
    }

    #[test]
    fn what_was_not_announced_is_left_out() {
        let came: HeaderMap = ["digest", "x-other"]
            .map(|n| (HeaderName::from_static(n), HeaderValue::from_static("1")))
            .into_iter()
            .collect();
        let only = Trailers::Announced(vec![HeaderName::from_static("digest")]);
        assert_eq!(only.keep(came.clone()).unwrap().len(), 1);
        assert_eq!(Trailers::Any.keep(came.clone()).unwrap().len(), 2);
        assert_eq!(Trailers::Dropped.keep(came), None);
        assert_eq!(only.keep(HeaderMap::new()), None);
    }
}
