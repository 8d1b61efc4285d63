//! The description of the API: OpenAPI 3.1, and a JSON Schema of the events.
//!
//! Handlers are described by `#[utoipa::path]` and the types that they use. What applies to all routes (authentication, the errors of the
//! layers, the headers of a status) is added here, so that no handler can omit it. The results are `docs/openapi.json` and
//! `docs/events.schema.json`.

mod codes;
mod error_responses;
mod events;
mod nulls;
#[cfg(test)]
mod tests;

use axum::http::Method;
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{ComponentsBuilder, Object, ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::authn::{self, is_public};
use super::error::Problem;
use super::openai::OpenAiError;
use super::router::to_router_syntax;

/// Name of the security scheme of all routes that are not public.
const BEARER: &str = "bearer";
/// Name of the additional security scheme of the event stream.
const QUERY_TOKEN: &str = "access_token";

/// Description of the API as a whole.
const DESCRIPTION: &str = "A durable HTTP service over coding agents. JSON in, JSON out, UTF-8.\n\n\
    Unknown fields in requests are rejected; clients must ignore unknown fields in responses. Fields without a value are absent. Times are \
    RFC 3339 in UTC with milliseconds. Every response has an `X-Request-Id`, which the server's log contains. Errors are \
    `application/problem+json` with a stable `code`, and `errors` lists all faulty fields; under `/v1` they have OpenAI's format.";

/// The description of `routes`.
pub(super) fn document<S>(routes: Vec<UtoipaMethodRouter<S>>) -> OpenApi {
    let (mut schemas, mut paths) = (Vec::new(), Paths::new());
    for (types, described, _handlers) in routes {
        schemas.extend(types);
        paths.paths.extend(described.paths);
    }
    for (path, item) in &mut paths.paths {
        for (method, operation) in operations(item) {
            protect(&method, path, operation);
            error_responses::add(&method, path, operation);
            nulls::strip_parameters(operation);
        }
    }
    let shared = error_responses::share(&mut paths);
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), problem()));
    schemas.push((OpenAiError::name().into_owned(), OpenAiError::schema()));
    schemas.extend(events::components());
    let info = InfoBuilder::new().title("OpenRunner").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION));
    let info = info.license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let query_token =
        ApiKeyValue::with_description(QUERY_TOKEN, "A ticket or a token, for the event stream of a run only. Use the header if possible.");
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token from a login, or an API key.")).build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(shared)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .security_scheme(QUERY_TOKEN, SecurityScheme::ApiKey(ApiKey::Query(query_token)));
    let tags = [
        ("runs", "Runs of agents: events, messages, permission requests and results"),
        ("sessions", "Conversations of one or more runs"),
        ("agents", "Agents and their capabilities"),
        ("profiles", "Named combinations that runs are created with"),
        ("auth", "Login and passwords"),
        ("users", "Users (admins only)"),
        ("keys", "API keys for programs"),
        ("audit", "The audit log (admins only)"),
        ("openai", "OpenAI-compatible API"),
        ("mcp", "Model Context Protocol"),
        ("webhooks", "Webhook deliveries"),
        ("usage", "Usage and budgets"),
        ("server", "Health, metrics, settings and documentation"),
    ];
    let tags = tags.map(|(name, what)| TagBuilder::new().name(name).description(Some(what)).build());
    // The server that serves the description. Relative, because only the reader knows under which address that is.
    let server = ServerBuilder::new().url("/").description(Some("This server")).build();
    let mut document =
        OpenApiBuilder::new().info(info).servers(Some([server])).paths(paths).components(Some(components.build())).tags(Some(tags)).build();
    nulls::strip_responses(&mut document);
    document
}

/// Component names that `utoipa` composes for generic types, and the names that the description uses instead.
const PLAIN_NAMES: [(&str, &str); 6] = [
    ("Limit_Money", "CostLimit"),
    ("Limit_Tokens", "TokenLimit"),
    ("Allowance_Money", "CostBudget"),
    ("Allowance_Tokens", "TokenBudget"),
    ("Limit_Amount", "QuotaLimit"),
    ("Allowance_Amount", "QuotaAllowance"),
];

/// The JSON Schema (2020-12) of the events of a run's stream: an event of the log, or a notice that is not part of it.
#[derive(Serialize)]
pub(super) struct EventsSchema {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    title: &'static str,
    #[serde(rename = "anyOf")]
    any_of: [RefOr<Schema>; 3],
    #[serde(rename = "$defs")]
    definitions: std::collections::BTreeMap<String, RefOr<Schema>>,
}

impl EventsSchema {
    /// The schema of the events, taken from the description of the API.
    pub(super) fn of(document: &OpenApi) -> Self {
        let names = events::names(document);
        let schemas = document.components.iter().flat_map(|components| &components.schemas);
        Self {
            dialect: "https://json-schema.org/draft/2020-12/schema",
            title: "An event of an OpenRunner run",
            any_of: events::ON_THE_STREAM.map(|name| utoipa::openapi::Ref::from_schema_name(name).into()),
            definitions: schemas.filter(|(name, _)| names.contains(*name)).map(|(name, schema)| (name.clone(), schema.clone())).collect(),
        }
    }

    /// The schema as text, with references relative to a file of its own.
    pub(super) fn to_text(&self) -> String {
        to_text(self).replace("#/components/schemas/", "#/$defs/")
    }
}

/// Indented JSON with a final newline, and plain names in place of those of generic types.
pub(super) fn to_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default();
    PLAIN_NAMES.iter().fold(text, |text, (generic, plain)| text.replace(generic, plain))
}

/// The operations of a path, with their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [(Method::GET, get), (Method::POST, post), (Method::PUT, put), (Method::PATCH, patch), (Method::DELETE, delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds the security requirements of an operation, according to the authentication layer.
fn protect(method: &Method, path: &str, operation: &mut Operation) {
    let by = |scheme: &str| SecurityRequirement::new(scheme, Vec::<String>::new());
    // An empty requirement means that no token is needed.
    let nothing = || SecurityRequirement::default();
    operation.security = Some(match (is_public(method, &to_router_syntax(path)), authn::accepts_query_token(method, path)) {
        _ if [authn::LOCAL, authn::TOKEN_OPTIONAL].contains(&path) => vec![nothing(), by(BEARER)],
        (true, _) => Vec::new(),
        (false, true) => vec![by(BEARER), by(QUERY_TOKEN)],
        (false, false) => vec![by(BEARER)],
    });
}

/// The schema of an error, with the closed list of codes.
fn problem() -> RefOr<Schema> {
    let mut schema = Problem::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema
        && let Some(code) = object.properties.get_mut("code")
    {
        *code = words("Stable code for programs.", codes::ALL.iter().map(|code| code.name)).into();
    }
    schema
}

/// The schema of a string that is one of `words`.
fn words<'a>(description: &str, words: impl Iterator<Item = &'a str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(words)).build()
}
