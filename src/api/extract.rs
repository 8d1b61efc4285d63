//! Extractors of the handlers. Their errors name the faulty field.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::host::single;
use super::json_object::object;
use super::{ApiError, FaultCode, FieldError, shape};
use crate::auth::Principal;
use crate::run::IdempotencyKey;
use crate::types::{BadProfileName, ProfileName, TraceParent};

/// A JSON body. The body layer has read it already, within its limits of size and time.
///
/// Errors: 400 without a body or for malformed JSON, 415 for another content type, 422 with the field for JSON of the wrong shape.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A JSON body with the request's idempotency key. Errors as for [`Json`].
#[derive(Clone, Debug)]
pub(super) struct Idempotent<T> {
    pub(super) value: T,
    pub(super) key: Option<IdempotencyKey>,
    /// Size of the body in bytes.
    pub(super) size: usize,
}

/// Maximum length of an `Idempotency-Key`, in characters.
const MAX_KEY: usize = 255;

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Idempotent<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let mut keys = request.headers().get_all("idempotency-key").iter();
        let key = match (keys.next(), keys.next()) {
            (None, _) => None,
            (Some(key), None) if (1..=MAX_KEY).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic) => {
                Some(String::from_utf8_lossy(key.as_bytes()).into_owned())
            }
            _ => {
                let detail = format!("must be given once, with 1 to {MAX_KEY} visible characters and no spaces");
                return Err(ApiError::invalid_field("Idempotency-Key", FaultCode::Invalid, detail));
            }
        };
        let route = format!("{} {}", request.method(), request.uri().path());
        let body = json_body(request).await?;
        let key = key.map(|key| {
            let digest = Sha256::new().chain_update(route).chain_update([0]).chain_update(&body).finalize();
            IdempotencyKey { key, fingerprint: digest.into() }
        });
        parse(&body).map(|value| Self { value, key, size: body.len() })
    }
}

/// Parameters of the path. A text that cannot be an id names nothing that exists: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The query string. Errors: 422 with the parameter.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        parse(&json_body(request).await?).map(Self)
    }
}

async fn json_body(request: Request) -> Result<Bytes, ApiError> {
    let is_json = is_json(request.method(), request.headers());
    // The size was limited when the body was read as a whole.
    let body = axum::body::to_bytes(request.into_body(), usize::MAX)
        .await
        .map_err(|_rejection| ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", "the body could not be read"))?;
    if body.is_empty() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "body_missing", "the request needs a JSON body"));
    }
    if is_json { Ok(body) } else { Err(not_json()) }
}

/// The error for a body that is not declared as JSON.
pub(super) fn not_json() -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "the body must be JSON with `Content-Type: application/json`")
}

/// Whether the headers declare a JSON body. `PATCH` also takes a JSON merge patch (RFC 7396). Parameters are ignored; a repeated header
/// declares nothing.
pub(super) fn is_json(method: &Method, headers: &HeaderMap) -> bool {
    let content_type = single(headers, &header::CONTENT_TYPE).and_then(|content_type| content_type.to_str().ok());
    let Some(essence) = content_type.and_then(|text| text.split(';').next()) else { return false };
    let is = |name: &str| essence.trim().eq_ignore_ascii_case(name);
    is("application/json") || (method == Method::PATCH && is("application/merge-patch+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let value = object(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    match value {
        Ok(value) => json.end().map(|()| value).map_err(|error| malformed(&error)),
        Err(error) if error.is_data() => Err(wrong_shape::<T>(body, &track.path().to_string(), &error)),
        Err(error) => Err(malformed(&error)),
    }
}

/// The error for JSON of the wrong shape: with all faults, or with the first one only if the rest is not valid JSON.
fn wrong_shape<T: DeserializeOwned>(body: &[u8], path: &str, error: &serde_json::Error) -> ApiError {
    let mut faults = serde_json::from_slice(body).map(shape::faults::<T>).unwrap_or_default();
    if faults.is_empty() {
        // Also for a member that occurs twice, of which a parsed value has only the last.
        let message = error.to_string();
        // The field's path says more than the position in the text.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _position)| message);
        faults.push(shape::fault(path, message, "body"));
    }
    ApiError::invalid_fields(faults)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let (line, column) = (error.line(), error.column());
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not valid JSON: error at line {line}, column {column}"))
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_rejection| ApiError::not_found("not found"))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut uri = parts.uri.clone();
        let mut faults: Vec<FieldError> = Vec::new();
        // The faulty parameter is removed and the rest is checked again, to report all faults at once.
        loop {
            let rejection = match axum::extract::Query::<T>::try_from_uri(&uri) {
                Ok(axum::extract::Query(value)) if faults.is_empty() => return Ok(Self(value)),
                Ok(_rest) => break,
                Err(rejection) => rejection,
            };
            let mut causes = std::iter::successors(std::error::Error::source(&rejection), |error| error.source());
            let inner = causes.find_map(|error| error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>());
            let Some(error) = inner else {
                return Err(ApiError::invalid_field("query", FaultCode::Invalid, "must be of the form name=value&name=value"));
            };
            let fault = shape::fault(&error.path().to_string(), &error.inner().to_string(), "query");
            // A required parameter that was removed for another fault is missing now.
            if faults.iter().any(|earlier| earlier.field == fault.field) {
                break;
            }
            let rest = without_parameter(&uri, &fault.field);
            faults.push(fault);
            match rest {
                Some(rest) => uri = rest,
                None => break,
            }
        }
        Err(ApiError::invalid_fields(faults))
    }
}

/// The URI without a query parameter; `None` if it does not have it.
fn without_parameter(uri: &Uri, name: &str) -> Option<Uri> {
    let pairs: Vec<&str> = uri.query()?.split('&').collect();
    let rest: Vec<&str> = pairs.iter().copied().filter(|pair| pair.split('=').next() != Some(name)).collect();
    if rest.len() == pairs.len() {
        return None;
    }
    format!("{}?{}", uri.path(), rest.join("&")).parse().ok()
}

/// The span of the caller's trace, from the header `traceparent`. An invalid or repeated header is ignored, as the standard requires.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced(pub(super) Option<TraceParent>);

impl<S: Send + Sync> FromRequestParts<S> for Traced {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let mut values = parts.headers.get_all("traceparent").iter();
        let parent = values.next().filter(|_| values.next().is_none());
        Ok(Self(parent.and_then(|parent| TraceParent::parse(parent.to_str().ok()?))))
    }
}

/// The profile that the header `OpenRunner-Profile` names. Errors: 422 for an invalid name, or for several.
#[derive(Clone, Debug)]
pub(super) struct ProfileHeader(pub(super) Option<ProfileName>);

impl ProfileHeader {
    /// Name of the header.
    pub(super) const NAME: &str = "OpenRunner-Profile";

    /// The profile of a request that may also name one in its body.
    ///
    /// # Errors
    /// 422 if the two differ.
    pub(super) fn or(self, in_body: Option<ProfileName>) -> Result<Option<ProfileName>, ApiError> {
        match (self.0, in_body) {
            (Some(header), Some(body)) if header != body => {
                let detail = format!("names profile {header}, and the body {body}; give only one of them");
                Err(ApiError::invalid_field(Self::NAME, FaultCode::Conflict, detail))
            }
            (header, body) => Ok(header.or(body)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ProfileHeader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(Self::NAME).iter();
        let name = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => Some(value.to_str().ok().and_then(|name| name.parse().ok())),
            (Some(_), Some(_)) => Some(None),
        };
        match name {
            None => Ok(Self(None)),
            Some(Some(name)) => Ok(Self(Some(name))),
            Some(None) => {
                let detail = format!("must be given once: {BadProfileName}");
                Err(ApiError::invalid_field(Self::NAME, FaultCode::Invalid, detail))
            }
        }
    }
}

/// The authenticated caller. A handler with this argument is not public.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(|| ApiError::unauthorized("token_missing", "a token is required"))
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D4.

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are tested")]
    struct Body {
        input: Input,
        #[serde(default)]
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are tested")]
    struct Input {
        text: String,
    }

    #[test]
    fn malformed_json_is_400_with_its_position() {
        for body in ["{", "{\"input\": nope}", "\u{feff}{}", "{\"input\":{\"text\":\"a\"}} x"] {
            let error = parse::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (400, "malformed_json"), "{body}: {error}");
            assert!(error.detail().contains("at line 1, column"), "{error}");
        }
    }

    #[test]
    fn deep_nesting_is_400_and_does_not_overflow() {
        let error = parse::<serde_json::Value>("{\"a\":".repeat(100_000).as_bytes()).unwrap_err();
        assert_eq!(error.code(), "malformed_json");
    }

    #[test]
    fn json_of_the_wrong_shape_is_422_with_the_field() {
        let cases = [
            ("{}", "input", FaultCode::Required, "is required"),
            ("{\"input\": {}}", "input.text", FaultCode::Required, "is required"),
            ("{\"input\": {\"text\": 7}}", "input.text", FaultCode::Invalid, "must be a string, not 7"),
            ("{\"input\": {\"text\": \"a\", \"txt\": 1}}", "input.txt", FaultCode::UnknownField, "unknown field; expected `text`"),
            ("{\"input\": {\"text\": \"a\"}, \"more\": 1}", "more", FaultCode::UnknownField, "unknown field; expected `input` or `list`"),
            (
                "{\"input\": {\"text\": \"a\"}, \"list\": [1, 300]}",
                "list[1]",
                FaultCode::OutOfRange,
                "must be a non-negative integer in range, not 300",
            ),
            ("{\"input\": null}", "input", FaultCode::Invalid, "must be an object, not null"),
            ("[]", "body", FaultCode::Invalid, "must be an object, not a list"),
            ("[{\"text\": \"a\"}, []]", "body", FaultCode::Invalid, "must be an object, not a list"),
            ("7", "body", FaultCode::Invalid, "must be an object, not 7"),
        ];
        for (body, field, code, detail) in cases {
            let error = parse::<Body>(body.as_bytes()).unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (422, "invalid_field"), "{body}: {error}");
            let [fault] = error.errors() else { panic!("{error:?}") };
            assert_eq!((fault.field.as_str(), fault.code, fault.detail.as_str()), (field, code, detail), "{body}");
        }
    }

    #[test]
    fn all_faults_of_a_body_are_listed_at_once() {
        let fields = |body: &str| {
            let error = parse::<Body>(body.as_bytes()).unwrap_err();
            error.errors().iter().map(|fault| fault.field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            fields("{\"more\": 1, \"list\": [300], \"input\": {\"txt\": 1, \"text\": 7}}"),
            ["more", "list[0]", "input.txt", "input.text"]
        );
        assert_eq!(fields("{\"list\": \"x\"}"), ["list", "input"], "a missing field is the last one");
        assert_eq!(fields("{\"input\": 7, \"more\": 1}"), ["input", "more"], "the removed field is not reported as missing");
        assert_eq!(fields("{\"list\": [1], \"list\": [2], \"input\": {\"text\": \"a\"}}"), ["list"]);
        let many = (0..100).map(|number| format!("\"x{number}\": 1")).collect::<Vec<_>>().join(",");
        assert_eq!(fields(&format!("{{{many}}}")).len(), 16, "bounded");
    }

    #[test]
    fn of_a_body_that_is_malformed_after_a_fault_the_first_fault_is_listed() {
        let error = parse::<Body>(b"{\"more\": 1, \"other\": 2, nope").unwrap_err();
        assert_eq!(error.errors().iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["more"]);
    }

    #[tokio::test]
    async fn all_faults_of_a_query_are_listed_at_once() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only the errors are tested")]
        struct Wait {
            wait: u8,
            last: Option<bool>,
        }
        for (uri, fields) in [
            ("/?wait=x&more=1&last=perhaps", &["wait", "more", "last"][..]),
            ("/?last=1&last=2&wait=1", &["last"]),
            ("/?m%6Fre=1&wait=1", &["more"]),
        ] {
            let (mut parts, ()) = axum::http::Request::builder().uri(uri.parse::<Uri>().unwrap()).body(()).unwrap().into_parts();
            let error = Query::<Wait>::from_request_parts(&mut parts, &()).await.unwrap_err();
            assert_eq!(error.errors().iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), fields, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_faulty_query_is_422_with_the_parameter() {
        #[derive(Debug, Deserialize)]
        struct Wait {
            #[expect(dead_code, reason = "only the errors are tested")]
            wait: u8,
        }
        for (uri, code) in [("/?wait=x", FaultCode::Invalid), ("/?wait=300", FaultCode::OutOfRange), ("/", FaultCode::Required)] {
            let (mut parts, ()) = axum::http::Request::builder().uri(uri.parse::<Uri>().unwrap()).body(()).unwrap().into_parts();
            let error = Query::<Wait>::from_request_parts(&mut parts, &()).await.unwrap_err();
            let [fault] = error.errors() else { panic!("{error:?}") };
            assert_eq!((error.status().as_u16(), fault.field.as_str(), fault.code), (422, "wait", code), "{uri}: {error}");
        }
    }

    #[test]
    fn only_json_content_types_are_json_and_parameters_are_ignored() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("application/jsonx", false),
            ("application/merge-patch+json", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
            assert_eq!(is_json(&Method::POST, &headers), expected, "{content_type}");
            let is_patch = content_type == "application/merge-patch+json";
            assert_eq!(is_json(&Method::PATCH, &headers), expected || is_patch, "{content_type}");
        }
        assert!(!is_json(&Method::POST, &HeaderMap::new()));
    }
}
