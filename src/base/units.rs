//! Durations (`"30s"`, `"24h"`) and sizes (`"1 MiB"`) as people write them.

use std::time::Duration;

/// Reads a duration: a whole number and one of `ms s m h d`, the space optional.
///
/// # Errors
/// A sentence that says which form is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let n: u64 =
        number.parse().map_err(|_| format!("`{text}` is not a duration such as \"30s\" or \"24h\""))?;
    let scale_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("`{text}` needs a unit: ms, s, m, h or d")),
    };
    n.checked_mul(scale_ms)
        .filter(|ms| *ms <= 3_650 * 86_400_000)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is longer than ten years"))
}

/// Reads a size in bytes: `1 MB` is 10^6, `1 MiB` is 2^20, a bare number is bytes, the space optional.
///
/// # Errors
/// A sentence that says which form is expected.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let n: u64 =
        number.parse().map_err(|_| format!("`{text}` is not a size such as \"1 MB\" or \"64 KiB\""))?;
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(format!("`{text}` needs a unit: B, KB, MB, GB, KiB, MiB or GiB")),
    };
    n.checked_mul(scale)
        .filter(|bytes| *bytes <= 1 << 40)
        .ok_or_else(|| format!("`{text}` is more than a terabyte"))
}

/// Writes a duration in the largest unit that divides it.
pub fn show_duration(d: Duration) -> String {
    let ms = d.as_millis();
    for (scale, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms >= scale && ms.is_multiple_of(scale) {
            return format!("{}{unit}", ms / scale);
        }
    }
    format!("{ms}ms")
}

/// Writes a size in the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    let units: [(u64, &str); 6] = [
        (1 << 30, "GiB"),
        (1_000_000_000, "GB"),
        (1 << 20, "MiB"),
        (1_000_000, "MB"),
        (1 << 10, "KiB"),
        (1_000, "KB"),
    ];
    for (scale, unit) in units {
        if bytes >= scale && bytes.is_multiple_of(scale) {
            return format!("{} {unit}", bytes / scale);
        }
    }
    format!("{bytes} B")
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("250 ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("24h"), Ok(Duration::from_secs(86_400)));
        for bad in ["", "30", "s", "-1s", "1.5h", "1w", "99999999999999999999s", "4000d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_know_decimal_and_binary_units() {
        assert_eq!(parse_size("1 MB"), Ok(1_000_000));
        assert_eq!(parse_size("1MiB"), Ok(1 << 20));
        assert_eq!(parse_size("512"), Ok(512));
        for bad in ["", "MB", "1 XB", "-1", "99999999 GB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for d in [1u64, 999, 1_000, 60_000, 90_000, 86_400_000] {
            let d = Duration::from_millis(d);
            assert_eq!(parse_duration(&show_duration(d)), Ok(d));
        }
        for s in [0u64, 1, 1_000, 1_024, 1_000_000, 1 << 20, 1_500] {
            assert_eq!(parse_size(&show_size(s)), Ok(s));
        }
    }
}
