//! Path traversal and reading of files that are not the application's to show.

use std::sync::LazyLock;

use super::Place;
use super::decode::Decoded;
use super::patterns::Table;

/// Files that are worth a look to attackers only.
const TARGETS: &str = r"(?:etc/(?:passwd|shadow|group|hosts|issue|crontab|ssh/|apache2?/|nginx/|httpd/|mysql/|my\.cnf|fstab|sudoers|motd|resolv\.conf|os-release|profile|redis|vsftpd)|proc/(?:self|version|cpuinfo|\d+)\b|win(?:dows|nt)?/(?:win\.ini|system32|system\.ini|repair|panther|php\.ini)|boot\.ini|windows/system|wp-config|web\.config|web-inf|meta-inf|id_[rd]sa\b|\.(?:env|git/\w|svn/\w|htaccess|htpasswd|aws/\w|ssh/\w|bash_history|bashrc|npmrc|docker/)|ntuser\.dat|var/log/\w|var/www/|usr/local/\w|opt/\w+/|autoexec\.bat|inetpub|config\.(?:php|inc)|database\.yml|settings\.py|application\.(?:properties|yml)|passwd\b|shadow\b|/dev/(?:random|zero|urandom))";

static PATHS: LazyLock<Table> = LazyLock::new(|| {
    let up_to_target = format!(r"\.\./.*{TARGETS}");
    let whole_target = format!(r"^[\s'\x22(]*(?:file:/*|[a-z]:)?/+(?:[\w.~-]*/)*{TARGETS}[\w./-]*\W*$");
    let target = format!(r"(?:^|[\s/=:]){TARGETS}");
    Table::new(&[
        (5, &up_to_target),
        (5, &whole_target),
        (2, &target),
        (4, r"(?:\.\./+){3,}"),
        (2, r"(?:\.\./+){4,}"),
        (3, r"^\W*(?:\.\./+){2,}[\w.-]*$"),
        (5, r"\.{4,}/{1,}\.|\.\.;/|(?:\.\./\./){2,}|\.\.//+\.\.|(?:\.\.\.+/+){2,}"),
        (
            5,
            r"\bphp://(?:filter|input|memory|temp|stdin)|\b(?:expect|phar|zlib|compress\.zlib|ogg|rar|ssh2(?:\.\w+)?|netdoc|gopher|dict)://|\bzip://.{1,80}#|\bjar:(?:file|https?):",
        ),
        (5, r"^\W*file:/{1,3}"),
        (3, r"\bfile:///"),
        (
            5,
            r"169\.254\.169\.254|\bmetadata\.google\.internal|/latest/meta-data|100\.100\.100\.200/latest|/computemetadata/",
        ),
        (5, r"//[\w.:-]+/[a-z]\$/|^\W*[a-z]:/+(?:windows|winnt|boot|users|inetpub|xampp|wamp|program files)"),
        (
            5,
            r"^https?://(?:0x7f|2130706433|0177\.|127\.1(?:[:/]|$)|\[::(?:1|ffff:)|0(?:[:/]|$)|localhost\.localdomain)",
        ),
        (3, r"\.(?:php|jsp|asp|cgi|html?)\x00|\x00\.(?:jpg|png|gif|html?|php)"),
    ])
});

/// What is a name of a file in a body, and somebody's interest in it in a head.
static NAMES: LazyLock<Table> =
    LazyLock::new(|| Table::new(&[(5, &format!(r"^\W*(?:[\w.~-]*/)*{TARGETS}[\w./-]*\W*$"))]));

static RAW: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (5, r"(?:%25(?:25)*2e){2}|\.%25(?:25)*2e|%25(?:25)*2e\."),
        (5, r"%c0%a[ef]|%c1%9c|%u002e|%u2215|%u2216|%uff0e|%e0%80%ae|%25c0%25af|%252f\.\.|\.\.%25(?:2f|5c)"),
        (3, r"(?:\.|%2e){2}(?:%2f|%5c)(?:\.|%2e){2}|%2e%2e[/\\]%2e%2e|%2e%2e%2f"),
    ])
});

/// The weight of a text as path traversal.
pub(super) fn weigh(text: &Decoded, place: Place) -> u8 {
    let mut weight = if text.raw.contains('%') { RAW.weigh(text.raw.as_bytes()) } else { 0 };
    let path = text.lines.replace('\\', "/");
    if path.contains(['/', '.', '\0']) {
        if place == Place::Head {
            weight = weight.saturating_add(NAMES.weigh(path.trim().as_bytes()));
        }
        // A NUL ends the path for what reads it.
        weight = weight.saturating_add(PATHS.weigh(path.trim().as_bytes()));
        if text.raw.contains("%00") && weight > 0 {
            weight += 3;
        }
    }
    weight
}
