//! What handlers take out of a request, with refusals that name what is wrong.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::ApiError;
use super::json_object::object;
use crate::auth::Principal;
use crate::run::IdempotencyKey;
use crate::types::TraceParent;

/// A JSON body. The layers around the router have read it already, within its limits of size and time.
///
/// Refused as: 400 for none or for what is not JSON, 415 for another content type, 422 with the field for what is JSON but not the
/// right one.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A JSON body, refused as [`Json`] is, with the caller's key for sending the same request again.
#[derive(Clone, Debug)]
pub(super) struct Keyed<T> {
    pub(super) value: T,
    pub(super) key: Option<IdempotencyKey>,
}

/// Longest `Idempotency-Key`, in characters.
const MAX_KEY: usize = 255;

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Keyed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let mut keys = request.headers().get_all("idempotency-key").iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => None,
            (Some(key), None) if (1..=MAX_KEY).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic) => {
                Some(String::from_utf8_lossy(key.as_bytes()).into_owned())
            }
            _ => {
                let detail = format!("must be there once, as 1 to {MAX_KEY} visible characters without spaces");
                return Err(ApiError::invalid_field("Idempotency-Key", detail));
            }
        };
        let route = format!("{} {}", request.method(), request.uri().path());
        let body = json_body(request, state).await?;
        let key = key.map(|key| {
            let digest = Sha256::new().chain_update(route).chain_update([0]).chain_update(&body).finalize();
            IdempotencyKey { key, fingerprint: digest.into() }
        });
        parse(&body).map(|value| Self { value, key })
    }
}

/// Parts of the path. A text that cannot be an id names nothing that exists: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The query string; 422 with the field for what is not right in it.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        parse(&json_body(request, state).await?).map(Self)
    }
}

async fn json_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let is_json = is_json(request.headers());
    let body = Bytes::from_request(request, state)
        .await
        .map_err(|rejection| ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", rejection.body_text()))?;
    if body.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "body_missing", "the request needs a body of JSON"));
    }
    if is_json { Ok(body) } else { Err(not_json()) }
}

/// The refusal of any other content type than JSON.
pub(super) fn not_json() -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "the body must be JSON, sent with `Content-Type: application/json`")
}

/// Whether the content type is JSON, whatever its parameters. Said twice, it is not.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else { return false };
    let essence = content_type.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let value = object(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    let value = value.map_err(|error| data_error(&track.path().to_string(), &error))?;
    json.end().map_err(|error| data_error(".", &error))?;
    Ok(value)
}

fn data_error(path: &str, error: &serde_json::Error) -> ApiError {
    if error.is_data() {
        let message = error.to_string();
        // The place in the text says less than the field's name, which the answer has.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _place)| message);
        return ApiError::invalid_field(field_path(path, message), message);
    }
    let (line, column) = (error.line(), error.column());
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: the fault is at line {line}, column {column}"))
}

/// The path of the field that is meant. A missing field has no place in the text, so its own name is in the message only.
fn field_path(path: &str, message: &str) -> String {
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path, missing) {
        (".", Some(missing)) => missing.to_owned(),
        (".", None) => String::from("."),
        (path, Some(missing)) => format!("{path}.{missing}"),
        (path, None) => path.to_owned(),
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_rejection| ApiError::not_found("there is nothing of that name"))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            let mut causes = std::iter::successors(std::error::Error::source(&rejection), |error| error.source());
            let inner = causes.find_map(|error| error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>());
            match inner {
                Some(error) => {
                    let message = error.inner().to_string();
                    ApiError::invalid_field(field_path(&error.path().to_string(), &message), message)
                }
                None => ApiError::invalid_field(".", rejection.body_text()),
            }
        })
    }
}

/// The span of the caller's own trace, by the header `traceparent`. One that is wrong, or there more than once, is passed over, as the
/// standard wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced(pub(super) Option<TraceParent>);

impl<S: Send + Sync> FromRequestParts<S> for Traced {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let mut said = parts.headers.get_all("traceparent").iter();
        let parent = said.next().filter(|_| said.next().is_none());
        Ok(Self(parent.and_then(|parent| TraceParent::parse(parent.to_str().ok()?))))
    }
}

/// Whoever passed the door. A handler that takes one shows by its signature that it is not open to all.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(|| ApiError::unauthorized("token_missing", "this needs a token"))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether and how it fails is looked at")]
    struct Body {
        input: Input,
        #[serde(default)]
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether and how it fails is looked at")]
    struct Input {
        text: String,
    }

    fn refusal(body: &str) -> serde_json::Value {
        let error = parse::<Body>(body.as_bytes()).unwrap_err();
        serde_json::json!({"status": error.status().as_u16(), "error": format!("{error}"), "field": error.field_name()})
    }

    #[test]
    fn what_is_not_json_is_400_with_its_place() {
        for body in ["{", "{\"input\": nope}", "\u{feff}{}", "{\"input\":{\"text\":\"a\"}} x"] {
            let refusal = refusal(body);
            assert_eq!(refusal["status"], 400, "{body}: {refusal}");
            assert!(refusal["error"].as_str().unwrap().contains("at line 1, column"), "{refusal}");
        }
    }

    #[test]
    fn depth_without_end_is_400_and_no_overflow() {
        let error = parse::<serde_json::Value>("{\"a\":".repeat(100_000).as_bytes()).unwrap_err();
        assert_eq!(error.code(), "malformed_json");
    }

    #[test]
    fn what_is_json_but_not_the_right_one_is_422_with_its_field() {
        let cases = [
            ("{}", "input"),
            ("{\"input\": {}}", "input.text"),
            ("{\"input\": {\"text\": 7}}", "input.text"),
            ("{\"input\": {\"text\": \"a\", \"txt\": 1}}", "input.txt"),
            ("{\"input\": {\"text\": \"a\"}, \"more\": 1}", "more"),
            ("{\"input\": {\"text\": \"a\"}, \"list\": [1, 300]}", "list[1]"),
            ("{\"input\": null}", "input"),
            ("[]", "."),
            ("[{\"text\": \"a\"}, []]", "."),
            ("7", "."),
        ];
        for (body, field) in cases {
            let refusal = refusal(body);
            assert_eq!((refusal["status"].as_u64(), refusal["field"].as_str()), (Some(422), Some(field)), "{body}: {refusal}");
        }
    }

    #[tokio::test]
    async fn a_wrong_query_is_422_with_its_field() {
        #[derive(Debug, Deserialize)]
        struct Wait {
            #[expect(dead_code, reason = "only whether and how it fails is looked at")]
            wait: u8,
        }
        for (uri, field) in [("/?wait=x", "wait"), ("/?wait=300", "wait"), ("/", "wait")] {
            let (mut parts, ()) = axum::http::Request::builder().uri(uri.parse::<Uri>().unwrap()).body(()).unwrap().into_parts();
            let error = Query::<Wait>::from_request_parts(&mut parts, &()).await.unwrap_err();
            assert_eq!((error.status().as_u16(), error.field_name()), (422, Some(field)), "{uri}: {error}");
        }
    }

    #[test]
    fn d4_json_is_json_whatever_its_parameters_and_nothing_else_is() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("application/jsonx", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{content_type}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
