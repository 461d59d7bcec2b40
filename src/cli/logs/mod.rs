//! `pluginmind logs`: the usage log, searched and followed. It reads the database, so that a gateway need not run.

mod follow;
mod lines;

use clap::Args;

use super::exit::Exit;
use super::failure::Failure;
use super::options::Format;
use super::{Options, inputs, offline, render};
use crate::base::clock::Clock;
use crate::server::requests::{Asked, SearchError, search};

/// Which requests are wanted.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The correlation id: `X-Request-ID` of the answer
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// An account by name, e-mail address or id, or an API key as `key:ID`; what is typed is hashed
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The client's address; what is typed is hashed
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// `403`, `4xx`, `400-499`, or `none` for no answer
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// The refusal's code
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// The route's name
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// The plugin that decided
    #[arg(long, value_name = "PLUGIN")]
    plugin: Option<String>,
    /// How far back, as `1h`
    #[arg(long, value_name = "DURATION")]
    since: Option<String>,
    /// Most requests that are shown, up to 10000 [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<String>,
    /// Go on with new requests until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

pub(super) fn run(options: &Options, wanted: &Wanted) -> Result<Exit, Failure> {
    let asked = wanted.asked()?;
    let config = inputs::config(options)?;
    if wanted.follow {
        return follow::run(&config, &asked, options.format);
    }
    let found = match offline::reader(&config)? {
        Some(reader) => search(&reader, &asked, Clock::System.unix_ms()).map_err(failure)?,
        // No database yet is no account and no request.
        None if asked.user.is_some() => return Err(Failure::problem("there is no such account")),
        None => Vec::new(),
    };
    if let (Some(id), true) = (&asked.id, found.is_empty()) {
        return Err(Failure::problem(format!("no request with the id {id} fits")));
    }
    match options.format {
        Format::Json => render::json(&found),
        _ => render::print(&lines::table(&found)),
    }
    Ok(Exit::Fine)
}

impl Wanted {
    fn asked(&self) -> Result<Asked, Failure> {
        let given = [
            ("id", &self.id),
            ("user", &self.user),
            ("ip", &self.ip),
            ("status", &self.status),
            ("code", &self.code),
            ("route", &self.route),
            ("plugin", &self.plugin),
            ("since", &self.since),
            ("limit", &self.limit),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        Asked::read(given).map_err(|wrong| Failure::Said(Exit::Usage, format!("--{wrong}").replace('`', "")))
    }
}

fn failure(error: SearchError) -> Failure {
    match error {
        SearchError::Wrong(wrong) => Failure::problem(wrong.to_string()),
        SearchError::Store(error) => offline::unreadable(&error),
    }
}
