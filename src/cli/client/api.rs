//! HTTP client of one server's API.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Address;
use super::token_cache::TokenCache;
use crate::cli::api_error::{ClientError, Problem};
use crate::cli::output::Output;
use crate::config::Secret;
use crate::types::encode_segment;

/// Limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit for the health check, which the server answers without any work.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);
/// Limit for silence on an open connection. The server sends a keep-alive every 15 seconds, so three are missing by then.
const READ_TIMEOUT: Duration = Duration::from_secs(45);

/// A user name and password.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Credentials {
    /// The user's name.
    pub(in crate::cli) username: String,
    /// The password.
    pub(in crate::cli) password: Secret,
}

/// The answer to a login.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Login {
    /// The token.
    #[serde(deserialize_with = "secret")]
    pub(in crate::cli) token: Secret,
    /// Its lifetime, in seconds.
    pub(in crate::cli) expires_in: u64,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Items of a list.
#[derive(Debug)]
pub(in crate::cli) struct List {
    /// The items.
    pub(in crate::cli) items: Vec<Value>,
    /// The cursor of the next page; null after the last one.
    pub(in crate::cli) next_cursor: Value,
}

impl List {
    /// The list as the API returns it.
    pub(in crate::cli) fn to_json(&self) -> Value {
        json!({ "items": self.items, "next_cursor": self.next_cursor })
    }
}

/// A client of one server.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    http: reqwest::Client,
    address: Address,
    output: Output,
    token: Mutex<Option<Secret>>,
    /// For logging in again when the token is refused.
    credentials: Option<Credentials>,
    /// Where tokens of these credentials are cached.
    cache: Option<TokenCache>,
}

impl Client {
    /// A client without a token.
    ///
    /// # Errors
    /// If the system provides no certificates or random numbers.
    pub(in crate::cli) fn new(address: Address, output: Output) -> anyhow::Result<Self> {
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        // Servers on this machine are never behind a proxy.
        let builder = if address.is_loopback() { builder.no_proxy() } else { builder };
        // The token must not follow a redirect to another server.
        let http = builder.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, address, output, token: Mutex::new(None), credentials: None, cache: None })
    }

    /// The client with a token.
    pub(in crate::cli) fn with_token(self, token: Secret) -> Self {
        Self { token: Mutex::new(Some(token)), ..self }
    }

    /// The client with credentials: it logs in now, unless the cache has a token, and again whenever its token is refused.
    ///
    /// # Errors
    /// As [`Client::log_in`].
    pub(super) async fn with_credentials(self, credentials: Credentials, cache: Option<TokenCache>) -> Result<Self, ClientError> {
        let cached = cache.as_ref().and_then(TokenCache::get);
        let client = Self { credentials: Some(credentials), cache, token: Mutex::new(cached), ..self };
        if client.token.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            client.renew_token().await?;
        }
        Ok(client)
    }

    /// The server's address.
    pub(in crate::cli) fn address(&self) -> &Address {
        &self.address
    }

    /// Requests a token.
    ///
    /// # Errors
    /// [`ClientError`]; a wrong name or password is a 401.
    pub(in crate::cli) async fn log_in(&self, credentials: &Credentials) -> Result<Login, ClientError> {
        let body = json!({ "username": credentials.username, "password": credentials.password.expose() });
        let response = self.send(self.http.post(self.address.path("/api/auth/login")).json(&body)).await?;
        response.json().await.map_err(|_| self.unexpected("its answer cannot be parsed"))
    }

    /// The server's health. Fails within 3 seconds.
    ///
    /// # Errors
    /// [`ClientError`], also if something accepts the connection and does not answer.
    pub(in crate::cli) async fn health(&self) -> Result<Value, ClientError> {
        let response = self.send(self.http.get(self.address.path("/health")).timeout(HEALTH_TIMEOUT)).await?;
        response.json().await.map_err(|_| self.unexpected("its answer cannot be parsed"))
    }

    /// `GET path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(|| self.request(Method::GET, path)).await
    }

    /// `GET path` with those query parameters that have a value.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn get_with(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Value, ClientError> {
        let mut url = reqwest::Url::parse(&self.address.path(path)).map_err(|_| self.unexpected("its address is invalid"))?;
        for (name, value) in query.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))) {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.json(|| self.authorize(self.http.get(url.clone()))).await
    }

    /// The body of `GET path` with those query parameters that have a value, which are encoded as needed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn bytes(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Vec<u8>, ClientError> {
        let mut path = path.to_owned();
        for (index, (name, value)) in query.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).enumerate() {
            path.extend([if index == 0 { "?" } else { "&" }, *name, "=", value]);
        }
        let response = self.send_authorized(|| self.request(Method::GET, &path)).await?;
        response.bytes().await.map(|body| body.to_vec()).map_err(|_| self.unexpected("its answer ended early"))
    }

    /// One page of a list, or with `all` every page.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn list(&self, path: &str, query: &[(&str, Option<String>)], all: bool) -> Result<List, ClientError> {
        let mut list = List { items: Vec::new(), next_cursor: Value::Null };
        loop {
            // Most cursors are strings, some are numbers.
            let cursor = match &list.next_cursor {
                Value::Null => None,
                Value::String(cursor) => Some(cursor.clone()),
                other => Some(other.to_string()),
            };
            let query: Vec<_> = query.iter().cloned().chain([("cursor", cursor)]).collect();
            let mut page = self.get_with(path, &query).await?;
            list.next_cursor = page["next_cursor"].take();
            if let Value::Array(items) = page["items"].take() {
                list.items.extend(items);
            }
            if !all || list.next_cursor.is_null() {
                return Ok(list);
            }
        }
    }

    /// `POST path` with a JSON body, or without a body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        self.with_body(Method::POST, path, body).await
    }

    /// Uploads a file for a prompt or message.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn upload(&self, name: &str, content: Vec<u8>) -> Result<Value, ClientError> {
        let path = format!("/api/files?name={}", encode_segment(name));
        // Shared between attempts.
        let content = bytes::Bytes::from(content);
        self.json(|| self.request(Method::POST, &path).body(content.clone())).await
    }

    /// `PUT path` with a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.with_body(Method::PUT, path, Some(body)).await
    }

    /// `PATCH path` with a JSON body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn patch(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.with_body(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.json(|| self.request(Method::DELETE, path)).await
    }

    /// `POST path` with an idempotency key. If the answer is lost, the request is sent once more; it is carried out only once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn post_idempotent(&self, path: &str, key: &str, body: &Value) -> Result<Value, ClientError> {
        let request = || self.request(Method::POST, path).header("Idempotency-Key", key).json(body);
        match self.json(request).await {
            Err(ClientError::Unreachable { .. } | ClientError::UnexpectedResponse { .. }) => self.json(request).await,
            answer => answer,
        }
    }

    /// Opens the NDJSON stream of a run's events after number `after`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(super) async fn events(&self, run: &str, after: u64) -> Result<Response, ClientError> {
        let path = format!("/api/runs/{run}/events");
        let request = || self.request(Method::GET, &path).header("Accept", "application/x-ndjson").header("Last-Event-ID", after);
        self.send_authorized(request).await
    }

    /// Opens the body of `GET path` in the form `accept`, a media type.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(in crate::cli) async fn open(&self, path: &str, accept: &str) -> Result<Response, ClientError> {
        self.send_authorized(|| self.request(Method::GET, path).header("Accept", accept)).await
    }

    async fn with_body(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClientError> {
        let request = || {
            let request = self.request(method.clone(), path);
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        self.json(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorize(self.http.request(method, self.address.path(path)))
    }

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        match &*self.token.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn json(&self, request: impl Fn() -> RequestBuilder) -> Result<Value, ClientError> {
        let response = self.send_authorized(request).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        response.json().await.map_err(|_| self.unexpected("its answer cannot be parsed"))
    }

    /// Sends a request; if its token is refused, once more with a fresh token.
    async fn send_authorized(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, ClientError> {
        match self.send(request()).await {
            Err(error) if error.is_unauthorized() && self.credentials.is_some() => {
                self.renew_token().await?;
                self.send(request()).await
            }
            result => result,
        }
    }

    /// Logs in with the credentials.
    async fn renew_token(&self) -> Result<(), ClientError> {
        let Some(credentials) = &self.credentials else { return Ok(()) };
        let login = self.log_in(credentials).await.inspect_err(|_| {
            if let Some(cache) = &self.cache {
                cache.clear();
            }
        })?;
        if let Some(cache) = &self.cache {
            cache.put(&login.token);
            self.output.detail(&format!("using {} as {} with the default password", self.address, credentials.username));
        }
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(login.token);
        Ok(())
    }

    /// Sends a request and returns its successful response.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let request = request.build().map_err(|_| self.unexpected("the request is invalid"))?;
        let (started, method, url) = (Instant::now(), request.method().clone(), request.url().clone());
        let result = self.http.execute(request).await;
        if self.output.verbose {
            let outcome = result.as_ref().map_or_else(|_| "no answer".to_owned(), |response| response.status().as_u16().to_string());
            self.output.note(&format!("{method} {url} → {outcome} ({} ms)", started.elapsed().as_millis()));
        }
        let response = result.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        match Problem::parse(&text, status.as_u16()) {
            Some(problem) => Err(ClientError::Refused(problem)),
            None => Err(self.unexpected(&format!("status {}", status.as_u16()))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let reason = if error.is_timeout() { "timed out".to_owned() } else { root_cause(error) };
        ClientError::Unreachable { address: self.address.to_string(), reason }
    }

    pub(super) fn unexpected(&self, reason: &str) -> ClientError {
        ClientError::UnexpectedResponse { address: self.address.to_string(), reason: reason.to_owned() }
    }
}

/// The innermost cause: the messages around it only repeat the address.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    // "Connection refused" stands in the middle of lowercase fragments.
    let mut text = innermost.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
