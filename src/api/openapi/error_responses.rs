//! With which refusals an operation may answer: its own, which its handler names, and those of the layers, which are the same for all.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Paths, Ref, RefOr, Response, ResponseBuilder};

use super::super::authn::is_public;
use super::super::error::Problem;
use super::super::openai::{self, OpenAiError};
use super::super::router::to_router_syntax;
use super::super::scopes::{self, Need};
use super::codes::{ALL, Code};
use super::words;

/// The extension in which a handler names the codes of its own refusals.
const OWN_CODES: &str = "x-error-codes";

/// Adds an answer for each status that a refusal of this operation may have.
pub(super) fn add(method: &Method, path: &str, operation: &mut Operation) {
    let mut names = of_the_layers(method, path, operation);
    names.extend(own(operation));
    // Said below, status by status.
    operation.extensions = None;
    let mut by_status = BTreeMap::<u16, Vec<&Code>>::new();
    let is_openai = openai::is_openai_path(path);
    let told: Vec<Code> = ALL.iter().filter(|code| names.iter().any(|name| name == code.name)).map(|code| code.told(is_openai)).collect();
    for code in &told {
        let codes = by_status.entry(code.status).or_default();
        if codes.iter().all(|other| other.name != code.name) {
            codes.push(code);
        }
    }
    for (status, codes) in by_status {
        operation.responses.responses.insert(status.to_string(), RefOr::T(response(status, &codes, is_openai)));
    }
}

impl Code {
    /// The same in the words of OpenAI's API, for a route of that door.
    fn told(&self, is_openai: bool) -> Self {
        let (status, name) = match StatusCode::from_u16(self.status) {
            Ok(status) if is_openai => openai::to_openai(status, self.name),
            Ok(status) => (status, self.name),
            Err(_no_status) => (StatusCode::INTERNAL_SERVER_ERROR, self.name),
        };
        Self { status: status.as_u16(), name, when: self.when }
    }
}

/// Moves the answers that most operations have in common to a place of their own, by the words of their status, and gives them.
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

/// The words of a status.
fn reason(status: u16) -> &'static str {
    StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

/// The codes that a handler names.
pub(super) fn own(operation: &Operation) -> Vec<String> {
    let named = operation.extensions.as_ref().and_then(|extensions| extensions.get(OWN_CODES));
    named.and_then(|names| names.as_array()).into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect()
}

/// The codes that do not come from the handler, or come from what it takes its arguments with.
fn of_the_layers(method: &Method, path: &str, operation: &Operation) -> Vec<String> {
    let mut names = vec!["origin_not_allowed", "host_not_served", "too_many_requests", "internal", "overloaded"];
    if !is_public(method, &to_router_syntax(path)) {
        names.extend(["token_missing", "token_invalid", "token_expired", "default_password", "shutting_down"]);
    }
    names.extend(match scopes::need(method, path) {
        None | Some(Need::Anyone) => &[][..],
        Some(Need::Scope(scope)) if scope.is_for_admins() => &["scope_missing", "admin_only"],
        Some(_) => &["scope_missing"],
    });
    if *method != Method::GET {
        names.extend(["cross_site", "not_json", "body_unreadable", "body_timeout", "body_too_large"]);
    }
    let has_body = operation.request_body.is_some();
    if has_body {
        names.extend(["malformed_json", "body_missing"]);
    }
    let may_be_wrong = |parameter: &RefOr<_>| matches!(parameter, RefOr::T(parameter) if is_checked(parameter));
    if has_body || operation.parameters.iter().flatten().any(may_be_wrong) {
        names.push("invalid_field");
    }
    names.into_iter().map(str::to_owned).collect()
}

/// Whether a parameter that is wrong is told by its name. A wrong part of the path names nothing that exists, and a tag that nobody knows is
/// not the present one.
fn is_checked(parameter: &utoipa::openapi::path::Parameter) -> bool {
    matches!(parameter.parameter_in, ParameterIn::Query | ParameterIn::Header) && parameter.name != "If-None-Match"
}

/// The answer of a status: a problem with one of these codes, or the same as OpenAI has it.
fn response(status: u16, codes: &[&Code], is_openai: bool) -> Response {
    let told: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.name, code.when)).collect();
    let code = words("Which refusal it is.", codes.iter().map(|code| code.name));
    let (kind, content) = if is_openai {
        let code = ObjectBuilder::new().property("code", code);
        let schema =
            AllOfBuilder::new().item(Ref::from_schema_name(OpenAiError::name())).item(ObjectBuilder::new().property("error", code));
        ("application/json", ContentBuilder::new().schema(Some(schema)))
    } else {
        let schema = AllOfBuilder::new().item(Ref::from_schema_name(Problem::name())).item(ObjectBuilder::new().property("code", code));
        let title = reason(status);
        let example = codes
            .first()
            .map(|code| json!({"type": "about:blank", "title": title, "status": status, "detail": code.when, "code": code.name}));
        ("application/problem+json", ContentBuilder::new().schema(Some(schema)).example(example))
    };
    let answer = ResponseBuilder::new().description(told.join("\n\n")).content(kind, content.build());
    let text = |what: &str| HeaderBuilder::new().schema(Some(any_text())).description(Some(what)).build();
    match status {
        401 => answer.header("WWW-Authenticate", text("The challenge of RFC 6750.")),
        429 => answer.header("Retry-After", text("After how many seconds it may be worth trying again.")),
        _ => answer,
    }
    .build()
}

/// The schema of any text.
fn any_text() -> utoipa::openapi::Schema {
    ObjectBuilder::new().schema_type(utoipa::openapi::Type::String).build().into()
}
