//! `pluginmind users`: local accounts.

use super::exit::Exit;
use super::failure::Failure;
use super::options::Users;
use super::{Options, inputs, offline, password, render, running};
use crate::server::admin::action::Action;
use crate::server::admin::users::UserView;

pub(super) fn run(options: &Options, what: Users) -> Result<Exit, Failure> {
    let (action, done) = match what {
        Users::List => {
            let users = offline::users(&inputs::config(options)?)?;
            render::result(options.format, &users, || table(&users));
            return Ok(Exit::Fine);
        }
        Users::Add { name, roles } => {
            (Action::AddUser { name, password: password::read()?, roles }, "added:")
        }
        Users::Passwd { name } => {
            (Action::SetPassword { user: name, password: password::read()? }, "new password, sessions ended:")
        }
        Users::Forget { name } => return forget(options, name),
        Users::Disable { name } => (Action::DisableUser { user: name }, "disabled, sessions ended:"),
    };
    let user = running::change(options, action)?;
    render::result(options.format, &user, || {
        let text = |key: &str| user.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        format!("{done} {} ({})", text("name"), text("id"))
    });
    Ok(Exit::Fine)
}

fn forget(options: &Options, user: String) -> Result<Exit, Failure> {
    let done = running::change(options, Action::ForgetUser { user })?;
    render::result(options.format, &done, || {
        let name = done.get("name").and_then(|v| v.as_str()).unwrap_or_default();
        format!("forgotten, sessions ended: {name}")
    });
    Ok(Exit::Fine)
}

fn table(users: &[UserView]) -> String {
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            let state = if user.disabled { "disabled" } else { "active" };
            [
                user.name.clone(),
                user.id.clone(),
                user.roles.join(", "),
                state.to_owned(),
                user.created.clone(),
            ]
        })
        .collect();
    render::table(["NAME", "ID", "ROLES", "STATE", "CREATED"], &rows, "no accounts")
}
