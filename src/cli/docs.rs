//! `pluginmind docs`: reference pages, made from the code.

use serde_json::json;

use super::exit::Exit;
use super::options::Docs;
use super::{Options, render};
use crate::pipeline::codes;
use crate::telemetry::metric_reference;
use crate::{config, script};

pub(super) fn run(options: &Options, what: Docs) -> Exit {
    let (name, page) = match what {
        Docs::Api => ("api", script::reference()),
        Docs::Config => ("config", config::reference()),
        Docs::Metrics => ("metrics", metric_reference::reference()),
        Docs::Codes => ("codes", codes::reference()),
    };
    render::result(options.format, &json!({ "page": name, "markdown": page }), || page.trim_end().to_owned());
    Exit::Fine
}
