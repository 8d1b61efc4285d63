//! A receiver of webhooks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use tokio::sync::watch;

/// A request that the receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The id of the message.
    pub(crate) id: String,
    timestamp: String,
    signature: String,
    /// The body as it was sent.
    pub(crate) body: Bytes,
    /// The status that the receiver responded with.
    pub(crate) answered: u16,
}

impl Received {
    /// The body.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The type of the event.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    /// Whether it is signed with this secret, according to Standard Webhooks.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("Base64");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{}.{}.", self.id, self.timestamp).as_bytes());
        mac.update(&self.body);
        self.signature == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// A status to respond with, and the target of a redirect.
pub(crate) type Response = (u16, Option<&'static str>);

/// A receiver: responds as scripted, then with 204.
#[derive(Clone)]
pub(crate) struct Receiver {
    answers: Arc<Mutex<VecDeque<Response>>>,
    received: watch::Sender<Vec<Received>>,
    /// Where it listens.
    pub(crate) url: String,
}

impl Receiver {
    /// Starts a receiver with these responses.
    pub(crate) async fn start(answers: &[Response]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let receiver = Self { answers, received: watch::Sender::new(Vec::new()), url };
        let router = Router::new().route("/{*path}", post(receive)).with_state(receiver.clone());
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// Waits for this many requests and returns them.
    pub(crate) async fn received(&self, count: usize) -> Vec<Received> {
        self.until(|received| received.len() >= count).await
    }

    /// Waits until the requests satisfy a condition, and returns them.
    pub(crate) async fn until(&self, is_so: impl FnMut(&Vec<Received>) -> bool) -> Vec<Received> {
        let mut is_so = is_so;
        self.received.subscribe().wait_for(|received| is_so(received)).await.expect("it is there").clone()
    }

    /// Waits until the end of a run was accepted, and returns the accepted requests.
    pub(crate) async fn taken(&self) -> Vec<Received> {
        let received = self.until(|received| received.iter().any(|one| one.answered == 204 && one.kind() == "done")).await;
        received.into_iter().filter(|one| one.answered == 204).collect()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap) {
    let next = receiver.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (status, location) = next.unwrap_or((204, None));
    let text = |name: &str| headers[name].to_str().expect("a text").to_owned();
    let (id, timestamp, signature) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    receiver.received.send_modify(|received| received.push(Received { id, timestamp, signature, body, answered: status }));
    let mut answer = HeaderMap::new();
    answer.extend(location.map(|to| (header::LOCATION, to.parse().expect("a header"))));
    (StatusCode::from_u16(status).expect("a status"), answer)
}
