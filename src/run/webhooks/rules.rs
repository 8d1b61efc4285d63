//! What the operator has settled about webhooks, and what a new run makes of it.

use std::time::Duration;

use tokio::sync::watch;

use super::{BadWebhook, Guard, SigningSecret, WebhookRequest};
use crate::run::store::NewWebhook;

/// What the operator has settled about webhooks.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// A place that the events of all runs are sent to.
    pub url: Option<String>,
    /// What is signed with where a run gives no secret.
    pub secret: Option<SigningSecret>,
    /// Which events go to that place; empty for the usual ones.
    pub events: Vec<String>,
    /// Which addresses may be gone to.
    pub guard: Guard,
    /// The waits between attempts; after the last one a place is given up for the run.
    pub schedule: Vec<Duration>,
}

/// The same, once it is known to make sense, with the wake-up of whoever sends.
#[derive(Debug)]
pub struct WebhookRules {
    pub(super) settings: WebhookSettings,
    pub(super) news: watch::Sender<u64>,
}

/// Those of an operator who has said nothing: only what lies on the internet, and no second attempt.
impl Default for WebhookRules {
    fn default() -> Self {
        let guard = Guard::new(vec![], |_| false);
        let settings = WebhookSettings { url: None, secret: None, events: vec![], guard, schedule: vec![] };
        Self { settings, news: watch::Sender::new(0) }
    }
}

impl WebhookRules {
    /// Rules that make sense.
    ///
    /// # Errors
    /// [`BadWebhook`] if nothing can be sent to the operator's own place.
    pub fn new(settings: WebhookSettings) -> Result<Self, BadWebhook> {
        if let Some(url) = settings.url.clone() {
            let events = Some(settings.events.clone());
            WebhookRequest { url, events, secret: None }.check(&settings.guard, settings.secret.is_some())?;
        }
        Ok(Self { settings, news: watch::Sender::new(0) })
    }

    /// The places of a new run: the one it asks for, and the operator's.
    pub(in crate::run) fn places(&self, wanted: Option<WebhookRequest>) -> Result<Vec<NewWebhook>, BadWebhook> {
        let mut places = Vec::new();
        if self.settings.url.is_some() {
            places.push(NewWebhook::default());
        }
        if let Some(wanted) = wanted {
            wanted.check(&self.settings.guard, self.settings.secret.is_some())?;
            let WebhookRequest { url, events, secret } = wanted;
            places.push(NewWebhook { url: Some(url), secret, events });
        }
        Ok(places)
    }

    /// Says that there are new places.
    pub(in crate::run) fn notify(&self) {
        self.news.send_modify(|news| *news += 1);
    }
}
