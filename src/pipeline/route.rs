//! Stage 6: where the request goes. A path without a route goes on to the rules with an empty route name, and only
//! then is it not found.

use std::ops::Deref;
use std::sync::Arc;

use super::cors::Screened;
use super::endpoints::Own;
use super::step::Step;
use super::trail::Trail;
use crate::base::refusal::Refusal;
use crate::config::{AuthNeed, Credential};
use crate::live::routes::{CompiledRoute, Found, RouteTable};

/// Where a request goes, once the rules had their say.
#[derive(Clone)]
pub enum Way {
    /// One of the gateway's own endpoints.
    Own(Own),
    /// A route of the operator's.
    Route(Arc<CompiledRoute>),
}

/// Proof that the table was asked.
pub struct Routed {
    screened: Screened,
    found: Outcome,
}

enum Outcome {
    Way(Way),
    OtherMethods(Option<Arc<CompiledRoute>>, String),
    Nothing,
}

/// Asks the own endpoints, then the route table.
///
/// # Errors
/// The refusal of this stage.
pub fn find(screened: Screened, routes: &RouteTable, trail: &mut Trail) -> Step<Routed> {
    let method = screened.method().as_str();
    let found = match screened.own_endpoint() {
        Some(own) if own.takes(method) => Outcome::Way(Way::Own(own)),
        Some(own) => Outcome::OtherMethods(None, own.allow()),
        None => match routes.find(screened.host_name(), screened.path().as_str(), method) {
            Found::Route(route) => Outcome::Way(Way::Route(route)),
            Found::OtherMethods(route, allow) => Outcome::OtherMethods(Some(route), allow),
            Found::Nothing => Outcome::Nothing,
        },
    };
    let routed = Routed { screened, found };
    trail.route = routed.label();
    routed.check_slashes()?;
    Ok(routed)
}

impl Routed {
    /// The route's name: metric label, log field, and what plugins' filters see. Empty where there is no route.
    pub fn name(&self) -> Arc<str> {
        match (&self.found, self.own_endpoint()) {
            (_, Some(own)) => Arc::from(own.path()),
            (Outcome::Way(Way::Route(route)) | Outcome::OtherMethods(Some(route), _), None) => {
                Arc::clone(&route.name)
            }
            _ => Arc::default(),
        }
    }

    /// What metrics and logs call it: the name, or for an unrouted path that a proxy asks about the endpoint's.
    fn label(&self) -> Arc<str> {
        match (&self.found, self.asked()) {
            (Outcome::Nothing, Some(_)) => Arc::from(Own::Verify.path()),
            _ => self.name(),
        }
    }

    /// Words for plugins' filters.
    pub fn tags(&self) -> Vec<String> {
        match (&self.found, self.own_endpoint()) {
            (_, Some(own)) => own.tags(),
            (Outcome::Way(Way::Route(route)) | Outcome::OtherMethods(Some(route), _), None) => {
                route.route.tags.clone()
            }
            _ => Vec::new(),
        }
    }

    /// The operator's route, if that is where the request goes.
    pub fn route(&self) -> Option<&Arc<CompiledRoute>> {
        match &self.found {
            Outcome::Way(Way::Route(route)) => Some(route),
            _ => None,
        }
    }

    /// Whether the caller must be known; own endpoints look after themselves. A path that a proxy asks about and no route
    /// knows is for whoever is known: an app is never opened by what is missing here.
    pub fn auth_need(&self) -> AuthNeed {
        match (&self.found, self.asked()) {
            (Outcome::Way(Way::Route(route)), _) => route.route.auth,
            (Outcome::Nothing, Some(_)) => AuthNeed::Required,
            _ => AuthNeed::None,
        }
    }

    /// Whether a kind of credential counts here. Own endpoints are about sessions, but for the one that proxies ask: who
    /// asks there about no route of ours may be anybody.
    pub fn accepts(&self, kind: Credential) -> bool {
        match self.route() {
            Some(route) => route.route.accept.contains(&kind),
            None if self.asked().is_some() || self.own_endpoint() == Some(Own::Verify) => true,
            None => kind == Credential::Session,
        }
    }

    /// Where the request goes, or why it goes nowhere: 404, or 405 with `Allow`. One that a proxy asks about goes no further
    /// than the verdict.
    ///
    /// # Errors
    /// The refusal of this stage.
    pub fn way(&self) -> Result<Way, Refusal> {
        match &self.found {
            Outcome::Way(_) | Outcome::Nothing if self.asked().is_some() => Ok(Way::Own(Own::Verify)),
            Outcome::Way(way) => Ok(way.clone()),
            Outcome::OtherMethods(_, allow) => Err(Refusal::MethodNotAllowed { allow: allow.clone() }),
            Outcome::Nothing => Err(Refusal::NotFound),
        }
    }

    fn check_slashes(&self) -> Result<(), Refusal> {
        let policy = match &self.found {
            Outcome::Way(Way::Route(route)) | Outcome::OtherMethods(Some(route), _) => {
                route.route.encoded_slashes
            }
            _ => crate::base::target::EncodedSlashes::Refuse,
        };
        self.path().check_slashes(policy).map_err(Refusal::BadRequest)
    }
}

impl Deref for Routed {
    type Target = Screened;

    fn deref(&self) -> &Screened {
        &self.screened
    }
}
