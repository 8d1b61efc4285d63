//! The operator's settings for webhooks.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::{AddressGuard, BadWebhook, SigningSecret, WebhookRequest};
use crate::run::store::NewWebhook;

/// The operator's settings for webhooks.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// An endpoint for the events of all runs.
    pub url: Option<String>,
    /// Signs deliveries of runs that have no secret of their own.
    pub secret: Option<SigningSecret>,
    /// The event types for that endpoint; empty for the default ones.
    pub events: Vec<String>,
    /// Decides which addresses are allowed.
    pub guard: AddressGuard,
    /// The waits between attempts. After the attempt that follows the last wait, the endpoint is abandoned for the run.
    pub schedule: Vec<Duration>,
}

/// Validated settings, and the wake-up of the sender.
#[derive(Debug)]
pub struct WebhookConfig {
    pub(super) settings: WebhookSettings,
    pub(super) added: watch::Sender<u64>,
    /// Endpoints that were abandoned and are to be served again.
    retried: Mutex<BTreeSet<i64>>,
}

/// Without settings: only public addresses and no retries.
impl Default for WebhookConfig {
    fn default() -> Self {
        let guard = AddressGuard::new(vec![], |_| false);
        let settings = WebhookSettings { url: None, secret: None, events: vec![], guard, schedule: vec![] };
        Self { settings, added: watch::Sender::new(0), retried: Mutex::default() }
    }
}

impl WebhookConfig {
    /// Validates the settings.
    ///
    /// # Errors
    /// [`BadWebhook`] if the operator's endpoint is invalid.
    pub fn new(settings: WebhookSettings) -> Result<Self, BadWebhook> {
        if let Some(url) = settings.url.clone() {
            let events = Some(settings.events.clone());
            WebhookRequest { url, events, secret: None }.check(&settings.guard, settings.secret.is_some())?;
        }
        Ok(Self { settings, added: watch::Sender::new(0), retried: Mutex::default() })
    }

    /// The endpoints of a new run: the operator's and the requested one.
    ///
    /// # Errors
    /// [`BadWebhook`] if the requested one is invalid.
    pub(in crate::run) fn endpoints(&self, requested: Option<WebhookRequest>) -> Result<Vec<NewWebhook>, BadWebhook> {
        let mut endpoints = Vec::new();
        if self.settings.url.is_some() {
            endpoints.push(NewWebhook::default());
        }
        if let Some(requested) = requested {
            requested.check(&self.settings.guard, self.settings.secret.is_some())?;
            let WebhookRequest { url, events, secret } = requested;
            endpoints.push(NewWebhook { url: Some(url), secret, events });
        }
        Ok(endpoints)
    }

    /// Has an endpoint served again that was abandoned and is active in the store.
    pub(in crate::run) fn retry(&self, webhook: i64) {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner).insert(webhook);
        self.notify();
    }

    /// The endpoints to be served again. Those after `last` are found as new ones.
    pub(super) fn take_retried(&self, last: i64) -> BTreeSet<i64> {
        let mut retried = std::mem::take(&mut *self.retried.lock().unwrap_or_else(PoisonError::into_inner));
        retried.retain(|webhook| *webhook <= last);
        retried
    }

    /// Wakes the sender after endpoints were added to the store.
    pub(in crate::run) fn notify(&self) {
        self.added.send_modify(|count| *count += 1);
    }
}
