//! The run: start, send, read back, end.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::canary::{Canary, Kind, of_place};
use super::output::{Group, Outputs};
use super::own::own;
use super::place::{Target, places};
use super::private::{NoGateway, PrivateGateway};
use super::report::Report;
use super::searcher::Searcher;
use super::stand_in;
use super::wire::{Answer, exchange};
use crate::base::secret::Secret;
use crate::config::{Config, Inputs};
use crate::server::explain::Folder;
use crate::store::Reader;

/// Most routes that are visited; of more, the first.
const ROUTES_MAX: usize = 64;
/// Most requests whose explanations are read.
const EXPLAINED_MAX: usize = 200;
/// Where canaries of a signed-in person stand.
const SIGNED_IN: &str = "query of a signed-in person";
/// How long rows may take to be written.
const SETTLE: Duration = Duration::from_millis(2_500);

/// What the admin side shows: probes, API, console. What this version does not have answers 404.
const ADMIN: [&str; 25] = [
    "/live",
    "/ready",
    "/health",
    "/version",
    "/services",
    "/services/health",
    "/",
    "/requests",
    "/sessions",
    "/plugins",
    "/bans",
    "/lockdown",
    "/reloads",
    "/alerts",
    "/admin/api/sessions",
    "/admin/api/users",
    "/admin/api/keys",
    "/admin/api/plugins",
    "/admin/api/services",
    "/admin/api/requests",
    "/admin/api/reloads",
    "/admin/api/alerts",
    "/admin/api/timeline",
    "/admin/api/bans",
    "/admin/api/lockdown",
];
/// Those that name accounts on purpose.
const NAMES_ACCOUNTS: [&str; 5] =
    ["/sessions", "/bans", "/admin/api/sessions", "/admin/api/users", "/admin/api/keys"];

struct Run<'a> {
    gateway: PrivateGateway,
    token: Secret<String>,
    config: &'a Config,
    requests: usize,
    /// What the gateway itself refused with.
    refusals: Vec<u8>,
    ids: BTreeSet<String>,
    remarks: Vec<String>,
}

/// Runs the whole check.
///
/// # Errors
/// There is no private gateway, or what it wrote cannot be read.
pub(super) fn run(inputs: &Inputs, config: &Config) -> Result<Report, NoGateway> {
    let folder = Folder::new("privacy").map_err(|e| NoGateway::Io("no folder for the run", e))?;
    let (places, own) = (places(), own());
    let own_first = places.len();
    let stand_in_first = own_first + own.len();
    let signed_in = stand_in_first + stand_in::PLACES.len();
    let address = stand_in::start(stand_in_first)
        .map_err(|e| NoGateway::Io("no port for the services' stand-in", e))?;
    let gateway = PrivateGateway::start(inputs, folder.path(), "trace", address)?;
    let token = gateway.token()?;
    let mut run = Run {
        gateway,
        token,
        config,
        requests: 0,
        refusals: Vec::new(),
        ids: BTreeSet::new(),
        remarks: Vec::new(),
    };
    let mut canaries: Vec<Canary> = (0..)
        .zip(
            places
                .iter()
                .map(|place| place.name)
                .chain(own.iter().map(|own| own.place))
                .chain(stand_in::PLACES),
        )
        .chain([(signed_in, SIGNED_IN)])
        .flat_map(|(nth, place)| of_place(place, nth))
        .collect();
    canaries.push(Canary { place: "account", kind: Kind::Account, value: Kind::Account.value(0) });
    canaries.extend(run.account(signed_in)?);
    let targets = run.targets();
    for target in &targets {
        for (nth, place) in places.iter().enumerate() {
            for request in place.requests(nth, target) {
                run.send(&request)?;
            }
        }
        run.send(
            format!(
                "GET {}?{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                target.path,
                stand_in::GARBAGE,
                target.host
            )
            .as_bytes(),
        )?;
    }
    canaries.extend(run.signed_in(signed_in, &targets)?);
    let provider = config.auth.providers.first().map_or("google", |provider| &provider.name).to_owned();
    for (at, own) in own.iter().enumerate() {
        let request = own.request(own_first + at, &config.gateway.prefix, &provider, "localhost");
        if own.admin {
            run.send_admin(&request)?;
        } else {
            run.send(&request)?;
        }
    }
    let names: BTreeSet<&str> = canaries.iter().map(|canary| canary.place).collect();
    let names = names.into_iter().map(str::to_owned).collect();
    let searcher = Searcher::new(canaries);
    let outputs = run.read_back(&searcher)?;
    Ok(Report::of(&outputs, run.requests, searcher.count(), names, run.remarks))
}

impl Run<'_> {
    /// Sends one to the public side, and keeps what the gateway itself refused with.
    fn send(&mut self, request: &[u8]) -> Result<Answer, NoGateway> {
        let gone = |e| NoGateway::Io("the private gateway does not answer any more", e);
        let answer = exchange(self.gateway.public, request).map_err(gone)?;
        self.requests += 1;
        if answer.status >= 400 && answer.header(stand_in::MARK).is_none() {
            // The way back to where the client wanted to go is the client's own.
            let lines =
                answer.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("location:"));
            lines.for_each(|line| self.refusals.extend_from_slice(line.as_bytes()));
            self.refusals.extend_from_slice(&answer.body);
            self.refusals.push(b'\n');
        }
        if let Some(id) = answer.header("x-request-id").filter(|_| self.ids.len() < EXPLAINED_MAX) {
            self.ids.insert(id.to_owned());
        }
        Ok(answer)
    }

    fn send_admin(&mut self, request: &[u8]) -> Result<Answer, NoGateway> {
        let gone = |e| NoGateway::Io("the private gateway's admin side does not answer any more", e);
        let answer = exchange(self.gateway.admin, request).map_err(gone)?;
        self.requests += 1;
        self.refusals.extend_from_slice(&answer.body);
        Ok(answer)
    }

    /// One for each route, below its path where that is a prefix, and one for no route.
    fn targets(&mut self) -> Vec<Target> {
        let routes = &self.config.routes;
        if routes.len() > ROUTES_MAX {
            self.remarks.push(format!("{ROUTES_MAX} of {} routes were visited", routes.len()));
        }
        let cookie = self.config.session.cookie_name.clone();
        let target = |method: &str, path: &str, host: &str| Target {
            method: method.to_owned(),
            path: path.to_owned(),
            host: host.to_owned(),
            cookie: cookie.clone(),
        };
        let mut targets: Vec<Target> = routes
            .iter()
            .take(ROUTES_MAX)
            .map(|route| {
                let path =
                    route.path.strip_suffix("/*").map_or(route.path.clone(), |prefix| format!("{prefix}/a"));
                let method = route.methods.first().map_or("GET", String::as_str);
                target(method, &path, route.host.as_deref().unwrap_or("localhost"))
            })
            .collect();
        targets.push(target("GET", "/no-route-of-anybody", "localhost"));
        targets
    }

    /// Adds an account and a key of its own; gives what must not be seen of them.
    fn account(&mut self, nth: usize) -> Result<Vec<Canary>, NoGateway> {
        let roles: BTreeSet<&String> = self.config.routes.iter().flat_map(|route| &route.roles).collect();
        let password = password(nth + 1, self.config.auth.password_min);
        let added = self.change(
            "/admin/api/users",
            &json!({ "name": Kind::Account.value(0), "password": password, "roles": roles }),
        )?;
        let made = self.change(
            "/admin/api/keys",
            &json!({ "name": "privacy-check", "owner": Kind::Account.value(0) }),
        )?;
        if added.status >= 300 || made.status >= 300 {
            self.remarks.push("no account could be made: nothing was sent by a signed-in person".to_owned());
            return Ok(Vec::new());
        }
        let made: Value = serde_json::from_slice(&made.body).unwrap_or_default();
        let secret =
            made["key"].as_str().and_then(|key| key.rsplit('_').next()).unwrap_or_default().to_owned();
        Ok(vec![
            Canary { place: "API key", kind: Kind::Issued, value: secret },
            Canary { place: "account", kind: Kind::Password, value: password },
        ])
    }

    fn change(&mut self, path: &str, body: &Value) -> Result<Answer, NoGateway> {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.token.expose(),
            body.len()
        );
        exchange(self.gateway.admin, request.as_bytes())
            .map_err(|e| NoGateway::Io("the private gateway's admin side does not answer", e))
    }

    /// Signs in, looks at every route, and leaves; gives what must not be seen of the session.
    fn signed_in(&mut self, nth: usize, targets: &[Target]) -> Result<Vec<Canary>, NoGateway> {
        let prefix = self.config.gateway.prefix.clone();
        let login = json!({ "username": Kind::Account.value(0), "password": password(nth + 1, self.config.auth.password_min) });
        let login = login.to_string();
        let request = format!(
            "POST {prefix}/auth/login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: {}\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{login}",
            Kind::Ipv4.value(nth),
            login.len()
        );
        let answer = self.send(request.as_bytes())?;
        let cookie =
            answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        let Some(cookie) = cookie.filter(|_| answer.status == 200) else {
            self.remarks
                .push("nobody could sign in with a password: nothing was sent with a session".to_owned());
            return Ok(Vec::new());
        };
        let with = |line: &str, host: &str, more: &str| {
            format!(
                "{line} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: {}\r\nCookie: {cookie}\r\n\
                 {more}Connection: close\r\n\r\n",
                Kind::Ipv6.value(nth)
            )
        };
        for target in targets {
            let line = format!(
                "{} {}?mail={}&card={}",
                target.method,
                target.path,
                Kind::Email.value(nth),
                Kind::Card.value(nth)
            );
            self.send(with(&line, &target.host, "").as_bytes())?;
        }
        for line in ["GET /auth/session", "GET /auth/me", "GET /me/usage"] {
            let (method, path) = line.split_once(' ').unwrap_or_default();
            self.send(with(&format!("{method} {prefix}{path}"), "localhost", "").as_bytes())?;
        }
        let leave = with(
            &format!("POST {prefix}/auth/logout"),
            "localhost",
            "Sec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n",
        );
        self.send(leave.as_bytes())?;
        let parts = cookie.split_once('=').map_or("", |(_, token)| token).split('.').skip(1);
        Ok(parts
            .map(|part| Canary { place: "session", kind: Kind::Issued, value: part.to_owned() })
            .collect())
    }

    /// Reads all that the gateway has written, while it runs and when it has ended.
    #[expect(clippy::disallowed_methods, reason = "the command line has no worker that this could block")]
    fn read_back<'s>(&mut self, searcher: &'s Searcher) -> Result<Outputs<'s>, NoGateway> {
        let unread = |e| NoGateway::Io("what the private gateway wrote cannot be read", e);
        let mut outputs = Outputs::new(searcher);
        outputs.look(Group::Answers, "refusals", &self.refusals);
        // What the rules remember is saved about every second, rows when they have waited.
        std::thread::sleep(SETTLE);
        let get = |address, path: &str| {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                self.token.expose()
            );
            exchange(address, request.as_bytes()).map(|answer| answer.body)
        };
        outputs.look(Group::Metrics, "/metrics", &get(self.gateway.admin, "/metrics").map_err(unread)?);
        for path in ["/live", "/ready", "/health", "/version", "/services", "/services/health"] {
            let path = format!("{}{path}", self.config.gateway.prefix);
            outputs.look(Group::Answers, "probes", &get(self.gateway.public, &path).map_err(unread)?);
        }
        for path in ADMIN {
            let body = get(self.gateway.admin, path).map_err(unread)?;
            if NAMES_ACCOUNTS.contains(&path) {
                outputs.look_but_for_accounts(Group::Admin, path, &body);
            } else {
                outputs.look(Group::Admin, path, &body);
            }
        }
        for id in &self.ids {
            for path in ["/explain?id=", "/admin/api/explain?id="] {
                let body = get(self.gateway.admin, &format!("{path}{id}")).map_err(unread)?;
                outputs.look(Group::Admin, path.trim_end_matches("?id="), &body);
            }
        }
        outputs.look_through_files(self.gateway.data()).map_err(unread)?;
        if !self.gateway.end() {
            self.remarks.push("the private gateway did not end by itself".to_owned());
        }
        outputs.look(Group::Log, "log", &self.gateway.said());
        outputs.look_through_files(self.gateway.data()).map_err(unread)?;
        tables(&mut outputs, &self.gateway)?;
        Ok(outputs)
    }
}

fn tables(outputs: &mut Outputs<'_>, gateway: &PrivateGateway) -> Result<(), NoGateway> {
    let unread = |error: crate::store::OpenError| {
        NoGateway::Io("the database of the run cannot be read", std::io::Error::other(error))
    };
    let reader = Reader::open(&gateway.data().join("pluginmind.db")).map_err(unread)?;
    let look = |table: &str, column: &str, bytes: &[u8]| {
        let name = format!("table {table}, column {column}");
        if table == "users" {
            outputs.look_but_for_accounts(Group::Database, &name, bytes);
        } else {
            outputs.look(Group::Database, &name, bytes);
        }
    };
    reader.each_value(look).map_err(unread)
}

/// Long enough for the operator's rule about passwords.
fn password(nth: usize, least: usize) -> String {
    let mut password = Kind::Password.value(nth);
    while password.len() < least {
        password.push('x');
    }
    password
}
