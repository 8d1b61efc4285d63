//! What carries out the requests of the tools.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde_json::Value;

/// A request to the HTTP API.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its method.
    pub method: &'static str,
    /// Its path and query, encoded.
    pub path: String,
    /// Its body as JSON; `None` for no body.
    pub body: Option<Value>,
}

impl Call {
    /// `GET path`.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None }
    }

    /// `POST path` with a body.
    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: "POST", path: path.into(), body: Some(body) }
    }
}

/// The body of a response, in pieces.
pub type ByteStream = BoxStream<'static, Result<Bytes, BackendError>>;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The API refused it. The text is for the caller.
    #[error("{0}")]
    Refused(String),
    /// No answer, or none of this API.
    #[error("{0}")]
    Unavailable(String),
}

/// Carries out requests to the HTTP API on behalf of one caller.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The body of the response as JSON; null if it has none.
    ///
    /// # Errors
    /// [`BackendError`].
    async fn json(&self, call: Call) -> Result<Value, BackendError>;

    /// The body of the response to `GET path` in the form `accept`, a media type. Dropping the stream ends the request.
    ///
    /// # Errors
    /// [`BackendError`].
    async fn stream(&self, path: &str, accept: &'static str) -> Result<ByteStream, BackendError>;
}
