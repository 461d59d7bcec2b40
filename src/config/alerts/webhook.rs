//! Who is told: the address, in which words, and what signs.

use crate::base::address::is_private;
use crate::base::document::Table;
use crate::base::secret::Secret;
use crate::base::target::Host;
use crate::config::context::Context;
use crate::config::file::read_file;
use crate::config::upstream_url::{address_of, check_host};

use super::kind::Shape;

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// Shortest secret, in bytes.
const SECRET_BYTES_MIN: usize = 16;

/// A receiver. The address may hold what opens it, so it is shown to nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `https://…`, or `http://…` within the own network.
    pub url: Secret<String>,
    /// In which words.
    pub shape: Shape,
    /// What signs; absent: the one that is kept in the data folder.
    pub secret: Option<Secret<Vec<u8>>>,
}

impl Webhook {
    /// Reads the keys; nothing where no address is given.
    pub(super) fn read(table: &mut Table<'_>, context: &mut Context) -> Option<Self> {
        let url = table.secret(
            "webhook",
            "Who is told: `https://…`, or `http://…` within the own network; else only the log.",
        );
        let url = one_of_two(
            table,
            context,
            url,
            "webhook",
            "webhook_file",
            "A file with that address, which may hold what opens it.",
        );
        let shape = table
            .choice("shape", &Shape::WORDS, "json", "In which words: `json`, `slack`, `discord` or `ntfy`.")
            .unwrap_or_default();
        let secret = table.secret("secret", "What signs what is sent; better in a file.");
        let secret = one_of_two(
            table,
            context,
            secret,
            "secret",
            "secret_file",
            "A file with what signs on its first line; else `alerts.secret` in the data folder, made at start.",
        );
        if let Some(short) = secret.as_ref().filter(|s| s.expose().len() < SECRET_BYTES_MIN) {
            let key = if table.has("secret") { "secret" } else { "secret_file" };
            let bytes = short.expose().len();
            let message = format!("`alerts[].{key}`: {bytes} bytes are too few: at least {SECRET_BYTES_MIN}");
            let hint = "`pluginmind secret generate` makes a good one";
            table.report(context.strict(table.problem(key, message).hint(hint)));
        }
        let Some(url) = url else {
            for key in ["shape", "secret", "secret_file"].into_iter().filter(|key| table.has(key)) {
                let message = format!("`alerts[].{key}`: there is no `webhook`");
                table.report(table.problem(key, message).warning());
            }
            return None;
        };
        if let Err(why) = check(url.expose()) {
            let key = if table.has("webhook") { "webhook" } else { "webhook_file" };
            table.report(table.problem(key, format!("`alerts[].{key}`: {why}")));
            return None;
        }
        Some(Self { url, shape, secret: secret.map(|s| Secret::new(s.expose().as_bytes().to_vec())) })
    }
}

/// The value that stands in the table, or the first line of the file that it names.
fn one_of_two(
    table: &mut Table<'_>,
    context: &mut Context,
    inline: Option<Secret<String>>,
    key: &'static str,
    file: &'static str,
    doc: &'static str,
) -> Option<Secret<String>> {
    let Some(path) = table.optional_text(file, doc).filter(|path| !path.is_empty()) else { return inline };
    if inline.is_some() {
        let message = format!("`alerts[].{key}` and `alerts[].{file}` are both set: keep one");
        table.report(table.problem(file, message));
        return inline;
    }
    let path = context.resolve(&path);
    context.files.push(path.clone());
    if context.describing {
        return None;
    }
    let complain = |why: String| {
        table.report(table.problem(file, format!("`alerts[].{file}`: {}: {why}", path.display())));
    };
    match read_file(&path) {
        Ok(read) => {
            let line = read.text.lines().next().map(str::trim_end).filter(|line| !line.is_empty());
            if line.is_none() {
                complain("its first line is empty".to_owned());
            }
            line.map(|line| Secret::new(line.to_owned()))
        }
        Err(why) => {
            complain(why.to_string());
            None
        }
    }
}

/// Whether it is an address that may be told. The sentence never holds the address.
fn check(url: &str) -> Result<(), String> {
    let form = || "is not an address such as \"https://alerts.example/hook\"".to_owned();
    let printable = url.bytes().all(|b| (0x21..=0x7e).contains(&b) && !matches!(b, b'\\' | b'#'));
    if !printable || url.len() > URL_BYTES_MAX {
        return Err(form());
    }
    let (secure, rest) = match url.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(form()),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("an address holds no user name and no password".to_owned());
    }
    let host = Host::parse(authority).map_err(|_| form())?;
    check_host(&host).map_err(|why| why.replace("upstream", "receiver"))?;
    match address_of(&host) {
        Some(address) if !secure && !is_private(address) => {
            Err("`http` is for the own network (loopback and private addresses): write `https`".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_told_over_https_or_within_the_own_network() {
        for good in [
            "https://hooks.slack.example/services/T/B/x",
            "http://127.0.0.1:9/x?y=z",
            "http://localhost:9",
            "http://ntfy.internal/alerts",
            "http://10.1.2.3/x",
            "http://[fd12::1]:80/",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("http://192.0.2.1/", "write `https`"),
            ("https://169.254.169.254/", "credentials"),
            ("http://metadata.google.internal/", "credentials"),
            ("https://0.0.0.0/", "not the address of a machine"),
            ("https://user:hunter2@host/", "user name"),
            ("ftp://host/", "not an address"),
            ("hooks.example", "not an address"),
            ("https://", "not an address"),
            ("https://x/\r\ny", "not an address"),
            ("https://2852039166/", "not an address"),
        ] {
            let got = check(bad).unwrap_err();
            assert!(got.contains(why), "{bad}: {got}");
            assert!(!got.contains("hunter2"), "{got}");
        }
    }
}
