//! `pluginmind sessions`: who is signed in, and the end of it.

use super::exit::Exit;
use super::failure::Failure;
use super::options::Sessions;
use super::{Options, inputs, offline, render, running};
use crate::server::admin::action::{Action, Which};
use crate::server::admin::sessions::SessionView;

pub(super) fn run(options: &Options, what: Sessions) -> Result<Exit, Failure> {
    let which = match what {
        Sessions::List { user } => {
            let sessions = offline::sessions(&inputs::config(options)?, user.as_deref())?;
            render::result(options.format, &sessions, || table(&sessions));
            return Ok(Exit::Fine);
        }
        Sessions::Revoke { user: Some(user), .. } => Which::User(user),
        Sessions::Revoke { id: Some(id), .. } => Which::Id(id),
        // The command line names exactly one.
        Sessions::Revoke { .. } => Which::All,
    };
    let done = running::change(options, Action::RevokeSessions(which))?;
    render::result(options.format, &done, || {
        let revoked = done.get("revoked").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if revoked == 1 { "1 session ended".to_owned() } else { format!("{revoked} sessions ended") }
    });
    Ok(Exit::Fine)
}

fn table(sessions: &[SessionView]) -> String {
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            let user = session.user.clone().unwrap_or_else(|| session.user_id.clone());
            let SessionView { id, created, expires, last_seen, .. } = session.clone();
            [id, user, created, expires, last_seen]
        })
        .collect();
    render::table(["ID", "USER", "CREATED", "EXPIRES", "LAST SEEN"], &rows, "no sessions")
}
