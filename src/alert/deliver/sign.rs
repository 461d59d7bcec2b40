//! What proves that a message is the gateway's, and that it is not an old one: HMAC-SHA256 over the time and the body.

use aws_lc_rs::hmac;

use crate::base::text::hex;

/// The header with the time and the signature.
pub const SIGNATURE: &str = "x-pluginmind-signature";
/// The header with the message's id, the same at every try.
pub const EVENT_ID: &str = "x-pluginmind-event-id";

/// `t=SECONDS,v1=HEX`: the signature of `SECONDS.BODY`.
///
/// # Source
/// RFC 2104; the form is the one that Stripe's webhooks made known, so that their verifiers fit.
pub fn signature(secret: &[u8], unix_s: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(unix_s.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    format!("t={unix_s},v1={}", hex(context.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        // python3: hmac.new(b"key", b"1700000000.{}", "sha256").hexdigest()
        let expected = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature(b"key", 1_700_000_000, b"{}"), expected);
    }
}
