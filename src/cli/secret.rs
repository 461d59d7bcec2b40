//! `pluginmind secret`: the session secret.

use serde_json::json;

use super::exit::Exit;
use super::failure::Failure;
use super::options::Secret;
use super::{Options, render};
use crate::config;

pub(super) fn run(options: &Options, what: Secret) -> Result<Exit, Failure> {
    let Secret::Generate = what;
    let secret = config::new_secret().map_err(|error| Failure::cannot_run(error.to_string()))?;
    render::result(options.format, &json!({ "secret": secret.expose() }), || secret.expose().clone());
    Ok(Exit::Fine)
}
