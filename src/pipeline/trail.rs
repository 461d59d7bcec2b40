//! What is known of a request while it runs: the only mutable thing in the pipeline. It feeds the access line, the
//! metrics and the usage row.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Method, Version};

use super::forwarded::Asked;
use super::recording::{Charged, Handed, Times};
use super::rehearsal::Rehearsal;
use super::request_body::Watch;
use super::spans::Call;
use super::stage::Stage;
use super::websocket::Switch;
use crate::bans::Written;
use crate::base::address::{Pseudonym, Pseudonymiser};
use crate::base::clock::Clock;
use crate::base::ids::CorrelationId;
use crate::base::trace_context::TraceContext;
use crate::limiter::Level;
use crate::script::{Ledger, RequestFacts};
use crate::telemetry::access::{AuthState, known_method};

/// The trail of one request.
pub struct Trail {
    /// On every response and log line.
    pub id: CorrelationId,
    /// The trace that it belongs to, and its span there.
    pub trace: TraceContext,
    /// The exchange with the upstream, once it was begun.
    pub call: Option<Call>,
    /// When the head was there, monotonic.
    pub started: Instant,
    /// When the head was there, in milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
    /// The method, or `OTHER`: a closed label.
    pub method: &'static str,
    /// The route's name; empty where there is none.
    pub route: Arc<str>,
    /// How far the request came.
    pub stage: Stage,
    /// The client's address: the peer's until stage 3 knows better.
    pub client: Option<IpAddr>,
    /// Whether it is a probe, which is free.
    pub probe: bool,
    /// What the request came over.
    pub version: Version,
    /// Whether the client came over https.
    pub secure: bool,
    /// How a proxy asks about a request of its own, on `/auth/verify`.
    pub asked: Option<Asked>,
    /// Where a person could sign in; goes out with a 401.
    pub sign_in: Option<HeaderValue>,
    /// The listed origin that asked, for the CORS headers.
    pub cors_origin: Option<HeaderValue>,
    /// The bucket with the least left, on metered requests.
    pub level: Option<Level>,
    /// Ambient identity.
    pub auth: AuthState,
    /// The opaque id of the user.
    pub user: Option<Arc<str>>,
    /// What logs and rows call them.
    pub user_hash: Option<Pseudonym>,
    /// The cookie of a session that this request renewed.
    pub renewed: Option<HeaderValue>,
    /// What rules read.
    pub facts: Option<Arc<RequestFacts>>,
    /// What rules decided.
    pub ledger: Ledger,
    /// Bans that rules asked for and that are on their way to disk.
    pub bans: Vec<Written>,
    /// Whether a request body was announced that nobody has taken yet.
    pub unread: bool,
    /// What is known of the body, once somebody took it.
    pub body: Option<Watch>,
    /// The service that was asked.
    pub service: Option<Arc<str>>,
    /// From sending to the upstream to the head of its answer, in milliseconds.
    pub upstream_ms: Option<u32>,
    /// When it came to each stage.
    pub times: Times,
    /// The buckets that were charged, or that refused.
    pub charged: Charged,
    /// What went upstream otherwise than it came.
    pub handed: Option<Handed>,
    /// What makes a tunnel of the client's connection, where it asked for another protocol.
    pub switch: Option<Switch>,
    /// What writes down a request that is only played through.
    pub rehearsal: Option<Rc<Rehearsal>>,
}

impl Trail {
    /// Begins a trail.
    pub fn open(id: CorrelationId, trace: TraceContext, method: &Method, clock: &Clock) -> Self {
        let started = clock.now();
        Self {
            id,
            trace,
            call: None,
            started,
            unix_ms: clock.unix_ms(),
            method: known_method(method.as_str()),
            route: Arc::default(),
            stage: Stage::Connection,
            client: None,
            probe: false,
            version: Version::HTTP_11,
            secure: false,
            asked: None,
            sign_in: None,
            cors_origin: None,
            level: None,
            auth: AuthState::None,
            user: None,
            user_hash: None,
            renewed: None,
            facts: None,
            ledger: Ledger::default(),
            bans: Vec::new(),
            unread: false,
            body: None,
            service: None,
            upstream_ms: None,
            times: Times::since(started, clock),
            charged: Charged::default(),
            handed: None,
            switch: None,
            rehearsal: None,
        }
    }

    /// Whether it came over HTTP/2, where one of many requests can end without its connection.
    pub fn is_http2(&self) -> bool {
        self.version == Version::HTTP_2
    }

    /// The request comes to the next stage.
    pub fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.times.enter(stage);
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.enter(stage);
        }
    }

    /// The pseudonym of the client's address.
    pub fn client_pseudonym(&self, pseudonyms: &Pseudonymiser) -> Option<Pseudonym> {
        self.client.map(|address| pseudonyms.address(address))
    }

    /// Whether bytes of the request body may still come that nobody will read.
    pub fn leaves_body(&self) -> bool {
        self.body.as_ref().map_or(self.unread, |watch| !watch.is_over())
    }

    /// Bytes of the request body that were read.
    pub fn bytes_in(&self) -> u64 {
        self.body.as_ref().map_or(0, Watch::bytes)
    }
}
