//! Sends what is to be sent, and tries again what was not taken.
//!
//! There is a task for each endpoint of a run that has something to come. While it waits for another attempt it holds nothing but its
//! cursor, so a receiver that is gone costs the others nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url, header};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use super::request::{selects, target};
use super::{SigningSecret, WebhookRules, schedule};
use crate::run::events::{EventLog, Framing};
use crate::run::shutdown::Shutdown;
use crate::run::store::{ActiveWebhook, Attempt, NextAttempt, RunStore, StoreError};
use crate::types::Timestamp;

/// Places that are carried at once: more than runs can be alive by default.
const CARRIED: usize = 16_384;
/// Places that are asked for at once.
const PAGE: usize = 256;
/// Attempts at once, to all hosts and to one of them: a slow host leaves room for the others.
const ATTEMPTS: usize = 256;
const ATTEMPTS_AT_A_HOST: usize = 8;
/// How long one attempt may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before the store is tried again.
const STORE_AGAIN: Duration = Duration::from_secs(1);
/// Longest reason of a failure that is kept, in characters.
const MAX_ERROR: usize = 200;

/// Sends events of runs to the places that are named for them.
#[derive(Debug)]
pub(in crate::run) struct Sender {
    store: Arc<dyn RunStore>,
    log: EventLog,
    rules: Arc<WebhookRules>,
    shutdown: Shutdown,
    tasks: TaskTracker,
    /// Made by the first attempt that can: it reads all the certificates that this machine trusts, which most servers have no use for.
    client: OnceLock<Client>,
    slots: Arc<Semaphore>,
    attempts: Semaphore,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Where something is sent, and how it is signed.
struct Endpoint {
    url: Url,
    host: String,
    secret: SigningSecret,
    events: Option<Vec<String>>,
}

/// What every event of a log begins with.
#[derive(Deserialize)]
struct Head<'a> {
    seq: u64,
    ts: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

/// What one attempt has come to.
struct Answer {
    status: Option<u16>,
    error: Option<String>,
    asked: Option<Duration>,
}

impl Sender {
    pub(in crate::run) fn new(
        store: Arc<dyn RunStore>,
        log: EventLog,
        rules: Arc<WebhookRules>,
        shutdown: Shutdown,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        let (slots, attempts) = (Arc::new(Semaphore::new(CARRIED)), Semaphore::new(ATTEMPTS));
        Arc::new(Self { store, log, rules, shutdown, tasks, client: OnceLock::new(), slots, attempts, hosts: Mutex::default() })
    }

    /// Carries every endpoint that something is to be sent to, those of earlier servers first, until the server goes away.
    pub(in crate::run) async fn run(self: Arc<Self>) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            _how = shutdown.requested() => {}
            () = self.dispatch() => {}
        }
    }

    async fn dispatch(self: Arc<Self>) {
        let mut news = self.rules.news.subscribe();
        let mut last = 0;
        loop {
            // Asked before the store is, so that what comes meanwhile is not missed.
            news.borrow_and_update();
            let found = match self.store.active_webhooks(last, PAGE).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "the webhooks cannot be read; trying again");
                    sleep(STORE_AGAIN).await;
                    continue;
                }
            };
            if found.is_empty() && news.changed().await.is_err() {
                return;
            }
            for webhook in found {
                last = webhook.id;
                let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
                let (sender, shutdown) = (Arc::clone(&self), self.shutdown.clone());
                self.tasks.spawn(async move {
                    tokio::select! {
                        _how = shutdown.requested() => {}
                        () = sender.carry(webhook, slot) => {}
                    }
                });
            }
        }
    }

    /// Sends everything that is to be sent to one endpoint.
    async fn carry(&self, mut webhook: ActiveWebhook, slot: OwnedSemaphorePermit) {
        let mut slot = Some(slot);
        loop {
            if let Some(at) = webhook.next_at.take() {
                slot = None;
                let left = at.as_millis().saturating_sub(self.log.now().as_millis());
                sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0))).await;
            }
            if slot.is_none() {
                let Ok(next) = Arc::clone(&self.slots).acquire_owned().await else { return };
                slot = Some(next);
            }
            match self.send(&mut webhook).await {
                Ok(true) => {}
                Ok(false) => return,
                // It will not mend by itself; the next start looks at it again.
                Err(error @ StoreError::Damaged { .. }) => {
                    return tracing::error!(run.id = %webhook.run, %error, "the log of a run with a webhook is damaged; nothing more of it is sent");
                }
                Err(error) => {
                    tracing::warn!(run.id = %webhook.run, %error, "a webhook cannot go on; trying again");
                    sleep(STORE_AGAIN).await;
                }
            }
        }
    }

    /// Sends event after event, as they come, until one is not taken. Gives whether there is more to do.
    async fn send(&self, webhook: &mut ActiveWebhook) -> Result<bool, StoreError> {
        let endpoint = self.endpoint(webhook);
        // Without a run there is nothing more to send.
        let Some(mut log) = self.log.follow(webhook.run, webhook.cursor, Framing::Ndjson).await? else { return Ok(false) };
        while let Some(page) = log.next().await {
            for line in page?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let Ok(head) = serde_json::from_slice::<Head<'_>>(line) else { continue };
                let events = endpoint.as_ref().map_or(webhook.webhook.events.as_deref(), |endpoint| endpoint.events.as_deref());
                if selects(events, head.kind) {
                    match self.deliver(webhook, endpoint.as_ref(), &head, line).await? {
                        NextAttempt::Delivered => (webhook.cursor, webhook.attempts) = (head.seq, 0),
                        NextAttempt::Again(at) => {
                            (webhook.attempts, webhook.next_at) = (webhook.attempts + 1, Some(at));
                            return Ok(true);
                        }
                        NextAttempt::GivenUp => return Ok(false),
                    }
                }
                if head.kind == "done" {
                    self.store.finish_webhook(webhook.id).await?;
                    return Ok(false);
                }
            }
        }
        // The log ends before the run only where the server goes away; the next one goes on.
        Ok(false)
    }

    /// Tries once to send an event, and writes down what came of it.
    async fn deliver(
        &self,
        webhook: &ActiveWebhook,
        endpoint: Option<&Endpoint>,
        head: &Head<'_>,
        line: &[u8],
    ) -> Result<NextAttempt, StoreError> {
        let message_id = message_id(webhook, head.seq);
        let answer = match endpoint {
            Some(endpoint) => self.attempt(endpoint, &message_id, &body(webhook, head, line)).await,
            None => Answer::failed("the endpoint is not one that webhooks may go to any more"),
        };
        let at = self.log.now();
        let failed = webhook.attempts.saturating_add(1);
        let then = match answer.status {
            Some(200..=299) => NextAttempt::Delivered,
            // Gone: the receiver wants no more.
            Some(410) => NextAttempt::GivenUp,
            _ => schedule::wait(&self.rules.settings.schedule, failed, answer.asked, random())
                .map_or(NextAttempt::GivenUp, |wait| later(at, wait)),
        };
        let host = endpoint.map(|endpoint| endpoint.host.clone()).unwrap_or_default();
        match then {
            NextAttempt::Delivered => tracing::debug!(run.id = %webhook.run, %host, seq = head.seq, "a webhook was delivered"),
            NextAttempt::Again(_) => {
                tracing::info!(run.id = %webhook.run, %host, seq = head.seq, failed, status = answer.status, "a webhook was not taken; it is tried again");
            }
            NextAttempt::GivenUp => {
                tracing::warn!(run.id = %webhook.run, %host, seq = head.seq, failed, status = answer.status, "a webhook is given up; nothing more of this run is sent there");
            }
        }
        let Answer { status, error, .. } = answer;
        let event = head.kind.to_owned();
        let attempt = Attempt { webhook: webhook.id, message_id, seq: head.seq, event, host, at, http_status: status, error, then };
        self.store.record_attempt(attempt).await?;
        Ok(then)
    }

    async fn attempt(&self, endpoint: &Endpoint, id: &str, body: &[u8]) -> Answer {
        let at_the_host = self.at_host(&endpoint.host);
        let (Ok(_host), Ok(_all)) = (at_the_host.acquire().await, self.attempts.acquire().await) else {
            return Answer::failed("the server is going down");
        };
        let client = match self.client.get().cloned().map_or_else(|| client(&self.rules), Ok) {
            Ok(client) => self.client.get_or_init(|| client),
            // The next attempt looks again: a list of certificates may be put there meanwhile.
            Err(error) => {
                tracing::error!(%error, "no webhook can be sent; is there a list of trusted certificates on this machine?");
                return Answer::failed("this server finds no list of trusted certificates on its machine, and can send nothing");
            }
        };
        let seconds = self.log.now().as_millis().div_euclid(1000);
        let request = client
            .post(endpoint.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", endpoint.secret.sign(id, seconds, body))
            .body(body.to_vec());
        match request.send().await {
            // The body of the answer is not read: its status says all.
            Ok(response) => {
                let status = response.status().as_u16();
                let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                let error = (!response.status().is_success()).then(|| format!("the receiver answered {status}"));
                Answer { status: Some(status), error, asked: asked.map(Duration::from_secs) }
            }
            Err(error) => Answer::failed(&reason(error)),
        }
    }

    /// Where a endpoint is, by the settings of this server; `None` if nothing may be sent there any more.
    fn endpoint(&self, webhook: &ActiveWebhook) -> Option<Endpoint> {
        let settings = &self.rules.settings;
        let own = &webhook.webhook;
        let url = target(own.url.as_ref().or(settings.url.as_ref())?, &settings.guard).ok()?;
        let secret = match &own.secret {
            Some(secret) => secret.parse().ok()?,
            None => settings.secret.clone()?,
        };
        let of_the_server = Some(settings.events.clone()).filter(|events| !events.is_empty());
        let events = if own.url.is_some() { own.events.clone() } else { of_the_server };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str().unwrap_or_default());
        Some(Endpoint { url, host, secret, events })
    }

    /// What bounds the attempts at one host.
    fn at_host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = hosts.get(host).and_then(Weak::upgrade) {
            return bound;
        }
        hosts.retain(|_, bound| bound.strong_count() > 0);
        let bound = Arc::new(Semaphore::new(ATTEMPTS_AT_A_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&bound));
        bound
    }
}

/// What speaks HTTP with the places.
fn client(rules: &WebhookRules) -> reqwest::Result<Client> {
    let builder = Client::builder().user_agent(concat!("openrunner/", env!("CARGO_PKG_VERSION")));
    // A redirect would lead to an address that nobody has judged, and so would a proxy.
    let builder = builder.redirect(Policy::none()).no_proxy();
    builder.dns_resolver(Arc::new(rules.settings.guard.clone())).timeout(PATIENCE).build()
}

impl Answer {
    fn failed(error: &str) -> Self {
        Self { status: None, error: Some(error.chars().take(MAX_ERROR).collect()), asked: None }
    }
}

/// The id of an event at a endpoint: the same at every attempt and after every restart, and nobody else's.
fn message_id(webhook: &ActiveWebhook, seq: u64) -> String {
    let run = webhook.run.to_string();
    format!("msg_{}_{}_{seq}", run.trim_start_matches("run_"), webhook.id)
}

/// What is sent. The event is that of the log, with whose it is.
fn body(webhook: &ActiveWebhook, head: &Head<'_>, line: &[u8]) -> Vec<u8> {
    let before = format!("{{\"type\":\"{}\",\"timestamp\":\"{}\",\"data\":", head.kind, head.ts);
    let after = format!(",\"run_id\":\"{}\",\"session_id\":\"{}\"}}}}", webhook.run, webhook.session);
    // The event is an object and never an empty one: its last byte closes it.
    let event = line.strip_suffix(b"}").unwrap_or(line);
    [before.as_bytes(), event, after.as_bytes()].concat()
}

/// What went wrong, without the address, which may hold a secret.
fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} seconds", PATIENCE.as_secs());
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn later(at: Timestamp, wait: Duration) -> NextAttempt {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    NextAttempt::Again(Timestamp::from_millis(at.as_millis().saturating_add(wait)))
}

/// Any number. What cannot be had costs the spread of attempts and nothing else.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::store::NewWebhook;
    use crate::types::{RunId, SessionId};

    #[test]
    fn what_is_sent_is_the_event_of_the_log_with_whose_it_is() {
        let line = br#"{"seq":3,"ts":"2026-11-22T13:05:00.123Z","type":"done","status":"completed"}"#;
        let (run, session) = (RunId::new(), SessionId::new());
        let webhook = ActiveWebhook { id: 7, run, session, webhook: NewWebhook::default(), cursor: 0, attempts: 0, next_at: None };
        let head: Head<'_> = serde_json::from_slice(line).unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&body(&webhook, &head, line)).unwrap();
        assert_eq!(
            sent,
            serde_json::json!({
                "type": "done",
                "timestamp": "2026-11-22T13:05:00.123Z",
                "data": {
                    "seq": 3,
                    "ts": "2026-11-22T13:05:00.123Z",
                    "type": "done",
                    "status": "completed",
                    "run_id": run,
                    "session_id": session,
                },
            })
        );
        assert_eq!(message_id(&webhook, 3), message_id(&webhook, 3));
        assert_ne!(message_id(&webhook, 3), message_id(&ActiveWebhook { id: 8, ..webhook.clone() }, 3));
    }
}
