//! Stage 16: the security headers of every answer.
//!
//! # Source
//! OWASP Secure Headers; RFC 6797 (HSTS); CONTRACT section 5.

use http::header::{
    CONTENT_SECURITY_POLICY, Entry, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, SERVER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::config::{Environment, Headers};

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What the gateway's own answers may load: nothing. The sign-in page sets its own.
const OWN_CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The security headers of a snapshot, made into values once.
#[derive(Debug)]
pub struct Hardening {
    override_upstream: bool,
    chosen: Vec<(HeaderName, HeaderValue)>,
    hsts: Option<HeaderValue>,
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The gateway's own: refusals, own endpoints, fixed answers.
    Gateway,
    /// An upstream's.
    Upstream,
}

impl Hardening {
    /// Makes the values; a text that is no header value was refused with the configuration.
    pub fn new(config: &Headers, environment: Environment) -> Self {
        let chosen = [
            (X_FRAME_OPTIONS, &config.frame_options),
            (REFERRER_POLICY, &config.referrer_policy),
            (PERMISSIONS_POLICY, &config.permissions_policy),
        ];
        let chosen = chosen
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .filter_map(|(name, text)| Some((name, HeaderValue::try_from(text.as_str()).ok()?)))
            .collect();
        let max_age = config.hsts_max_age.as_secs();
        let hsts = (environment == Environment::Production && max_age > 0)
            .then(|| HeaderValue::try_from(format!("max-age={max_age}; includeSubDomains")).ok())
            .flatten();
        Self { override_upstream: config.override_upstream, chosen, hsts }
    }

    /// Sets the headers of an answer. `nosniff` and HSTS are always the gateway's; of the rest an upstream's own value
    /// wins unless `headers.override` is set.
    pub fn apply(&self, headers: &mut HeaderMap, author: Author, secure: bool) {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.remove(SERVER);
        match self.hsts.as_ref().filter(|_| secure) {
            Some(hsts) => headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone()),
            None => headers.remove(STRICT_TRANSPORT_SECURITY),
        };
        // A redirect of ours whose address holds a code asks for more than the rest (THREATS OI-15).
        let asks = author == Author::Gateway
            && headers.get(REFERRER_POLICY).is_some_and(|policy| policy == "no-referrer");
        for (name, value) in &self.chosen {
            if asks && *name == REFERRER_POLICY {
                continue;
            }
            if author == Author::Gateway || self.override_upstream {
                headers.insert(name, value.clone());
            } else if let Entry::Vacant(place) = headers.entry(name) {
                place.insert(value.clone());
            }
        }
        if author == Author::Gateway && !headers.contains_key(CONTENT_SECURITY_POLICY) {
            headers.insert(CONTENT_SECURITY_POLICY, OWN_CSP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn hardening(override_upstream: bool, environment: Environment) -> Hardening {
        let config = Headers {
            override_upstream,
            frame_options: "DENY".into(),
            referrer_policy: "no-referrer".into(),
            permissions_policy: "camera=()".into(),
            hsts_max_age: Duration::from_secs(60),
        };
        Hardening::new(&config, environment)
    }

    #[test]
    fn oi_15_an_own_answer_may_ask_that_no_referrer_is_sent_and_for_nothing_weaker() {
        let config = Headers {
            override_upstream: true,
            frame_options: "DENY".into(),
            referrer_policy: "strict-origin".into(),
            permissions_policy: String::new(),
            hsts_max_age: Duration::ZERO,
        };
        for (asked, sent) in [("no-referrer", "no-referrer"), ("unsafe-url", "strict-origin")] {
            let mut headers = HeaderMap::new();
            headers.insert(REFERRER_POLICY, HeaderValue::from_static(asked));
            Hardening::new(&config, Environment::Development).apply(&mut headers, Author::Gateway, false);
            assert_eq!(headers[REFERRER_POLICY], sent);
        }
    }

    #[test]
    fn hb_09_an_upstream_keeps_its_own_frame_policy_but_not_its_hsts_server_or_sniffing() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=0"));
        headers.insert(SERVER, HeaderValue::from_static("nginx"));
        let mut overridden = headers.clone();
        hardening(false, Environment::Production).apply(&mut headers, Author::Upstream, true);
        assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN");
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=60; includeSubDomains");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(SERVER));
        assert!(!headers.contains_key(CONTENT_SECURITY_POLICY));
        hardening(true, Environment::Production).apply(&mut overridden, Author::Upstream, false);
        assert_eq!(overridden[X_FRAME_OPTIONS], "DENY");
        assert!(!overridden.contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn hsts_is_sent_only_in_production_and_only_over_https() {
        for (environment, secure, sent) in [
            (Environment::Production, true, true),
            (Environment::Production, false, false),
            (Environment::Development, true, false),
        ] {
            let mut headers = HeaderMap::new();
            hardening(false, environment).apply(&mut headers, Author::Gateway, secure);
            assert_eq!(headers.contains_key(STRICT_TRANSPORT_SECURITY), sent);
            assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
        }
    }
}
