//! Judges a text that a client chose: does it look like an injection? Each class has its own small judge; the policy
//! (which inputs, which thresholds, which exceptions) is a plugin's.
//!
//! A judge adds weights. [`ENOUGH`] is what one clear construct weighs; hints weigh less and must come together. What
//! distinguishes an attack from a text about one is structure: it breaks out of a quote or a tag, or it is the whole
//! value. So that is what the judges look at, and single words weigh nothing.

mod code;
mod command;
mod decode;
mod markup;
mod patterns;
mod sql;
mod traversal;

pub(super) use self::markup::is_xss;
pub(super) use self::sql::is_sqli;

use self::decode::Decoded;
use crate::base::text::cut;

/// The weight of one clear construct.
pub(super) const ENOUGH: u8 = 5;
/// The most bytes of one text that are judged.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most bytes of a text that the tokenizing judges look at.
const TOKEN_BYTES_MAX: usize = 4 << 10;

/// Where a text stands in the request: what is a line of prose in a body may split a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Path, query, header or cookie.
    Head,
    /// A field of a form.
    Form,
    /// A text of any other body.
    Body,
}

/// The weights of one text, or the highest of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    pub sqli: u8,
    pub xss: u8,
    pub traversal: u8,
    pub command: u8,
    pub code: u8,
}

impl Weights {
    /// Takes the higher weight of each class.
    pub fn raise(&mut self, other: Self) {
        self.sqli = self.sqli.max(other.sqli);
        self.xss = self.xss.max(other.xss);
        self.traversal = self.traversal.max(other.traversal);
        self.command = self.command.max(other.command);
        self.code = self.code.max(other.code);
    }
}

/// Judges one text as it came: percent-encoded where it stood in a target or a form.
pub(super) fn judge(raw: &str, place: Place) -> Weights {
    if is_plain(raw) {
        return Weights::default();
    }
    let raw = cut(raw, TEXT_BYTES_MAX);
    let decoded = Decoded::new(raw, place != Place::Body);
    let mut weights = weigh(&decoded, place);
    if let Some(inner) = decode::base64_text(raw) {
        weights.raise(weigh(&Decoded::new(&inner, false), place));
    }
    weights
}

/// Compiles every table, so that no request pays for it.
pub(super) fn warm() {
    for text in ["' or 1=1 -- <a href=x>;../../x`$(y)", "x/**/=(1)"] {
        judge(text, Place::Head);
    }
}

fn weigh(text: &Decoded, place: Place) -> Weights {
    Weights {
        sqli: sql::weigh(text),
        xss: markup::weigh(text),
        traversal: traversal::weigh(text, place),
        command: command::weigh(text),
        code: code::weigh(text, place),
    }
}

/// Whether there is nothing to judge: letters, digits and single dots, dashes and underscores make no construct.
pub(super) fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    bytes.len() < 64 && bytes.iter().all(plain) && !text.contains("..")
        // A short plain text may still be a coded one.
        && (bytes.len() < 12 || !decode::may_be_base64(bytes))
}
