//! The two forms that numbers are read in, and which of them a reader prefers.
//!
//! # Source
//! Prometheus exposition formats, text format 0.0.4; OpenMetrics 1.0.0; RFC 9110 section 12.5.1 (Accept).

/// A form that numbers are read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// The text format of Prometheus.
    Text,
    /// OpenMetrics, which has exemplars.
    OpenMetrics,
}

impl Exposition {
    /// The form that an `Accept` header prefers: OpenMetrics only for who names it, and likes it no less than text.
    pub fn preferred(accept: &str) -> Self {
        let (mut open, mut text) = (0.0, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once('=')).collect();
            let value = |name: &str| {
                let found = parameters.iter().find(|(n, _)| n.trim().eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.trim().trim_matches('"'))
            };
            let weight: f32 = value("q").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            match media_type.as_str() {
                "application/openmetrics-text" if value("version").is_none_or(|v| v == "1.0.0") => {
                    open = weight.max(open);
                }
                "text/plain" => text = weight.max(text),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A number as both forms write it.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// The value of a label, quoted as both forms want it.
pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        for prometheus in [
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8",
            "text/plain;q=0.5, Application/OpenMetrics-Text;q=0.5",
        ] {
            assert_eq!(Exposition::preferred(prometheus), Exposition::OpenMetrics, "{prometheus}");
        }
        for other in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            "application/openmetrics-text;q=0.2,text/plain;q=0.5",
        ] {
            assert_eq!(Exposition::preferred(other), Exposition::Text, "{other}");
        }
    }

    #[test]
    fn numbers_that_are_none_have_names() {
        assert_eq!(
            [0.5, 3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number).join(" "),
            "0.5 3 NaN +Inf -Inf"
        );
    }
}
