//! Profiles: named combinations that runs are created with.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::audit_context::AuditContext;
use super::super::{ApiError, AppState, Json, Path};
use super::created::Created;
use super::pagination::Page;
use super::params::ProfilePath;
use super::profile_request::{ProfileRequest, with_names};
use crate::auth::Principal;
use crate::run::{NamedProfile, ProfileSource};
use crate::types::{
    Amount, AuditAction, Caller, IsolationLevel, Money, PermissionMode, Profile, ProfileName, ProfileUser, RuleSpec, Timestamp, Tokens,
};

/// A profile without the settings of its MCP servers, which may contain secrets. Absent fields are left to the request.
#[derive(Serialize, ToSchema)]
#[schema(as = ProfileView)]
pub(in crate::api) struct ProfileAnswer {
    /// Name of the profile.
    name: ProfileName,
    /// Where it is defined.
    source: ProfileSource,
    /// Description for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_type: Option<String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Text that is added to the agent's system prompt, before that of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    /// How permission requests are decided, unless the request chooses a stricter mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_mode: Option<PermissionMode>,
    /// Rules that precede those of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    permission_rules: Vec<RuleSpec>,
    /// Names of the MCP servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    mcp_servers: Vec<String>,
    /// The isolation level, unless the request chooses a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<IsolationLevel>,
    /// Time limit of the run in seconds, unless the request chooses a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_secs: Option<u64>,
    /// Time limit in seconds without output, unless the request chooses a lower one.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout_secs: Option<u64>,
    /// Maximum cost of a run in US dollars, unless the request chooses a lower limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cost_usd: Option<Money>,
    /// Maximum number of tokens of a run, unless the request chooses a lower limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<Tokens>,
    /// Maximum number of model calls of a run, unless the request chooses a lower limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_turns: Option<Amount>,
    /// The users who may use the profile, besides admins: their names, and the ids of those who were removed. Only for admins; absent for all
    /// users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    users: Vec<ProfileUser>,
    /// When it was last changed; absent for one of the settings file.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
}

impl ProfileAnswer {
    /// The view of a user who may use it.
    async fn new(named: NamedProfile, caller: &Caller, app: &AppState) -> Result<Self, ApiError> {
        let NamedProfile { name, source, profile, updated_at } = named;
        let Profile {
            description,
            agent_type,
            model,
            instructions,
            permission_mode,
            permission_rules,
            mcp_servers,
            isolation,
            timeout_secs,
            idle_timeout_secs,
            max_cost_usd,
            max_tokens,
            max_turns,
            users,
        } = profile;
        let users = if caller.is_admin() { with_names(users, app).await? } else { Vec::new() };
        Ok(Self {
            name,
            source,
            description,
            agent_type,
            model,
            instructions,
            permission_mode,
            permission_rules,
            mcp_servers: mcp_servers.iter().map(|server| server.name().to_owned()).collect(),
            isolation,
            timeout_secs,
            idle_timeout_secs,
            max_cost_usd,
            max_tokens,
            max_turns,
            users,
            updated_at,
        })
    }
}

/// The profiles that the caller may use.
pub(in crate::api) type ProfilePage = Page<ProfileAnswer>;

/// Lists the profiles that the caller may use, by name; for admins all.
#[utoipa::path(get, path = "/api/profiles", operation_id = "list_profiles", tag = "profiles",
    responses((status = 200, description = "The profiles, by name. `next_cursor` is always null.", body = ProfilePage)))]
pub(in crate::api) async fn list(State(app): State<AppState>, principal: Principal) -> Result<Answer<ProfilePage>, ApiError> {
    let mut answers = Vec::new();
    for named in app.runs.profiles(&principal.caller).await? {
        answers.push(ProfileAnswer::new(named, &principal.caller, &app).await?);
    }
    Ok(Answer(Page::complete(answers)))
}

/// Returns a profile.
#[utoipa::path(get, path = "/api/profiles/{profile}", operation_id = "get_profile", tag = "profiles", params(ProfilePath),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The profile.", body = ProfileAnswer)))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    principal: Principal,
    Path(name): Path<ProfileName>,
) -> Result<Answer<ProfileAnswer>, ApiError> {
    let found = app.runs.profile(&principal.caller, &name).await?;
    Ok(Answer(ProfileAnswer::new(found, &principal.caller, &app).await?))
}

/// Creates a profile, or replaces the one of the same name. Admins only.
///
/// Runs that exist keep what they have. The answer to a request for the profile can be sent back: an MCP server that is only named keeps its
/// settings.
#[utoipa::path(put, path = "/api/profiles/{profile}", operation_id = "set_profile", tag = "profiles", params(ProfilePath),
    request_body = ProfileRequest,
    extensions(("x-error-codes" = json!(["not_found", "profile_read_only", "too_many_profiles", "unknown_agent", "storage"]))),
    responses((status = 200, description = "The profile was replaced.", body = ProfileAnswer),
        (status = 201, description = "The profile was created.", body = ProfileAnswer, headers(("Location" = String, description = "Path of the profile.")))))]
pub(in crate::api) async fn set(
    State(app): State<AppState>,
    admin: AuditContext,
    Path(name): Path<ProfileName>,
    Json(request): Json<ProfileRequest>,
) -> Result<Response, ApiError> {
    let caller = admin.caller();
    let event = admin.event(AuditAction::ProfileSet).detail(name.to_string());
    let state = app.clone();
    let (runs, location) = (app.runs.clone(), format!("/api/profiles/{name}"));
    let setting = move |audit| async move {
        let profile = request.into_profile(&name, &caller, &state).await?;
        Ok(runs.set_profile(name, profile, Some(audit)).await?)
    };
    let (named, is_new) = app.audited(event, setting).await?;
    let body = ProfileAnswer::new(named, &admin.caller(), &app).await?;
    Ok(if is_new { Created { location, body }.into_response() } else { Answer(body).into_response() })
}

/// Deletes a profile. Admins only.
///
/// Runs that exist keep what they have.
#[utoipa::path(delete, path = "/api/profiles/{profile}", operation_id = "delete_profile", tag = "profiles", params(ProfilePath),
    extensions(("x-error-codes" = json!(["not_found", "profile_read_only", "storage"]))),
    responses((status = 204, description = "The profile was deleted.")))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    admin: AuditContext,
    Path(name): Path<ProfileName>,
) -> Result<StatusCode, ApiError> {
    let event = admin.event(AuditAction::ProfileDelete).detail(name.to_string());
    let runs = app.runs.clone();
    app.audited(event, move |audit| async move { Ok(runs.remove_profile(&name, Some(audit)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
