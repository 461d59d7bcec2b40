//! Cross-site scripting: a text that becomes markup or script where it was meant to be shown.

use std::sync::LazyLock;

use super::TOKEN_BYTES_MAX;
use super::decode::Decoded;
use super::patterns::Table;
use crate::base::text::cut;

/// Names of event handlers, after `on`.
const EVENTS: &str = r"on(?:abort|activate|after\w+|animation\w+|auxclick|before\w+|begin|blur|bounce|can\w+|change|click|close|context\w*|copy|cut|dbl\w+|drag\w*|drop|end|error|finish|focus\w*|form\w+|full\w+|hash\w+|input|invalid|key\w+|load\w*|message|mouse\w+|mousewheel|offline|online|page\w+|paste|play\w*|pointer\w+|popstate|progress|readystate\w*|repeat|reset|resize|scroll\w*|search|seek\w+|select\w*|show|start|storage|submit|suspend|time\w+|toggle|touch\w+|transition\w+|unhandled\w+|unload|wheel|webkit\w+|x)";

/// What scripts of attackers do.
const DEED: &str = r"(?:alert|confirm|prompt|eval|document|window|location|set(?:interval|timeout)|fetch|import|this|top|self|parent|string|atob|function|new|throw|console|globalthis|print|open|xss|import)";

static MARKUP: LazyLock<Table> = LazyLock::new(|| {
    let tag_event = format!(r#"<[a-z!/][^<>]{{0,400}}?[\s/"'`+]{EVENTS}\s*="#);
    let tag_event_deed = format!(r#"<[a-z!/][^<>]{{0,400}}?[\s/"'`+]{EVENTS}\s*=\W{{0,8}}{DEED}\b"#);
    let attribute_event = format!(r#"(?:^|["'`])[\s/>]*(?:[\w-]+\s*=\s*["'()\s]*)*{EVENTS}\s*=\W*\w"#);
    let later_event = format!(
        r#"["'`][\s/>]*(?:[\w-]+(?:\s*=\s*[^\s<>]{{0,40}})?[\s"'/]+){{1,3}}{EVENTS}\s*=\W{{0,4}}{DEED}"#
    );
    let bare_event = format!(r"\b{EVENTS}\s*=\W{{0,3}}(?:alert|confirm|prompt)\b");
    let script_deed = format!(r"<\s*/?\s*script\b[^>]{{0,200}}>?[^<]{{0,200}}{DEED}\b\W");
    let js_break = format!(r#"\\?['"`]\s*[;)}}\]+,*/|&-]+\s*(?:if\s*\(|{DEED})\b\s*[(.\[`=]"#);
    Table::new(&[
        (5, &tag_event_deed),
        (4, &tag_event),
        (5, &attribute_event),
        (5, &later_event),
        (5, &bare_event),
        (
            5,
            r#"^\W*eval\s*\(\s*(?:atob|unescape|string)|\bdocument\s*\[\s*['"]cookie|data:text/html[^,]{0,40},\s*<"#,
        ),
        (5, r"^\W*(?:self|window|top|this|parent|frames|globalthis)\s*\[[^\]]{1,60}\]\s*[(`]"),
        (5, &script_deed),
        (5, &js_break),
        (3, r"<\s*script\b"),
        (2, r"<\s*script\b[^>]{0,100}src\s*=\W{0,3}(?:data:|//|https?:)"),
        (
            2,
            r#"(?:^|["'`]\s*>|--\s*>|</(?:title|textarea|style|noscript|template|xmp|script)\s*>)\s*<+\s*(?:script|img|svg|iframe|body|input|details|video|audio|math|object|embed|a\s|style|link|meta|marquee|base|form|isindex|keygen|button|select|textarea|x\b|p\s)"#,
        ),
        (2, r#"["'`]\s*/?>\s*<"#),
        (3, r"</\s*script\b[^>]*>"),
        (5, r"<\s*iframe\b[^>]{0,200}(?:srcdoc\s*=|src\s*=\W{0,3}(?:javascript|data|vbscript))"),
        (2, r"<\s*(?:iframe|object|embed|applet|base|frameset|frame|bgsound|isindex|xml|layer)\b[\s/]"),
        (2, r"<\s*meta\b[^>]{0,200}http-equiv\s*=\W?(?:refresh|set-cookie|content-security)"),
        (3, r"<\s*(?:link|base)\b[^>]{0,200}href\s*="),
        (3, r"<\s*(?:object|embed)\b[^>]{0,200}(?:data|src|code)\s*="),
        (
            4,
            r"<\s*style\b[^>]*>[^<]{0,200}(?:@import|expression\s*\(|behaviou?r\s*:|-moz-binding|javascript|url\s*\()",
        ),
        (4, r"style\s*=\W?[^>]{0,200}(?:expression\s*\(|behaviou?r\s*:|-moz-binding|javascript\s*:)"),
        (4, r"data\s*:\s*(?:text/html|application/(?:x-)?javascript|image/svg\+xml|text/javascript)\s*[;,]"),
        (
            5,
            r"^\W*(?:window\s*[.\[]\s*['\x22]?|self\.|top\.|this\.)?(?:alert|confirm|prompt)['\x22\])]*(?:\(|`|\.\s*(?:call|apply|bind)|\?\.)",
        ),
        (
            3,
            r#"\b(?:alert|confirm|prompt)\)?\s*(?:\(|`|\.\s*(?:call|apply)\s*\()\s*(?:\d|document|['"`/]|xss|origin|location|this|null|window|string)"#,
        ),
        (3, r"\bdocument\s*\.\s*(?:cookie|domain|location|write(?:ln)?|body\.innerhtml)\b"),
        (4, r"\beval\s*\(\s*(?:atob|string|location|name|unescape|this|document|window|decodeuri)"),
        (3, r"\bstring\s*\.\s*fromcharcode\s*\("),
        (2, r"\.\s*(?:innerhtml|outerhtml|insertadjacenthtml)\b"),
        (
            2,
            r"(?:window|document|top|self|parent)\s*\.\s*location\b|\blocation\s*(?:\.href\s*)?=\s*\W?(?:https?:)?//",
        ),
        (
            5,
            r#"\bconstructor\s*\.?\s*constructor\b|\.\s*constructor\s*\(\s*['"`](?:alert|return|prompt|confirm)|\[\s*['"`](?:constructor|eval|alert|prompt)['"`]\s*\]\s*[\[(]"#,
        ),
        (5, r"\{\{.{0,80}(?:constructor|\$on\b|\$eval|alert\s*\(|tostring\s*\(\s*\))"),
        (2, r"\[(?:window|self|top|document)\b|\bself\s*\[|\btop\s*\[|\bglobalthis\b"),
        (5, r"<!--\s*#\s*(?:exec|include|echo|printenv|config|set)\b"),
        (2, r"<!\[cdata\[|<!--.{0,10}-->|<\s*\?xml-stylesheet|<xss\b"),
        (
            3,
            r"<(?:[a-z]+:)?(?:svg|math)\b[^>]{0,100}[/\s]xlink:href|<(?:animate|set)\b[^>]{0,200}(?:attributename|values|to)\s*=",
        ),
        (3, r"<<+\s*(?:script|img|svg|iframe|body)"),
        (3, r"<[a-z][^>]{0,200}\bformaction\s*="),
        (2, r"\.vbs\b|\bvbscript\b|\bxmlhttprequest\b|\bactivexobject\b"),
    ])
});

static SQUEEZED: LazyLock<Table> = LazyLock::new(|| {
    let at_start = format!(r"^\W*(?:java|vb|live|j)script:\W*(?:{DEED}|\w+\(|%|/)");
    let in_attribute = format!(
        r"(?:href|src|action|data|background|poster|lowsrc|dynsrc|xlink:href|content|url|values|to|from|srcdoc)[=(;]\W{{0,6}}(?:url=)?\W?(?:(?:java|vb|live)script:\W*(?:{DEED}|\w+\()|(?:vb)script:)"
    );
    let anywhere = format!(r"(?:java|vb)script:\W{{0,10}}{DEED}[(.\[`=+]");
    Table::new(&[
        (5, &at_start),
        (5, &in_attribute),
        (5, &anywhere),
        (3, r"<script[/>]"),
        (4, r"on(?:error|load|click|mouseover|focus)=(?:alert|prompt|confirm|eval)[(`]"),
        (3, r"javascript&colon;|javascript\\x3a|\\x3cscript|\\u003cscript"),
    ])
});

/// The weight of a text as cross-site scripting.
pub(super) fn weigh(text: &Decoded) -> u8 {
    let plain = text.plain.trim();
    if !plain.contains(['<', '(', '`', '=', ':', '{', '[', '\'']) {
        return 0;
    }
    let mut weight = MARKUP.weigh(plain.as_bytes()).max(SQUEEZED.weigh(text.squeezed.as_bytes()));
    // Words torn apart by tags that a filter takes out: `on<x>focus`.
    if weight < super::ENOUGH && plain.contains("<x>") {
        weight = weight.max(MARKUP.weigh(plain.replace("<x>", "").as_bytes()));
    }
    if weight > 0 && weight < super::ENOUGH {
        let head = cut(plain, TOKEN_BYTES_MAX);
        // A comment that shows markup is no attack, so the tokenizer only adds to what is no tag of prose.
        if weight > 2 && plain.starts_with(['<', '"', '\'']) && is_xss(head) {
            weight += 2;
        }
    }
    weight
}

/// Whether libinjection takes a text for cross-site scripting.
pub(in crate::script) fn is_xss(text: &str) -> bool {
    libinjectionrs::detect_xss(text.as_bytes()).is_injection()
}
