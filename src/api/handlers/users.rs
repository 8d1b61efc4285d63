//! Users. Admins only.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::audit_context::AuditContext;
use super::super::json_object::object;
use super::super::{ApiError, AppState, FaultCode, Json, Path, Query};
use super::created::Created;
use super::pagination::{Page, page_size};
use super::params::UserPath;
use crate::auth::Target;
use crate::run::store::UserRecord;
use crate::types::{
    Amount, AuditAction, Budget, BudgetChange, Limit, LimitChange, Money, OwnQuotas, PerQuota, Quota, QuotaChange, Tokens, UserId,
    UserName, UserRole,
};

/// A user with account details.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(in crate::api) struct AccountView {
    /// User name.
    username: UserName,
    /// Id of the user. A user who is created under the name of a removed user has another one.
    user_id: UserId,
    /// Role of the user.
    role: UserRole,
    /// Whether the user still has the default password, which works only on the server's own machine.
    default_password: bool,
    /// The user's own budget; absent if the server's default applies.
    #[serde(skip_serializing_if = "Budget::is_default")]
    #[schema(required = false)]
    budget: Budget,
    /// The user's own quotas; absent if the server's defaults apply.
    #[serde(skip_serializing_if = "OwnQuotas::is_default")]
    #[schema(required = false)]
    quotas: OwnQuotas,
}

impl From<UserRecord> for AccountView {
    fn from(user: UserRecord) -> Self {
        Self {
            username: user.name,
            user_id: user.id,
            role: user.role,
            default_password: user.default_password,
            budget: user.budget,
            quotas: user.quotas.into(),
        }
    }
}

/// Pagination.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: the `next_cursor` of the previous one.
    cursor: Option<UserName>,
}

/// A page of users.
pub(in crate::api) type AccountPage = Page<AccountView>;

/// Lists the users by name. Admins only.
#[utoipa::path(get, path = "/api/users", operation_id = "list_users", tag = "users", params(ListQuery),
    responses((status = 200, description = "A page of users.", body = AccountPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    _admin: AuditContext,
    Query(query): Query<ListQuery>,
) -> Result<Answer<AccountPage>, ApiError> {
    let limit = page_size(query.limit)?;
    let found = app.auth.users(query.cursor, limit + 1).await?;
    Ok(Answer(Page::new(found.into_iter().map(AccountView::from).collect(), limit, |user| user.username.clone())))
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CreateUserRequest {
    /// User name.
    username: UserName,
    /// Password. It must differ from the user name.
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// Role of the user. Default: `user`.
    role: Option<UserRole>,
}

/// Creates a user. Admins only.
#[utoipa::path(post, path = "/api/users", operation_id = "create_user", tag = "users", request_body = CreateUserRequest,
    extensions(("x-error-codes" = json!(["user_exists", "storage"]))),
    responses((status = 201, description = "The user was created.", body = AccountView,
        headers(("Location" = String, description = "Path of the user.")))))]
pub(in crate::api) async fn create(
    State(app): State<AppState>,
    admin: AuditContext,
    Json(request): Json<CreateUserRequest>,
) -> Result<Created<AccountView>, ApiError> {
    let CreateUserRequest { username, password, role } = request;
    let role = role.unwrap_or(UserRole::User);
    let event = admin.event(AuditAction::UserCreate).to(Target::User(username.clone())).detail(format!("role={}", role.as_str()));
    let (auth, name) = (app.auth.clone(), username.clone());
    let user_id = app.audited(event, move |audit| async move { Ok(auth.add_user(name, role, &password, Some(audit)).await?) }).await?;
    let location = format!("/api/users/{username}");
    let (budget, quotas) = (Budget::default(), OwnQuotas::default());
    Ok(Created { location, body: AccountView { username, user_id, role, default_password: false, budget, quotas } })
}

/// Returns a user. Admins only.
#[utoipa::path(get, path = "/api/users/{name}", operation_id = "get_user", tag = "users", params(UserPath),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The user.", body = AccountView)))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    _admin: AuditContext,
    Path(name): Path<UserName>,
) -> Result<Answer<AccountView>, ApiError> {
    let user = app.auth.user(&name).await?;
    user.map(|user| Answer(user.into())).ok_or_else(|| ApiError::not_found(format!("user {name} not found")))
}

/// Changes to a user. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ChangeUserRequest {
    /// New password. It must differ from the user name. All tokens of the user are revoked.
    #[schema(min_length = 8, max_length = 1024)]
    password: Option<String>,
    /// New role.
    role: Option<UserRole>,
    /// Changes to the budget.
    #[serde(default, deserialize_with = "object")]
    budget: BudgetRequest,
    /// Changes to the quotas.
    #[serde(default, deserialize_with = "object")]
    quotas: QuotasRequest,
}

/// Changes to a budget: per day (UTC), and per run. Absent fields stay unchanged; null restores the server's default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BudgetRequest {
    /// Limit in tokens, as counted by `GET /api/usage`.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Tokens>>)]
    tokens_per_day: LimitChange<Tokens>,
    /// Limit in US dollars, as far as agents report costs.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Money>>)]
    cost_per_day_usd: LimitChange<Money>,
    /// Limit of each run in tokens. Runs may ask for a lower one.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Tokens>>)]
    tokens_per_run: LimitChange<Tokens>,
    /// Limit of each run in US dollars. Runs may ask for a lower one.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Money>>)]
    cost_per_run_usd: LimitChange<Money>,
    /// Limit of each run in model calls. Runs may ask for a lower one.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Amount>>)]
    turns_per_run: LimitChange<Amount>,
}

/// Changes to quotas. Absent fields stay unchanged; null restores the server's default.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuotasRequest {
    /// Runs with their events, and the output of their agents, in bytes.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Amount>>)]
    stored_bytes: LimitChange<Amount>,
    /// Content of fresh working directories, in bytes.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Amount>>)]
    workspace_bytes: LimitChange<Amount>,
    /// Runs.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Amount>>)]
    runs: LimitChange<Amount>,
    /// Sessions.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Amount>>)]
    sessions: LimitChange<Amount>,
    /// API keys.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Amount>>)]
    keys: LimitChange<Amount>,
}

impl From<QuotasRequest> for QuotaChange {
    fn from(request: QuotasRequest) -> Self {
        Self(PerQuota::new(|quota| match quota {
            Quota::StoredBytes => request.stored_bytes,
            Quota::WorkspaceBytes => request.workspace_bytes,
            Quota::Runs => request.runs,
            Quota::Sessions => request.sessions,
            Quota::Keys => request.keys,
        }))
    }
}

impl From<BudgetRequest> for BudgetChange {
    fn from(request: BudgetRequest) -> Self {
        Self {
            tokens_per_day: request.tokens_per_day,
            cost_per_day: request.cost_per_day_usd,
            tokens_per_run: request.tokens_per_run,
            cost_per_run: request.cost_per_run_usd,
            turns_per_run: request.turns_per_run,
        }
    }
}

/// Changes the role, the password, the budget or the quotas of a user. Admins only.
#[utoipa::path(patch, path = "/api/users/{name}", operation_id = "change_user", tag = "users", params(UserPath),
    request_body = ChangeUserRequest,
    extensions(("x-error-codes" = json!(["not_found", "last_admin", "storage"]))),
    responses((status = 200, description = "The changed user.", body = AccountView)))]
pub(in crate::api) async fn change(
    State(app): State<AppState>,
    admin: AuditContext,
    Path(name): Path<UserName>,
    Json(request): Json<ChangeUserRequest>,
) -> Result<Answer<AccountView>, ApiError> {
    let ChangeUserRequest { password, role, budget, quotas } = request;
    let changes = [role.map(|role| format!("role={}", role.as_str())), password.as_ref().map(|_| "password".to_owned())];
    let (budget, quotas) = (BudgetChange::from(budget), QuotaChange::from(quotas));
    let limits = [budget.is_some().then(|| budget.to_string()), quotas.is_some().then(|| format!("quotas: {quotas}"))];
    let changes: Vec<String> = changes.into_iter().chain(limits).flatten().collect();
    if changes.is_empty() {
        return Err(ApiError::invalid_field("body", FaultCode::Required, "a role, a password, a budget or quotas are required"));
    }
    let event = admin.event(AuditAction::UserChange).to(Target::User(name.clone())).detail(changes.join(" "));
    let (auth, target) = (app.auth.clone(), name.clone());
    app.audited(
        event,
        move |audit| async move { Ok(auth.edit_user(&target, role, password.as_deref(), budget, quotas, Some(audit)).await?) },
    )
    .await?;
    get(State(app), admin, Path(name)).await
}

/// Removes a user. Admins only.
///
/// Tokens and API keys are revoked and streams end at once. Runs continue. Only admins see them, under the name of the removed user; a new user
/// with the name does not.
#[utoipa::path(delete, path = "/api/users/{name}", operation_id = "delete_user", tag = "users", params(UserPath),
    extensions(("x-error-codes" = json!(["not_found", "last_admin", "storage"]))),
    responses((status = 204, description = "The user was removed.")))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    admin: AuditContext,
    Path(name): Path<UserName>,
) -> Result<StatusCode, ApiError> {
    let event = admin.event(AuditAction::UserDelete).to(Target::User(name.clone()));
    let auth = app.auth.clone();
    app.audited(event, move |audit| async move { Ok(auth.remove_user(&name, Some(audit)).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
