//! E-mail addresses as far as access depends on them: strict, and compared in one spelling.
//!
//! # Source
//! RFC 5321 sections 4.1.2 and 4.5.3.1; THREATS OI-09. Quoted and international addresses are refused: nobody can tell
//! by looking whether two of them are the same.

/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 254;

/// The address in lower case, if it is one: exactly one `@`, ASCII, and a domain of dot-separated labels.
pub(super) fn canonical(address: &str) -> Option<String> {
    let (local, domain) = address.split_once('@')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    let local_fits = !local.is_empty() && local.len() <= 64 && local.bytes().all(plain);
    let fits = address.len() <= ADDRESS_BYTES_MAX && local_fits && domain.split('.').all(is_label);
    fits.then(|| address.to_ascii_lowercase())
}

/// Whether a canonical address is one of the listed or in one of the listed domains; with empty lists every one is.
pub(super) fn is_allowed(address: Option<&str>, emails: &[String], domains: &[String]) -> bool {
    if emails.is_empty() && domains.is_empty() {
        return true;
    }
    let Some(address) = address else { return false };
    let Some((_, domain)) = address.split_once('@') else { return false };
    emails.iter().any(|e| e.eq_ignore_ascii_case(address))
        || domains.iter().any(|d| d.eq_ignore_ascii_case(domain))
}

fn is_label(label: &str) -> bool {
    let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (1..=63).contains(&label.len()) && inside && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oi_09_an_address_has_one_at_and_a_plain_domain() {
        assert_eq!(canonical("A.b+c@Company.COM").as_deref(), Some("a.b+c@company.com"));
        for bad in [
            "",
            "a",
            "@company.com",
            "a@",
            "a@evil@company.com",
            "a@company.com.",
            "a@.company.com",
            "a@company..com",
            "\"a b\"@company.com",
            "a b@company.com",
            "a@company.com\n",
            "a@company.com ",
            "a@comp\u{430}ny.com",
            "a@-company.com",
            "a@company.com\0",
            "a@company.com,b@evil.example",
            "<a@company.com>",
            "a@[127.0.0.1]",
        ] {
            assert_eq!(canonical(bad), None, "{bad:?}");
        }
        assert_eq!(canonical(&format!("{}@company.com", "a".repeat(65))), None);
        assert_eq!(canonical(&format!("a@{}.com", "a.".repeat(130))), None);
    }

    #[test]
    fn oi_09_domains_and_addresses_are_compared_whole_and_in_any_case() {
        let (emails, domains) = (vec!["Ada@else.example".to_owned()], vec!["Company.com".to_owned()]);
        let allowed = |address| is_allowed(address, &emails, &domains);
        assert!(allowed(Some("x@company.com")));
        assert!(allowed(Some("ada@else.example")));
        assert!(!allowed(Some("eve@else.example")));
        assert!(!allowed(Some("x@evil-company.com")));
        assert!(!allowed(Some("x@sub.company.com")));
        assert!(!allowed(Some("x@company.com.evil.example")));
        assert!(!allowed(None));
        assert!(is_allowed(None, &[], &[]));
    }
}
