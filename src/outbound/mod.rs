//! Floor 2: requests that the gateway makes on its own behalf, to hosts that an operator named.
//!
//! Everything has an end: the time to connect, the time of the whole exchange, the bytes of the answer. Nothing is
//! followed (redirects), guessed (proxies from the environment) or unpacked (compressed answers). Addresses where clouds
//! hand out credentials are never spoken to, whatever name leads there.
//!
//! # Source
//! THREATS RT-16, JK-07, OI-11 and lesson 12.

mod client;
mod peer;
mod trust;
mod url;

pub use client::{Answer, Client, Failure, Limits};
pub use peer::is_forbidden;
pub use trust::{BadTrust, Trust};
pub use url::{BadUrl, PlainHttp, Url};

#[cfg(test)]
mod tests;
