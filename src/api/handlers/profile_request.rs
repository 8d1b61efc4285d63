//! A profile as an admin writes it, which may be the answer to an earlier request.
//!
//! Answers contain no settings of MCP servers, and names of users instead of their ids. So a server that is only named keeps the settings that
//! are stored, and an id of a removed user is kept.

use serde::Deserialize;
use utoipa::ToSchema;

use super::super::{ApiError, AppState, FaultCode, FieldError};
use crate::run::{MAX_PROFILE_USERS as MAX_USERS, NamedProfile, ProfileError, ProfileSource};
use crate::types::{
    Amount, Caller, IsolationLevel, McpServerSpec, Money, PermissionMode, Profile, ProfileName, ProfileUser, RuleSpec, Timestamp, Tokens,
};

/// What a profile sets for its runs. What is absent is left to the request.
///
/// A request may set what the profile leaves open, and may narrow what it sets: a stricter mode, a lower limit, a higher isolation level.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Profile)]
pub(in crate::api) struct ProfileRequest {
    /// Name of the profile, as in the path.
    name: Option<ProfileName>,
    /// Ignored; part of answers.
    #[expect(dead_code, reason = "accepted only because answers contain it")]
    source: Option<ProfileSource>,
    /// Ignored; part of answers.
    #[expect(dead_code, reason = "accepted only because answers contain it")]
    updated_at: Option<Timestamp>,
    /// Description for people.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// The agent.
    agent_type: Option<String>,
    /// The model.
    #[schema(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/@+\[\]-]{0,127}$")]
    model: Option<String>,
    /// Text that is added to the agent's system prompt. That of the request follows it.
    #[schema(min_length = 1, max_length = 65536)]
    instructions: Option<String>,
    /// How permission requests are decided. A request may choose a stricter mode.
    permission_mode: Option<PermissionMode>,
    /// Rules that precede those of the request.
    #[schema(max_items = 256)]
    permission_rules: Option<Vec<RuleSpec>>,
    /// MCP servers for the agent, also in runs of users who are no admins.
    #[schema(max_items = 32)]
    mcp_servers: Option<Vec<ServerOrName>>,
    /// The isolation level, also in runs of users who are no admins. A request may choose a higher one.
    isolation: Option<IsolationLevel>,
    /// Time limit of the run in seconds. A request may choose a lower one.
    #[schema(minimum = 1, maximum = 604_800)]
    timeout_secs: Option<u64>,
    /// Time limit in seconds without output. A request may choose a lower one.
    #[schema(minimum = 1, maximum = 604_800)]
    idle_timeout_secs: Option<u64>,
    /// Maximum cost of a run in US dollars. A request may choose a lower limit.
    max_cost_usd: Option<Money>,
    /// Maximum number of tokens of a run, as budgets count them. A request may choose a lower limit.
    max_tokens: Option<Tokens>,
    /// Maximum number of model calls of a run. A request may choose a lower limit.
    max_turns: Option<Amount>,
    /// The users who may use the profile, besides admins. Empty for all users.
    #[schema(max_items = 256)]
    users: Option<Vec<ProfileUser>>,
}

/// An MCP server, or the name of one of the stored profile, which keeps its settings.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "must be the name of a server of the stored profile, or an object with name and command, or name and url")]
#[schema(as = ProfileMcpServer)]
enum ServerOrName {
    /// A server of the stored profile, with its settings.
    Name(String),
    /// A server.
    Server(McpServerSpec),
}

impl ProfileRequest {
    /// The profile to store under `name`. `caller` is an admin.
    ///
    /// # Errors
    /// 422 if it is for another profile, or names a server or a user that does not exist.
    pub(super) async fn into_profile(self, name: &ProfileName, caller: &Caller, app: &AppState) -> Result<Profile, ApiError> {
        if let Some(other) = self.name.filter(|other| other != name) {
            let detail = format!("is {other}, and the path names profile {name}");
            return Err(ApiError::invalid_field("name", FaultCode::Conflict, detail));
        }
        let stored = match app.runs.profile(caller, name).await {
            Ok(NamedProfile { profile, .. }) => profile,
            Err(ProfileError::NotFound(_)) => Profile::default(),
            Err(error) => return Err(error.into()),
        };
        let mut faults = Vec::new();
        let mcp_servers = servers(self.mcp_servers.unwrap_or_default(), &stored.mcp_servers, &mut faults);
        let users = users(self.users.unwrap_or_default(), &stored.users, app, &mut faults).await?;
        if !faults.is_empty() {
            return Err(ApiError::invalid_fields(faults));
        }
        Ok(Profile {
            description: self.description,
            agent_type: self.agent_type,
            model: self.model,
            instructions: self.instructions,
            permission_mode: self.permission_mode,
            permission_rules: self.permission_rules.unwrap_or_default(),
            mcp_servers,
            isolation: self.isolation,
            timeout_secs: self.timeout_secs,
            idle_timeout_secs: self.idle_timeout_secs,
            max_cost_usd: self.max_cost_usd,
            max_tokens: self.max_tokens,
            max_turns: self.max_turns,
            users,
        })
    }
}

fn servers(requested: Vec<ServerOrName>, stored: &[McpServerSpec], faults: &mut Vec<FieldError>) -> Vec<McpServerSpec> {
    let mut servers = Vec::with_capacity(requested.len());
    for (index, server) in requested.into_iter().enumerate() {
        match server {
            ServerOrName::Server(server) => servers.push(server),
            ServerOrName::Name(name) => {
                if let Some(server) = stored.iter().find(|server| server.name() == name) {
                    servers.push(server.clone());
                } else {
                    let detail = format!("the stored profile has no server {name:?} whose settings could be kept; give them");
                    faults.push(FieldError::new(format!("mcp_servers[{index}]"), FaultCode::NotFound, detail));
                }
            }
        }
    }
    servers
}

/// The ids of the users: of names at present, so that another user who gets such a name later does not get the profile as well.
async fn users(
    requested: Vec<ProfileUser>,
    stored: &[ProfileUser],
    app: &AppState,
    faults: &mut Vec<FieldError>,
) -> Result<Vec<ProfileUser>, ApiError> {
    if requested.len() > MAX_USERS {
        // Refused with the other faults of the profile.
        return Ok(requested);
    }
    let mut users = Vec::with_capacity(requested.len());
    for (index, user) in requested.into_iter().enumerate() {
        let found = match &user {
            ProfileUser::Id(_) if stored.contains(&user) => Some(user.clone()),
            ProfileUser::Id(id) => app.auth.name_of(*id).await?.map(|_| user.clone()),
            ProfileUser::Name(name) => app.auth.user(name).await?.map(|found| ProfileUser::Id(found.id)),
        };
        match found {
            Some(user) => users.push(user),
            None => faults.push(FieldError::new(format!("users[{index}]"), FaultCode::NotFound, format!("user {user} not found"))),
        }
    }
    Ok(users)
}

/// The users of a profile, by name where they exist.
///
/// # Errors
/// If the users cannot be read.
pub(super) async fn with_names(users: Vec<ProfileUser>, app: &AppState) -> Result<Vec<ProfileUser>, ApiError> {
    let mut named = Vec::with_capacity(users.len());
    for user in users {
        named.push(match user {
            ProfileUser::Id(id) => app.auth.name_of(id).await?.map_or(user, ProfileUser::Name),
            ProfileUser::Name(_) => user,
        });
    }
    Ok(named)
}
