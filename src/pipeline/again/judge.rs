//! The stages from the route to the upstream, over what is kept of a request. In their order; each says what it decides, or
//! that this cannot be known.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};

use super::Decision;
use super::way::Way;
use super::who::Who;
use crate::base::media_type::{essence, fits};
use crate::base::refusal::Refusal;
use crate::base::target::{EncodedSlashes, Host};
use crate::config::{AuthNeed, Credential, Destination};
use crate::live::snapshot::Snapshot;
use crate::pipeline::client::origin_of;
use crate::pipeline::gateway::Gateway;
use crate::pipeline::identity::opens_page;
use crate::pipeline::origin::Sender;
use crate::pipeline::stage::Stage;
use crate::script::{BodyFacts, Decision as Verdict, GeoFacts, Hook, Ledger, RequestFacts};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    Decided(Decision),
    /// One sentence says why.
    Unknown(&'static str),
}

/// Why a stage ends it.
enum End {
    Refused(Decision),
    Unknown(&'static str),
}

/// Asks the stages and the rules of the policy in force. `bytes_in` is what came of the body, `stage` where the request was
/// refused then.
pub(super) fn judge(
    gateway: &Gateway,
    snapshot: &Snapshot,
    was: &RequestFacts,
    bytes_in: u64,
    stage: Option<&str>,
) -> Judged {
    let way = Way::find(was, snapshot);
    let geo = GeoFacts::new(snapshot.geo.clone(), was.client_ip);
    let facts = Arc::new(was.anew(way.facts(), geo, Arc::clone(&snapshot.session_cookie)));
    let mut hearing = Hearing {
        gateway,
        snapshot,
        was,
        facts,
        way,
        ledger: Ledger::of_rehearsal(),
        has_body: bytes_in > 0 || was.content_length > 0,
        refused_then: stage,
    };
    match hearing.hear() {
        Ok(()) => Judged::Decided(Decision {
            verdict: "passes".to_owned(),
            status: None,
            code: None,
            stage: None,
            rule: None,
        }),
        Err(End::Refused(decision)) => Judged::Decided(decision),
        Err(End::Unknown(why)) => Judged::Unknown(why),
    }
}

/// One request that is judged again.
struct Hearing<'a> {
    gateway: &'a Gateway,
    snapshot: &'a Snapshot,
    was: &'a RequestFacts,
    facts: Arc<RequestFacts>,
    way: Way,
    ledger: Ledger,
    has_body: bool,
    refused_then: Option<&'a str>,
}

impl Hearing<'_> {
    fn hear(&mut self) -> Result<(), End> {
        self.address()?;
        self.slashes()?;
        self.ask(Hook::Request, Stage::OnRequest)?;
        self.goes_somewhere()?;
        let who = self.identify()?;
        self.origin(&who)?;
        self.was_refused_at(Stage::RateLimit, "what was in the buckets then is not kept")?;
        self.authorise(&who)?;
        self.body()?;
        self.thresholds()?;
        if matches!(&self.way, Way::Route(route) if matches!(route.route.to, Destination::Service(_))) {
            self.ask(Hook::Upstream, Stage::OnUpstream)?;
        }
        Ok(())
    }

    /// Who is kept out now; that is no part of the policy, and decides all the same.
    fn address(&self) -> Result<(), End> {
        let banned = self.gateway.bans.is_address_banned(self.was.client_ip, self.gateway.clock.unix_ms());
        let is_probe = matches!(self.way, Way::Own(own) if own.is_probe());
        if banned && !is_probe { Err(refused(&Refusal::Banned, Stage::Bans)) } else { Ok(()) }
    }

    fn account(&self, who: &Who) -> Result<(), End> {
        let (bans, now_ms) = (&self.gateway.bans, self.gateway.clock.unix_ms());
        let account = match (&who.facts.user, &who.facts.api_key) {
            (Some(user), _) => user.id.as_str(),
            (None, Some(key)) => key.owner.as_str(),
            (None, None) => "",
        };
        if !account.is_empty() && bans.is_user_banned(account, now_ms) {
            return Err(refused(&Refusal::Banned, Stage::Authorise));
        }
        let answers = matches!(self.way, Way::Own(own) if own.answers_in_lockdown());
        if bans.lockdown.is_on(now_ms) && !answers {
            return Err(End::Unknown("the gateway is in lockdown"));
        }
        Ok(())
    }

    fn slashes(&self) -> Result<(), End> {
        let lower = self.was.path.to_ascii_lowercase();
        let keeps = match &self.way {
            Way::Route(route) | Way::OtherMethods(Some(route)) => {
                route.route.encoded_slashes != EncodedSlashes::Refuse
            }
            _ => false,
        };
        let encoded = lower.contains("%2f") || lower.contains("%5c");
        if encoded && !keeps { Err(refused(&Refusal::BadRequest(""), Stage::Route)) } else { Ok(()) }
    }

    fn ask(&mut self, hook: Hook, stage: Stage) -> Result<(), End> {
        let rules = &self.snapshot.rules;
        let verdict = rules.run(hook, &self.facts, None, &mut self.ledger, &self.gateway.clock);
        // Nobody is told, and nothing is counted.
        drop(self.ledger.take_effects());
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Refuse { refusal, rule, .. } => {
                let silent = refusal.silent;
                Err(End::Refused(Decision {
                    verdict: if silent { "dropped" } else { "refused" }.to_owned(),
                    status: (!silent).then_some(self.status_of(&refusal)),
                    code: Some(refusal.code.to_string()),
                    stage: Some(stage.label().to_owned()),
                    rule: Some(rule),
                }))
            }
            Verdict::Fault { plugin } => {
                let End::Refused(decision) = refused(&Refusal::PluginFault, stage) else { return Ok(()) };
                Err(End::Refused(Decision { rule: Some(plugin.to_string()), ..decision }))
            }
        }
    }

    /// A person who opens a page is sent to sign in where a program is told 401.
    fn status_of(&self, refusal: &crate::base::refusal::RuleRefusal) -> u16 {
        if refusal.sign_in && self.opens_page() { 302 } else { refusal.status }
    }

    fn opens_page(&self) -> bool {
        opens_page(&self.was.method, self.was.headers.get(ACCEPT).and_then(|value| value.to_str().ok()))
    }

    fn goes_somewhere(&self) -> Result<(), End> {
        match &self.way {
            Way::Own(_) | Way::Route(_) => Ok(()),
            Way::OtherMethods(_) => {
                Err(refused(&Refusal::MethodNotAllowed { allow: String::new() }, Stage::OnRequest))
            }
            Way::Nothing => Err(refused(&Refusal::NotFound, Stage::OnRequest)),
        }
    }

    fn identify(&self) -> Result<Who, End> {
        let who = Who::of(self.was, self.gateway, self.snapshot, |kind| self.accepts(kind));
        let who = who.map_err(End::Unknown)?;
        self.facts.identify(who.facts.clone());
        let needed = matches!(&self.way, Way::Route(route) if route.route.auth == AuthNeed::Required);
        if needed && !who.is_known { Err(self.unknown_caller(Stage::Identity)) } else { Ok(who) }
    }

    fn accepts(&self, kind: Credential) -> bool {
        match &self.way {
            Way::Route(route) => route.route.accept.contains(&kind),
            _ => kind == Credential::Session,
        }
    }

    fn unknown_caller(&self, stage: Stage) -> End {
        let redirects = matches!(&self.way, Way::Route(route) if route.route.login_redirect);
        if redirects && self.opens_page() {
            // It is answered, not refused: the log has no stage and no code for it.
            return End::Unknown("it would be sent to sign in");
        }
        refused(&Refusal::Unauthenticated, stage)
    }

    fn origin(&self, who: &Who) -> Result<(), End> {
        let own_origin = || {
            let host = self.was.headers.get(HOST)?.to_str().ok()?;
            Some(origin_of(self.was.scheme, &Host::parse(host).ok()?))
        };
        let sender = Sender {
            method: &self.was.method,
            headers: &self.was.headers,
            has_session_cookie: who.has_session_cookie,
            signs_in_or_out: matches!(self.way, Way::Own(own) if own.is_auth()),
            own_origin: &own_origin,
        };
        let may = sender.may_send(&self.snapshot.config.cors);
        if may { Ok(()) } else { Err(refused(&Refusal::OriginNotAllowed, Stage::Origin)) }
    }

    fn authorise(&mut self, who: &Who) -> Result<(), End> {
        self.account(who)?;
        if let Way::Route(route) = &self.way {
            let needed = &route.route.roles;
            if !needed.is_empty() && !who.is_known {
                return Err(self.unknown_caller(Stage::Authorise));
            }
            if !needed.is_empty() && !needed.iter().any(|role| who.roles.contains(role)) {
                return Err(refused(&Refusal::Forbidden(""), Stage::Authorise));
            }
        }
        self.ask(Hook::Auth, Stage::Authorise)
    }

    /// The body's length and type are known; what was in it only where a rule had asked for it.
    fn body(&mut self) -> Result<(), End> {
        const GONE: &str = "what was in its body is not kept";
        if let Way::Route(route) = &self.way {
            let most = route.route.body_max.unwrap_or(self.snapshot.config.server.body_max);
            if self.was.content_length > most {
                return Err(refused(&Refusal::TooLarge, Stage::Body));
            }
            let listed = &route.route.content_types;
            let kind = self.content_type();
            if self.has_body
                && !listed.is_empty()
                && !listed.iter().any(|pattern| fits(pattern, &essence(&kind)))
            {
                return Err(refused(&Refusal::UnsupportedMediaType, Stage::Body));
            }
            if route.schema.is_some() && self.has_body {
                return Err(End::Unknown(GONE));
            }
        }
        self.was_refused_at(Stage::Body, GONE)?;
        if self.snapshot.rules.body_wish(&self.facts).is_none() {
            return Ok(());
        }
        let bytes = match self.was.body.get() {
            Some(body) => body.bytes().clone(),
            None if self.has_body => return Err(End::Unknown(GONE)),
            None => Bytes::new(),
        };
        self.facts.give_body(BodyFacts::new(&self.content_type(), bytes));
        self.ask(Hook::Body, Stage::OnBody)
    }

    fn content_type(&self) -> String {
        let value = self.was.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }

    fn thresholds(&self) -> Result<(), End> {
        let deny = self.snapshot.config.thresholds.deny;
        let over = deny > 0 && self.ledger.score() >= deny;
        if over { Err(refused(&Refusal::Forbidden(""), Stage::Thresholds)) } else { Ok(()) }
    }

    /// What decided then and is not part of the policy cannot be asked again.
    fn was_refused_at(&self, stage: Stage, why: &'static str) -> Result<(), End> {
        if self.refused_then == Some(stage.label()) { Err(End::Unknown(why)) } else { Ok(()) }
    }
}

fn refused(refusal: &Refusal, stage: Stage) -> End {
    End::Refused(Decision {
        verdict: "refused".to_owned(),
        status: Some(refusal.status().as_u16()),
        code: Some(refusal.code().to_owned()),
        stage: Some(stage.label().to_owned()),
        rule: None,
    })
}
