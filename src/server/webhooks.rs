//! What the settings say of webhooks.

use crate::config::{RetryDelay, Settings, WebhookDestination};
use crate::run::{BadWebhook, Guard, SigningSecret, WebhookRules, WebhookSettings};

/// The rules that `settings` come to.
///
/// # Errors
/// [`BadWebhook`] if nothing can be sent to the operator's own place.
pub(super) fn webhooks(settings: &Settings) -> Result<WebhookRules, BadWebhook> {
    let (mut hosts, mut networks) = (Vec::new(), Vec::new());
    for place in &settings.webhook_allow {
        match place {
            WebhookDestination::Host(name) => hosts.push(name.as_str().to_owned()),
            WebhookDestination::Network(network) => networks.push(*network),
        }
    }
    let secret = settings.webhook_secret.as_ref().map(|secret| secret.expose().parse::<SigningSecret>());
    WebhookRules::new(WebhookSettings {
        url: settings.webhook_url.as_ref().map(|url| url.expose().to_owned()),
        secret: secret.transpose()?,
        events: settings.webhook_events.iter().map(|event| event.0.clone()).collect(),
        guard: Guard::new(hosts, move |address| networks.iter().any(|network| network.contains(address))),
        schedule: settings.webhook_retry_secs.iter().copied().map(RetryDelay::duration).collect(),
    })
}
