//! One try: the message in the receiver's words, signed and sent.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderName;
use http::header::HeaderValue;

use super::shape::render;
use super::sign::{EVENT_ID, SIGNATURE, signature};
use crate::alert::Notice;
use crate::base::secret::Secret;
use crate::config::Webhook;
use crate::outbound::{Client, Failure, Limits, PlainHttp, Trust, Url};

/// How much time and room a receiver may take.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), total: Duration::from_secs(10), body_bytes_max: 64 * 1_024 };

/// Why a message was not taken. Names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The receiver answered with another status than 2xx.
    #[error("the receiver answered {0}")]
    Status(u16),
    /// There was no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The address cannot be asked.
    #[error("the address cannot be asked")]
    Address,
}

impl Undelivered {
    /// Whether another try could end otherwise.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 429) || status >= 500,
            Self::Failure(failure) => failure != Failure::Forbidden,
            Self::Address => false,
        }
    }
}

/// Sends messages.
pub struct Courier {
    client: Client,
    own: ArcSwapOption<Secret<Vec<u8>>>,
}

impl Courier {
    /// One that believes these authorities.
    pub fn new(trust: Trust) -> Self {
        Self { client: Client::new(trust, LIMITS), own: ArcSwapOption::empty() }
    }

    /// Believes other authorities from now on.
    pub fn believe(&self, trust: Trust) {
        self.client.believe(trust);
    }

    /// Signs with this where a webhook has no secret of its own.
    pub fn sign_with(&self, secret: Secret<Vec<u8>>) {
        self.own.store(Some(Arc::new(secret)));
    }

    /// One try; `unix_s` is now, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`Undelivered`] when no 2xx came back.
    pub async fn send(&self, webhook: &Webhook, notice: &Notice, unix_s: i64) -> Result<(), Undelivered> {
        let url = Url::parse(webhook.url.expose(), PlainHttp::Private).map_err(|_| Undelivered::Address)?;
        let rendered = render(notice, webhook.shape);
        let mut headers = rendered.headers;
        let mut add = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.push((HeaderName::from_static(name), value));
            }
        };
        add(EVENT_ID, notice.id.clone());
        let own = self.own.load_full();
        if let Some(secret) = webhook.secret.as_ref().or(own.as_deref()) {
            add(SIGNATURE, signature(secret.expose(), unix_s, &rendered.body));
        }
        let answer = self.client.post(&url, rendered.content_type, headers, rendered.body).await?;
        if answer.status.is_success() { Ok(()) } else { Err(Undelivered::Status(answer.status.as_u16())) }
    }
}
