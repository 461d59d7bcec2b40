//! `pluginmind docs`: reference pages, made from the code.

use serde_json::json;

use super::exit::Exit;
use super::options::Docs;
use super::{Options, render};
use crate::config;

pub(super) fn run(options: &Options, what: Docs) -> Exit {
    let Docs::Config = what;
    let page = config::reference();
    render::result(options.format, &json!({ "page": "config", "markdown": page }), || {
        page.trim_end().to_owned()
    });
    Exit::Fine
}
