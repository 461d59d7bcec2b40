//! The console as a browser without JavaScript uses it: a cookie, forms, redirects.

use crate::harness::{Answer, Gateway};

/// Somebody who has signed in to the console.
pub struct Console<'g> {
    gateway: &'g Gateway,
    /// `pm_console=…`.
    pub cookie: String,
    /// What the forms of this session bring.
    pub csrf: String,
}

impl<'g> Console<'g> {
    /// Signs in with the admin token.
    pub fn enter(gateway: &'g Gateway) -> Self {
        let token = gateway.token();
        let bare = token.strip_prefix("Bearer ").expect("a bearer token");
        let answer = post(gateway, "/sign-in", &[], &[("token", bare)]);
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = answer.cookie().expect("a cookie");
        let page = gateway.ask_admin("GET /bans", &[("Cookie", &cookie)], b"").text();
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        Self { gateway, cookie, csrf: csrf.expect("a form").to_owned() }
    }

    /// A page, as it stands.
    pub fn page(&self, path: &str) -> String {
        let answer = self.gateway.ask_admin(&format!("GET {path}"), &[("Cookie", &self.cookie)], b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// Sends a form of a page.
    pub fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend_from_slice(fields);
        post(self.gateway, path, &[("Cookie", &self.cookie)], &all)
    }

    /// Sends a form that must be taken, and gives the page that it leads to.
    pub fn act(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.send(path, fields);
        assert_eq!(answer.status, 303, "{path}: {}", answer.text());
        self.page(answer.header("location").expect("where to"))
    }
}

/// Posts a form to the admin listener, as a browser does.
pub fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend_from_slice(headers);
    gateway.ask_admin(&format!("POST {path}"), &all, encode(fields).as_bytes())
}

/// What was typed into a page, as a browser would read it out of the markup.
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn encode(fields: &[(&str, &str)]) -> String {
    let byte = |b: u8| {
        if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }
    };
    let text = |text: &str| text.bytes().map(byte).collect::<String>();
    fields.iter().map(|(n, v)| format!("{}={}", text(n), text(v))).collect::<Vec<_>>().join("&")
}
