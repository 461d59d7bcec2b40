//! Where a request of the past would go now.

use std::sync::Arc;

use crate::config::Destination;
use crate::live::routes::{CompiledRoute, Found};
use crate::live::snapshot::Snapshot;
use crate::pipeline::endpoints::Own;
use crate::script::{RequestFacts, RouteFacts};

/// Where the request goes now.
pub(super) enum Way {
    Own(Own),
    Route(Arc<CompiledRoute>),
    OtherMethods(Option<Arc<CompiledRoute>>),
    Nothing,
}

impl Way {
    /// Asks the own endpoints, then the route table.
    pub fn find(was: &RequestFacts, snapshot: &Snapshot) -> Self {
        let (gateway, auth) = (&snapshot.config.gateway, &snapshot.config.auth);
        let method = was.method.as_str();
        match Own::find(&was.path, &gateway.prefix, &auth.providers) {
            Some(own) if own.takes(method) => Self::Own(own),
            Some(_) => Self::OtherMethods(None),
            None => match snapshot.routes.find(&was.host, &was.path, method) {
                Found::Route(route) => Self::Route(route),
                Found::OtherMethods(route, _) => Self::OtherMethods(Some(route)),
                Found::Nothing => Self::Nothing,
            },
        }
    }

    /// What rules know of the route.
    pub fn facts(&self) -> RouteFacts {
        match self {
            Self::Own(own) => RouteFacts::new(own.path().into(), Arc::default(), own.tags().into()),
            Self::Route(route) | Self::OtherMethods(Some(route)) => {
                let service = match &route.route.to {
                    Destination::Service(name) if matches!(self, Self::Route(_)) => name.as_str(),
                    _ => "",
                };
                RouteFacts::new(Arc::clone(&route.name), service.into(), route.route.tags.clone().into())
            }
            Self::OtherMethods(None) | Self::Nothing => RouteFacts::default(),
        }
    }
}
