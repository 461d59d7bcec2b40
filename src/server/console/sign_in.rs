//! Signing in to the console, and out: with the admin token, or with an account that has the role `admin`.

use std::time::Duration;

use http::Response;
use http::header::{HeaderValue, ORIGIN, SET_COOKIE};
use maud::html;

use super::form::Form;
use super::place::Place;
use super::session::{COOKIE, ROLE, SignedIn, TTL, Who};
use super::visit::Visit;
use super::{Page, see_other, whole};
use crate::auth::lockout::Terms;
use crate::auth::session::Limits;
use crate::auth::sign_in::{Door, SignInError};
use crate::auth::{Account, Moment};
use crate::base::refusal::Refusal;
use crate::base::return_to::local_or_root;
use crate::base::secret::Secret;
use crate::pipeline::answer::Body;
use crate::server::admin::audit::About;

/// The page, with what went wrong last.
pub(super) fn page(visit: &Visit<'_>, problem: Option<&str>) -> Page {
    form(visit, problem, &visit.query("return_to"))
}

fn form(visit: &Visit<'_>, problem: Option<&str>, wanted: &str) -> Page {
    let back = local_or_root(wanted);
    let local = visit.gateway().live.current().config.auth.local_enabled;
    let action = Place::SignIn.path();
    let content = html! {
        @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
        div.columns {
            section {
                h2 { "With the admin token" }
                form id="sign-in-token" method="post" action=(action) {
                    input type="hidden" name="return_to" value=(back);
                    label for="token" { "Admin token" }
                    input #token name="token" type="password" autocomplete="off" required maxlength="4096" spellcheck="false"
                        aria-describedby="token-help";
                    p.hint #token-help { "It stands in " code { "admin.token" } " in the data folder, or in the file of "
                        code { "admin.token_file" } "." }
                    button type="submit" { "Sign in" }
                }
            }
            @if local {
                section {
                    h2 { "With an account" }
                    form id="sign-in-account" method="post" action=(action) {
                        input type="hidden" name="return_to" value=(back);
                        label for="username" { "Name or e-mail address" }
                        input #username name="username" autocomplete="username" required maxlength="254" spellcheck="false"
                            autocapitalize="none";
                        label for="password" { "Password" }
                        input #password name="password" type="password" autocomplete="current-password" required maxlength="4096"
                            aria-describedby="account-help";
                        p.hint #account-help { "Of an account with the role " code { (ROLE) } "." }
                        button type="submit" { "Sign in" }
                    }
                }
            }
        }
    };
    Page::new("Sign in", content)
}

/// Signs in. What does not hold is counted as a wrong token is: with ten in a minute the door is shut (AD-01).
pub(super) async fn act(visit: &Visit<'_>, form: &Form) -> Result<Response<Body>, Refusal> {
    let gateway = visit.gateway();
    let now = Moment::of(&gateway.clock);
    let peer = visit.head.peer().ip();
    visit.admin.lockout.borrow_mut().check(peer, now.at)?;
    let who =
        if form.text("token").is_empty() { account(visit, form, now).await? } else { token(visit, form) };
    let Some(who) = who else {
        visit.admin.lockout.borrow_mut().wrong(peer, now.at);
        return Err(Refusal::Unauthenticated);
    };
    // A sign-in ends what this browser had before, and always gives a new id.
    if let Some(before) = visit.signed_in() {
        end(visit, before).await?;
    }
    let internal = |error: std::io::Error| {
        tracing::error!(%error, "no random bytes for a sign-in");
        Refusal::Internal
    };
    let cookie = visit.admin.console.sessions.begin(who, now.at).map_err(internal)?;
    let mut answer = see_other(local_or_root(form.whole("return_to")));
    set(&mut answer, &cookie, TTL, is_secure(visit));
    Ok(answer)
}

/// The sign-in page again, after it was refused.
pub(super) fn again(visit: &Visit<'_>, refusal: &Refusal) -> Response<Body> {
    let problem = match refusal {
        Refusal::Unauthenticated => "That is not right. Check what you typed.",
        _ => "Too many wrong attempts. Try again in a minute.",
    };
    whole(visit, Place::SignIn, &page(visit, Some(problem)).status(refusal.status()))
}

fn token(visit: &Visit<'_>, form: &Form) -> Option<Who> {
    let token = &visit.admin.token;
    token.is(form.text("token").as_bytes()).then(|| Who::Token(token.fingerprint()))
}

/// An account, in a session of its own: it is listed and ended as every session of that account is.
async fn account(visit: &Visit<'_>, form: &Form, now: Moment) -> Result<Option<Who>, Refusal> {
    let gateway = visit.gateway();
    let snapshot = gateway.live.current();
    if !snapshot.config.auth.local_enabled {
        return Ok(None);
    }
    let door = Door { address: visit.head.peer().ip(), lockout: Terms::of(&snapshot.config.auth) };
    let password = Secret::new(form.whole("password").to_owned());
    let account = match gateway.auth.vouch(form.text("username"), password, door, now).await {
        Ok(account) if is_admin(&account) => account,
        Ok(_) | Err(SignInError::Wrong) => return Ok(None),
        Err(why) => return Err(refusal(why)),
    };
    visit.audit(Place::SignIn.action(), Some(About::User(account.person.pseudonym().to_string())));
    let (user, password) = (account.id, account.password.clone());
    let limits = Limits::of(&snapshot.config.session);
    let opened = gateway.auth.open(&snapshot.keyring, account, limits, now).await.map_err(refusal)?;
    let session = opened.session.id();
    // A password that was changed while this went on: the change wins.
    if gateway.auth.accounts.get(user).is_none_or(|current| current.password != password) {
        gateway.auth.sessions.end(session).await.map_err(|why| refusal(why.into()))?;
        return Ok(None);
    }
    Ok(Some(Who::Account { user, session }))
}

fn is_admin(account: &Account) -> bool {
    account.roles.iter().any(|role| &**role == ROLE)
}

fn refusal(why: SignInError) -> Refusal {
    match why {
        SignInError::Wrong => Refusal::Unauthenticated,
        SignInError::LockedOut(locked) => Refusal::RateLimited { retry_after: locked.retry_after },
        SignInError::Busy(_) | SignInError::Unavailable(_) => {
            Refusal::Unavailable { retry_after: Some(Duration::from_secs(1)) }
        }
    }
}

/// Signs out. The session of an account ends with it.
pub(super) async fn out(visit: &Visit<'_>) -> Result<Response<Body>, Refusal> {
    if let Some(signed_in) = visit.signed_in() {
        end(visit, signed_in).await?;
    }
    let mut answer = see_other(Place::Overview.path());
    set(&mut answer, "", Duration::ZERO, is_secure(visit));
    Ok(answer)
}

/// Ends a sign-in, and with it the session of the account that it stands on.
async fn end(visit: &Visit<'_>, signed_in: &SignedIn) -> Result<(), Refusal> {
    visit.admin.console.sessions.end(signed_in);
    if let Who::Account { session, .. } = signed_in.who {
        visit.gateway().auth.sessions.end(session).await.map_err(|why| refusal(why.into()))?;
    }
    Ok(())
}

/// Whether the browser speaks TLS, to a proxy in front of this listener.
fn is_secure(visit: &Visit<'_>) -> bool {
    visit.head.text_header(ORIGIN).is_some_and(|origin| origin.starts_with("https://"))
}

/// # Source
/// RFC 6265 section 4.1.
fn set(answer: &mut Response<Body>, cookie: &str, ttl: Duration, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={cookie}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", ttl.as_secs());
    if let Ok(value) = HeaderValue::try_from(text) {
        answer.headers_mut().insert(SET_COOKIE, value);
    }
}
