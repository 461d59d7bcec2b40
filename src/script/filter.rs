//! Which requests a plugin looks at. Decided natively, before any script runs.

use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use http::Method;

use super::facts::{RequestFacts, RouteFacts};
use crate::config::RouteFilter;

/// A glob over route names and tags. A route's name may be a path, so `*` crosses slashes here.
#[derive(Clone, Debug)]
pub(super) struct RoutePattern(GlobMatcher);

/// `[routes]` and `[match]` of a manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub include: Vec<RoutePattern>,
    pub exclude: Vec<RoutePattern>,
    pub methods: Vec<Method>,
    pub paths: Vec<Arc<GlobMatcher>>,
}

impl RoutePattern {
    /// Compiles a glob.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
        glob.map(|g| Self(g.compile_matcher())).map_err(|e| format!("`{text}` is not a glob: {}", e.kind()))
    }

    fn fits(&self, route: &RouteFacts) -> bool {
        self.0.is_match(&*route.name) || route.tags.iter().any(|t| self.0.is_match(t))
    }
}

impl Filter {
    /// Puts the operator's routes in place of the manifest's.
    ///
    /// # Errors
    /// A sentence for the first glob that is none.
    pub fn replace_routes(&mut self, routes: &RouteFilter) -> Result<(), String> {
        let compile =
            |globs: &[String]| globs.iter().map(|g| RoutePattern::parse(g)).collect::<Result<Vec<_>, _>>();
        (self.include, self.exclude) = (compile(&routes.include)?, compile(&routes.exclude)?);
        Ok(())
    }

    /// The same filter without its choice of routes.
    pub fn on_any_route(self) -> Self {
        Self { include: Vec::new(), exclude: Vec::new(), ..self }
    }

    /// Whether some request may be one for both, as far as methods tell.
    pub fn may_overlap(&self, other: &Self) -> bool {
        let any = self.methods.is_empty() || other.methods.is_empty();
        any || self.methods.iter().any(|m| other.methods.contains(m))
    }

    /// Whether the plugin looks at this request.
    pub fn takes(&self, facts: &RequestFacts) -> bool {
        self.takes_route(&facts.route) && self.takes_method(&facts.method) && self.takes_path(&facts.path)
    }

    /// Whether the plugin looks at requests on this route.
    pub fn takes_route(&self, route: &RouteFacts) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|p| p.fits(route));
        included && !self.exclude.iter().any(|p| p.fits(route))
    }

    /// Whether it looks at requests of this method.
    pub fn takes_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether it looks at requests for this path.
    pub fn takes_path(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|p| p.is_match(path))
    }
}
