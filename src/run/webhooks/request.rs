//! The webhook of a request: URL, event types and secret.

use reqwest::Url;

use super::{AddressGuard, BadSecret, SigningSecret};

/// Maximum length of a URL, in bytes.
const MAX_URL: usize = 2048;

/// Selects all event types in [`KNOWN`].
const ALL: &str = "*";

/// Selects the permission requests and questions that wait for a person, not those that a rule or the permission mode answers at once.
const NEEDS_INPUT: &str = "needs_input";

/// The default selection: what matters to someone who does not follow the run.
const DEFAULT: [&str; 3] = ["run_started", NEEDS_INPUT, "done"];

/// The event types that can be sent. Pieces of texts and unknown lines cannot: complete messages and results follow.
const KNOWN: [&str; 23] = [
    "run_queued",
    "run_started",
    "message",
    "user_message",
    "tool_call",
    "tool_result",
    "file_change",
    "changes",
    "plan",
    "task_started",
    "task_updated",
    "task_ended",
    "session_updated",
    "permission_request",
    "permission_resolved",
    "question",
    "question_resolved",
    "usage",
    "notice",
    "log",
    "network",
    "agent_error",
    "done",
];

/// A requested webhook. Nothing in it has been checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebhookRequest {
    /// URL of the endpoint.
    pub url: String,
    /// The event types to send; `None` for the default ones.
    pub events: Option<Vec<String>>,
    /// The signing secret; `None` for the server's.
    pub secret: Option<String>,
}

/// Omits URL and secret, which are confidential.
impl std::fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookRequest").field("events", &self.events).finish_non_exhaustive()
    }
}

/// Why a webhook is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// The URL is malformed.
    #[error(
        "the webhook URL must begin with http:// or https://, with a host, without user and password, and at most {MAX_URL} bytes long"
    )]
    Url,
    /// The URL has a private or local address.
    #[error("the webhook URL has a private or local address; the operator can allow it with OPENRUNNER_WEBHOOK_ALLOW")]
    NotAllowed,
    /// The secret is malformed.
    #[error("the webhook secret {0}")]
    Secret(#[from] BadSecret),
    /// There is no secret.
    #[error("a webhook secret is required because OPENRUNNER_WEBHOOK_SECRET is not set; it {BadSecret}")]
    NoSecret,
    /// The event type is unknown or cannot be sent.
    #[error("unknown webhook event {0:?}; expected {NEEDS_INPUT}, one of {all}, or \"*\" for all of them", all = KNOWN.join(", "))]
    Event(String),
}

impl WebhookRequest {
    /// Validates the request.
    ///
    /// # Errors
    /// [`BadWebhook`], by cause.
    pub(super) fn check(&self, guard: &AddressGuard, server_has_secret: bool) -> Result<(), BadWebhook> {
        target_url(&self.url, guard)?;
        match &self.secret {
            Some(secret) => drop(secret.parse::<SigningSecret>()?),
            None if server_has_secret => {}
            None => return Err(BadWebhook::NoSecret),
        }
        let unknown =
            self.events.iter().flatten().find(|event| ![ALL, NEEDS_INPUT].contains(&event.as_str()) && !KNOWN.contains(&event.as_str()));
        unknown.map_or(Ok(()), |event| Err(BadWebhook::Event(event.chars().take(64).collect())))
    }
}

/// Parses the URL and checks that it is allowed.
pub(super) fn target_url(url: &str, guard: &AddressGuard) -> Result<Url, BadWebhook> {
    let url: Url = Some(url).filter(|url| url.len() <= MAX_URL).and_then(|url| url.parse().ok()).ok_or(BadWebhook::Url)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.host_str().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err(BadWebhook::Url);
    }
    if guard.allows_url(&url) { Ok(url) } else { Err(BadWebhook::NotAllowed) }
}

/// Whether `events` selects an event of this type. `waits` states whether it is a request that waits for a person.
pub(super) fn selects(events: Option<&[String]>, event: &str, waits: bool) -> bool {
    let is_selected = |selected: &str| match selected {
        ALL => KNOWN.contains(&event),
        NEEDS_INPUT => waits,
        selected => selected == event,
    };
    match events {
        None => DEFAULT.iter().any(|selected| is_selected(selected)),
        Some(events) => events.iter().any(|selected| is_selected(selected)),
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C3.

    use super::*;

    fn check(url: &str, events: Option<&[&str]>, secret: Option<&str>) -> Result<(), BadWebhook> {
        let events = events.map(|events| events.iter().map(|&event| event.to_owned()).collect());
        let request = WebhookRequest { url: url.into(), events, secret: secret.map(str::to_owned) };
        request.check(&AddressGuard::new(vec![], |_| false), false)
    }

    #[test]
    fn invalid_webhooks_are_rejected() {
        let secret = Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let long = format!("https://a.example/{}", "x".repeat(2048));
        for wrong in
            ["", "a.example", "ftp://a.example/", "file:///etc/passwd", "https://u:p@a.example/", "https://u@a.example/", "http://", &long]
        {
            assert_eq!(check(wrong, None, secret), Err(BadWebhook::Url), "{wrong}");
        }
        assert_eq!(check("http://127.0.0.1/", None, secret), Err(BadWebhook::NotAllowed));
        assert_eq!(check("https://a.example/", None, None), Err(BadWebhook::NoSecret));
        assert_eq!(check("https://a.example/", None, Some("x")), Err(BadWebhook::Secret(BadSecret)));
        assert_eq!(check("https://a.example/", Some(&["token"]), secret), Err(BadWebhook::Event("token".into())));
        assert_eq!(check("https://a.example/", Some(&["*", "done"]), secret), Ok(()));
    }

    #[test]
    fn every_event_except_pieces_and_raw_lines_can_be_sent() {
        let examples = include_str!("../../api/openapi/events.jsonl").lines();
        let types = examples.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned());
        let unknown: Vec<String> = types.filter(|name| !selects(Some(&["*".to_owned()]), name, false)).collect();
        assert_eq!(unknown, ["token", "thinking", "tool_output", "raw"]);
        assert!(selects(None, "done", false) && !selects(None, "message", false) && !selects(Some(&[]), "done", false));
    }

    #[test]
    fn by_default_only_requests_that_wait_for_a_person_are_sent() {
        for event in ["permission_request", "question"] {
            assert!(selects(None, event, true) && !selects(None, event, false), "{event}");
            assert!(selects(Some(&[event.to_owned()]), event, false), "{event}: selected by its own name");
        }
        assert_eq!(check("https://a.example/", Some(&["needs_input"]), Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), Ok(()));
    }
}
