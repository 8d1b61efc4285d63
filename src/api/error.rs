//! Errors on the wire: problem+json (RFC 9457) with a stable `code`.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Maximum length of a `detail`, in characters. An error may quote input, but not all of it.
const MAX_DETAIL: usize = 500;

/// Maximum number of faults that an error lists.
const MAX_FAULTS: usize = 100;

/// Seconds after which a full queue may have moved, or a restarted server be back.
pub(super) const RETRY_AFTER_SECS: u32 = 5;

/// An error response.
///
/// It states what the caller did wrong and reveals nothing about the server. Internal errors are logged under an id that the response
/// contains.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    // Boxed because most errors have none, and the size of the error is part of every handler's `Result`.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// A fault in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field: a path in the body such as `metadata.labels.team`, or the name of a query parameter or header. `body` or `query` if the
    /// fault concerns the whole.
    pub field: String,
    /// The kind of fault.
    pub code: FaultCode,
    /// Explanation for people. The wording may change.
    pub detail: String,
}

/// The kind of fault in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultCode {
    /// The field is missing or empty.
    Required,
    /// The field does not exist.
    UnknownField,
    /// The value has the wrong type or form.
    Invalid,
    /// The value is outside its range.
    OutOfRange,
    /// The value is too long.
    TooLong,
    /// There are too many entries.
    TooMany,
    /// The value contradicts another field or an existing resource.
    Conflict,
    /// The value names something that does not exist.
    NotFound,
    /// The caller may not use this value.
    NotAllowed,
    /// The agent does not support this.
    NotSupported,
}

impl FieldError {
    /// A fault of `field`. Long texts are shortened.
    pub fn new(field: impl Into<String>, code: FaultCode, detail: impl Into<String>) -> Self {
        Self { field: shorten(field.into()), code, detail: shorten(detail.into()) }
    }
}

/// An error as RFC 9457 defines it.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// Always `about:blank`; see `code`.
    r#type: &'static str,
    /// The name of the status.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// Explanation for people. The wording may change.
    detail: &'a str,
    /// Stable code for programs.
    code: &'a str,
    /// All faults of the request, if fields are at fault. A body of the wrong shape is reported with its first fault.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
}

impl ApiError {
    /// An error caused by the caller. `code` is part of the API and keeps its meaning.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: shorten(detail.into()), errors: Vec::new(), header: None }
    }

    /// An error in one field (422).
    pub fn invalid_field(field: impl Into<String>, code: FaultCode, detail: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(field, code, detail)])
    }

    /// An error in several fields (422). Empty only if the caller made a mistake.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", "").with_errors(errors)
    }

    /// Adds the faulty fields, and states them in the detail.
    #[must_use]
    pub fn with_errors(self, mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_FAULTS);
        let details: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
        Self { detail: shorten(details.join("; ")), errors, ..self }
    }

    /// Adds the field that the error is about. The detail stays as it is.
    #[must_use]
    pub fn with_field(self, field: impl Into<String>, code: FaultCode) -> Self {
        let errors = vec![FieldError::new(field, code, self.detail.clone())];
        Self { errors, ..self }
    }

    /// The resource does not exist, or the caller may not know of it (404).
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// The caller is not authenticated (401), with the challenge of RFC 6750.
    pub(crate) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        let challenge = HeaderValue::from_static(match code {
            "token_invalid" | "token_expired" => "Bearer realm=\"openrunner\", error=\"invalid_token\"",
            _ => "Bearer realm=\"openrunner\"",
        });
        Self { header: Some(Box::new((header::WWW_AUTHENTICATE, challenge))), ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    /// An internal error (500). The cause is logged; the response contains the id of the log entry.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        Self::hidden(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error", cause)
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(self, secs: u32) -> Self {
        Self { header: Some(Box::new((header::RETRY_AFTER, HeaderValue::from(secs)))), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub(super) fn with_header(self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        Self { header: value.try_into().ok().map(|value| Box::new((name, value))), ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The explanation for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The faulty fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The first faulty field.
    pub fn field(&self) -> Option<&str> {
        self.errors.first().map(|error| error.field.as_str())
    }

    /// Renames a field, for requests that carry it under another name.
    #[must_use]
    pub(super) fn rename_field(mut self, from: &str, to: &str) -> Self {
        for error in &mut self.errors {
            if let Some(rest) = error.field.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('.')) {
                error.field = format!("{to}{rest}");
            }
        }
        let errors = std::mem::take(&mut self.errors);
        if errors.is_empty() { self } else { self.with_errors(errors) }
    }

    pub(super) fn hidden(status: StatusCode, code: &'static str, problem: &str, cause: &dyn std::error::Error) -> Self {
        let id = Uuid::now_v7().simple();
        let mut chain = cause.to_string();
        let mut next = cause.source();
        while let Some(cause) = next {
            chain = format!("{chain}: {cause}");
            next = cause.source();
        }
        tracing::error!(error.id = %id, error.cause = chain, "request failed because of an internal error");
        Self::new(status, code, format!("{problem}; see the server's log for the id {id}"))
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::invalid_fields(vec![error])
    }
}

/// Cuts at a character boundary and appends an ellipsis.
fn shorten(text: String) -> String {
    match text.char_indices().nth(MAX_DETAIL) {
        Some((end, _char)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            // RFC 9457: the type of a problem without a page of its own.
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some((name, value)) = self.header.as_deref() {
            response.headers_mut().insert(name, value.clone());
        }
        // For the OpenAI-compatible API, which has another format.
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    //! Rules: W8.

    use super::*;

    #[test]
    fn an_internal_error_reveals_only_an_id() {
        let error = ApiError::internal(&std::io::Error::other("/home/someone/secret.db: SELECT broke"));
        assert_eq!((error.status().as_u16(), error.code()), (500, "internal"));
        assert!(!error.detail.contains("secret") && !error.detail.contains("SELECT"), "{}", error.detail);
    }

    #[test]
    fn retry_after_is_a_header() {
        let response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", "the queue is full").retry_after(5).into_response();
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    }

    #[test]
    fn long_quotations_are_cut_at_a_character_boundary() {
        let error = ApiError::invalid_field("ö".repeat(600), FaultCode::Invalid, "ä".repeat(600));
        assert_eq!(error.detail.chars().count(), MAX_DETAIL + 1);
        assert_eq!(error.field().map(|field| field.chars().count()), Some(MAX_DETAIL + 1));
    }

    #[test]
    fn the_detail_states_every_field() {
        let errors =
            vec![FieldError::new("a", FaultCode::Required, "is required"), FieldError::new("b", FaultCode::Invalid, "must be a list")];
        assert_eq!(ApiError::invalid_fields(errors).detail, "a: is required; b: must be a list");
    }

    #[test]
    fn fields_can_be_renamed_with_all_that_is_below() {
        let error = ApiError::invalid_fields(vec![
            FieldError::new("openrunner.labels.a", FaultCode::TooLong, "x"),
            FieldError::new("openrunner.labels", FaultCode::TooMany, "x"),
            FieldError::new("openrunner.labelsX", FaultCode::UnknownField, "x"),
        ]);
        let error = error.rename_field("openrunner.labels", "metadata");
        let fields: Vec<_> = error.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["metadata.a", "metadata", "openrunner.labelsX"]);
    }
}
