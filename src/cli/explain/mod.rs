//! `pluginmind explain`: what every stage and every rule decided about a request of the past, or would decide about one that
//! is made up, without a side effect.

mod curl;
mod report;
mod shell;
mod stored;
mod stored_report;

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use http::StatusCode;

use super::exit::Exit;
use super::failure::Failure;
use super::{Options, check, inputs, render};
use crate::base::location::Location;
use crate::geo::Geo;
use crate::live::snapshot::{self, Snapshot};
use crate::server::explain::{Assumed, Play, Policy, RawRequest, Told, play};

/// Largest file that holds a request, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What is explained, and what is assumed about it.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false))]
pub(in crate::cli) struct Asked {
    /// The correlation id of a past request: `X-Request-ID` of its answer, and in every refusal
    #[arg(value_name = "ID", group = "what")]
    id: Option<String>,
    /// A file with a raw HTTP request: request line, headers, empty line, body; `-` is standard input
    #[arg(long, value_name = "FILE", group = "what")]
    request: Option<PathBuf>,
    /// A curl command line, in quotes
    #[arg(long, value_name = "'curl …'", group = "what")]
    curl: Option<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", conflicts_with = "id")]
    ip: IpAddr,
    /// Somebody of this name is signed in; an account of that name keeps its roles
    #[arg(long, value_name = "NAME", conflicts_with_all = ["api_key_tier", "id"])]
    user: Option<String>,
    /// A role of that somebody, or a scope of that key; may stand more than once
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "id")]
    roles: Vec<String>,
    /// The request carries an API key of this tier
    #[arg(long, value_name = "TIER", conflicts_with = "id")]
    api_key_tier: Option<String>,
    /// The client is in this country, whatever the database says
    #[arg(long, value_name = "CODE", value_parser = country, conflicts_with = "id")]
    country: Option<String>,
    /// The status that the upstream answers
    #[arg(long, value_name = "STATUS", default_value = "200", value_parser = status, conflicts_with = "id")]
    upstream: StatusCode,
}

pub(super) fn run(options: &Options, asked: Asked) -> Result<Exit, Failure> {
    if let Some(id) = &asked.id {
        return stored::run(options, id);
    }
    let request = request(&asked)?;
    let snapshot = snapshot(options, asked.country.as_deref())?;
    let policy = Policy::of(&snapshot);
    let line = request.line();
    let played = play(
        snapshot,
        Play {
            request,
            client: asked.ip,
            assumed: assumed(asked.user, asked.api_key_tier, asked.roles)?,
            upstream: asked.upstream,
        },
    );
    let played = played.map_err(|error| Failure::cannot_run(error.to_string()))?;
    let told = Told::new(&line, asked.ip, policy, played);
    render::result(options.format, &told, || report::human(&told));
    Ok(Exit::Fine)
}

fn request(asked: &Asked) -> Result<RawRequest, Failure> {
    if let Some(line) = &asked.curl {
        return curl::request(line).map_err(|why| Failure::problem(format!("--curl: {why}")));
    }
    let Some(file) = &asked.request else {
        return Err(Failure::problem("give the id of a request, `--request FILE` or `--curl '…'`"));
    };
    let bytes = read(file).map_err(|e| Failure::cannot_run(format!("{}: {e}", file.display())))?;
    RawRequest::parse(&bytes).map_err(|why| Failure::problem(format!("{}: {why}", file.display())))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is allowed: what is too large is seen, and told by the reader of the request.
    let most = FILE_BYTES_MAX + 1;
    if file.as_os_str() == "-" {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The policy of the files as they are, with the country that is assumed.
fn snapshot(options: &Options, country: Option<&str>) -> Result<Snapshot, Failure> {
    let mut inputs = inputs::gather(options).map_err(Failure::unread)?;
    check::lend_secret(&mut inputs)?;
    let built = snapshot::build(&inputs, 1);
    let mut snapshot = built.snapshot.ok_or(Failure::Found(built.problems))?;
    if let Some(country) = country {
        let location = Location { country: country.to_owned(), ..Location::default() };
        snapshot.geo = Arc::new(Geo::assuming(location));
    }
    Ok(snapshot)
}

fn assumed(user: Option<String>, tier: Option<String>, roles: Vec<String>) -> Result<Assumed, Failure> {
    match (user, tier) {
        (Some(name), _) => Ok(Assumed::User { name, roles }),
        (None, Some(tier)) => Ok(Assumed::Key { tier, scopes: roles }),
        (None, None) if roles.is_empty() => Ok(Assumed::AsSent),
        (None, None) => {
            Err(Failure::problem("`--role` needs `--user` or `--api-key-tier`: whose role it is"))
        }
    }
}

fn country(text: &str) -> Result<String, String> {
    let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    if is_code { Ok(text.to_ascii_uppercase()) } else { Err("a country is two letters, as `CH`".to_owned()) }
}

fn status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse::<u16>().ok().filter(|status| (200..600).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    status.ok_or_else(|| "a status is a number from 200 to 599".to_owned())
}
