//! The closed sets of a trace: each word is kept as its place in its list. What is written stays readable only while no
//! word moves, so a list grows at its end and never otherwise.

/// The stages of the pipeline, in their order, and what comes after the last of them: the answer on its way.
pub const STAGES: [&str; 19] = [
    "connection",
    "correlation",
    "client",
    "bans",
    "cors",
    "route",
    "on_request",
    "identity",
    "origin",
    "rate_limit",
    "authorise",
    "body",
    "on_body",
    "thresholds",
    "on_upstream",
    "upstream",
    "on_response",
    "on_response_body",
    "answer",
];

/// The place of `answer` among the stages.
pub const ANSWER: u8 = 18;

pub(super) const AUTH: [&str; 5] = ["none", "session", "key", "expired", "invalid"];

pub(super) const BUCKETS: [&str; 2] = ["ip", "user"];

pub(super) const HOOKS: [&str; 8] = [
    "on_request",
    "on_auth",
    "on_body",
    "on_upstream",
    "on_response",
    "on_response_body",
    "on_deny",
    "on_log",
];

pub(super) const OUTCOMES: [&str; 10] =
    ["pass", "allow", "deny", "throttle", "redirect", "challenge", "drop", "score", "tag", "fault"];

pub(super) const MODES: [&str; 2] = ["enforce", "shadow"];

/// Names of headers that may be kept: those that the gateway or a standard knows. A client may name a header as it likes,
/// and a name may say as much of a person as a value; such a one is [`OTHER_NAME`].
pub(super) const HEADERS: [&str; 82] = [
    "host",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-client-cert-subject",
    "x-client-cert-fingerprint",
    "x-pluginmind-assertion",
    "traceparent",
    "tracestate",
    "cookie",
    "accept-encoding",
    "range",
    "if-range",
    "te",
    "connection",
    "upgrade",
    OTHER_NAME,
    "authorization",
    "x-api-key",
    "expect",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "trailer",
    "transfer-encoding",
    "http2-settings",
    "forwarded",
    "x-forwarded",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-real-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "client-ip",
    "x-rewrite-url",
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-original-method",
    "x-original-forwarded-for",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-user",
    "x-user-id",
    "x-user-email",
    "x-auth",
    "x-auth-user",
    "x-auth-roles",
    "x-remote-user",
    "x-webauth-user",
    "x-authenticated-user",
    "remote-user",
    "remote-groups",
    "remote-name",
    "remote-email",
    "remote-addr",
    "proxy",
    "client-cert",
    "client-cert-chain",
    "accept",
    "accept-language",
    "cache-control",
    "content-length",
    "content-type",
    "origin",
    "referer",
    "user-agent",
];

/// What stands for every name that is not in the list.
pub const OTHER_NAME: &str = "(another name)";

/// A set of names of headers, from the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderNames(u128);

impl HeaderNames {
    /// Adds a name, or that there was another one.
    pub fn add(&mut self, name: &str) {
        let other = || HEADERS.iter().position(|known| *known == OTHER_NAME);
        if let Some(place) = HEADERS.iter().position(|known| *known == name).or_else(other) {
            self.0 |= 1 << place;
        }
    }

    /// Adds the name at a place of the list.
    pub const fn add_at(&mut self, place: u8) {
        self.0 |= 1 << place;
    }

    /// How many there are.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Their places in the list, in its order.
    pub(super) fn places(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let place = u8::try_from(left.trailing_zeros()).expect("below 128");
            left &= left - 1;
            Some(place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_client_made_up_is_not_kept() {
        let mut names = HeaderNames::default();
        names.add("x-ann-example-com");
        names.add("te");
        let kept: Vec<_> = names.places().map(|place| HEADERS[usize::from(place)]).collect();
        assert_eq!(kept, ["te", OTHER_NAME]);
        assert_eq!((names.len(), names.is_empty()), (2, false));
    }

    #[test]
    fn every_list_fits_its_byte_and_no_word_stands_twice() {
        let lists: [&[&str]; 7] = [&STAGES, &AUTH, &BUCKETS, &HOOKS, &OUTCOMES, &MODES, &HEADERS];
        for list in lists {
            assert!(list.len() <= 128);
            for (place, word) in list.iter().enumerate() {
                assert_eq!(list.iter().position(|other| other == word), Some(place), "{word}");
            }
        }
        assert_eq!(STAGES[usize::from(ANSWER)], "answer");
    }
}
