//! `pluginmind privacy-check`: sends canaries in every place of a request through a private gateway with the operator's
//! configuration and plugins, and looks for them in all that it wrote.

pub mod canary;
pub mod output;
pub mod own;
pub mod place;
pub mod searcher;
pub mod stand_in;
pub mod wire;

mod private;
mod report;
mod run;

use self::private::NoGateway;
use self::report::Report;
use super::exit::Exit;
use super::failure::Failure;
use super::{Options, inputs, render};
use crate::config;

pub(super) fn run(options: &Options) -> Result<Exit, Failure> {
    let inputs = inputs::gather(options).map_err(Failure::unread)?;
    let loaded = config::load(&inputs);
    let Some(config) = loaded.config else {
        render::complain(&render::report(&loaded.problems));
        return Err(Failure::cannot_run(
            "the configuration has problems; `pluginmind check` tells all of them",
        ));
    };
    let report: Report =
        run::run(&inputs, &config).map_err(|error: NoGateway| Failure::cannot_run(error.to_string()))?;
    render::result(options.format, &report, || report.human());
    Ok(if report.clean { Exit::Fine } else { Exit::Problems })
}
