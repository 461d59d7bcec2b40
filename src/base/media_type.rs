//! Media types without their parameters (RFC 9110 section 8.3.1), and whether bytes are what their type says.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// The type before its parameters, in lower case; nothing is said about whether it is one.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a type in lower case is JSON: `application/json` or `application/…+json`.
pub fn is_json(essence: &str) -> bool {
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Whether a type in lower case fits a pattern: the type itself, a whole kind such as `text/*`, or `*/*`.
pub fn fits(pattern: &str, essence: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => essence.split_once('/').is_some_and(|(k, _)| k.eq_ignore_ascii_case(kind)),
        None => pattern.eq_ignore_ascii_case(essence),
    }
}

/// Whether a `Content-Type` is that of a stream without end, which is quiet when there is nothing to tell: server-sent
/// events, JSON line by line, a picture that is replaced again and again, gRPC.
pub fn is_endless(content_type: &str) -> bool {
    const WHOLE: [&str; 6] = [
        "text/event-stream",
        "application/x-ndjson",
        "application/jsonl",
        "application/json-seq",
        "application/grpc",
        "multipart/x-mixed-replace",
    ];
    const GRPC_OF: &str = "application/grpc+";
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let of_grpc = essence.get(..GRPC_OF.len()).is_some_and(|front| front.eq_ignore_ascii_case(GRPC_OF));
    of_grpc || WHOLE.iter().any(|endless| essence.eq_ignore_ascii_case(endless))
}

/// Whether any line of `Content-Encoding` names a coding, so that the bytes are not what their type says (RFC 9110
/// section 8.4).
pub fn is_encoded(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_counts_on_whichever_line_and_at_whichever_place_it_stands() {
        for (lines, encoded) in [
            (&[][..], false),
            (&["identity"], false),
            (&["Identity", ""], false),
            (&["gzip"], true),
            (&["identity", "gzip"], true),
            (&["identity, br"], true),
            (&["", "\u{e9}"], true),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_ENCODING, http::HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            assert_eq!(is_encoded(&headers), encoded, "{lines:?}");
        }
    }

    #[test]
    fn streams_without_end_are_known_by_their_type() {
        for endless in ["text/event-stream", "Text/Event-Stream; charset=utf-8", "application/gRPC+proto"] {
            assert!(is_endless(endless), "{endless}");
        }
        for other in ["", "text/event-streams", "text/plain", "application/json", "application/grpc-web"] {
            assert!(!is_endless(other), "{other}");
        }
    }

    #[test]
    fn a_listed_type_may_be_a_whole_kind() {
        assert!(fits("text/*", "text/plain"));
        assert!(!fits("text/*", "image/png"));
        assert!(fits("*/*", "image/png"));
        assert!(fits("Text/HTML", &essence("text/html; charset=utf-8")));
    }

    #[test]
    fn json_has_a_suffix_too() {
        assert!(is_json("application/json") && is_json("application/problem+json"));
        assert!(!is_json("text/json") && !is_json("application/jsonx") && !is_json(""));
    }
}
