//! The names of the stages, as metrics, logs and `explain` say them.

/// A stage of the pipeline, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// 1: limits of the head.
    Connection,
    /// 2: the correlation id.
    Correlation,
    /// 3: who asks, and for what.
    Client,
    /// 4: addresses that are kept out.
    Bans,
    /// 5: cross-origin requests.
    Cors,
    /// 6: where it goes.
    Route,
    /// 7: rules on the request.
    OnRequest,
    /// 8: whose request it is.
    Identity,
    /// 9: which site sent it.
    Origin,
    /// 10: both buckets.
    RateLimit,
    /// 11: roles, and rules on the identity.
    Authorise,
    /// 12: the body.
    Body,
    /// 13: rules on the body.
    OnBody,
    /// 14: score thresholds.
    Thresholds,
    /// 14: rules on what goes upstream.
    OnUpstream,
    /// 14: the upstream, or the gateway's own endpoint.
    Upstream,
    /// 15: rules on the response.
    OnResponse,
    /// 15: rules on the body of the response.
    OnResponseBody,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 18] = [
        Self::Connection,
        Self::Correlation,
        Self::Client,
        Self::Bans,
        Self::Cors,
        Self::Route,
        Self::OnRequest,
        Self::Identity,
        Self::Origin,
        Self::RateLimit,
        Self::Authorise,
        Self::Body,
        Self::OnBody,
        Self::Thresholds,
        Self::OnUpstream,
        Self::Upstream,
        Self::OnResponse,
        Self::OnResponseBody,
    ];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Correlation => "correlation",
            Self::Client => "client",
            Self::Bans => "bans",
            Self::Cors => "cors",
            Self::Route => "route",
            Self::OnRequest => "on_request",
            Self::Identity => "identity",
            Self::Origin => "origin",
            Self::RateLimit => "rate_limit",
            Self::Authorise => "authorise",
            Self::Body => "body",
            Self::OnBody => "on_body",
            Self::Thresholds => "thresholds",
            Self::OnUpstream => "on_upstream",
            Self::Upstream => "upstream",
            Self::OnResponse => "on_response",
            Self::OnResponseBody => "on_response_body",
        }
    }

    /// Whether a rule may have refused here.
    pub fn asks_rules(self) -> bool {
        matches!(
            self,
            Self::OnRequest
                | Self::Authorise
                | Self::OnBody
                | Self::OnUpstream
                | Self::OnResponse
                | Self::OnResponseBody
        )
    }

    /// Whether a request refused here has its address charged for it, though it was never metered
    /// (CONTRACT section 3, stage 10).
    pub fn charges_address_alone(self) -> bool {
        (Self::Route..=Self::Origin).contains(&self)
    }
}
