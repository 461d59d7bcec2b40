//! The gateway's own endpoints: a closed set of paths that win over routes.

use crate::config::Provider;

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
    /// `GET /auth/login/{provider}`: to a provider.
    ProviderLogin,
    /// `GET /auth/callback/{provider}`: and back.
    ProviderCallback,
    /// `POST /auth/{provider}`: an ID token for a session.
    ProviderExchange,
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
    /// The endpoint of a canonical path, below the prefix. Those of a provider are there only with the provider.
    pub fn find(path: &str, prefix: &str, providers: &[Provider]) -> Option<Self> {
        let path = path.strip_prefix(prefix)?;
        ALL.into_iter().find(|own| own.path() == path).or_else(|| {
            let (own, name) = Self::of_provider(path)?;
            providers.iter().any(|p| p.name == name).then_some(own)
        })
    }

    /// The endpoint and the provider's name of a path below `/auth/`.
    fn of_provider(path: &str) -> Option<(Self, &str)> {
        let rest = path.strip_prefix("/auth/")?;
        if let Some(name) = rest.strip_prefix("login/") {
            return Some((Self::ProviderLogin, name));
        }
        if let Some(name) = rest.strip_prefix("callback/") {
            return Some((Self::ProviderCallback, name));
        }
        Some((Self::ProviderExchange, rest))
    }

    /// The provider that a path of one of its endpoints names.
    pub fn provider_of<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
        Self::of_provider(path.strip_prefix(prefix)?).map(|(_, name)| name)
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
            Self::ProviderLogin => "/auth/login/{provider}",
            Self::ProviderCallback => "/auth/callback/{provider}",
            Self::ProviderExchange => "/auth/{provider}",
            Self::Live => "/live",
            Self::Ready => "/ready",
            Self::Health => "/health",
            Self::Version => "/version",
            Self::Services => "/services",
            Self::ServicesHealth => "/services/health",
        }
    }

    /// Whether a route's name is that of an own endpoint.
    pub fn is_path(name: &str) -> bool {
        let of_providers = [Self::ProviderLogin, Self::ProviderCallback, Self::ProviderExchange];
        ALL.into_iter().chain(of_providers).any(|own| own.path() == name)
    }

    /// Whether bans, lockdown and the rate limit are skipped.
    pub const fn is_probe(self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Health | Self::Version)
    }

    /// Whether it answers in lockdown: probes, what it takes to sign in and out, and the keys by which a service knows who
    /// is asking.
    pub const fn answers_in_lockdown(self) -> bool {
        self.is_probe()
            || matches!(
                self,
                Self::Login
                    | Self::ProviderLogin
                    | Self::ProviderCallback
                    | Self::ProviderExchange
                    | Self::Logout
                    | Self::LogoutAll
                    | Self::Jwks
            )
    }

    /// Whether the endpoint stands below `/auth/`.
    pub const fn is_auth(self) -> bool {
        matches!(
            self,
            Self::Login
                | Self::Logout
                | Self::LogoutAll
                | Self::Session
                | Self::Me
                | Self::Verify
                | Self::ProviderLogin
                | Self::ProviderCallback
                | Self::ProviderExchange
        )
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
            Self::Logout | Self::LogoutAll | Self::ProviderExchange => &["POST"],
            // A look at the head must neither begin a sign-in nor use one up.
            Self::ProviderLogin | Self::ProviderCallback => &["GET"],
            _ => &["GET", "HEAD"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_path_is_found_below_its_prefix_only() {
        assert_eq!(Own::find("/auth/login", "", &[]), Some(Own::Login));
        assert_eq!(Own::find("/gw/auth/login", "/gw", &[]), Some(Own::Login));
        assert_eq!(Own::find("/auth/login", "/gw", &[]), None);
        assert_eq!(Own::find("/auth/login/", "", &[]), None);
        assert_eq!(Own::find("/auth", "", &[]), None);
    }

    #[test]
    fn a_sign_in_at_a_provider_begins_and_ends_by_get_alone() {
        for own in [Own::ProviderLogin, Own::ProviderCallback] {
            assert!(own.takes("GET") && !own.takes("HEAD") && !own.takes("POST"));
            assert!(own.path().ends_with("/{provider}"), "the label of metrics is no client's word");
        }
        assert_eq!(Own::provider_of("/gw/auth/callback/idp", "/gw"), Some("idp"));
        assert_eq!(Own::find("/auth/login/idp", "", &[]), None, "there only with the provider");
    }

    #[test]
    fn in_lockdown_one_can_sign_in_and_out_and_look_whether_the_gateway_lives() {
        let answering: Vec<_> =
            ALL.into_iter().filter(|own| own.answers_in_lockdown()).map(Own::path).collect();
        assert_eq!(
            answering,
            [
                "/auth/login",
                "/auth/logout",
                "/auth/logout-all",
                "/.well-known/pluginmind/jwks.json",
                "/live",
                "/ready",
                "/health",
                "/version"
            ]
        );
        assert!(Own::ProviderCallback.answers_in_lockdown() && !Own::Verify.answers_in_lockdown());
    }

    #[test]
    fn cs_04_signing_out_takes_only_post() {
        assert!(!Own::Logout.takes("GET"));
        assert_eq!(Own::Logout.allow(), "POST");
    }
}
