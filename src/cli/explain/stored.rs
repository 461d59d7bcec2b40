//! A request of the past, by its correlation id: from the running gateway, which still has the newest ones in memory, or from
//! the database where none runs.

use super::stored_report;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Options, check, inputs, offline, render, running, whereabouts};
use crate::config::Config;
use crate::live::snapshot::{self, Snapshot};
use crate::pipeline::again::Today;
use crate::server::requests::{Explained, correlation_id, explain};

pub(super) fn run(options: &Options, id: &str) -> Result<Exit, Failure> {
    let id = correlation_id(id).map_err(Failure::problem)?;
    let found = match from_gateway(options, &id) {
        Some(found) => found,
        None => from_database(options, &id)?,
    };
    if found.requests.is_empty() {
        return Err(Failure::problem(format!(
            "no request with the id {id} is in the usage log: it never came here, it is older than `storage.retention`, \
             or it was not kept (`storage.usage_sample`)"
        )));
    }
    render::result(options.format, &found, || stored_report::human(&found));
    Ok(Exit::Fine)
}

/// What the running gateway says; nothing where none runs, or none that talks to us. It knows of no request that the
/// database has not, or will not have in a moment.
fn from_gateway(options: &Options, id: &str) -> Option<Explained> {
    let gateway = whereabouts::find(options).ok()?;
    let answer = running::get(&gateway, &format!("/admin/api/explain?id={id}")).ok()?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).ok(),
        404 => Some(Explained { id: id.to_owned(), requests: Vec::new() }),
        _ => None,
    }
}

fn from_database(options: &Options, id: &str) -> Result<Explained, Failure> {
    let config = inputs::config(options)?;
    let mut found = stored(&config, id)?;
    if !found.requests.is_empty() {
        let now = policy(options);
        for past in &mut found.requests {
            past.today = Some(match &now {
                Ok(snapshot) => Today::by_policy(past.policy(), snapshot.policy, None),
                Err(why) => Today::unknown(why.clone()),
            });
            if let Ok(snapshot) = &now
                && past.policy() == Some(snapshot.policy)
            {
                past.place_rules(&snapshot.rules);
            }
        }
    }
    Ok(found)
}

fn stored(config: &Config, id: &str) -> Result<Explained, Failure> {
    match offline::reader(config)? {
        Some(reader) => explain(&reader, id).map_err(|error| offline::unreadable(&error)),
        None => Ok(Explained { id: id.to_owned(), requests: Vec::new() }),
    }
}

/// The policy that the files make now.
fn policy(options: &Options) -> Result<Snapshot, String> {
    let broken = || "no gateway runs, and the files on disk hold problems".to_owned();
    let mut inputs = inputs::gather(options).map_err(|_| broken())?;
    check::lend_secret(&mut inputs).map_err(|_| broken())?;
    snapshot::build(&inputs, 1).snapshot.ok_or_else(broken)
}
