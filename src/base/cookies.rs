//! The pairs of a `Cookie` line.

use memchr::memchr;

/// What stands between the semicolons, blanks and all. By `memchr`, for a line is some 400 bytes and has few.
///
/// # Source
/// RFC 6265 section 4.2.1.
pub fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = memchr(b';', line);
        rest = end.map(|end| &line[end + 1..]);
        Some(&line[..end.unwrap_or(line.len())])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pairs_are_what_stands_between_semicolons(line in "[;=a ]{0,12}") {
            let split: Vec<_> = line.as_bytes().split(|b| *b == b';').collect();
            prop_assert_eq!(pairs(line.as_bytes()).collect::<Vec<_>>(), split);
        }
    }
}
