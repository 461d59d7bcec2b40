//! Serialised origins, as a browser writes them in `Origin`.
//!
//! # Source
//! RFC 6454 section 6.2; the Fetch standard, "serializing a request origin".

use crate::base::target::Host;

/// Reads `scheme://host[:port]` in the one form that a browser sends, so that bytes can be compared.
///
/// # Errors
/// A sentence that says what is not as a browser writes it.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    match text {
        "*" => {
            return Err("`*` never goes with cookies, which the gateway uses: list each origin \
                        (did you mean \"http://localhost:3000\"?)"
                .to_owned());
        }
        "null" => return Err("`null` is the origin of every sandboxed page: it cannot be trusted".to_owned()),
        _ => {}
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(|| not_an_origin(text))?;
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(format!("`{scheme}` is no scheme of an origin: `http` or `https`, in lower case")),
    };
    if rest.contains('@') {
        return Err("an origin has no user name".to_owned());
    }
    if let Some((authority, _)) = rest.split_once(['/', '?', '#']) {
        return Err(format!("an origin has no path and no closing `/`: write \"{scheme}://{authority}\""));
    }
    if !rest.is_ascii() {
        return Err(format!("`{text}` must be written as browsers send it: in ASCII (`xn--…`)"));
    }
    let host = Host::parse(rest).map_err(|_| not_an_origin(text))?;
    let port = host.port().filter(|p| *p != default_port);
    let exact = port
        .map_or_else(|| format!("{scheme}://{}", host.name()), |p| format!("{scheme}://{}:{p}", host.name()));
    if exact == text {
        Ok(exact)
    } else {
        Err(format!("`{text}` is not as browsers send it: write \"{exact}\""))
    }
}

fn not_an_origin(text: &str) -> String {
    format!("`{text}` is not an origin such as \"https://app.example.com\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_as_browsers_send_it() {
        for good in ["http://localhost:3000", "https://app.example.com", "https://[::1]:8443", "http://a:443"]
        {
            assert_eq!(parse_origin(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn an_origin_in_any_other_form_is_refused_with_the_right_one() {
        for (bad, hint) in [
            ("https://app.example.com/", "\"https://app.example.com\""),
            ("https://app.example.com/x?y", "\"https://app.example.com\""),
            ("https://App.Example.com", "\"https://app.example.com\""),
            ("https://app.example.com:443", "\"https://app.example.com\""),
            ("http://app.example.com.", "\"http://app.example.com\""),
            ("HTTPS://app.example.com", "lower case"),
            ("app.example.com", "is not an origin"),
            ("https://*.example.com", "is not an origin"),
            ("https://", "is not an origin"),
            ("https://a:99999", "is not an origin"),
            ("https://u:p@a", "no user name"),
            ("https://é.example", "xn--"),
            ("file:///x", "no scheme"),
            ("null", "sandboxed"),
            ("*", "list each origin"),
            ("", "is not an origin"),
        ] {
            let why = parse_origin(bad).unwrap_err();
            assert!(why.contains(hint), "{bad}: {why}");
        }
    }
}
