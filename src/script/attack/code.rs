//! Injections into everything else that reads texts as a language: templates, expressions, objects, documents, heads.

use std::sync::LazyLock;

use super::Place;
use super::decode::Decoded;
use super::patterns::Table;

static CODE: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        // log4j, and what hides it
        (
            5,
            r"\$\{\s*(?:jndi|(?:lower|upper|env|sys|java|date|ctx|main|base64)\s*:|::-)|\$\{[^}]{0,60}j[^}]{0,20}ndi:|\bjndi:(?:ldaps?|rmi|dns|nis|iiop|corba|nds|https?):",
        ),
        // templates
        (5, r#"(?:\{\{|\$\{|#\{|<%=?|\{%|\*\{|@\()\s*['"]?\d+['"]?\s*[*+]\s*['"]?\d+"#),
        (
            5,
            r#"\{\{\s*(?:config\b|self\b|request\b|''|""|\[\]|\(\)|_self|cycler|joiner|lipsum|namespace|get_flashed|url_for|\w+\.__|\[)"#,
        ),
        (5, r"__(?:mro|subclasses|globals|builtins|bases)__|\{\{[^}]*__\w+__"),
        (3, r"__(?:class|import|reduce)__\s*[(.\[]"),
        (
            5,
            r"\$\{\s*(?:t\s*\(|new\s+\w|@|#|\w+\.getclass|pagecontext|applicationscope|\w+\.(?:exec|class)\b)|\$\{\{|<#assign|freemarker\.template|\bvelocitycount\b|#set\s*\(\s*\$|\{php\}|\{\{php|\{%\s*(?:import|debug)\b",
        ),
        // expression languages of Java
        (
            5,
            r"%\{\s*\(?\s*[#@\d]|#_memberaccess|#context\b|@java\.|\bjava\.lang\.(?:runtime|processbuilder|system|class)\b|runtime\s*\.\s*getruntime|\bnew\s+java\.|\bclass\.module\.classloader",
        ),
        // shellshock
        (5, r"\(\s*\)\s*\{\s*[^}]{0,20};\s*\}\s*;"),
        // objects
        (
            5,
            r#"\b[oc]:\d{1,4}:"[\w\\]+":\d+:\{|\ba:\d+:\{[is]:\d|^ro0ab|\baced0005|!!python/|!ruby/(?:object|hash)|_\$\$nd_func\$\$_|\btypenamehandling\b|\$type["']?\s*:\s*["']system\.|"@type"\s*:\s*"(?:com\.|java|org\.)"#,
        ),
        // PHP, Python, Node
        (
            4,
            r#"\b(?:system|shell_exec|passthru|popen|proc_open|pcntl_exec|assert|call_user_func|base64_decode|file_get_contents|create_function|preg_replace)\s*\(\s*['"$\[(]"#,
        ),
        (
            4,
            r"\bphpinfo\s*\(|\$_(?:get|post|request|cookie|server|files)\s*\[|\beval\s*\(\s*\$|\bdie\s*\(\s*md5|\bmd5\s*\(\s*\d{3,}\s*\)",
        ),
        (
            4,
            r#"\bprocess\s*\.\s*(?:binding|mainmodule|env)\b|\brequire\s*\(\s*['"](?:child_process|fs|os|net)['"]|\b__import__\s*\(|\bos\s*\.\s*(?:system|popen)\s*\(|\bsubprocess\s*\.|\bglobal\s*\.\s*process\b"#,
        ),
        (3, r"\bchild_process\b|\bmainmodule\b"),
        (5, r"(?:^|;)\s*phpinfo\s*\(\s*\)\s*;?\s*$"),
        (
            5,
            r#"^\W*(?:eval|exec|system|passthru|shell_exec|popen)\s*\(\s*['"`$]|^\W*\$_(?:get|post|request|server|cookie)\s*\[|\{\$\{\w+\(|\$\{@\w+\("#,
        ),
        (3, r"<\?php|<\?=|\bgetclass\s*\(\)|\bprocessbuilder\b|<!\[cdata\[.{0,20}<"),
        (5, r"^\W*['\x22]\s*;\s*return\b"),
        (1, r"^\W*(?:system|exec|eval|print|phpinfo|require|import|echo)\s*\("),
        // documents
        (
            5,
            r#"<!entity\b|<!doctype[^>]{0,80}(?:\bsystem\s|\[)|<\?xml-stylesheet|<xi:include|<soap.{0,60}<!|xmlns:\w+="http://(?:www\.w3\.org/2001/xinclude|xml\.apache\.org/xslt)"#,
        ),
        // NoSQL
        (
            5,
            r#"(?:^|[\[{"',\s])\$(?:where|ne|gte?|lte?|regex|nin|expr|function|exists)\b["']?\s*(?:[\]:=]|$)"#,
        ),
        (5, r#"['"{,]\s*['"]?\$(?:or|and|nor|in|not)['"]?\s*:\s*[\[{]"#),
        (
            5,
            r"\bdb\s*\.\s*\w+\s*\.\s*(?:insert|find|drop|update|remove|aggregate)\w*\s*\(|;\s*sleep\s*\(\s*\d+\s*\)\s*;|\|\|\s*['\x22]?1['\x22]?\s*={2,3}\s*['\x22]?1",
        ),
        // LDAP, XPath
        (
            5,
            r"\*\s*\)\s*\(\s*[|&!\w]|\)\s*\(\s*[|&!]\s*[()]|^\W*\(\s*[|&]\s*\(|\)\s*\(\s*\w+\s*=\s*\*|\bobjectclass\s*=\s*\*",
        ),
        (5, r"['\x22]\s*\]\s*\|\s*//|\bcount\s*\(\s*/|/\*\s*\[\s*\d|\bstring-length\s*\(\s*name"),
        // prototype pollution
        (
            5,
            r"__proto__\s*(?:\[|\.|['\x22]\s*:)|constructor\s*(?:\[|\.)\s*prototype|\[__proto__\]|constructor\]\[prototype",
        ),
        (3, r"__proto__"),
        // out-of-band
        (
            5,
            r"\.(?:burpcollaborator\.net|oastify\.com|interact\.sh|oast\.(?:me|pro|live|fun|site|online)|dnslog\.cn|ceye\.io|requestbin\.net)\b",
        ),
    ])
});

/// Heads that a line feed in a target or header would make.
static HEAD: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (
            5,
            r"[\r\n]\s*(?:set-cookie|content-(?:type|length|security-policy)|transfer-encoding|x-[\w-]+-[\w-]+|http/1\.[01]|location:\s*(?:https?:)?//|host:\s*[\w.-]+\.\w+)\s*[: ]?",
        ),
        (5, r"[\r\n]\s*(?:get|post|put|delete|head)\s+/\S*\s+http/"),
        (4, r"[\r\n]\s*(?:bcc|cc|to|from|subject|reply-to|mime-version|rcpt to|mail from|data)\s*:"),
        (5, r"[\r\n]\s*(?:config|flushall|slaveof|set|save|quit|eval)\s[\s\S]*[\r\n]"),
    ])
});

/// The weight of a text as an injection into another language.
pub(super) fn weigh(text: &Decoded, place: Place) -> u8 {
    let plain = text.plain.trim();
    let mut weight = CODE.weigh(plain.as_bytes());
    if place == Place::Head && text.lines.contains(['\r', '\n']) {
        weight = weight.saturating_add(HEAD.weigh(text.lines.as_bytes()));
    }
    weight
}
