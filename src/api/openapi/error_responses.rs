//! The error responses of an operation: its own, which the handler lists, and those of the layers.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Paths, Ref, RefOr, Response, ResponseBuilder};

use super::super::ApiError;
use super::super::authn::{self, is_public};
use super::super::error::Problem;
use super::super::openai::{self, OpenAiError};
use super::super::router::to_router_syntax;
use super::super::scopes::{self, Permission};
use super::codes::{ALL, Code};
use super::words;

/// The extension in which a handler lists the codes of its own errors.
const OWN_CODES: &str = "x-error-codes";

/// Adds a response for each error status of this operation.
pub(super) fn add(method: &Method, path: &str, operation: &mut Operation) {
    let mut names = layer_codes(method, path, operation);
    names.extend(own(operation));
    // Replaced by the responses below.
    operation.extensions = None;
    let mut by_status = BTreeMap::<u16, Vec<&Code>>::new();
    let is_openai = openai::is_openai_path(path);
    let codes: Vec<Code> =
        ALL.iter().filter(|code| names.iter().any(|name| name == code.name)).map(|code| code.for_api(is_openai)).collect();
    for code in &codes {
        let same_status = by_status.entry(code.status).or_default();
        if same_status.iter().all(|other| other.name != code.name) {
            same_status.push(code);
        }
    }
    for (status, codes) in by_status {
        operation.responses.responses.insert(status.to_string(), RefOr::T(response(status, &codes, is_openai)));
    }
}

impl Code {
    /// The code as the OpenAI-compatible API reports it, if `is_openai`.
    fn for_api(&self, is_openai: bool) -> Self {
        let (status, name) = match StatusCode::from_u16(self.status) {
            Ok(status) if is_openai => openai::to_openai(status, self.name),
            Ok(status) => (status, self.name),
            Err(_no_status) => (StatusCode::INTERNAL_SERVER_ERROR, self.name),
        };
        Self { status: status.as_u16(), name, when: self.when }
    }
}

/// Replaces the responses that most operations share by references, and returns them under the name of their status.
pub(super) fn share(paths: &mut Paths) -> Vec<(String, Response)> {
    let mut all: Vec<_> = paths.paths.values_mut().flat_map(|item| super::operations(item).collect::<Vec<_>>()).collect();
    let mut shared = Vec::new();
    for status in ALL.iter().map(|code| code.status).collect::<BTreeSet<_>>() {
        let (key, name) = (status.to_string(), reason(status).replace(' ', ""));
        let mut answers: Vec<_> = all.iter_mut().filter_map(|(_method, operation)| operation.responses.responses.get_mut(&key)).collect();
        let same = |answer: &RefOr<Response>| answers.iter().filter(|other| ***other == *answer).count();
        let Some(RefOr::T(common)) = answers.iter().max_by_key(|answer| same(answer)).map(|answer| (**answer).clone()) else { continue };
        for answer in answers.iter_mut().filter(|answer| matches!(answer, RefOr::T(own) if *own == common)) {
            **answer = Ref::from_response_name(&name).into();
        }
        shared.push((name, common));
    }
    shared
}

/// The name of a status.
fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

/// The codes that a handler lists.
pub(super) fn own(operation: &Operation) -> Vec<String> {
    let named = operation.extensions.as_ref().and_then(|extensions| extensions.get(OWN_CODES));
    named.and_then(|names| names.as_array()).into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// The codes of the layers and extractors.
fn layer_codes(method: &Method, path: &str, operation: &Operation) -> Vec<String> {
    let mut names = vec!["origin_not_allowed", "host_not_served", "too_many_requests", "internal", "overloaded"];
    if !is_public(method, &to_router_syntax(path)) || path == authn::TOKEN_OPTIONAL {
        names.extend(["token_missing", "token_invalid", "token_expired", "default_password", "shutting_down"]);
    }
    names.extend(match scopes::required(method, path) {
        None | Some(Permission::Any) => &[][..],
        Some(Permission::Scope(scope)) if scope.is_for_admins() => &["scope_missing", "admin_only"],
        Some(_) => &["scope_missing"],
    });
    if *method != Method::GET {
        names.extend(["cross_site", "body_unreadable", "body_timeout", "body_too_large"]);
    }
    let has_body = operation.request_body.is_some();
    // The others are files.
    let is_json = match &operation.request_body {
        Some(RefOr::T(body)) => body.content.contains_key("application/json"),
        _ => true,
    };
    if *method != Method::GET && is_json {
        names.push("not_json");
    }
    if has_body && is_json {
        names.extend(["malformed_json", "body_missing"]);
    }
    let can_be_invalid = |parameter: &RefOr<_>| matches!(parameter, RefOr::T(parameter) if is_checked(parameter));
    if has_body || operation.parameters.iter().flatten().any(can_be_invalid) {
        names.push("invalid_field");
    }
    names.into_iter().map(str::to_owned).collect()
}

/// Whether an invalid parameter is reported as a faulty field. An invalid path parameter is 404, and an unknown `ETag` is not an error.
fn is_checked(parameter: &utoipa::openapi::path::Parameter) -> bool {
    matches!(parameter.parameter_in, ParameterIn::Query | ParameterIn::Header) && parameter.name != "If-None-Match"
}

/// The response for a status: a problem with one of these codes, or an error in OpenAI's format.
fn response(status: u16, codes: &[&Code], is_openai: bool) -> Response {
    let descriptions: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.name, code.when)).collect();
    let code = words("Stable code.", codes.iter().map(|code| code.name));
    let (kind, content) = if is_openai {
        let code = ObjectBuilder::new().property("code", code);
        let schema =
            AllOfBuilder::new().item(Ref::from_schema_name(OpenAiError::name())).item(ObjectBuilder::new().property("error", code));
        let example = codes.first().zip(StatusCode::from_u16(status).ok());
        let example = example.map(|(code, status)| json!(OpenAiError::new(&ApiError::new(status, code.name, code.when))));
        ("application/json", ContentBuilder::new().schema(Some(schema)).example(example))
    } else {
        let schema = AllOfBuilder::new().item(Ref::from_schema_name(Problem::name())).item(ObjectBuilder::new().property("code", code));
        let title = reason(status);
        let example = codes
            .first()
            .map(|code| json!({"type": "about:blank", "title": title, "status": status, "detail": code.when, "code": code.name}));
        ("application/problem+json", ContentBuilder::new().schema(Some(schema)).example(example))
    };
    let response = ResponseBuilder::new().description(descriptions.join("\n\n")).content(kind, content.build());
    let text = |what: &str| HeaderBuilder::new().schema(Some(string_schema())).description(Some(what)).build();
    match status {
        401 => response.header("WWW-Authenticate", text("Challenge (RFC 6750).")),
        429 => response.header("Retry-After", text("Seconds until a retry can succeed.")),
        _ => response,
    }
    .build()
}

fn string_schema() -> utoipa::openapi::Schema {
    ObjectBuilder::new().schema_type(utoipa::openapi::Type::String).build().into()
}
