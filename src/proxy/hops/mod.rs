//! What ends at this hop: which headers of a request go upstream, which of a response come back, and what the
//! gateway sets. Pure: headers in, headers out.
//!
//! # Source
//! RFC 9110 section 7.6.1 (Connection), RFC 9110 section 6.5.1 (trailers); THREATS section HB.

mod address;
mod cookies;
mod names;
mod request;
mod response;
mod trace;
mod trailers;

pub use cookies::{CONSOLE_COOKIE, LOGIN_COOKIES};
pub use request::{Credential, Forward, Identity, check_request, forward_request, tell_identity};
pub use response::clean_response;
pub use trace::Trace;
pub use trailers::{clean_trailers, may_trail};

use http::{HeaderMap, header};

/// The names that the `Connection` headers list: in lower case and sorted, for a long list must not cost the product
/// of its length and the number of headers.
fn listed(headers: &HeaderMap) -> Listed {
    let lines = headers.get_all(header::CONNECTION);
    let tokens = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let names = tokens.map(str::trim).filter(|token| !is_option(token));
    let mut names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
    names.sort_unstable();
    Listed(names)
}

/// Whether it is an option of the connection itself, or nothing: mostly there is no other, and no list to keep.
fn is_option(token: &str) -> bool {
    token.is_empty() || ["close", "keep-alive", "upgrade"].iter().any(|o| token.eq_ignore_ascii_case(o))
}

/// The names of a `Connection` list.
struct Listed(Vec<String>);

impl Listed {
    fn has(&self, name: &str) -> bool {
        !self.0.is_empty() && self.0.binary_search_by(|listed| listed.as_str().cmp(name)).is_ok()
    }
}
