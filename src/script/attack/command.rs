//! Command injection: a separator or a substitution, and a command with an argument that no prose has.

use std::sync::LazyLock;

use super::decode::Decoded;
use super::patterns::Table;

/// Commands that are no words of a language.
const STRONG: &str = r"(?:wget|whoami|uname|ifconfig|ipconfig|nslookup|getent|systeminfo|tasklist|netstat|certutil|bitsadmin|wmic|mshta|rundll32|cscript|useradd|chmod|chown|mkfifo|busybox|lsof|netsh|icacls|traceroute|tracert|printenv|tcpdump|nmap|setenforce|phpinfo)";
/// Commands that may be words.
const WEAK: &str = r"(?:cat|ls|id|curl|nc|ncat|netcat|ping6?|dig|bash|sh|zsh|ksh|dash|csh|python[\d.]*|perl|ruby|php\d?|powershell|pwsh|cmd|dir|type|net|arp|route|ps|echo|printf|sleep|rm|mv|cp|kill|touch|mkdir|tftp|ftp|telnet|ssh|scp|socat|openssl|base64|xxd|awk|gawk|sed|grep|find|head|tail|more|less|tac|nl|od|env|set|export|host|hostname|reg|crontab|passwd|sudo|su|which|man|df|du|mount|w|who|last|pwd|date|reboot|shutdown|halt|xterm|lua|node|java|gcc|make|tee|dd|sort|uniq|wc|cut|timeout|eval|exec|source|ver|start|copy|del|at|sc|history|finger|nohup|xargs|tar|zip|unzip|gzip|rsync|git|svn|strings|diff|file|stat|expr|read|test|ln|hexdump|rev|vi|vim|nano|ed|apt(?:-get)?|yum|pip|npm|docker|kubectl|mysql|psql|sqlite3|mail|sendmail|whois|cal|uptime|free|top|groups|users|set)";
/// Arguments that make a command of a word.
const ARGUMENT: &str = r#"(?:\s+(?:-{1,2}\w|/[\w.?*]|\.{1,2}(?:/|\s|$)|~|\$|['"`(<>|&;]|\d+(?:\s|$|\W)|[\w.-]+\.(?:sh|py|pl|rb|php|exe|bat|ps1|txt|ini|conf|cfg|log|com|net|org|io|html?)\b|https?:|user\b|localgroup\b|[\w.-]*/|\*)|\s*\d*[<>])"#;
/// Commands that say something without an argument.
const ALONE: &str = r"(?:id|ls|ps|env|pwd|dir|df|hostname|uptime|ver|reboot)";
/// First words of lines that people paste from a shell.
const PASTED: [&str; 10] =
    ["cd ", "npm ", "git ", "docker ", "pip ", "make ", "cargo ", "yarn ", "brew ", "apt "];
/// Where binaries stand.
const BINARIES: &str = r"(?:/(?:usr/)?(?:local/)?s?bin/)?";

static SHELL: LazyLock<Table> = LazyLock::new(|| {
    let strong = format!(r"(?:[;|\n`(]|&&?|\$\()\s*{BINARIES}{STRONG}(?:\.exe)?(?:\s|[;|&`)<>]|$)");
    let weak = format!(r"(?:[;|\n]|&&|(?:^|\s)&\s|&\s+)\s*{BINARIES}{WEAK}(?:\.exe)?{ARGUMENT}");
    let alone = format!(r"(?:[;|\n]|&&|(?:^|\s)&\s)\s*{BINARIES}{ALONE}(?:\.exe)?\s*(?:$|[;|&`<>)])");
    let first = format!(r"^\s*[;|&\n]+\s*{BINARIES}(?:{WEAK}|{STRONG})(?:\.exe)?(?:\s+\S|\s*$|\s*[;|&<>`])");
    let glued = format!(
        r#"[\w'"./=)\]}}-]\s*(?:;|\|\|?|&&)\s*{BINARIES}{WEAK}(?:\.exe)?\s+(?:-\w|/\w|\.\./|\$|https?:|\d+\.\d+\.\d+\.\d+)"#
    );
    let substitution = format!(
        r"\$\(\s*{BINARIES}(?:{WEAK}|{STRONG})\b(?:\s[^()]{{0,200}})?\)|[<>]\(\s*{BINARIES}(?:{WEAK}|{STRONG})\b"
    );
    let ticks = format!(r"(?:[^\s`]|^)`\s*{BINARIES}(?:{WEAK}|{STRONG})\b[^`]*`(?:[^\s.,;:!?)]|$)");
    Table::new(&[
        (5, &strong),
        (5, &weak),
        (5, &alone),
        (5, &first),
        (5, &glued),
        (5, &substitution),
        (5, &ticks),
        (5, r"/dev/(?:tcp|udp)/"),
        (4, r"\b(?:nc|ncat|netcat)\b\s+(?:-\w+\s+)*[\w.]+\s+\d{2,5}\b.{0,20}(?:-e\b|/bin|\||<|$)"),
        (
            3,
            r"(?:^|[\s|;&`'\x22(/])/?(?:usr/)?bin/(?:ba|z|da|k|c|tc)?sh\b|(?:^|[\s'\x22=])/(?:usr/)?s?bin/\w+\s",
        ),
        (3, r"\b(?:ba|z)?sh\s+-[ci]\b"),
        (3, r"\d>\s*&\s*\d"),
        (
            5,
            r"\bcmd(?:\.exe)?\s*/[ck]\b|\bpowershell(?:\.exe)?\s+-\w|\bset\s+/a\b|%(?:systemroot|comspec|windir)%|\bcertutil\s+-\w",
        ),
        (5, r"/[?*]{1,3}\w*/[\w?*]*[?*]{2,}|/\w*\[\w\]\w*/\w*\[?\w"),
        (3, r"\bcurl\s+(?:-\w+\s+)*(?:https?://|\$\()\S+\s*\|\s*(?:ba)?sh"),
        (5, r"\brm\s+-(?:rf|fr)\s+/"),
        (
            5,
            r"^\s*(?:cat|ls|tac|head|tail|nl|more|less|find|strings|type|dir)\s+(?:-\w+\s+)*(?:/\S*|[a-z]:\\?\S*)\s*$",
        ),
        (5, r"^\s*(?:curl|wget)\s+(?:-\w+\s+)*https?://\S+\s*$"),
        (5, r#"\b(?:perl|ruby|node)\s+-e\s*['"]|\bpython[\d.]*\s+-c\s*['"]|\bphp\s+-r\s*['"]"#),
        (
            5,
            r"\b(?:nc|ncat|netcat)\s+(?:-\w+\s+|\S+\s+){0,4}-\w*e\s+\S*(?:sh|cmd)|\bnet\s+(?:user|localgroup)\s+\w+.{0,60}/add\b",
        ),
        (5, r"\$\(\s*`|(?:^|\s)/\w*\?+\w*/[\w?]*[\w?]+(?:\s|$)|(?:^|\s)/\w\*\w/\*\w"),
        (
            4,
            r"^\s*(?:/(?:usr/)?s?bin/\w+|(?:cat|ls|tac|head|tail)\s+/\w|ping\s+-\w\s+\d|(?:wget|curl)\s+(?:-\w+\s+)*https?://)",
        ),
        (2, r"\|\|?\s*\w*$"),
        (3, r"-{1,2}(?:exec|use-askpass|upload-pack|config-file)=\W?\w"),
    ])
});

static RAW: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (5, r"\$\{?ifs\b"),
        (5, r"\$\(\(\s*\d+\s*[*+]\s*\d+|\bexpr\s+\d+\s*[*+]\s*\d+|\bset\s+/a\s+\d"),
        (3, r"(?:^|[\s;|&/])\w+'\w*'\w+\s+/|(?:^|[\s;|&])\w+\\\w+\s+/|/\w*'\w+/\w*'"),
        (3, r"\$\{(?:path|home|pwd|shell|hostname)[:}]|\$\{\w+:\d+:\d+\}|\$'\\x"),
        (5, r"\{\w+,(?:-\w+,)?/[\w/.]+\}"),
    ])
});

/// The weight of a text as command injection.
pub(super) fn weigh(text: &Decoded) -> u8 {
    let lines = text.lines.as_str();
    if !lines.contains(['|', ';', '&', '`', '$', '/', '\n', '>', '%', '-', '(']) {
        return 0;
    }
    let shell = text.shell.trim_end();
    let pasted = PASTED.iter().any(|word| lines.starts_with(word));
    let weight = SHELL.weigh(shell.as_bytes()).saturating_add(RAW.weigh(lines.as_bytes()));
    // A separator at the very start may have been trimmed as white space.
    if weight == 0 && text.raw.starts_with("%0a") {
        return SHELL.weigh(format!("\n{}", shell.trim_start()).as_bytes());
    }
    if pasted { weight.saturating_sub(super::ENOUGH) } else { weight }
}
