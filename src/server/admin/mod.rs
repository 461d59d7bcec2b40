//! The admin listener: probes in detail, `/metrics`, and the API that the command line speaks.
//!
//! Reads are open on a loopback listener; everything that changes something needs the token (CONTRACT section 10).
//! Beside the pipeline, not in it: no route, rule or session of the public side leads here (AD-04).

pub mod action;
pub mod address;
mod alerts;
mod answer;
pub(in crate::server) mod audit;
pub mod bans;
mod endpoint;
mod fields;
mod guard;
pub mod keys;
pub mod lockdown;
mod lockout;
pub mod plugins;
pub mod policy;
pub(crate) mod reading;
pub(crate) mod requests;
pub mod service_detail;
pub mod sessions;
pub mod status;
mod timeline;
pub mod token;
pub mod users;

#[cfg(test)]
pub(in crate::server) mod tests;

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::header::ACCEPT;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as HttpBody;
use hyper::service::service_fn;
use tokio::net::TcpStream;

use self::action::{Action, Terms};
use self::audit::About;
use self::endpoint::{Endpoint, Find};
use self::lockout::Lockout;
use self::policy::QUESTION_BYTES_MAX;
pub use self::policy::Tools;
use self::reading::Readings;
use super::connection::Http;
use super::console::place::{self, Found, Place};
use super::console::{self, Console};
use super::phase::Shutdown;
use super::reload::Report;
use super::serve::closing_if;
use crate::auth::Moment;
use crate::base::ids::CorrelationId;
use crate::base::refusal::Refusal;
use crate::live::reloader::Reloader;
use crate::pipeline::answer::Body;
use crate::pipeline::arrival::{self, Arrival};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::panic_guard::catch;
use crate::pipeline::step::Stop;
use crate::pipeline::transport::Transport;
use crate::pipeline::unparsed::Unparsed;

pub use self::token::{Token, admin_token};

/// The longest body of an admin request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a proxy says of whom it asks for. To this listener the proxy is on loopback; whom it asks for is not.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// What the admin listener stands on. One per worker; there is one worker.
pub struct Admin {
    pub(in crate::server) gateway: Arc<Gateway>,
    pub(in crate::server) reloader: Arc<OnceLock<Reloader<Report>>>,
    pub(in crate::server) token: Token,
    /// Whether reads need no token: only this machine can reach the listener.
    pub(in crate::server) open: bool,
    started: Instant,
    pub(in crate::server) lockout: RefCell<Lockout>,
    pub(in crate::server) readings: Readings,
    pub(in crate::server) console: Console,
    /// What needs the files of the policy; absent where there are none.
    pub(in crate::server) tools: Option<Tools>,
}

impl Admin {
    /// The admin side of a gateway, at an address of which it depends whether reads are open. `reloader` is set once there
    /// is one; until then nobody can ask for a reload. `signed_in` is who has signed in to the console.
    pub fn new(
        gateway: Arc<Gateway>,
        reloader: Arc<OnceLock<Reloader<Report>>>,
        token: Token,
        address: IpAddr,
        started: Instant,
        signed_in: console::Sessions,
    ) -> Self {
        let open = address.to_canonical().is_loopback();
        let (console, readings) = (Console::new(signed_in), Readings::default());
        let lockout = RefCell::default();
        Self { gateway, reloader, token, open, started, lockout, readings, console, tools: None }
    }

    /// Whether reads need no token: the listener is on loopback, no proxy is between, and the host is one that it answers to. A
    /// page whose name was pointed at this machine reads no more than the refusal (AD-02).
    pub(in crate::server) fn is_open_to(&self, head: &Arrival) -> bool {
        let hosts = &self.gateway.live.current().config.admin.hosts;
        self.open
            && !FORWARDED.iter().any(|name| head.headers().contains_key(*name))
            && guard::host(head, hosts).is_ok()
    }

    /// The same with what needs the files of the policy.
    pub fn with(self, tools: Tools) -> Self {
        Self { tools: Some(tools), ..self }
    }
}

/// Serves one connection to its end.
pub async fn serve(admin: Rc<Admin>, stream: TcpStream, peer: SocketAddr, shutdown: Shutdown) {
    stream.set_nodelay(true).ok();
    let http = Http::new(&admin.gateway.live.current().config.server);
    let service = service_fn(|request| {
        let (admin, retiring) = (Rc::clone(&admin), shutdown.clone());
        async move {
            let answer = handle(&admin, request, peer, &retiring).await;
            Ok::<_, Infallible>(closing_if(retiring.is_retiring(), answer))
        }
    });
    http.serve(stream, &shutdown, service).await;
}

/// One request: an answer, always, in the same clothes.
async fn handle<B>(
    admin: &Admin,
    request: Request<B>,
    peer: SocketAddr,
    shutdown: &Shutdown,
) -> Response<Body>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut parts, body) = request.into_parts();
    let snapshot = admin.gateway.live.current();
    if let Some(unparsed) = parts.extensions.remove::<Unparsed>() {
        return answer::last(unparsed, &snapshot.hardening);
    }
    let id = arrival::correlate(&parts.headers);
    let arrived =
        arrival::receive(parts, !body.is_end_stream(), Transport::plain(peer), &snapshot.config.server);
    let outcome = match arrived {
        Ok(head) => {
            let outcome = catch(decide(admin, &head, body, &id, shutdown));
            let outcome = outcome.await.unwrap_or(Err(Refusal::Internal));
            if is_for_a_person(&head) {
                let shown = outcome.unwrap_or_else(|refusal| console::refused(admin, &head, &refusal, &id));
                let mut answer = answer::finish(Ok(shown), &id, &snapshot.hardening);
                console::dress(&mut answer);
                return answer;
            }
            outcome
        }
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Answered(_)) => Err(Refusal::Internal),
    };
    answer::finish(outcome, &id, &snapshot.hardening)
}

/// Whether the answer is read by a person: on every path of the console, and where a browser went astray.
fn is_for_a_person(head: &Arrival) -> bool {
    let path = head.parts().uri.path();
    let astray = || {
        endpoint::find(head.method(), path) == Find::Nothing
            && !path.starts_with("/admin/")
            && head.text_header(ACCEPT).is_some_and(|accept| accept.contains("text/html"))
    };
    place::find(head.method(), path) != Found::Nothing || astray()
}

async fn decide<B>(
    admin: &Admin,
    head: &Arrival,
    body: B,
    id: &CorrelationId,
    shutdown: &Shutdown,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let gateway = &*admin.gateway;
    let found = endpoint::find(head.method(), head.parts().uri.path());
    let hosts = &gateway.live.current().config.admin.hosts;
    let page = place::find(head.method(), head.parts().uri.path());
    let guarded = if guard::is_exempt(&found) {
        Ok(())
    } else if !matches!(page, Found::Nothing | Found::Place(Place::Events)) && guard::is_visit(head) {
        // A stream is for the script of a page alone: another site's windows could take every seat.
        guard::host(head, hosts)
    } else {
        guard::host(head, hosts).and_then(|()| guard::origin(head))
    };
    if let (Err(refusal), Found::Place(place), true) = (&guarded, page, head.method() == Method::POST) {
        audit::by(place.action(), Err(refusal), None, "", id);
    }
    if let (Err(refusal), Find::Endpoint(endpoint)) = (&guarded, found)
        && let Some(name) = endpoint.writes()
    {
        audit::line(name, Err(refusal), None, id);
    }
    guarded?;
    let endpoint = match found {
        Find::Endpoint(endpoint) => endpoint,
        Find::OtherMethod { allow, .. } => return Err(Refusal::MethodNotAllowed { allow: allow.to_owned() }),
        Find::Nothing => {
            return match page {
                Found::Place(place) => console::answer(admin, place, head, body, id, shutdown).await,
                Found::OtherMethod { allow } => Err(Refusal::MethodNotAllowed { allow: allow.to_owned() }),
                Found::Nothing => Err(Refusal::NotFound),
            };
        }
    };
    if let Some(name) = endpoint.writes() {
        let outcome = write(admin, endpoint, head, body).await;
        let (pseudonym, outcome) =
            outcome.map_or_else(|(who, why)| (who, Err(why)), |(who, what)| (who, Ok(what)));
        audit::line(name, outcome.as_ref().map(drop), pseudonym, id);
        return outcome;
    }
    if endpoint.is_api() && !admin.is_open_to(head) {
        guard::token(head, admin)?;
    }
    read(admin, endpoint, head).await
}

async fn read(admin: &Admin, endpoint: Endpoint, head: &Arrival) -> Result<Response<Body>, Refusal> {
    let query = head.parts().uri.query().unwrap_or_default();
    let gateway = &*admin.gateway;
    let uptime = gateway.clock.now().saturating_duration_since(admin.started);
    Ok(match endpoint {
        Endpoint::Live => answer::json(&status::live(uptime)),
        Endpoint::Ready => answer::probe(&status::ready(gateway, uptime)),
        Endpoint::Health => answer::probe(&status::health(gateway, uptime)),
        Endpoint::Version => answer::json(&status::version()),
        Endpoint::Services | Endpoint::ServicesHealth => answer::json(&service_detail::services(gateway)),
        Endpoint::Metrics => answer::metrics(gateway, head),
        Endpoint::Sessions => {
            answer::json(&sessions::list(gateway, head.parts().uri.query().unwrap_or_default())?)
        }
        Endpoint::Requests => answer::json(&requests::list(admin, query).await?),
        Endpoint::Impact => answer::json(&policy::impact(admin, query).await?),
        Endpoint::Explain => answer::json(&requests::explained(admin, query).await?),
        Endpoint::Reloads => answer::json(&requests::reloads(admin, query).await?),
        Endpoint::Users => answer::json(&users::list(&gateway.auth)),
        Endpoint::ServiceDetails => answer::json(&service_detail::with_addresses(gateway)),
        Endpoint::Plugins => answer::json(&plugins::plugins(gateway)),
        Endpoint::Keys => answer::json(&keys::list(&gateway.auth, gateway.clock.unix_ms())),
        Endpoint::Alerts => alerts::list(gateway, query)?,
        Endpoint::Timeline => {
            answer::json(&timeline::timeline(gateway, head.parts().uri.query().unwrap_or_default())?)
        }
        Endpoint::Bans => answer::json(&bans::list(&gateway.bans, &gateway.auth, gateway.clock.unix_ms())),
        Endpoint::Lockdown => {
            let state = gateway.bans.lockdown.state(gateway.clock.unix_ms());
            answer::json(&lockdown::LockdownView::of(state.as_ref()))
        }
        // What writes was handled before.
        Endpoint::Status
        | Endpoint::Reload
        | Endpoint::AddUser
        | Endpoint::SetPassword
        | Endpoint::DisableUser
        | Endpoint::CreateKey
        | Endpoint::RevokeKey
        | Endpoint::ForgetUser
        | Endpoint::SwitchMode
        | Endpoint::Playground
        | Endpoint::TestAlerts
        | Endpoint::AddBan
        | Endpoint::RevokeBans
        | Endpoint::SetLockdown
        | Endpoint::RevokeSessions => answer::json(&status::status(gateway, uptime)),
    })
}

/// Whom an action was about, as a pseudonym, and what came of it.
type Written<T> = Result<(Option<About>, T), (Option<About>, Refusal)>;

async fn write<B>(admin: &Admin, endpoint: Endpoint, head: &Arrival, body: B) -> Written<Response<Body>>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    guard::token(head, admin).map_err(|why| (None, why))?;
    if endpoint == Endpoint::Reload {
        let unavailable = || (None, Refusal::Unavailable { retry_after: None });
        let report = admin.reloader.get().ok_or_else(unavailable)?.reload().await.map_err(|error| {
            tracing::error!(%error, "a reload that was asked for gave no result");
            unavailable()
        })?;
        return Ok((None, answer::json(&status::reloaded(&report))));
    }
    let most = if endpoint == Endpoint::Playground { QUESTION_BYTES_MAX } else { BODY_BYTES_MAX };
    let bytes = whole(head, body, most).await.map_err(|why| (None, why))?;
    match endpoint {
        Endpoint::SwitchMode => return nobody(policy::switch_mode(admin, &bytes).await),
        Endpoint::Playground => return nobody(policy::play(admin, &bytes).await),
        Endpoint::TestAlerts => {
            let tested = alerts::try_out(&admin.gateway, &bytes).await.map_err(|why| (None, why))?;
            return Ok((None, answer::json(&tested)));
        }
        _ => {}
    }
    let mut action = Action::read(endpoint, &bytes).map_err(|why| (None, why))?;
    if let Action::Ban(wanted) = &mut action {
        wanted.asked_from = Some(head.peer().ip());
    }
    let gateway = &*admin.gateway;
    let target = Target::of(&action);
    // Looked up afterwards: an account that was added is there by then, and none goes.
    let who = || target.about(gateway);
    let terms = Terms::of(&gateway.live.current().config);
    match action.perform(&gateway.auth, &gateway.bans, terms, Moment::of(&gateway.clock)).await {
        Ok(done) => {
            if endpoint == Endpoint::ForgetUser {
                gateway.federated.forget_those_without(&gateway.auth.accounts);
                gateway.recall.forget_facts();
            }
            Ok((who(), answer::json(&done)))
        }
        Err(why) => Err((who(), why)),
    }
}

/// What came of an action that is about nobody.
fn nobody<T>(outcome: Result<T, Refusal>) -> Written<T> {
    outcome.map(|done| (None, done)).map_err(|why| (None, why))
}

/// Whom an action is about, as it was written.
pub(in crate::server) struct Target {
    user: Option<String>,
    network: Option<ipnet::IpNet>,
}

impl Target {
    pub(in crate::server) fn of(action: &Action) -> Self {
        Self {
            user: action.target().map(str::to_owned),
            network: action.address().and_then(|text| crate::bans::parse_network(text).ok()),
        }
    }

    /// The same as a pseudonym, where it is known.
    pub(in crate::server) fn about(&self, gateway: &Gateway) -> Option<About> {
        match self.network {
            Some(net) => Some(About::Client(client(gateway, net))),
            None => self.user.as_deref().and_then(|user| pseudonym(gateway, user)).map(About::User),
        }
    }
}

fn pseudonym(gateway: &Gateway, user: &str) -> Option<String> {
    users::find(&gateway.auth, user).map(|account| account.person.pseudonym().to_string())
}

/// An address, or a network, as a pseudonym: of one machine the same as in its requests' lines.
fn client(gateway: &Gateway, net: ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        gateway.pseudonyms.address(net.addr()).to_string()
    } else {
        gateway.pseudonyms.text(&net.to_string()).to_string()
    }
}

async fn whole<B>(head: &Arrival, body: B, most: usize) -> Result<bytes::Bytes, Refusal>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    guard::json(head)?;
    collect(head, body, most).await
}

/// The whole body of a request, up to so many bytes.
pub(in crate::server) async fn collect<B>(
    head: &Arrival,
    body: B,
    most: usize,
) -> Result<bytes::Bytes, Refusal>
where
    B: HttpBody + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if head.declared_length().is_some_and(|length| usize::try_from(length).is_ok_and(|n| n > most)) {
        return Err(Refusal::TooLarge);
    }
    match tokio::time::timeout(answer::BODY_WAIT_MAX, Limited::new(body, most).collect()).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::BadRequest("The request body is malformed.")),
        Err(_) => Err(Refusal::RequestTimeout),
    }
}
