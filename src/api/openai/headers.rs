//! The headers by which clients of this API choose session, directory and profile, because many cannot add fields to the body.

use std::path::PathBuf;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use utoipa::IntoParams;

use super::super::{ApiError, FaultCode};
use super::read_request::ReadRequest;
use crate::auth::Principal;
use crate::types::{ProfileName, SessionId};

/// Maximum length of the name of a chat, in bytes.
const MAX_NAME: usize = 256;

/// The header for the session.
pub(in crate::api) const SESSION: &str = "OpenRunner-Session";
/// The header for the working directory.
pub(in crate::api) const DIRECTORY: &str = "OpenRunner-Directory";
const PROFILE: &str = "OpenRunner-Profile";

/// The session that a header chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum SessionHeader {
    /// A new session.
    New,
    /// This session.
    Id(SessionId),
    /// The session of the chat with this name, such as the client's own id of the chat.
    Name(String),
}

/// The headers of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct ChatHeaders {
    pub(in crate::api) session: Option<SessionHeader>,
    pub(in crate::api) directory: Option<PathBuf>,
    pub(in crate::api) profile: Option<ProfileName>,
}

/// The same for the API description.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described, not read")]
pub(in crate::api) struct ChatHeaderParams {
    /// The session to continue: its id, or any name of the chat, which finds the session that was created with the same name. `new` for a new
    /// session. Default: the session in which the last answer of the history was given.
    #[param(rename = "OpenRunner-Session", min_length = 1, max_length = 256)]
    session: Option<String>,
    /// Working directory, as `openrunner.working_dir`.
    #[param(rename = "OpenRunner-Directory")]
    directory: Option<String>,
    /// Profile to use, one of `GET /api/profiles`.
    #[param(rename = "OpenRunner-Profile")]
    profile: Option<ProfileName>,
}

impl SessionHeader {
    fn named(text: &str) -> Self {
        match text {
            "new" => Self::New,
            text => text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ChatHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::read(&parts.headers)
    }
}

impl ChatHeaders {
    fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let session = match single(headers, SESSION)? {
            None => None,
            Some(text) if text.len() > MAX_NAME => {
                return Err(invalid(SESSION, FaultCode::TooLong, format!("must have at most {MAX_NAME} bytes")));
            }
            Some(text) => Some(SessionHeader::named(text)),
        };
        let profile = single(headers, PROFILE)?.map(str::parse::<ProfileName>).transpose();
        let profile = profile.map_err(|error| invalid(PROFILE, FaultCode::Invalid, error.to_string()))?;
        Ok(Self { session, directory: single(headers, DIRECTORY)?.map(PathBuf::from), profile })
    }
}

impl ChatHeaders {
    /// Adds the defaults of the API key where neither headers nor body state anything. A session that is chosen has its own directory.
    pub(in crate::api) fn complete(&mut self, principal: &Principal, request: &ReadRequest) {
        let Some(defaults) = principal.defaults() else { return };
        if self.session.is_none() && request.session_id().is_none() {
            self.session = defaults.session.as_deref().map(SessionHeader::named);
        }
        let is_chosen = request.session_id().is_some() || matches!(self.session, Some(SessionHeader::Id(_)));
        if self.directory.is_none() && request.working_dir().is_none() && !is_chosen {
            self.directory.clone_from(&defaults.directory);
        }
    }
}

/// The value of a header, which is given at most once and not empty.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).ok().map(str::trim);
    match (text, values.next()) {
        (Some(text), None) if !text.is_empty() => Ok(Some(text)),
        _ => Err(invalid(name, FaultCode::Invalid, "must be given once, as UTF-8 text that is not empty")),
    }
}

fn invalid(name: &'static str, code: FaultCode, detail: impl Into<String>) -> ApiError {
    ApiError::invalid_field(name, code, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn read(list: &[(&str, &str)]) -> Result<ChatHeaders, ApiError> {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        ChatHeaders::read(&headers)
    }

    #[test]
    fn a_session_is_an_id_a_name_or_new() {
        let id = SessionId::new();
        for (value, expected) in [
            (id.to_string().as_str(), SessionHeader::Id(id)),
            ("new", SessionHeader::New),
            ("chat 7 \u{e4}", SessionHeader::Name("chat 7 \u{e4}".to_owned())),
            ("ses_x", SessionHeader::Name("ses_x".to_owned())),
        ] {
            assert_eq!(read(&[(SESSION, value)]).unwrap().session, Some(expected));
        }
        assert_eq!(read(&[]).unwrap(), ChatHeaders::default());
    }

    #[test]
    fn a_wrong_header_is_named() {
        let long = "x".repeat(257);
        for list in
            [&[(SESSION, "")][..], &[(SESSION, &long)], &[(SESSION, "a"), (SESSION, "b")], &[(DIRECTORY, " ")], &[(PROFILE, "not a name")]]
        {
            assert_eq!(read(list).unwrap_err().field(), Some(list[0].0));
        }
    }
}
