//! Stage 13: rules on the body, for plugins whose `[body]` asks for it.

use std::ops::Deref;

use http::header::CONTENT_TYPE;

use super::body::Vetted;
use super::gateway::Gateway;
use super::request_body::{RequestBody, Watch};
use super::rules::ask;
use super::step::Step;
use super::trail::Trail;
use crate::live::snapshot::Snapshot;
use crate::script::{BodyFacts, Hook};

/// Proof that the rules on the body were asked, where they ask for it.
pub struct Inspected(Vetted);

/// Asks `on_body`. Where the body is too long for everybody who asks, or is not here, there is nothing to judge.
///
/// # Errors
/// The refusal of this stage.
pub fn on_body(vetted: Vetted, gateway: &Gateway, snapshot: &Snapshot, trail: &mut Trail) -> Step<Inspected> {
    if let (Some(facts), Some(bytes)) = (&trail.facts, vetted.seen()) {
        facts.give_body(BodyFacts::new(vetted.text_header(CONTENT_TYPE).unwrap_or_default(), bytes.clone()));
        ask(Hook::Body, None, gateway, snapshot, trail)?;
    }
    Ok(Inspected(vetted))
}

impl Deref for Inspected {
    type Target = Vetted;

    fn deref(&self) -> &Vetted {
        &self.0
    }
}

impl Inspected {
    /// The body, to be forwarded; it is there once.
    pub fn take_body(&mut self) -> (RequestBody, Watch) {
        self.0.take_body()
    }
}
