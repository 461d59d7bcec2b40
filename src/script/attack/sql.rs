//! SQL injection: a text that leaves the quote or number that it was meant to stand in, and goes on in SQL.

use std::sync::LazyLock;

use super::TOKEN_BYTES_MAX;
use super::decode::Decoded;
use super::patterns::Table;
use crate::base::text::cut;

/// Places at which a text may leave its quote that are looked at.
const BREAKS_MAX: usize = 8;

/// What stands after a quote that the text closes.
static AFTER_QUOTE: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        // ' or 'a'='a, ') and 1=1, ' or name like '%
        (
            5,
            r#"^[\s)]*(?:(?:or|and|xor|having|where|not)\b|\|\||&&)[\s(!~+-]*(?:not\s+)?['"`]?[\w@.%]*['"`]?[\s)]*(?:=|<=>|<>|!=|<|>|like\b|rlike\b|regexp\b|between\b|in\s*\(|is\s+(?:not\s+)?null|div\b|\*|\|\|)"#,
        ),
        // ' or true--, ' or 1#, ' or ''
        (
            5,
            r#"^[\s)]*(?:(?:or|and|xor)\b|\|\||&&)[\s(!~+-]*(?:true|false|null|not\s+\w+|\d+|['"]\w*['"]?|\w+\s*\(.*\))[\s)]*(?:--|#|;|/\*|$)"#,
        ),
        (5, r#"^[\s)]*(?:(?:or|and|xor)\b|\|\||&&)[\s(]*(?:''|"")"#),
        // ' union select
        (5, r"^[\s)]*union\b[\s(]*(?:all\b|distinct\b)?[\s(]*select\b"),
        // '; drop table
        (
            5,
            r"^[\s)]*;[\s(]*(?:drop\s+(?:table|database|schema|user|view|index|column|procedure)|insert\s+into|update\s+[\w.\[\]]+\s+set|delete\s+from|select\b|exec(?:ute)?\b|declare\s+@|create\s+(?:table|user|or\s+replace|database|alias|function|view)|alter\s+(?:table|user|login|database)|truncate\s+table|shutdown\b|waitfor\s+delay|grant\s+all|copy\s+\w+|begin\b|if\s*\(|set\s+@|use\s+\w+|merge\s+into|call\s+\w+|load\s+data|pragma\b|attach\b)",
        ),
        // admin'--, admin' #, '/*
        (5, r"^[\s)]*(?:;\s*)?(?:--[\s+-]*\w{0,8}\s*$|--\s|#\s*$|/\*[^*]{0,12}$)"),
        // ' order by 3, ' group by x having 1=1
        (5, r"^[\s)]*(?:order|group)\s+by\s+[\w(]"),
        // ' and sleep(5), '||pg_sleep(1), '+(select
        (
            5,
            r"^[\s)]*(?:[+*/|%^&<>=,;-]+|or\b|and\b|xor\b|in\b|like\b|rlike\b|between\b|div\b|case\b|having\b)[\s(+!~-]*(?:not\s+)?(?:sleep|benchmark|pg_sleep|waitfor|extractvalue|updatexml|load_file|chr?|char|ascii|ord|substr(?:ing)?|mid|left|right|concat(?:_ws)?|group_concat|database|version|user|current_user|exp|floor|rand|row_count|count|if|iif|ifnull|elt|make_set|utl_\w+\.\w+|dbms_\w+\.\w+|ctxsys\.\w+(?:\.\w+)?|hex|unhex|length|len|sqlite_version|json_keys|gtid_subset|select|exists|cast|convert|xmltype|randomblob|lower|upper|pow|power|abs|procedure)\b\s*[\s(]",
        ),
        (
            5,
            r"^[\s)]*(?:waitfor\s+delay|into\s+(?:out|dump)file|procedure\s+analyse|limit\s+\d+\s*(?:,|offset|--|#|$)|having\s+\d|rlike\s*\(|is\s+(?:not\s+)?null\b|between\s+\d+\s+and|in\s*\(\s*(?:select|\d)|case\s+when|collate\s+\w+)",
        ),
        // ' '=' and '-'
        (2, r#"^[\s)]*(?:=|-|\^|\*|&|\||\|\||\+|<|>|<>|!=|%|like)\s*['"0]"#),
        (2, r"^[\s)]*;"),
        (2, r#"^[\s)]*(?:\|\||\+)\s*['"(\w]"#),
    ])
});

/// What a value that is otherwise a number or a word goes on with.
static AFTER_WORD: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (
            5,
            r#"^[\s)]*(?:or|and|xor|\|\||&&|having)\s*[\s(!~+-]*(?:not\s+)?(?:[\d.]+|'[^']{0,24}'?|"[^"]{0,24}"?|true|false|null|\(select)[\s)]*(?:=|<=>|<>|!=|<|>|like\b|rlike\b|between\b|in\s*\(|is\s+(?:not\s+)?null)\s*[\s(]*(?:[\d.'"]|true|false|null|\(|select|char)"#,
        ),
        (
            5,
            r"^[\s)]*(?:or|and|xor|\|\||&&)\s*[\s(!~+-]*(?:not\s+)?(?:true|false|null|\d+|\w+\s*\(.*\))[\s)]*(?:--|#|;\s*$|/\*)",
        ),
        (
            5,
            r#"^[\s)]*union\b[\s(]*(?:all\b|distinct\b)?[\s(]*select\b[\s(]*(?:null|[\d'"@*+~!-]|0x|char|concat|group_concat|version|user|database|load_file|\w+\s*[,(]|.{0,200}(?:--|#|;|information_schema)|\w+\s+from\s+(?:\w+\.\w+|\w*_\w+|users?\b|admin\w*|accounts?\b|customers?\b|passwords?\b|dual\b|mysql\b|sys\w*))"#,
        ),
        (
            5,
            r"^[\s)]*;[\s(]*(?:drop\s+(?:table|database|schema|user|view|index|column|procedure)|insert\s+into|update\s+[\w.]+\s+set|delete\s+from|select\s+(?:pg_sleep|sleep|\d|@@|\*|version|user|benchmark|case|[\w., ]{1,60}\bfrom\b)|exec(?:ute)?\s+\(?\s*['\w.@]|declare\s+@|create\s+(?:table|user|or\s+replace|database|alias)|alter\s+(?:table|user|login|database)|truncate\s+table|shutdown\b|waitfor\s+delay|if\s*\(|copy\s+\w+\s*(?:from|to|\())",
        ),
        (5, r"^[\s)]*(?:order|group)\s+by\s+\d+\s*(?:--|#|,\s*\d|/\*|;|$)"),
        (
            5,
            r"^[\s)]*(?:[+*/|%^&<>=,;-]+|or\b|and\b|xor\b|in\b|like\b|rlike\b|div\b|having\b)[\s(+!~-]*(?:not\s+)?(?:sleep|benchmark|pg_sleep|extractvalue|updatexml|load_file|substr(?:ing)?|group_concat|utl_\w+\.\w+|dbms_\w+\.\w+|ctxsys\.\w+(?:\.\w+)?|ascii|elt|make_set|row_count|ifnull|randomblob|xmltype|json_keys|gtid_subset|procedure|exists)\s*\(",
        ),
        (
            5,
            r"^[\s)]*(?:[+*/|%^&<>=,;-]+|or\b|and\b|xor\b|in\b|like\b|having\b)[\s(+!~-]*\(?\s*select\b[\s(]*(?:\d|null|@@|\*|\w+\s*\(|case\b|[\w., *]{1,60}\bfrom\b)",
        ),
        (
            5,
            r"^[\s)]*(?:waitfor\s+delay|into\s+(?:out|dump)file|procedure\s+analyse|rlike\s*\(|between\s+\d+\s+and\s+\d+\s*(?:--|#|$)|in\s*\(\s*select|having\s+\d+\s*=)",
        ),
        (4, r"^[\s)]*(?:--\s*-?\s*$|#\s*$|/\*\s*$|;\s*--)"),
    ])
});

/// Constructs that say something wherever they stand.
static ANYWHERE: LazyLock<Table> = LazyLock::new(|| {
    Table::new(&[
        (
            5,
            r"(?:^|[\s'(;,=])(?:exec(?:ute)?\s+)?(?:master\s*\.\.?\s*(?:dbo\s*\.)?\s*)?xp_(?:cmdshell|dirtree|regread|fileexist)\b",
        ),
        (
            5,
            r"\b(?:utl_http\.request|utl_inaddr\.get_host|dbms_pipe\.receive_message|dbms_lock\.sleep|ctxsys\.drithsx|sp_oacreate|openrowset\s*\()",
        ),
        (5, r"\bselect\b[\s(]+(?:pg_)?sleep\s*\(\s*\d"),
        (5, r"\bprocedure\s+analyse\s*\("),
        (4, r"\b(?:extractvalue|updatexml)\s*\(\s*[\w']"),
        (4, r"(?:\bor\b|\band\b|\bif\s*\(|[*/|,=(+-])\s*\(*\s*(?:sleep|pg_sleep|benchmark)\s*\(\s*[\d(]"),
        (4, r"\bwaitfor\s+delay\s*['(]"),
        (4, r"\bcase\s+when\b.{1,60}\bthen\b.{1,60}\belse\b.{0,60}\bend\b.{0,10}(?:--|#|=|\))"),
        (3, r"\binto\s+(?:out|dump)file\s*['(]"),
        (3, r"\binformation_schema\s*\."),
        (3, r"\b(?:group_concat|load_file|randomblob|load_extension)\s*\("),
        (
            3,
            r"\b(?:sysobjects|syscolumns|sqlite_master|pg_catalog|all_tables|user_tables|msysaccessobjects|mysql\.user|pg_shadow|v\$version)\b",
        ),
        (3, r"@@(?:version|datadir|hostname|global|servername|basedir)\b"),
        (3, r"\(\s*select\b[\s(]*(?:\d|\w+\s*\(|null|@@|\*|[\w., *]{1,60}\bfrom\b)"),
        (3, r"\bchar\s*\(\s*\d{1,3}\s*(?:,\s*\d{1,3}\s*)*\)\s*(?:[+|,)]|$)"),
        (3, r"\bconcat(?:_ws)?\s*\(\s*(?:0x|char|')"),
        (
            3,
            r"\bunion\b[\s(]*(?:all\b|distinct\b)?[\s(]*select\b[\s(]*(?:null|[\d'@*~-]|0x|char|concat|\w+\s*,)",
        ),
        (3, r"\b(?:or|and)\b\s*\(*\s*\d+\s*=\s*\d+"),
        (3, r#"\b(?:or|and)\b\s*\(*\s*(?:'[^']{0,24}'\s*(?:=|like)\s*'|"[^"]{0,24}"\s*(?:=|like)\s*")"#),
        (3, r"\bconvert\s*\(\s*int\s*,|\bcast\s*\(.{1,60}\bas\s+(?:char|int|nvarchar|varchar|numeric)\b"),
        (5, r"^\s*(?:or|and)\s+\w+\s*=\s*\w+\s*(?:--\s*|#|;)?$"),
        (5, r"^\s*if\s*\(.{1,40}=.{1,40}\)\s*select\b"),
        (2, r"\bwhere\s+\d+\s*=\s*\d+"),
        (2, r"\bunion\s+(?:all\s+|distinct\s+)?select\b"),
        (3, r"(?:union|select|from|where|and|or|sleep)/\*|\*/(?:union|select|from|where|and|or|sleep)\b"),
        (5, r"^\s*select\s*[-~@\\][\w.^-]*\s*from\s*`"),
        (2, r"(?:--\s*-?\s*$|#\s*$|;\s*--|--\s*\+|;%00)"),
        (2, r"\b(?:db_name|user_name|current_user|system_user|database|version)\s*\(\s*\)"),
        (1, r"\b0x[0-9a-f]{8,}"),
    ])
});

/// The weight of a text as SQL injection.
pub(super) fn weigh(text: &Decoded) -> u8 {
    let sql = text.sql.trim();
    let bytes = sql.as_bytes();
    let mut weight = ANYWHERE.weigh(bytes);
    if text.plain.contains("/*!") {
        weight += 3;
    }
    // `un/**/ion` falls apart into words; without its comments it is whole.
    if text.plain.contains("/*") {
        weight = weight.max(ANYWHERE.weigh(text.plain.as_bytes()));
        let joined = text.plain.replace("/**/", "");
        let opened = text.plain.replace("/**/", " ").replace("/*!", " ").replace("*/", " ");
        for variant in [joined, super::decode::one_blank(&opened)] {
            weight = weight.max(ANYWHERE.weigh(variant.as_bytes()).saturating_add(2));
            if variant.contains("unionselect") || variant.contains("unionallselect") {
                weight = super::ENOUGH;
            }
        }
    }
    let broken = breaks(bytes).into_iter().map(|at| AFTER_QUOTE.weigh(&bytes[at..])).max();
    let after = word_end(bytes).into_iter().chain([0]).map(|at| AFTER_WORD.weigh(&bytes[at..])).max();
    weight = weight.saturating_add(broken.unwrap_or_default().max(after.unwrap_or_default()));
    // The tokenizer alone is wrong too often; with another hint it settles the matter.
    if weight > 0 && weight < super::ENOUGH {
        let head = cut(sql, TOKEN_BYTES_MAX);
        if is_sqli(head) {
            weight += 2;
        }
    }
    weight
}

/// Whether libinjection takes a text for SQL injection.
pub(in crate::script) fn is_sqli(text: &str) -> bool {
    libinjectionrs::detect_sqli(text.as_bytes()).is_injection()
}

/// Places right after a quote that closes what the text was meant to stand in: the first, third, … of its kind. An
/// apostrophe within a word is none.
fn breaks(text: &[u8]) -> Vec<usize> {
    let mut seen = [0_usize; 3];
    let mut places = Vec::new();
    for (at, b) in text.iter().enumerate() {
        let kind = match b {
            b'\'' => 0,
            b'"' => 1,
            b'`' => 2,
            _ => continue,
        };
        let letter = |i: Option<usize>| i.and_then(|i| text.get(i)).is_some_and(u8::is_ascii_alphabetic);
        let apostrophe =
            *b == b'\'' && letter(at.checked_sub(1)) && letter(Some(at + 1)) && !joins(&text[at + 1..]);
        if apostrophe {
            continue;
        }
        seen[kind] += 1;
        if seen[kind] % 2 == 1 && places.len() < BREAKS_MAX {
            places.push(at + 1);
        }
    }
    places
}

/// `'or'1`, `'and 1`, `'union select`: a word after an apostrophe that no name goes on with.
fn joins(rest: &[u8]) -> bool {
    ["or ", "or'", "or(", "or\"", "and ", "and'", "and(", "union ", "having ", "xor ", "||", "like "]
        .iter()
        .any(|word| rest.starts_with(word.as_bytes()))
}

/// Where a leading number or single word ends.
fn word_end(text: &[u8]) -> Option<usize> {
    let open = text.iter().take_while(|b| matches!(b, b'(' | b'-' | b' ')).count();
    let word = text[open..]
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'@'))
        .count();
    let end = open + word;
    (word <= 40 && end < text.len()).then_some(end)
}
