//! The gateway's own endpoints: a closed set of paths that win over routes.

/// One of the gateway's own endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// `GET` the sign-in page, `POST` a name and a password.
    Login,
    /// `POST`: end this session.
    Logout,
    /// `POST`: end every session of this user.
    LogoutAll,
    /// `GET`: is there a session?
    Session,
    /// `GET`: who am I?
    Me,
    /// `GET`: may a request pass that a proxy in front has?
    Verify,
    /// `GET`: the public keys of assertions.
    Jwks,
    /// `GET`: the process answers.
    Live,
    /// `GET`: the gateway can do its work.
    Ready,
    /// `GET`: the same in one word.
    Health,
    /// `GET`: which version.
    Version,
    /// `GET`: the services by name.
    Services,
    /// `GET`: the services and whether they are up.
    ServicesHealth,
}

const ALL: [Own; 13] = [
    Own::Login,
    Own::Logout,
    Own::LogoutAll,
    Own::Session,
    Own::Me,
    Own::Verify,
    Own::Jwks,
    Own::Live,
    Own::Ready,
    Own::Health,
    Own::Version,
    Own::Services,
    Own::ServicesHealth,
];

impl Own {
    /// The endpoint of a canonical path, below the prefix.
    pub fn find(path: &str, prefix: &str) -> Option<Self> {
        let path = path.strip_prefix(prefix)?;
        ALL.into_iter().find(|own| own.path() == path)
    }

    /// The path without prefix; also the route name of metrics and logs.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Login => "/auth/login",
            Self::Logout => "/auth/logout",
            Self::LogoutAll => "/auth/logout-all",
            Self::Session => "/auth/session",
            Self::Me => "/auth/me",
            Self::Verify => "/auth/verify",
            Self::Jwks => "/.well-known/pluginmind/jwks.json",
            Self::Live => "/live",
            Self::Ready => "/ready",
            Self::Health => "/health",
            Self::Version => "/version",
            Self::Services => "/services",
            Self::ServicesHealth => "/services/health",
        }
    }

    /// Whether bans, lockdown and the rate limit are skipped.
    pub const fn is_probe(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Health | Self::Version)
    }

    /// Whether the endpoint stands below `/auth/`.
    pub const fn is_auth(self) -> bool {
        matches!(self, Self::Login | Self::Logout | Self::LogoutAll | Self::Session | Self::Me | Self::Verify)
    }

    /// Whether the endpoint takes the method.
    pub fn takes(self, method: &str) -> bool {
        self.methods().contains(&method)
    }

    /// The `Allow` header.
    pub fn allow(self) -> String {
        self.methods().join(", ")
    }

    /// Words for plugins' route filters.
    pub fn tags(self) -> Vec<String> {
        let kind = if self.is_auth() || self == Self::Jwks { "auth" } else { "health" };
        vec!["gateway".to_owned(), kind.to_owned()]
    }

    const fn methods(self) -> &'static [&'static str] {
        match self {
            Self::Login => &["GET", "HEAD", "POST"],
            Self::Logout | Self::LogoutAll => &["POST"],
            _ => &["GET", "HEAD"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_path_is_found_below_its_prefix_only() {
        assert_eq!(Own::find("/auth/login", ""), Some(Own::Login));
        assert_eq!(Own::find("/gw/auth/login", "/gw"), Some(Own::Login));
        assert_eq!(Own::find("/auth/login", "/gw"), None);
        assert_eq!(Own::find("/auth/login/", ""), None);
        assert_eq!(Own::find("/auth", ""), None);
    }

    #[test]
    fn cs_04_signing_out_takes_only_post() {
        assert!(!Own::Logout.takes("GET"));
        assert_eq!(Own::Logout.allow(), "POST");
    }
}
