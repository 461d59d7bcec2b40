//! What an edit changes beside the snapshot: sockets, workers, the admin token, and queues. Everything that can fail is
//! made ready first, on the watcher's thread, while the old goes on; what is put into force afterwards cannot fail.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::admin::{self, Token, address};
use super::alerting;
use super::limits::Limits;
use super::listener::{Change, Listener, Wish};
use super::redirect::{self, Redirect};
use super::start::trust;
use crate::base::problems::{Problem, Problems};
use crate::base::secret::Secret;
use crate::config::Config;
use crate::outbound::Trust;
use crate::pipeline::gateway::Gateway;

/// Everything that is hot.
pub struct Hot {
    /// What is edited.
    pub gateway: Arc<Gateway>,
    /// The public listener.
    pub public: Listener,
    /// The listener that only sends on to https.
    pub redirect: Redirect,
    /// The limits of both.
    pub limits: Arc<Limits>,
    /// The admin listener.
    pub admin: Listener,
    /// The token of the admin listener.
    pub token: Token,
    /// The data folder of the start.
    pub data_folder: PathBuf,
}

/// What is ready to be put into force.
pub struct Prepared {
    public: Option<Change>,
    redirect: Option<redirect::Change>,
    admin: Option<Change>,
    token: Option<Secret<String>>,
    trust: Option<Trust>,
    alert_secret: Option<Secret<Vec<u8>>>,
}

impl Prepared {
    /// Whether nothing of it is new.
    pub fn changes_nothing(&self) -> bool {
        let listeners = self.public.is_none() && self.redirect.is_none() && self.admin.is_none();
        listeners && self.token.is_none() && self.trust.is_none()
    }
}

impl Hot {
    /// What the public listener is to be.
    pub fn public_wish(config: &Config) -> Wish {
        Wish { address: config.server.listen, workers: config.server.workers }
    }

    /// What the listener is to be that only sends on to https; nothing where there is to be none.
    pub fn redirect_wish(config: &Config) -> Option<SocketAddr> {
        config.server.tls.as_ref()?.redirect_listen
    }

    /// What the admin listener is to be.
    pub fn admin_wish(config: &Config) -> Wish {
        Wish { address: config.admin.listen, workers: 1 }
    }

    /// Makes ready what the configuration asks for. Without a problem nothing of the old has been touched yet, and with one
    /// it never will be.
    pub fn prepare(&self, next: &Config, problems: &mut Problems) -> Option<Prepared> {
        let before = problems.len();
        // One may take the port that the other leaves in the same edit.
        let leaving: Vec<_> = self.redirect.socket().into_iter().collect();
        let public = self.public.prepare_among(Self::public_wish(next), &leaving);
        let public = noted(problems, "server.listen", public).flatten();
        let leaving: Vec<_> = self.public.socket().upgrade().into_iter().collect();
        let redirect = self.redirect.prepare(Self::redirect_wish(next), &leaving);
        let redirect = noted(problems, "server.tls.redirect_listen", redirect).flatten();
        let admin = self.admin.prepare(Self::admin_wish(next));
        let admin = noted(problems, "admin.listen", admin).flatten();
        let token = noted(problems, "admin.token_file", admin::admin_token(next, &self.data_folder));
        let token = token.filter(|token| !self.token.is_text(token));
        let current = self.gateway.live.current();
        let is_same = next.auth.provider_ca == current.config.auth.provider_ca;
        let trust = if is_same { None } else { noted(problems, "auth.provider_ca", trust(next)) };
        let alert_secret = noted(problems, "alerts", alerting::own_secret(next, &self.data_folder)).flatten();
        let prepared = Prepared { public, redirect, admin, token, trust, alert_secret };
        (problems.len() == before).then_some(prepared)
    }

    /// Puts into force what was made ready, and limits that only need to be told.
    pub fn apply(&mut self, prepared: Prepared, config: &Config) {
        let Prepared { public, redirect, admin, token, trust, alert_secret } = prepared;
        let gateway = &self.gateway;
        self.limits.apply(&config.server);
        gateway.store.set_usage_queue_max(config.storage.usage_queue_max);
        gateway.recall.resize(config.storage.recall);
        gateway.bans.configure(&config.bans);
        gateway.auth.checks.set_max(config.auth.password_checks_max);
        if let Some(trust) = trust {
            gateway.courier.believe(trust.clone());
            gateway.providers.believe(trust);
        }
        if let Some(secret) = alert_secret {
            gateway.courier.sign_with(secret);
        }
        if let Some(token) = token {
            self.token.renew(token);
            tracing::info!("the admin token was renewed");
        }
        if let Some(change) = public {
            self.public.commit(change);
            tracing::info!(port = self.public.address().port(), "the public listener was renewed");
        }
        if let Some(change) = redirect {
            self.redirect.commit(change);
            tracing::info!("the redirect listener was renewed");
        }
        if let Some(change) = admin {
            // The new socket takes connections already, and the old one does not for long.
            self.record_address(change.address());
            self.admin.commit(change);
            tracing::info!(port = self.admin.address().port(), "the admin listener was renewed");
        }
    }

    /// Writes down where the admin listener is, for the command line.
    pub fn record_address(&self, admin: SocketAddr) {
        if let Err(error) = address::record(&self.data_folder, admin) {
            tracing::warn!(%error, "the address of the admin listener cannot be written down");
        }
    }
}

fn noted<T>(
    problems: &mut Problems,
    key: &'static str,
    outcome: Result<T, impl std::fmt::Display>,
) -> Option<T> {
    outcome.map_err(|why| problems.push(Problem::of(key, why.to_string()))).ok()
}
