//! Stage 8, the machines' half: an API key in `Authorization: Bearer` or `X-Api-Key`.

use std::sync::Arc;

use http::HeaderMap;

use crate::auth::api_key::{Header, Presented, presented, words};
use crate::auth::{ApiKey, Auth, Reason};
use crate::base::refusal::Refusal;
use crate::proxy::hops::Credential;

const TWO_KEYS: Refusal = Refusal::BadRequest("The request carries two different API keys.");

/// What the two headers of a request say.
pub struct Shown {
    /// The key that is good now, or why there is none.
    pub key: Result<Arc<ApiKey>, Reason>,
    /// The headers that hold a key of ours, good or not: such a one goes no further.
    pub withheld: Vec<Credential>,
}

/// Looks at both headers. On a route that takes no keys a key is as good as none, and still goes no further.
///
/// # Errors
/// 400 for two good keys that are not the same.
pub fn look(headers: &HeaderMap, auth: &Auth, now_ms: i64, takes_keys: bool) -> Result<Shown, Refusal> {
    let mut shown = Shown { key: Err(Reason::Missing), withheld: Vec::new() };
    if !Header::ALL.iter().any(|header| headers.contains_key(header.field())) {
        return Ok(shown);
    }
    for header in Header::ALL {
        let genuine = match presented(headers, header) {
            Presented::One(text) => auth.keys.genuine(text),
            Presented::Absent | Presented::Malformed => None,
        };
        let hidden = || words(headers, header).any(|word| auth.keys.genuine(word).is_some());
        if genuine.is_some() || hidden() {
            shown.withheld.push(credential(header));
        }
        if !takes_keys {
            continue;
        }
        let found = match (genuine, presented(headers, header)) {
            (Some(key), _) => auth.admit_key(&key, now_ms).map(|()| key),
            (None, Presented::Absent) => Err(Reason::Missing),
            (None, _) => Err(Reason::Invalid),
        };
        shown.key = match (shown.key, found) {
            (Ok(one), Ok(other)) if one.id() != other.id() => return Err(TWO_KEYS),
            (Ok(one), _) => Ok(one),
            (Err(_), Ok(other)) => Ok(other),
            (Err(Reason::Missing), Err(why)) | (Err(why), Err(_)) => Err(why),
        };
    }
    Ok(shown)
}

fn credential(header: Header) -> Credential {
    match header {
        Header::Authorization => Credential::Authorization,
        Header::XApiKey => Credential::ApiKey,
    }
}
