//! Where a key may stand in a request: `Authorization: Bearer KEY` or `X-Api-Key: KEY`. Nowhere else: not in the query, not
//! in a cookie, not in a body.
//!
//! # Source
//! RFC 9110 section 11.1 (the scheme in any case), RFC 6750 section 2.1; THREATS row JW-14.

use http::{HeaderMap, HeaderName, header};

const SCHEME: &str = "bearer";
static AUTHORIZATION: HeaderName = header::AUTHORIZATION;
static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Which header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `Authorization`.
    Authorization,
    /// `X-Api-Key`.
    XApiKey,
}

impl Header {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Authorization, Self::XApiKey];

    /// Its name.
    pub const fn field(self) -> &'static HeaderName {
        match self {
            Self::Authorization => &AUTHORIZATION,
            Self::XApiKey => &X_API_KEY,
        }
    }
}

/// What a header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No such header, or an `Authorization` of another scheme, which is for the upstream.
    Absent,
    /// What cannot be a key, whatever it says: more than one word, another separator, no text, two lines.
    Malformed,
    /// One word.
    One(&'a str),
}

/// What a request presents in one of the two headers.
pub fn presented(headers: &HeaderMap, header: Header) -> Presented<'_> {
    let mut lines = headers.get_all(header.field()).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Presented::Absent,
        (Some(line), None) => line.as_bytes(),
        (Some(_), Some(_)) => return Presented::Malformed,
    };
    let word = match header {
        Header::XApiKey => line,
        Header::Authorization => {
            let Some((scheme, rest)) = line.split_at_checked(SCHEME.len()) else { return Presented::Absent };
            if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
                return Presented::Absent;
            }
            match rest.split_first() {
                Some((b' ', word)) => word,
                // `Bearerx` is another scheme; `Bearer,x` and a bare `Bearer` are this one, badly written.
                Some((b, _)) if is_scheme_byte(*b) => return Presented::Absent,
                _ => return Presented::Malformed,
            }
        }
    };
    match std::str::from_utf8(word) {
        Ok(word) if !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && b != b',') => {
            Presented::One(word)
        }
        _ => Presented::Malformed,
    }
}

/// Every word of one of the two headers, however badly it is written: what is looked through so that no key goes further.
pub fn words(headers: &HeaderMap, header: Header) -> impl Iterator<Item = &str> {
    let ends = |b: &u8| !b.is_ascii_graphic() || b",;=\"".contains(b);
    let lines = headers.get_all(header.field()).iter();
    lines.flat_map(move |line| line.as_bytes().split(ends)).filter_map(|word| std::str::from_utf8(word).ok())
}

/// Whether a byte belongs to a scheme's name (RFC 9110 section 5.6.2).
fn is_scheme_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn bearer(lines: &[&'static str]) -> Presented<'static> {
        let headers =
            lines.iter().map(|l| (http::header::AUTHORIZATION, HeaderValue::from_static(l))).collect();
        presented(Box::leak(Box::<HeaderMap>::new(headers)), Header::Authorization)
    }

    #[test]
    fn jw_14_a_bearer_credential_is_one_word_after_one_space() {
        for line in ["Bearer x", "bearer x", "BEARER x"] {
            assert_eq!(bearer(&[line]), Presented::One("x"), "{line}");
        }
        for line in [
            "Bearer",
            "Bearer ",
            "Bearer  x",
            "Bearer x y",
            "Bearer,x",
            "Bearer x,y",
            "Bearer\tx",
            "Bearer x ",
        ] {
            assert_eq!(bearer(&[line]), Presented::Malformed, "{line:?}");
        }
        assert_eq!(bearer(&["Bearer x", "Bearer x"]), Presented::Malformed);
    }

    #[test]
    fn another_scheme_is_the_upstreams_business() {
        for line in ["Basic YTpi", "", "x", "Bearerx y", "Digest username=\"a\""] {
            assert_eq!(bearer(&[line]), Presented::Absent, "{line}");
        }
    }

    #[test]
    fn a_key_of_its_own_header_is_one_word_too() {
        let of = |lines: &[&'static str]| {
            let headers: HeaderMap = lines
                .iter()
                .map(|l| (HeaderName::from_static("x-api-key"), HeaderValue::from_static(l)))
                .collect();
            format!("{:?}", presented(&headers, Header::XApiKey))
        };
        assert_eq!(of(&[]), "Absent");
        assert_eq!(of(&["x"]), "One(\"x\")");
        for lines in [&[""][..], &["a b"], &["a,b"], &["a", "a"]] {
            assert_eq!(of(lines), "Malformed", "{lines:?}");
        }
    }
}
