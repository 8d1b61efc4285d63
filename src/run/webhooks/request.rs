//! What may be asked for: an address, which events, and a secret.

use reqwest::Url;

use super::{BadSecret, Guard, SigningSecret};

/// Longest address, in bytes.
const MAX_URL: usize = 2048;

/// Every event, but for the pieces of texts that come whole later.
const ALL: &str = "*";

/// The events that matter to whoever is not watching: what a place gets that names none.
const USUAL: [&str; 4] = ["run_started", "permission_request", "question", "done"];

/// What may be named. Pieces of texts are not sent one by one: their messages and results follow.
const KNOWN: [&str; 17] = [
    "run_queued",
    "run_started",
    "message",
    "user_message",
    "tool_call",
    "tool_result",
    "file_change",
    "plan",
    "permission_request",
    "permission_resolved",
    "question",
    "question_resolved",
    "usage",
    "notice",
    "log",
    "agent_error",
    "done",
];

/// A place as somebody words it. Nothing in it has been checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WebhookRequest {
    /// Its address.
    pub url: String,
    /// Which events; `None` for the usual ones.
    pub events: Option<Vec<String>>,
    /// What is signed with; `None` for the server's secret.
    pub secret: Option<String>,
}

/// Neither the address nor the secret: both may let somebody in elsewhere.
impl std::fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookRequest").field("events", &self.events).finish_non_exhaustive()
    }
}

/// Why nothing can be sent to a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// Its address is none.
    #[error("the address must be http:// or https:// with a host, without a user and a password, in at most {MAX_URL} bytes")]
    Url,
    /// Its address is one of this machine or of a network of somebody's own.
    #[error("the address is one that webhooks may not go to; the operator lists exceptions in OPENRUNNER_WEBHOOK_ALLOW")]
    NotAllowed,
    /// Its secret is none.
    #[error("the secret {0}")]
    Secret(#[from] BadSecret),
    /// Nothing to sign with.
    #[error("a secret is needed, since the server has none of its own; it {BadSecret}")]
    NoSecret,
    /// No such event.
    #[error("{0:?} is no event that can be sent; there are: {all}, and \"*\" for all of these", all = KNOWN.join(", "))]
    Event(String),
}

impl WebhookRequest {
    /// Whether something can be sent there.
    ///
    /// # Errors
    /// [`BadWebhook`], by cause.
    pub(super) fn check(&self, guard: &Guard, server_has_secret: bool) -> Result<(), BadWebhook> {
        target(&self.url, guard)?;
        match &self.secret {
            Some(secret) => drop(secret.parse::<SigningSecret>()?),
            None if server_has_secret => {}
            None => return Err(BadWebhook::NoSecret),
        }
        let unknown = self.events.iter().flatten().find(|event| *event != ALL && !KNOWN.contains(&event.as_str()));
        unknown.map_or(Ok(()), |event| Err(BadWebhook::Event(event.chars().take(64).collect())))
    }
}

/// The address as it is gone to.
pub(super) fn target(url: &str, guard: &Guard) -> Result<Url, BadWebhook> {
    let url: Url = Some(url).filter(|url| url.len() <= MAX_URL).and_then(|url| url.parse().ok()).ok_or(BadWebhook::Url)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.host_str().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err(BadWebhook::Url);
    }
    if guard.passes(&url) { Ok(url) } else { Err(BadWebhook::NotAllowed) }
}

/// Whether an event of this type is wanted.
pub(super) fn selects(events: Option<&[String]>, event: &str) -> bool {
    match events {
        None => USUAL.contains(&event),
        Some(events) => events.iter().any(|wanted| wanted == event || wanted == ALL && KNOWN.contains(&event)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, events: Option<&[&str]>, secret: Option<&str>) -> Result<(), BadWebhook> {
        let events = events.map(|events| events.iter().map(|&event| event.to_owned()).collect());
        let request = WebhookRequest { url: url.into(), events, secret: secret.map(str::to_owned) };
        request.check(&Guard::new(vec![], |_| false), false)
    }

    #[test]
    fn c3_what_is_asked_for_is_judged_by_its_form() {
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
    fn every_event_but_pieces_and_unread_lines_can_be_named() {
        let examples = include_str!("../../api/openapi/events.jsonl").lines();
        let types = examples.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned());
        let left_out: Vec<String> = types.filter(|name| !selects(Some(&["*".to_owned()]), name)).collect();
        assert_eq!(left_out, ["token", "thinking", "tool_output", "raw"]);
        assert!(selects(None, "done") && !selects(None, "message") && !selects(Some(&[]), "done"));
    }
}
