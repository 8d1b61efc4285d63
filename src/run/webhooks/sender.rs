//! Delivers events to webhook endpoints and retries failed deliveries.
//!
//! Each endpoint with unsent events has its own task. While a task waits for a retry it holds only its cursor, so an unreachable receiver
//! does not affect the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url, header};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::request::{selects, target_url};
use super::{SigningSecret, WebhookConfig, schedule};
use crate::run::events::{EventLog, Framing};
use crate::run::shutdown::Shutdown;
use crate::run::store::{ActiveWebhook, Attempt, NextAttempt, RunStore, StoreError};
use crate::types::Timestamp;

/// Maximum number of endpoints that are served concurrently: more than the default maximum of live runs.
const MAX_ENDPOINTS: usize = 16_384;
/// Number of endpoints that are read from the store at once.
const PAGE: usize = 256;
/// Maximum number of concurrent attempts, in total and per host: a slow host leaves room for the others.
const MAX_ATTEMPTS: usize = 256;
const MAX_ATTEMPTS_PER_HOST: usize = 8;
/// Maximum duration of one attempt.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait after an error of the store.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Minimum interval between warnings about errors of the store, which every endpoint meets during an outage.
const WARNING_INTERVAL: Duration = Duration::from_mins(1);
/// Maximum length of a stored error, in characters.
const MAX_ERROR: usize = 200;

/// Sends events of runs to their endpoints.
#[derive(Debug)]
pub(in crate::run) struct Sender {
    store: Arc<dyn RunStore>,
    log: EventLog,
    config: Arc<WebhookConfig>,
    shutdown: Shutdown,
    tasks: TaskTracker,
    /// Created by the first attempt: creating it loads all trusted certificates of this machine, which most servers never need.
    client: OnceLock<Client>,
    slots: Arc<Semaphore>,
    attempts: Semaphore,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    warnings: Mutex<StoreWarnings>,
}

/// Errors of the store since the last warning about them.
#[derive(Debug, Default)]
struct StoreWarnings {
    count: u64,
    last: Option<Instant>,
}

impl StoreWarnings {
    /// Counts an error. Returns the number of errors to warn about, if a warning is due.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.last.is_some_and(|last| now.duration_since(last) < WARNING_INTERVAL) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

/// Where events are sent, and how they are signed.
struct Endpoint {
    url: Url,
    host: String,
    secret: SigningSecret,
    events: Option<Vec<String>>,
}

/// The first fields of every event.
#[derive(Deserialize)]
struct Head<'a> {
    seq: u64,
    ts: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    /// Until when the event waits for a person. Absent if a rule or the permission mode decides.
    expires_at: Option<&'a str>,
}

/// The result of one attempt.
struct Response {
    http_status: Option<u16>,
    error: Option<String>,
    retry_after: Option<Duration>,
}

impl Sender {
    pub(in crate::run) fn new(
        store: Arc<dyn RunStore>,
        log: EventLog,
        config: Arc<WebhookConfig>,
        shutdown: Shutdown,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        let (slots, attempts) = (Arc::new(Semaphore::new(MAX_ENDPOINTS)), Semaphore::new(MAX_ATTEMPTS));
        let (hosts, warnings) = (Mutex::default(), Mutex::default());
        Arc::new(Self { store, log, config, shutdown, tasks, client: OnceLock::new(), slots, attempts, hosts, warnings })
    }

    /// Serves all endpoints with unsent events, oldest first, until the server shuts down.
    pub(in crate::run) async fn run(self: Arc<Self>) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            _how = shutdown.requested() => {}
            () = self.dispatch() => {}
        }
    }

    async fn dispatch(self: Arc<Self>) {
        let mut added = self.config.added.subscribe();
        let mut last = 0;
        loop {
            // Before the store is read, so that endpoints added in between wake this task.
            added.borrow_and_update();
            for retried in self.config.take_retried(last) {
                match self.store.active_webhooks(retried - 1, 1).await {
                    Ok(found) => {
                        for webhook in found.into_iter().filter(|webhook| webhook.id == retried) {
                            self.spawn(webhook).await;
                        }
                    }
                    Err(error) => {
                        self.warn(&error);
                        self.config.retry(retried);
                        sleep(STORE_RETRY).await;
                    }
                }
            }
            let found = match self.store.active_webhooks(last, PAGE).await {
                Ok(found) => found,
                Err(error) => {
                    self.warn(&error);
                    sleep(STORE_RETRY).await;
                    continue;
                }
            };
            if found.is_empty() && added.changed().await.is_err() {
                return;
            }
            for webhook in found {
                last = webhook.id;
                self.spawn(webhook).await;
            }
        }
    }

    /// Serves an endpoint in its own task, as soon as a slot is free.
    async fn spawn(self: &Arc<Self>, webhook: ActiveWebhook) {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
        let (sender, shutdown) = (Arc::clone(self), self.shutdown.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                _how = shutdown.requested() => {}
                () = sender.serve(webhook, slot) => {}
            }
        });
    }

    /// Sends all events of one endpoint.
    async fn serve(&self, mut webhook: ActiveWebhook, slot: OwnedSemaphorePermit) {
        let mut slot = Some(slot);
        loop {
            if let Some(at) = webhook.next_attempt_at.take() {
                slot = None;
                let wait = at.as_millis().saturating_sub(self.log.now().as_millis());
                sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0))).await;
            }
            if slot.is_none() {
                let Ok(next) = Arc::clone(&self.slots).acquire_owned().await else { return };
                slot = Some(next);
            }
            match self.send_events(&mut webhook).await {
                Ok(true) => {}
                Ok(false) => return,
                // Permanent.
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::error!(run.id = %webhook.run, %error, "the record of a run with a webhook is damaged");
                    let next = webhook.cursor + 1;
                    match self.abandon(&webhook, next, "the stored run is damaged; no further event of it can be sent").await {
                        Ok(()) => return,
                        Err(error) => self.warn(&error),
                    }
                    sleep(STORE_RETRY).await;
                }
                Err(error) => {
                    self.warn(&error);
                    sleep(STORE_RETRY).await;
                }
            }
        }
    }

    /// Warns about an error of the store, after which the caller tries again. Once a minute for all endpoints.
    fn warn(&self, error: &StoreError) {
        let due = self.warnings.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now());
        if let Some(count) = due {
            tracing::warn!(%error, count, "webhooks were interrupted by errors of the store; retrying");
        }
    }

    /// Ends a webhook whose next event, probably `done`, cannot be read. The reason is visible in the deliveries.
    async fn abandon(&self, webhook: &ActiveWebhook, seq: u64, reason: &str) -> Result<(), StoreError> {
        let host = self.endpoint(webhook).map(|endpoint| endpoint.host).unwrap_or_default();
        tracing::warn!(run.id = %webhook.run, %host, seq, reason, "abandoned a webhook");
        let attempt = Attempt {
            webhook: webhook.id,
            message_id: message_id(webhook, seq),
            seq,
            event: "done".to_owned(),
            host,
            at: self.log.now(),
            http_status: None,
            error: Some(reason.to_owned()),
            next: NextAttempt::Abandoned,
        };
        self.store.record_attempt(attempt).await
    }

    /// Sends events in their order until one fails. Returns whether there is more to do.
    async fn send_events(&self, webhook: &mut ActiveWebhook) -> Result<bool, StoreError> {
        let endpoint = self.endpoint(webhook);
        let events = endpoint.as_ref().map_or(webhook.webhook.events.as_deref(), |endpoint| endpoint.events.as_deref());
        let events = events.map(<[String]>::to_vec);
        let mut skipped = false;
        let Some(mut log) = self.log.follow(webhook.run, webhook.cursor, Framing::Ndjson).await? else {
            return Ok(false); // the run was deleted
        };
        while let Some(batch) = log.next().await {
            for line in batch?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let Ok(head) = serde_json::from_slice::<Head<'_>>(line) else {
                    // A notice for this reader: it has no number, because it is not part of the log.
                    let notice = String::from_utf8_lossy(line);
                    tracing::warn!(run.id = %webhook.run, %notice, "skipped events that cannot be sent to a webhook");
                    skipped = true;
                    continue;
                };
                skipped = false;
                if selects(events.as_deref(), head.kind, head.expires_at.is_some()) {
                    match self.deliver(webhook, endpoint.as_ref(), &head, line).await? {
                        NextAttempt::Delivered => (webhook.cursor, webhook.attempts) = (head.seq, 0),
                        NextAttempt::RetryAt(at) => {
                            (webhook.attempts, webhook.next_attempt_at) = (webhook.attempts + 1, Some(at));
                            return Ok(true);
                        }
                        NextAttempt::Abandoned => return Ok(false),
                    }
                }
                if head.kind == "done" {
                    self.store.finish_webhook(webhook.id).await?;
                    return Ok(false);
                }
            }
        }
        // Everything was sent before, but this was not recorded. Otherwise the run was deleted, or this server shuts down and the next one
        // continues.
        if log.is_exhausted() {
            if skipped && selects(events.as_deref(), "done", false) {
                // Neither the log nor the run's row contains the end.
                self.abandon(webhook, log.last(), "the end of the run is damaged and cannot be sent").await?;
            } else {
                self.store.finish_webhook(webhook.id).await?;
            }
        }
        Ok(false)
    }

    /// Makes one attempt to send an event and records the result.
    async fn deliver(
        &self,
        webhook: &ActiveWebhook,
        endpoint: Option<&Endpoint>,
        head: &Head<'_>,
        line: &[u8],
    ) -> Result<NextAttempt, StoreError> {
        let message_id = message_id(webhook, head.seq);
        let response = match endpoint {
            Some(endpoint) => self.attempt(endpoint, &message_id, &body(webhook, head, line)).await,
            None => Response::failed("the endpoint is no longer allowed by the server's settings"),
        };
        let Response { http_status, error, retry_after } = response;
        let at = self.log.now();
        let failed = webhook.attempts.saturating_add(1);
        let next = match http_status {
            Some(200..=299) => NextAttempt::Delivered,
            // 410 Gone: the receiver wants no further events.
            Some(410) => NextAttempt::Abandoned,
            _ => schedule::next_wait(&self.config.settings.schedule, failed, retry_after, random())
                .map_or(NextAttempt::Abandoned, |wait| retry_after_wait(at, wait)),
        };
        let host = endpoint.map(|endpoint| endpoint.host.clone()).unwrap_or_default();
        match next {
            NextAttempt::Delivered => tracing::debug!(run.id = %webhook.run, %host, seq = head.seq, "delivered a webhook"),
            NextAttempt::RetryAt(_) => {
                tracing::info!(run.id = %webhook.run, %host, seq = head.seq, failed, status = http_status, "webhook delivery failed; retrying later");
            }
            NextAttempt::Abandoned => {
                tracing::warn!(run.id = %webhook.run, %host, seq = head.seq, failed, status = http_status, "abandoned a webhook; no further events of this run are sent to it");
            }
        }
        let event = head.kind.to_owned();
        let attempt = Attempt { webhook: webhook.id, message_id, seq: head.seq, event, host, at, http_status, error, next };
        self.store.record_attempt(attempt).await?;
        Ok(next)
    }

    async fn attempt(&self, endpoint: &Endpoint, id: &str, body: &[u8]) -> Response {
        let host_limit = self.host_limit(&endpoint.host);
        let (Ok(_host), Ok(_all)) = (host_limit.acquire().await, self.attempts.acquire().await) else {
            return Response::failed("the server is shutting down");
        };
        let client = match self.client.get().cloned().map_or_else(|| build_client(&self.config), Ok) {
            Ok(client) => self.client.get_or_init(|| client),
            // The next attempt tries again: certificates may be installed in the meantime.
            Err(error) => {
                tracing::error!(%error, "cannot send webhooks; check that trusted CA certificates are installed on this machine");
                return Response::failed("the server cannot send webhooks: it found no trusted CA certificates on its machine");
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
            // Only the status matters; the body of the response is not read.
            Ok(response) => {
                let status = response.status().as_u16();
                let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                let error = (!response.status().is_success()).then(|| format!("the receiver answered {status}"));
                Response { http_status: Some(status), error, retry_after: retry_after.map(Duration::from_secs) }
            }
            Err(error) => Response::failed(&describe(error)),
        }
    }

    /// The endpoint according to this server's settings; `None` if nothing may be sent to it anymore.
    fn endpoint(&self, webhook: &ActiveWebhook) -> Option<Endpoint> {
        let settings = &self.config.settings;
        let own = &webhook.webhook;
        let url = target_url(own.url.as_ref().or(settings.url.as_ref())?, &settings.guard).ok()?;
        let secret = match &own.secret {
            Some(secret) => secret.parse().ok()?,
            None => settings.secret.clone()?,
        };
        let server_events = Some(settings.events.clone()).filter(|events| !events.is_empty());
        let events = if own.url.is_some() { own.events.clone() } else { server_events };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str().unwrap_or_default());
        Some(Endpoint { url, host, secret, events })
    }

    /// The limit on concurrent attempts at one host.
    fn host_limit(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = hosts.get(host).and_then(Weak::upgrade) {
            return limit;
        }
        hosts.retain(|_, limit| limit.strong_count() > 0);
        let limit = Arc::new(Semaphore::new(MAX_ATTEMPTS_PER_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&limit));
        limit
    }
}

fn build_client(config: &WebhookConfig) -> reqwest::Result<Client> {
    let builder = Client::builder().user_agent(concat!("openrunner/", env!("CARGO_PKG_VERSION")));
    // A redirect or a proxy would lead to an address that was not checked.
    let builder = builder.redirect(Policy::none()).no_proxy();
    builder.dns_resolver(Arc::new(config.settings.guard.clone())).timeout(REQUEST_TIMEOUT).build()
}

impl Response {
    fn failed(error: &str) -> Self {
        Self { http_status: None, error: Some(error.chars().take(MAX_ERROR).collect()), retry_after: None }
    }
}

/// The id of an event at an endpoint: unique, and the same for every attempt and after every restart.
fn message_id(webhook: &ActiveWebhook, seq: u64) -> String {
    let run = webhook.run.to_string();
    format!("msg_{}_{}_{seq}", run.trim_start_matches("run_"), webhook.id)
}

/// The body of a delivery: the event from the log with the ids of its run and session.
fn body(webhook: &ActiveWebhook, head: &Head<'_>, line: &[u8]) -> Vec<u8> {
    let before = format!("{{\"type\":\"{}\",\"timestamp\":\"{}\",\"data\":", head.kind, head.ts);
    let after = format!(",\"run_id\":\"{}\",\"session_id\":\"{}\"}}}}", webhook.run, webhook.session);
    // The event is a non-empty object; its last byte is the closing brace.
    let event = line.strip_suffix(b"}").unwrap_or(line);
    [before.as_bytes(), event, after.as_bytes()].concat()
}

/// Describes an error without the URL, which may contain a secret.
fn describe(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no response within {} seconds", REQUEST_TIMEOUT.as_secs());
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn retry_after_wait(at: Timestamp, wait: Duration) -> NextAttempt {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    NextAttempt::RetryAt(Timestamp::from_millis(at.as_millis().saturating_add(wait)))
}

/// A random number. Without a random source, attempts are merely not spread.
fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::store::NewWebhook;
    use crate::types::{RunId, SessionId};

    #[test]
    fn the_body_is_the_event_of_the_log_with_run_and_session() {
        let line = br#"{"seq":3,"ts":"2026-11-22T13:05:00.123Z","type":"done","status":"completed"}"#;
        let (run, session) = (RunId::new(), SessionId::new());
        let webhook = ActiveWebhook { id: 7, run, session, webhook: NewWebhook::default(), cursor: 0, attempts: 0, next_attempt_at: None };
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

    #[test]
    fn errors_of_the_store_are_reported_once_a_minute_with_their_number() {
        let (mut warnings, start) = (StoreWarnings::default(), Instant::now());
        assert_eq!(warnings.count(start), Some(1), "the first one at once");
        for second in 1..60 {
            assert_eq!(warnings.count(start + Duration::from_secs(second)), None);
        }
        assert_eq!(warnings.count(start + Duration::from_mins(1)), Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_received_everything_is_finished_although_the_server_died_before_it_noted_that() {
        use crate::run::store::contract::{done, record};
        use crate::run::store::testing::FaultStore;
        use crate::run::store::{RunChange, SessionUse, WebhookStore};
        use crate::types::{StreamEvent, SystemClock};

        let store = Arc::new(FaultStore::in_memory());
        let log = EventLog::new(Arc::<FaultStore>::clone(&store), Arc::new(SystemClock));
        let mut run = record("ann", "demo", None);
        run.webhooks = vec![NewWebhook { url: Some("https://example.com/".into()), ..NewWebhook::default() }];
        let mut writer = log.create(run, SessionUse::Starts, &[StreamEvent::RunQueued { position: 0 }], None, None).await.unwrap();
        let at = log.now();
        writer.append(&[StreamEvent::Done(done())], RunChange { done: Some((done(), at)), ..RunChange::default() }).await.unwrap();
        let webhook = store.active_webhooks(0, 1).await.unwrap().remove(0).id;
        let attempt = Attempt {
            webhook,
            message_id: "msg".into(),
            seq: 2,
            event: "done".into(),
            host: "example.com".into(),
            at,
            http_status: Some(200),
            error: None,
            next: NextAttempt::Delivered,
        };
        store.record_attempt(attempt).await.unwrap();
        let tasks = TaskTracker::new();
        let dynamic: Arc<dyn RunStore> = Arc::<FaultStore>::clone(&store);
        let sender = Sender::new(dynamic, log, Arc::default(), Shutdown::default(), tasks.clone());
        let dispatching = tasks.spawn(sender.run());
        while !store.active_webhooks(0, 1).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        dispatching.abort();
    }
}
