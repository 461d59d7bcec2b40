//! `[session]`: the session cookie and how long it lives.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::document::Table;
use crate::base::secret::Secret;
use crate::base::target::Host;

use super::context::Context;
use super::count;
use super::token::is_token;

/// `SameSite` of the session cookie (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent on same-site requests and top-level navigations.
    Lax,
    /// Sent on same-site requests only.
    Strict,
    /// Sent always; needs `Secure`.
    None,
}

/// The session cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The cookie's name.
    pub cookie_name: String,
    /// The cookie's `Domain`, without a leading dot.
    pub cookie_domain: Option<String>,
    /// Lifetime from sign-in or renewal.
    pub ttl: Duration,
    /// Lifetime from sign-in, renewals included; at least `ttl`.
    pub absolute: Duration,
    /// Lifetime without a request.
    pub idle: Duration,
    /// `SameSite`.
    pub same_site: SameSite,
    /// Most sessions of one user; the oldest ends.
    pub per_user_max: usize,
    /// Most sessions altogether.
    pub sessions_max: usize,
    /// The secret itself, from the file or the environment; outranks `secret_file`.
    pub secret: Option<Secret<String>>,
    /// Whether `secret` came from the environment.
    pub secret_from_environment: bool,
    /// A file with one secret a line: the first signs, the rest only verify. Absent where `secret` outranks it.
    pub secret_file: Option<PathBuf>,
    /// The keys in force, the signing one first: from `secret`, `secret_file`, or (development) the data folder.
    /// Empty only when none is given in development and none was made yet.
    pub keys: Vec<Secret<Vec<u8>>>,
}

impl Session {
    /// Reads the table; the keys come from [`super::secrets`]. The table stays open for them.
    pub(super) fn read(table: &mut Table<'_>, context: &Context) -> Self {
        let cookie_name =
            table.parsed("cookie_name", "token", "pm_session", "The cookie's name.", parse_cookie_name);
        let cookie_domain = table.parsed(
            "cookie_domain",
            "host name",
            "",
            "The cookie's `Domain`, without which only this host gets it; a leading dot is dropped.",
            parse_cookie_domain,
        );
        let least = Duration::from_secs(1);
        let ttl = table.duration(
            "ttl",
            "24h",
            least,
            "Longest life of a session from sign-in, or from its last renewal.",
        );
        let absolute = table.duration(
            "absolute",
            "24h",
            least,
            "Longest life of a session from sign-in, renewals included; at least `ttl`, and where it is not set as long as \
             `ttl`. Where it is longer, a request with a cookie that has less than half of `ttl` left gets a new one.",
        );
        let absolute = if table.has("absolute") { absolute } else { ttl };
        let idle = table.duration("idle", "2h", least, "Longest life of a session without a request.");
        let words = [("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)];
        let same_site =
            table.choice("same_site", &words, "lax", "`SameSite` of the cookie: `lax`, `strict` or `none`.");
        let per_user_max =
            table.integer("per_user_max", 50, (1, 10_000), "Most sessions of one user; the oldest ends.");
        let sessions_max =
            table.integer("sessions_max", 1_000_000, (1, 100_000_000), "Most sessions altogether.");
        let secret = table.secret("secret", "The secret that signs sessions; better kept in `secret_file`.");
        let secret_file = table
            .optional_text(
                "secret_file",
                "A file with one secret a line: the first signs, the rest only verify.",
            )
            .map(|path| context.resolve(&path));
        let session = Self {
            cookie_name: cookie_name.unwrap_or_default(),
            cookie_domain,
            ttl,
            absolute,
            idle,
            same_site: same_site.unwrap_or(SameSite::Lax),
            per_user_max: count(per_user_max),
            sessions_max: count(sessions_max),
            secret,
            secret_from_environment: false,
            secret_file,
            keys: Vec::new(),
        };
        session.check_cookie(table, context);
        session
    }

    /// What a browser would not take from us.
    ///
    /// # Source
    /// RFC 6265bis sections 4.1.3 and 5.7.
    fn check_cookie(&self, table: &Table<'_>, context: &Context) {
        let prefixed = ["__Host-", "__Secure-"].into_iter().find(|p| self.cookie_name.starts_with(p));
        if self.cookie_domain.is_some() && prefixed == Some("__Host-") {
            let message = "`session.cookie_domain`: browsers refuse a `__Host-` cookie with a domain";
            table.report(table.problem("cookie_domain", message));
        }
        if let (Some(prefix), false) = (prefixed, context.is_production()) {
            let message = format!(
                "`session.cookie_name`: browsers refuse a `{prefix}` cookie without `Secure`, which only production sets"
            );
            table.report(table.problem("cookie_name", message).warning());
        }
        if self.same_site == SameSite::None && !context.is_production() {
            let message =
                "`session.same_site`: browsers refuse `none` without `Secure`, which only production sets";
            table.report(table.problem("same_site", message).warning());
        }
        if self.absolute < self.ttl {
            let message = "`session.absolute` is shorter than `session.ttl`";
            let hint = "a session that is renewed lives longer than one that is not: raise it, or remove it";
            table.report(table.problem("absolute", message).hint(hint));
        }
        if self.idle > self.ttl && table.has("idle") {
            table.report(
                table
                    .problem("idle", "`session.idle` is longer than `session.ttl` and never ends a session")
                    .warning(),
            );
        }
    }
}

fn parse_cookie_name(text: &str) -> Result<String, String> {
    if is_token(text) && text.len() <= 64 {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a cookie name: 1 to 64 of letters, digits and !#$%&'*+-.^_`|~"))
    }
}

fn parse_cookie_domain(text: &str) -> Result<String, String> {
    let name = text.strip_prefix('.').unwrap_or(text);
    let host = Host::parse(name).map_err(|_| format!("`{text}` is not a host name"))?;
    if host.port().is_some() {
        return Err(format!("`{text}` has a port: cookies know none"));
    }
    if host.name().starts_with('[') || host.name().parse::<std::net::Ipv4Addr>().is_ok() {
        return Err(format!("`{text}` is an address: a cookie's domain is a name"));
    }
    Ok(host.name().to_owned())
}

#[cfg(test)]
mod tests {
    use crate::config::check::{dev, finds, production};

    #[test]
    fn a_cookie_name_is_a_token() {
        for bad in ["", "a b", "a;b", "a=b", "é"] {
            finds(&dev(&format!("[session]\ncookie_name = \"{bad}\"\n")), "is not a cookie name");
        }
    }

    #[test]
    fn a_cookie_domain_is_a_name_and_its_leading_dot_is_dropped() {
        let config = crate::config::check::config("[session]\ncookie_domain = \".Example.com\"\n");
        assert_eq!(config.session.cookie_domain.as_deref(), Some("example.com"));
        for (bad, why) in [("127.0.0.1", "is an address"), ("a:80", "has a port"), ("a b", "not a host name")]
        {
            finds(&dev(&format!("[session]\ncookie_domain = \"{bad}\"\n")), why);
        }
    }

    #[test]
    fn without_a_life_beyond_the_ttl_nothing_is_renewed() {
        use std::time::Duration;
        let lives = |text: &str| {
            let session = crate::config::check::config(&format!("[session]\n{text}")).session;
            (session.ttl, session.absolute)
        };
        let hours = |h: u64| Duration::from_secs(h * 3_600);
        assert_eq!(lives(""), (hours(24), hours(24)));
        assert_eq!(lives("ttl = \"1h\"\n"), (hours(1), hours(1)));
        assert_eq!(lives("ttl = \"48h\"\n"), (hours(48), hours(48)));
        assert_eq!(lives("ttl = \"1h\"\nabsolute = \"7d\"\n"), (hours(1), hours(168)));
        finds(&dev("[session]\nabsolute = \"1h\"\n"), "`session.absolute` is shorter than `session.ttl`");
    }

    #[test]
    fn a_host_cookie_with_a_domain_is_refused() {
        let text = "[session]\ncookie_name = \"__Host-s\"\ncookie_domain = \"a.example\"\n";
        finds(
            &production(text),
            "config.toml:3:17: `session.cookie_domain`: browsers refuse a `__Host-` cookie",
        );
        finds(&dev("[session]\ncookie_name = \"__Host-s\"\n"), "warning config.toml:2:15");
        assert_eq!(production("[session]\ncookie_name = \"__Host-s\"\nsame_site = \"none\"\n"), "");
    }
}
