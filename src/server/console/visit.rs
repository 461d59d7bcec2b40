//! One request for a page: who asks, what for, and what stands behind the gateway.

use std::cell::RefCell;

use maud::{Markup, html};
use serde_json::Value;

use super::form::Form;
use super::place::Place;
use super::session::{COOKIE, SignedIn, Who};
use crate::auth::Moment;
use crate::auth::cookie::{self, CookieFound};
use crate::base::refusal::Refusal;
use crate::base::target::query_value;
use crate::base::text::cut;
use crate::pipeline::arrival::Arrival;
use crate::pipeline::gateway::Gateway;
use crate::server::admin::action::{Action, Terms};
use crate::server::admin::audit::About;
use crate::server::admin::{Admin, Target};

/// Longest value of a query parameter that a page looks at, in bytes.
const VALUE_BYTES_MAX: usize = 512;

/// One visit.
pub(in crate::server) struct Visit<'a> {
    pub(super) admin: &'a Admin,
    pub(super) head: &'a Arrival,
    signed_in: Option<SignedIn>,
    /// What an action calls itself in the log, and the pseudonym of whom it is about.
    audited: RefCell<(Option<&'static str>, Option<About>)>,
    /// Why an action changed nothing, where a page of its own says so.
    refused: RefCell<Option<Refusal>>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(admin: &'a Admin, head: &'a Arrival) -> Self {
        let signed_in = match cookie::find(head.headers(), COOKIE) {
            CookieFound::One(cookie) => admin.console.sessions.find(cookie, &admin.gateway, &admin.token),
            _ => None,
        };
        Self { admin, head, signed_in, audited: RefCell::default(), refused: RefCell::default() }
    }

    /// The gateway that the page is about.
    pub(super) fn gateway(&self) -> &'a Gateway {
        &self.admin.gateway
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub(super) fn now_ms(&self) -> i64 {
        self.admin.gateway.clock.unix_ms()
    }

    /// A parameter of the query without the blanks around it; empty where it is absent.
    pub(super) fn query(&self, name: &str) -> String {
        let query = self.head.parts().uri.query().unwrap_or_default();
        let value = query_value(query, name).unwrap_or_default();
        cut(&value, VALUE_BYTES_MAX).trim().to_owned()
    }

    /// Whether pages may be shown: to everybody on this machine, where the listener is on loopback and no proxy is between.
    pub(super) fn may_read(&self) -> bool {
        self.is_open() || self.is_signed_in()
    }

    /// Whether pages may be shown without a sign-in.
    pub(super) fn is_open(&self) -> bool {
        self.admin.is_open_to(self.head)
    }

    /// Whether there may be buttons: what a form does needs the sign-in.
    pub(super) fn is_signed_in(&self) -> bool {
        self.signed_in.is_some()
    }

    pub(super) fn signed_in(&self) -> Option<&SignedIn> {
        self.signed_in.as_ref()
    }

    /// The hidden field that every form of ours brings; nothing where nobody is signed in.
    pub(super) fn csrf(&self) -> Markup {
        html! {
            @if let Some(signed_in) = &self.signed_in {
                input type="hidden" name="csrf" value=(signed_in.csrf());
            }
        }
    }

    /// Refuses a form that is not one of ours.
    pub(super) fn check(&self, form: &Form) -> Result<(), Refusal> {
        let own = self.signed_in.as_ref().is_some_and(|signed_in| signed_in.is_own(form.whole("csrf")));
        let stale = "The form is not one of this session. Load the page again, and send it anew.";
        if own { Ok(()) } else { Err(Refusal::Forbidden(stale)) }
    }

    /// Keeps a sentence for the next page of this session.
    pub(super) fn tell(&self, told: &str) {
        if let Some(signed_in) = &self.signed_in {
            self.admin.console.sessions.tell(signed_in, told);
        }
    }

    /// The sentence that was kept, once, and to a person: a script that loads a page anew does not take it away.
    pub(super) fn told(&self) -> Option<String> {
        if self.head.text_header("sec-fetch-mode").is_some_and(|mode| mode != "navigate") {
            return None;
        }
        self.signed_in.as_ref().and_then(|signed_in| self.admin.console.sessions.told(signed_in))
    }

    /// Says what an action is called in the log, such as `bans.add`, and about whom it is, as a pseudonym.
    pub(super) fn audit(&self, action: &'static str, about: Option<About>) {
        *self.audited.borrow_mut() = (Some(action), about);
    }

    /// Does what the API does too, and has the log say so under a name.
    ///
    /// # Errors
    /// See [`Action::perform`].
    pub(super) async fn perform(&self, name: &'static str, action: Action) -> Result<Value, Refusal> {
        let gateway = self.gateway();
        let target = Target::of(&action);
        let terms = Terms::of(&gateway.live.current().config);
        let done = action.perform(&gateway.auth, &gateway.bans, terms, Moment::of(&gateway.clock)).await;
        self.audit(name, target.about(gateway));
        if let Err(refusal) = &done {
            self.refuse(refusal.clone());
        }
        done
    }

    /// Has the log say that an action changed nothing, where a page shows why.
    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.refused.borrow_mut() = Some(refusal);
    }

    /// Why it changed nothing.
    pub(super) fn refused(&self) -> Option<Refusal> {
        self.refused.take()
    }

    /// What is to be written to the log of an action at a place.
    pub(super) fn audited(&self, place: Place) -> (&'static str, Option<About>) {
        let (action, about) = self.audited.take();
        (action.unwrap_or(place.action()), about)
    }

    /// Who acts, in the log: nobody, `token`, or the pseudonym of an account.
    pub(super) fn actor(&self) -> String {
        match self.signed_in.as_ref().map(|signed_in| &signed_in.who) {
            None => String::new(),
            Some(Who::Token(_)) => "token".to_owned(),
            Some(Who::Account { user, .. }) => {
                let account = self.gateway().auth.accounts.get(*user);
                account.map(|account| account.person.pseudonym().to_string()).unwrap_or_default()
            }
        }
    }
}
