//! What the admin listener answers to. Paths are compared byte for byte: nothing is decoded, cut or joined first (AD-03).

use http::Method;

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Live,
    Ready,
    Health,
    Version,
    Services,
    ServicesHealth,
    Metrics,
    Status,
    Reload,
    Sessions,
    RevokeSessions,
    Users,
    AddUser,
    SetPassword,
    DisableUser,
    Keys,
    Plugins,
    Requests,
    Explain,
    Reloads,
    ServiceDetails,
    CreateKey,
    RevokeKey,
    ForgetUser,
    SwitchMode,
    Impact,
    Playground,
    Timeline,
    Alerts,
    TestAlerts,
    Bans,
    AddBan,
    RevokeBans,
    Lockdown,
    SetLockdown,
}

/// What the table says of a method and a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Find {
    Endpoint(Endpoint),
    /// The path is known, the method is not.
    OtherMethod {
        api: bool,
        allow: &'static str,
    },
    Nothing,
}

type Row = (&'static str, Option<Endpoint>, Option<Endpoint>);

/// Path, what GET does, what POST does.
const TABLE: &[Row] = {
    use Endpoint as E;
    &[
        ("/live", Some(E::Live), None),
        ("/ready", Some(E::Ready), None),
        ("/health", Some(E::Health), None),
        ("/version", Some(E::Version), None),
        ("/services", Some(E::Services), None),
        ("/services/health", Some(E::ServicesHealth), None),
        ("/metrics", Some(E::Metrics), None),
        ("/admin/api/status", Some(E::Status), None),
        ("/admin/api/reload", None, Some(E::Reload)),
        ("/admin/api/sessions", Some(E::Sessions), None),
        ("/admin/api/sessions/revoke", None, Some(E::RevokeSessions)),
        ("/admin/api/users", Some(E::Users), Some(E::AddUser)),
        ("/admin/api/users/passwd", None, Some(E::SetPassword)),
        ("/admin/api/users/disable", None, Some(E::DisableUser)),
        ("/admin/api/plugins", Some(E::Plugins), None),
        ("/admin/api/requests", Some(E::Requests), None),
        ("/admin/api/explain", Some(E::Explain), None),
        ("/admin/api/reloads", Some(E::Reloads), None),
        ("/admin/api/services", Some(E::ServiceDetails), None),
        ("/admin/api/keys", Some(E::Keys), Some(E::CreateKey)),
        ("/admin/api/keys/revoke", None, Some(E::RevokeKey)),
        ("/admin/api/users/forget", None, Some(E::ForgetUser)),
        ("/admin/api/plugins/mode", None, Some(E::SwitchMode)),
        ("/admin/api/plugins/impact", Some(E::Impact), None),
        ("/admin/api/playground", None, Some(E::Playground)),
        ("/admin/api/timeline", Some(E::Timeline), None),
        ("/admin/api/alerts", Some(E::Alerts), None),
        ("/admin/api/alerts/test", None, Some(E::TestAlerts)),
        ("/admin/api/bans", Some(E::Bans), Some(E::AddBan)),
        ("/admin/api/bans/revoke", None, Some(E::RevokeBans)),
        ("/admin/api/lockdown", Some(E::Lockdown), Some(E::SetLockdown)),
    ]
};

pub(super) fn find(method: &Method, path: &str) -> Find {
    let Some((path, get, post)) = TABLE.iter().find(|(own, ..)| *own == path) else {
        return Find::Nothing;
    };
    let found = match *method {
        Method::GET | Method::HEAD => *get,
        Method::POST => *post,
        _ => None,
    };
    let allow = match (get, post) {
        (Some(_), Some(_)) => "GET, HEAD, POST",
        (Some(_), None) => "GET, HEAD",
        (None, _) => "POST",
    };
    found.map_or(Find::OtherMethod { api: path.starts_with("/admin/"), allow }, Find::Endpoint)
}

impl Endpoint {
    /// Whether it belongs to the API, not to the probes and metrics.
    pub(super) fn is_api(self) -> bool {
        use Endpoint as E;
        !matches!(
            self,
            E::Live | E::Ready | E::Health | E::Version | E::Services | E::ServicesHealth | E::Metrics
        )
    }

    /// The name of what it does, where it changes something.
    pub(super) fn writes(self) -> Option<&'static str> {
        use Endpoint as E;
        match self {
            E::Reload => Some("reload"),
            E::RevokeSessions => Some("sessions.revoke"),
            E::AddUser => Some("users.add"),
            E::SetPassword => Some("users.passwd"),
            E::DisableUser => Some("users.disable"),
            E::CreateKey => Some("keys.create"),
            E::RevokeKey => Some("keys.revoke"),
            E::ForgetUser => Some("users.forget"),
            E::SwitchMode => Some("plugins.mode"),
            E::Playground => Some("playground"),
            E::TestAlerts => Some("alerts.test"),
            E::AddBan => Some("bans.add"),
            E::RevokeBans => Some("bans.revoke"),
            E::SetLockdown => Some("lockdown"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ad_03_only_the_exact_path_leads_anywhere() {
        assert_eq!(find(&Method::POST, "/admin/api/reload"), Find::Endpoint(Endpoint::Reload));
        let tricks = [
            "//admin/api/reload",
            "/admin//api/reload",
            "/admin/api/reload/",
            "/admin/api/%72eload",
            "/admin/api/../api/reload",
            "/admin/api/./reload",
            "/admin/api/%2e/reload",
            "/ADMIN/api/reload",
            "/admin/api/reload;x",
            "/admin/api",
            "/admin/api/users/0",
            "/metrics/../admin/api/reload",
        ];
        for path in tricks {
            assert_eq!(find(&Method::POST, path), Find::Nothing, "{path}");
        }
    }

    #[test]
    fn another_method_is_told_which_ones_there_are() {
        let other = |method: Method, path| match find(&method, path) {
            Find::OtherMethod { allow, .. } => allow,
            found => panic!("{found:?}"),
        };
        assert_eq!(other(Method::GET, "/admin/api/reload"), "POST");
        assert_eq!(other(Method::DELETE, "/admin/api/users"), "GET, HEAD, POST");
        assert_eq!(other(Method::POST, "/metrics"), "GET, HEAD");
        assert_eq!(find(&Method::HEAD, "/ready"), Find::Endpoint(Endpoint::Ready));
    }
}
