//! A request as a curl command line: what a browser's developer tools copy, and what people paste to each other.

use std::fs::File;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::shell;
use crate::server::explain::RawRequest;

/// Largest file that `@FILE` may name, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Options that change nothing about the request, or nothing that the gateway sees.
const IGNORED: [&str; 24] = [
    "-s",
    "-S",
    "-k",
    "-L",
    "-v",
    "-i",
    "-f",
    "-N",
    "-g",
    "-#",
    "--silent",
    "--show-error",
    "--insecure",
    "--location",
    "--verbose",
    "--include",
    "--fail",
    "--no-buffer",
    "--globoff",
    "--progress-bar",
    "--path-as-is",
    "--http1.1",
    "--http2",
    "--fail-with-body",
];

/// The same, with a value.
const IGNORED_WITH_VALUE: [&str; 11] = [
    "-o",
    "-w",
    "-m",
    "-x",
    "--output",
    "--write-out",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--resolve",
    "--cacert",
];

/// Short options that take a value.
const SHORT_WITH_VALUE: &str = "XHdbuAeowmxFTr";

/// What a command line says.
#[derive(Default)]
struct Said {
    method: Option<String>,
    headers: Vec<String>,
    data: Vec<Vec<u8>>,
    json: bool,
    head: bool,
    get: bool,
    cookies: Vec<String>,
    user: Option<String>,
    agent: Option<String>,
    referer: Option<String>,
    url: Option<String>,
}

/// Reads a command line; `curl` itself may be missing.
///
/// # Errors
/// One sentence about what is not understood: nothing is left out silently.
pub(super) fn request(line: &str) -> Result<RawRequest, String> {
    let mut words = shell::words(line)?.into_iter().peekable();
    words.next_if(|word| word == "curl");
    let mut said = Said::default();
    let mut pending: Vec<String> = words.collect();
    pending.reverse();
    while let Some(word) = pending.pop() {
        let option = split(word, &mut pending);
        said.take(&option, &mut pending)?;
    }
    said.build()
}

/// `-XPOST` is `-X POST`, `-sS` is `-s -S`, `--data=x` is `--data x`: what follows goes back to the words that are pending.
fn split(word: String, pending: &mut Vec<String>) -> String {
    if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
        pending.push(value.to_owned());
        return name.to_owned();
    }
    let mut letters = word.chars();
    let (Some('-'), Some(letter)) = (letters.next(), letters.next()) else { return word };
    let rest = letters.as_str();
    if letter == '-' || rest.is_empty() {
        return word;
    }
    let rest = if SHORT_WITH_VALUE.contains(letter) { rest.to_owned() } else { format!("-{rest}") };
    pending.push(rest);
    format!("-{letter}")
}

impl Said {
    fn take(&mut self, option: &str, pending: &mut Vec<String>) -> Result<(), String> {
        if IGNORED.contains(&option) {
            return Ok(());
        }
        let mut value = || pending.pop().ok_or_else(|| format!("`{option}` needs a value"));
        match option {
            "-X" | "--request" => self.method = Some(value()?),
            "-H" | "--header" => self.headers.push(value()?),
            "-d" | "--data" | "--data-ascii" => self.data(plain(&value()?, true)?),
            "--data-raw" => self.data(value()?.into_bytes()),
            "--data-binary" => self.data(plain(&value()?, false)?),
            "--data-urlencode" => self.data(encoded(&value()?)?),
            "--json" => {
                self.json = true;
                self.data.push(plain(&value()?, false)?);
            }
            "-b" | "--cookie" => {
                let cookie = value()?;
                if !cookie.contains('=') {
                    return Err("`-b FILE` is not read: say `-b NAME=VALUE`".to_owned());
                }
                self.cookies.push(cookie);
            }
            "-u" | "--user" => self.user = Some(value()?),
            "-A" | "--user-agent" => self.agent = Some(value()?),
            "-e" | "--referer" => self.referer = Some(value()?),
            "-I" | "--head" => self.head = true,
            "-G" | "--get" => self.get = true,
            "--compressed" => self.headers.push("Accept-Encoding: deflate, gzip, br, zstd".to_owned()),
            "--url" => self.url = Some(value()?),
            _ if IGNORED_WITH_VALUE.contains(&option) => drop(value()?),
            _ if option.starts_with('-') => {
                return Err(format!(
                    "curl's `{option}` is not understood here: write the request to a file for `--request`"
                ));
            }
            url if self.url.is_none() => self.url = Some(url.to_owned()),
            _ => return Err("there is more than one URL".to_owned()),
        }
        Ok(())
    }

    fn data(&mut self, bytes: Vec<u8>) {
        if !self.data.is_empty() {
            self.data.push(b"&".to_vec());
        }
        self.data.push(bytes);
    }

    fn build(mut self) -> Result<RawRequest, String> {
        let url = Url::parse(&self.url.take().ok_or("there is no URL")?)?;
        let (mut body, mut has_data) = (self.data.concat(), !self.data.is_empty());
        let mut target = url.target;
        if self.get && has_data {
            let query = String::from_utf8(std::mem::take(&mut body)).map_err(|_| "`-G` needs text")?;
            let joint = if target.contains('?') { '&' } else { '?' };
            target = format!("{target}{joint}{query}");
            has_data = false;
        }
        let method = match self.method {
            Some(method) => method,
            None if self.head => "HEAD".to_owned(),
            None if has_data => "POST".to_owned(),
            None => "GET".to_owned(),
        };
        let mut headers: Vec<(String, String)> = vec![("Host".to_owned(), url.authority)];
        if let Some(user) = self.user.or(url.user) {
            headers.push(("Authorization".to_owned(), format!("Basic {}", STANDARD.encode(user))));
        }
        headers.push(("User-Agent".to_owned(), self.agent.unwrap_or_else(|| "curl/8.5.0".to_owned())));
        headers.push(("Accept".to_owned(), if self.json { "application/json" } else { "*/*" }.to_owned()));
        headers.extend(self.referer.map(|referer| ("Referer".to_owned(), referer)));
        if !self.cookies.is_empty() {
            headers.push(("Cookie".to_owned(), self.cookies.join("; ")));
        }
        if has_data {
            let kind = if self.json { "application/json" } else { "application/x-www-form-urlencoded" };
            headers.push(("Content-Type".to_owned(), kind.to_owned()));
        }
        for header in &self.headers {
            set(&mut headers, header);
        }
        headers.retain(|(_, value)| !value.is_empty());
        if let Some((name, _)) = headers.iter().find(|(n, v)| [n, v].iter().any(|t| t.contains(['\r', '\n'])))
        {
            return Err(format!("the header `{}` holds a line end", name.escape_default()));
        }
        Ok(RawRequest::new(&format!("{method} {target} HTTP/1.1"), &headers, body))
    }
}

/// A header of the command line takes the place of curl's own; `Name:` takes it away, and others of that name stand beside.
fn set(headers: &mut Vec<(String, String)>, header: &str) {
    const OWN: [&str; 5] = ["host", "user-agent", "accept", "content-type", "authorization"];
    let Some((name, value)) = header.split_once(':').or_else(|| header.split_once(';')) else { return };
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) || value.trim().is_empty() {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
    headers.push((name.trim().to_owned(), value.trim().to_owned()));
}

/// A value, or with `@` a file; text loses its line ends, as curl takes them out.
fn plain(value: &str, is_text: bool) -> Result<Vec<u8>, String> {
    let Some(path) = value.strip_prefix('@') else { return Ok(value.as_bytes().to_vec()) };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{path} cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{path} is larger than 16 MiB"));
    }
    if is_text {
        bytes.retain(|b| !matches!(b, b'\r' | b'\n'));
    }
    Ok(bytes)
}

/// `--data-urlencode`: `content`, `=content`, `name=content`; files are not read.
fn encoded(value: &str) -> Result<Vec<u8>, String> {
    let (name, content) = match value.split_once('=') {
        Some(("", content)) => (String::new(), content),
        Some((name, content)) => (format!("{name}="), content),
        None if value.contains('@') => return Err("`--data-urlencode NAME@FILE` is not read".to_owned()),
        None => (String::new(), value),
    };
    Ok(format!("{name}{}", crate::base::target::percent_encode(content).replace('/', "%2F")).into_bytes())
}

struct Url {
    authority: String,
    user: Option<String>,
    target: String,
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => rest,
            Some((scheme, _)) => return Err(format!("`{}` is no http URL", scheme.escape_default())),
            None => text,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user.to_owned()), authority),
            None => (None, authority),
        };
        if authority.is_empty() {
            return Err("the URL has no host".to_owned());
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { authority: authority.to_owned(), user, target: format!("{slash}{target}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> String {
        let request = request(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        String::from_utf8(request.bytes()).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn a_plain_url_is_a_get_with_curls_own_headers() {
        let expected = "GET /a?b=c HTTP/1.1\nHost: x.example:81\nUser-Agent: curl/8.5.0\nAccept: */*\n\n";
        assert_eq!(text("curl http://x.example:81/a?b=c#d"), expected);
        assert!(text("x.example").starts_with("GET / HTTP/1.1\nHost: x.example\n"));
    }

    #[test]
    fn data_makes_a_post_with_its_type_and_length() {
        let post = text("curl -d a=1 -d 'b=2 3' http://x/");
        assert!(post.starts_with("POST / HTTP/1.1\n"), "{post}");
        assert!(
            post.ends_with("Content-Type: application/x-www-form-urlencoded\nContent-Length: 9\n\na=1&b=2 3")
        );
        let json = text("curl --json '{\"a\":1}' -H 'X-A: b' http://x/");
        assert!(
            json.contains("Accept: application/json\nContent-Type: application/json\nX-A: b\n"),
            "{json}"
        );
        assert!(text("curl -G --data-urlencode 'q=a b' http://x/?p=1").starts_with("GET /?p=1&q=a%20b HTTP"));
    }

    #[test]
    fn what_a_browser_copies_is_understood() {
        let line = "curl 'https://app.example/api/x' \\\n  -X 'PUT' \\\n  -H 'accept: application/json' \\\n  -H 'content-type: application/json' \\\n  -b 'a=1; b=2' \\\n  --data-raw $'{\"a\":\"it\\'s\"}' \\\n  --compressed";
        let put = text(line);
        assert!(put.starts_with("PUT /api/x HTTP/1.1\nHost: app.example\n"), "{put}");
        for part in ["Cookie: a=1; b=2\n", "accept: application/json\n", "content-type: application/json\n"] {
            assert!(put.contains(part), "{put}");
        }
        assert!(!put.contains("Accept: */*") && !put.contains("urlencoded"), "{put}");
        assert!(put.ends_with("Content-Length: 12\n\n{\"a\":\"it's\"}"), "{put}");
    }

    #[test]
    fn short_options_stand_together_and_with_their_values() {
        let head = text("curl -sSI -XDELETE -H'Accept:' -ume:secret http://x/");
        assert!(head.starts_with("DELETE / HTTP/1.1\n"), "{head}");
        assert!(head.contains("Authorization: Basic bWU6c2VjcmV0\n") && !head.contains("Accept"), "{head}");
        assert!(text("curl -I http://x/").starts_with("HEAD / "));
        assert!(text("curl --request=PATCH http://me:pw@x/").contains("Authorization: Basic bWU6cHc=\n"));
    }

    #[test]
    fn what_is_not_understood_is_said_and_not_left_out() {
        for (line, why) in [
            ("curl -F a=@b http://x/", "`-F` is not understood"),
            ("curl -b jar http://x/", "`-b FILE`"),
            ("curl", "there is no URL"),
            ("curl -H", "`-H` needs a value"),
            ("curl http://a http://b", "more than one URL"),
            ("curl ftp://a/", "`ftp` is no http URL"),
            ("curl 'http://a/", "is not closed"),
            ("curl -d @/nonexistent/x http://a/", "/nonexistent/x cannot be read"),
            ("curl -H $'A: b\\nC: d' http://a/", "`A` holds a line end"),
        ] {
            let said = request(line).err().unwrap_or_else(|| panic!("{line} was taken"));
            assert!(said.contains(why), "{line}: {said}");
        }
    }
}
