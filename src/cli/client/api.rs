//! One server's API, asked as somebody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Address;
use crate::cli::exit::Exit;
use crate::config::Secret;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may take to say that it is there, which it does without looking at anything.
const HEALTH: Duration = Duration::from_secs(3);
/// How long nothing may come on an open connection. The server sends something every 15 seconds, so three of those are missing.
const SILENCE: Duration = Duration::from_secs(45);

/// Why the server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    /// Nobody answers there.
    #[error("no server answers at {address}: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the connection attempt came to.
        reason: String,
    },
    /// The server says no.
    #[error("{}", .0.told())]
    Refused(Problem),
    /// The server answers something that is not its API.
    #[error("{address} does not answer as an OpenRunner server: {reason}")]
    Strange {
        /// Where.
        address: String,
        /// What is odd.
        reason: String,
    },
}

/// A problem document, as far as it is of use here.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::cli) struct Problem {
    /// The status, if the body does not repeat it.
    #[serde(default)]
    pub(in crate::cli) status: u16,
    /// What programs switch on.
    #[serde(default)]
    pub(in crate::cli) code: String,
    #[serde(default)]
    detail: String,
    field: Option<String>,
}

impl Problem {
    fn told(&self) -> String {
        let field = self.field.as_deref().map(|field| format!("{field}: ")).unwrap_or_default();
        let remedy = match self.status {
            401 => " (log in with `openrunner login`)",
            _ => "",
        };
        let detail = if self.detail.is_empty() { "the server does not say why" } else { &self.detail };
        crate::cli::sanitize::line(&format!("{field}{detail}{remedy}"))
    }
}

impl ClientError {
    /// How a command ends that met this error.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Strange { .. } => Exit::Failed,
            Self::Refused(problem) => match problem.status {
                401 | 403 => Exit::Denied,
                404 => Exit::NotFound,
                400 | 413 | 415 | 422 => Exit::Usage,
                _ => Exit::Failed,
            },
        }
    }

    /// Whether the same request may go through a moment later: nobody answered, or the server is coming up or going down.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(problem) => matches!(problem.status, 429 | 500..),
            Self::Strange { .. } => false,
        }
    }

    fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 401)
    }
}

/// A name and a password with which to log in, whenever that is needed.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Credentials {
    /// The user's name.
    pub(in crate::cli) user: String,
    /// The password.
    pub(in crate::cli) password: Secret,
}

/// What a login gave.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct LoggedIn {
    /// The token.
    #[serde(deserialize_with = "secret")]
    pub(in crate::cli) token: Secret,
    /// Seconds that it is good for.
    pub(in crate::cli) expires_in: u64,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Somebody who speaks with one server.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    http: reqwest::Client,
    address: Address,
    token: Mutex<Option<Secret>>,
    /// How to get another token when this one is not good any more.
    credentials: Option<Credentials>,
}

impl Client {
    /// A client that has not logged in.
    ///
    /// # Errors
    /// If the system gives no certificates or no random numbers.
    pub(in crate::cli) fn guest(address: Address) -> anyhow::Result<Self> {
        let builder = reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE);
        // A proxy has no business with a server on this machine.
        let builder = if address.is_loopback() { builder.no_proxy() } else { builder };
        // A server that answers with another address is not the one that was named, and must not get the token.
        let http = builder.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, address, token: Mutex::new(None), credentials: None })
    }

    /// The same client with a token.
    pub(in crate::cli) fn with_token(self, token: Secret) -> Self {
        Self { token: Mutex::new(Some(token)), ..self }
    }

    /// The same client, logged in. It logs in again by itself when its token is not good any more.
    ///
    /// # Errors
    /// As [`Client::log_in`].
    pub(in crate::cli) async fn logged_in(self, credentials: Credentials) -> Result<Self, ClientError> {
        let token = self.log_in(&credentials).await?.token;
        Ok(Self { token: Mutex::new(Some(token)), credentials: Some(credentials), ..self })
    }

    /// Where the server is.
    pub(in crate::cli) fn address(&self) -> &Address {
        &self.address
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// [`ClientError`]; a wrong name or password is a 401.
    pub(in crate::cli) async fn log_in(&self, credentials: &Credentials) -> Result<LoggedIn, ClientError> {
        let body = json!({ "username": credentials.user, "password": credentials.password.expose() });
        let answer = self.answered(self.http.post(self.address.path("/api/auth/login")).json(&body)).await?;
        answer.json().await.map_err(|error| self.strange(&error))
    }

    /// What the server says of itself, at once or not at all.
    ///
    /// # Errors
    /// [`ClientError`]; also of something that takes the connection and then says nothing.
    pub(in crate::cli) async fn health(&self) -> Result<Value, ClientError> {
        let answer = self.answered(self.http.get(self.address.path("/health")).timeout(HEALTH)).await?;
        answer.json().await.map_err(|error| self.strange(&error))
    }

    /// The JSON at this path.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(|| self.request(Method::GET, path)).await
    }

    /// The same with query parameters, of which only those with a value are sent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn get_with(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value, ClientError> {
        let mut url = reqwest::Url::parse(&self.address.path(path)).map_err(|error| self.strange(&error))?;
        for (name, value) in query.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.json(|| self.authorized(self.http.get(url.clone()))).await
    }

    /// Posts JSON, or nothing, and gives the answer's JSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let request = || {
            let request = self.request(Method::POST, path);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        self.json(request).await
    }

    /// Posts JSON under a key, so that it is carried out once however often it is sent.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn post_once(&self, path: &str, key: &str, body: &Value) -> Result<Value, ClientError> {
        let request = || self.request(Method::POST, path).header("Idempotency-Key", key).json(body);
        match self.json(request).await {
            // The answer was lost, and perhaps not the request; with the key it is safe to ask again.
            Err(ClientError::Unreachable { .. } | ClientError::Strange { .. }) => self.json(request).await,
            answer => answer,
        }
    }

    /// Opens the stream of a run's events after number `after`, as NDJSON.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(super) async fn events(&self, run: &str, after: u64) -> Result<Response, ClientError> {
        let path = format!("/api/runs/{run}/events");
        let request = || self.request(Method::GET, &path).header("Accept", "application/x-ndjson").header("Last-Event-ID", after);
        self.renewing(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.http.request(method, self.address.path(path)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &*self.token.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn json(&self, request: impl Fn() -> RequestBuilder) -> Result<Value, ClientError> {
        let response = self.renewing(request).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        response.json().await.map_err(|error| self.strange(&error))
    }

    /// Sends a request, and once more with a fresh token if the old one is not good any more.
    async fn renewing(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, ClientError> {
        let answer = self.answered(request()).await;
        match (&answer, &self.credentials) {
            (Err(error), Some(credentials)) if error.is_unauthorized() => {
                let token = self.log_in(credentials).await?.token;
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
                self.answered(request()).await
            }
            _ => answer,
        }
    }

    /// Sends a request and gives an answer that says yes.
    async fn answered(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(ClientError::Refused(Problem { status: status.as_u16(), ..problem })),
            Err(_) => Err(ClientError::Strange { address: self.address.to_string(), reason: format!("it says {status}") }),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { address: self.address.to_string(), reason: innermost(error) }
    }

    fn strange(&self, error: &dyn std::error::Error) -> ClientError {
        ClientError::Strange { address: self.address.to_string(), reason: innermost(error) }
    }
}

/// The first cause: reqwest's own words only repeat the address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> ClientError {
        ClientError::Refused(Problem { status, code: String::new(), detail: "no".into(), field: None })
    }

    #[test]
    fn an_answer_that_says_no_has_the_exit_code_of_its_kind() {
        let exits = [401, 403, 404, 422, 409, 507].map(|status| refused(status).exit());
        assert_eq!(exits, [Exit::Denied, Exit::Denied, Exit::NotFound, Exit::Usage, Exit::Failed, Exit::Failed]);
        assert!(refused(401).to_string().contains("openrunner login"));
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_wrong_is_not() {
        assert!(refused(503).may_pass() && refused(429).may_pass());
        assert!(!refused(401).may_pass() && !refused(404).may_pass());
    }

    #[test]
    fn w7_a_servers_words_do_not_reach_the_terminal_as_control_characters() {
        let problem = Problem { status: 422, code: String::new(), detail: "\u{1b}[2Jx".into(), field: None };
        assert!(!ClientError::Refused(problem).to_string().contains('\u{1b}'));
    }
}
