//! Canaries in what the gateway's own endpoints take: sign-in, the way back from a provider, the admin API.

use super::canary::{Canary, Kind, of_place};
use crate::base::target::percent_encode;

/// A request to an endpoint of the gateway's own.
pub struct Own {
    /// As the report says it.
    pub place: &'static str,
    /// Whether it goes to the admin listener.
    pub admin: bool,
    method: &'static str,
    /// Below the prefix.
    path: Text,
    headers: Text,
    body: Text,
}

/// What a request is made of.
pub struct Given {
    canaries: Vec<Canary>,
    provider: String,
}

impl Given {
    fn of(&self, kind: Kind) -> &str {
        self.canaries.iter().find(|canary| canary.kind == kind).map_or("", |canary| &canary.value)
    }

    fn escaped(&self, kind: Kind) -> String {
        percent_encode(self.of(kind))
    }
}

/// A part of a request.
type Text = fn(&Given) -> String;

const JSON: Text = |_| "Content-Type: application/json\r\n".to_owned();
const FORM: Text = |_| "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
const NONE: Text = |_| String::new();

/// Every such place. Their numbers go on where those of the other places end.
pub fn own() -> Vec<Own> {
    [sign_in(), providers(), admin_api()].into_iter().flatten().collect()
}

/// Local accounts.
fn sign_in() -> Vec<Own> {
    vec![
        public(
            "sign-in, JSON",
            "POST",
            |_| "/auth/login".into(),
            JSON,
            |given| {
                format!(
                    "{{\"username\":\"{}\",\"password\":\"{}\"}}",
                    given.of(Kind::Email),
                    given.of(Kind::Password)
                )
            },
        ),
        public(
            "sign-in, unknown fields",
            "POST",
            |_| "/auth/login".into(),
            JSON,
            |given| {
                format!(
                    "{{\"{}\":\"{}\",\"token\":\"{}\"}}",
                    given.of(Kind::Email),
                    given.of(Kind::Card),
                    given.of(Kind::Token)
                )
            },
        ),
        public(
            "sign-in, form",
            "POST",
            |_| "/auth/login".into(),
            FORM,
            |given| {
                format!(
                    "username={}&password={}&return_to=/",
                    given.escaped(Kind::Email),
                    given.escaped(Kind::Password)
                )
            },
        ),
    ]
}

/// Providers, and proxies that ask.
fn providers() -> Vec<Own> {
    vec![
        public(
            "way back from a provider",
            "GET",
            |given| {
                format!(
                    "/auth/callback/{}?code={}&state={}&error_description={}",
                    given.provider,
                    given.of(Kind::Token),
                    given.of(Kind::Jwt),
                    given.escaped(Kind::Email)
                )
            },
            |given| format!("Cookie: pm_login={}\r\n", given.of(Kind::Jwt)),
            |_| String::new(),
        ),
        public(
            "ID token",
            "POST",
            |given| format!("/auth/{}", given.provider),
            JSON,
            |given| format!("{{\"id_token\":\"{}\"}}", given.of(Kind::Jwt)),
        ),
        public(
            "way to a provider",
            "GET",
            |given| {
                format!(
                    "/auth/login/{}?return_to=/{}&hint={}",
                    given.provider,
                    given.of(Kind::Token),
                    given.escaped(Kind::Email)
                )
            },
            NONE,
            NONE,
        ),
        public(
            "unknown provider",
            "GET",
            |given| format!("/auth/login/{}", given.of(Kind::Token)),
            NONE,
            NONE,
        ),
        public(
            "forward-auth, target",
            "GET",
            |_| "/auth/verify".into(),
            |given| {
                format!(
                    "X-Forwarded-Uri: /x?mail={}&token={}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: localhost\r\n",
                    given.escaped(Kind::Email),
                    given.of(Kind::Token)
                )
            },
            NONE,
        ),
    ]
}

/// The admin listener.
fn admin_api() -> Vec<Own> {
    vec![
        admin(
            "admin API, wrong token",
            "POST",
            |_| "/admin/api/reload".into(),
            |given| format!("Authorization: Bearer {}\r\n", given.of(Kind::Token)),
            NONE,
        ),
        admin(
            "admin API, query",
            "GET",
            |given| {
                format!("/admin/api/sessions?user={}&{}=1", given.escaped(Kind::Email), given.of(Kind::Token))
            },
            NONE,
            NONE,
        ),
        admin("admin API, path", "GET", |given| format!("/admin/api/{}", given.of(Kind::Token)), NONE, NONE),
    ]
}

fn public(place: &'static str, method: &'static str, path: Text, headers: Text, body: Text) -> Own {
    Own { place, admin: false, method, path, headers, body }
}

fn admin(place: &'static str, method: &'static str, path: Text, headers: Text, body: Text) -> Own {
    Own { place, admin: true, method, path, headers, body }
}

impl Own {
    /// The bytes of the request, whose canaries are the `nth`.
    pub fn request(&self, nth: usize, prefix: &str, provider: &str, host: &str) -> Vec<u8> {
        let given = Given { canaries: of_place(self.place, nth), provider: provider.to_owned() };
        let (path, headers, body) = ((self.path)(&given), (self.headers)(&given), (self.body)(&given));
        let prefix = if self.admin { "" } else { prefix };
        let length =
            if self.method == "POST" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        format!(
            "{} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{length}\r\n{body}",
            self.method
        )
        .into_bytes()
    }
}
