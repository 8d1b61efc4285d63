//! Users, for admins.

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
use crate::types::{AuditAction, Budget, BudgetChange, Limit, LimitChange, Money, Tokens, UserName, UserRole};

/// A user, as admins see them.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(in crate::api) struct AccountView {
    /// The name.
    username: UserName,
    /// What the user may do.
    role: UserRole,
    /// Whether the password is still the documented default, which works from this machine only.
    default_password: bool,
    /// What the user may use in a day, as far as that was set for this one; absent if nothing was.
    #[serde(skip_serializing_if = "Budget::is_default")]
    #[schema(required = false)]
    budget: Budget,
}

impl From<UserRecord> for AccountView {
    fn from(user: UserRecord) -> Self {
        Self { username: user.name, role: user.role, default_password: user.default_password, budget: user.budget }
    }
}

/// Which page of the users is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// Most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the one before.
    cursor: Option<UserName>,
}

/// A page of users.
pub(in crate::api) type AccountPage = Page<AccountView>;

/// Lists the users by name; for admins.
#[utoipa::path(get, path = "/api/users", operation_id = "list_users", tag = "users", params(ListQuery),
    responses((status = 200, description = "A page of them.", body = AccountPage)))]
pub(in crate::api) async fn list(
    State(app): State<AppState>,
    _admin: AuditContext,
    Query(query): Query<ListQuery>,
) -> Result<Answer<AccountPage>, ApiError> {
    let limit = page_size(query.limit)?;
    let found = app.auth.users(query.cursor, limit + 1).await?;
    Ok(Answer(Page::new(found.into_iter().map(AccountView::from).collect(), limit, |user| user.username.clone())))
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CreateUserRequest {
    /// The name.
    username: UserName,
    /// The password, which is not the name.
    #[schema(min_length = 8, max_length = 1024)]
    password: String,
    /// What the user may do; `user` if not said.
    role: Option<UserRole>,
}

/// Makes a user; for admins.
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
    app.audited(event, async move { Ok(auth.add_user(name, role, &password).await?) }).await?;
    let location = format!("/api/users/{username}");
    Ok(Created { location, body: AccountView { username, role, default_password: false, budget: Budget::default() } })
}

/// Gives one user; for admins.
#[utoipa::path(get, path = "/api/users/{name}", operation_id = "get_user", tag = "users", params(UserPath),
    extensions(("x-error-codes" = json!(["not_found"]))),
    responses((status = 200, description = "The user.", body = AccountView)))]
pub(in crate::api) async fn get(
    State(app): State<AppState>,
    _admin: AuditContext,
    Path(name): Path<UserName>,
) -> Result<Answer<AccountView>, ApiError> {
    let user = app.auth.user(&name).await?;
    user.map(|user| Answer(user.into())).ok_or_else(|| ApiError::not_found(format!("there is no user {name}")))
}

/// What is to become of a user. What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ChangeUserRequest {
    /// A new password, which is not the name. It ends all tokens of the user.
    #[schema(min_length = 8, max_length = 1024)]
    password: Option<String>,
    /// A new role.
    role: Option<UserRole>,
    /// A new budget.
    #[serde(default, deserialize_with = "object")]
    budget: BudgetRequest,
}

/// What the user may use in a day (UTC). What is absent stays as it is; null is as the server's settings have it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BudgetRequest {
    /// In tokens, as `GET /api/usage` counts them.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Tokens>>)]
    tokens_per_day: LimitChange<Tokens>,
    /// In US dollars, as far as agents tell what they cost.
    #[serde(default)]
    #[schema(value_type = Option<Limit<Money>>)]
    cost_per_day_usd: LimitChange<Money>,
}

impl From<BudgetRequest> for BudgetChange {
    fn from(request: BudgetRequest) -> Self {
        Self { tokens_per_day: request.tokens_per_day, cost_per_day: request.cost_per_day_usd }
    }
}

/// Gives a user another role, another password, another budget, or several of them; for admins.
#[utoipa::path(patch, path = "/api/users/{name}", operation_id = "change_user", tag = "users", params(UserPath),
    request_body = ChangeUserRequest,
    extensions(("x-error-codes" = json!(["not_found", "last_admin", "storage"]))),
    responses((status = 200, description = "The user as it then is.", body = AccountView)))]
pub(in crate::api) async fn change(
    State(app): State<AppState>,
    admin: AuditContext,
    Path(name): Path<UserName>,
    Json(request): Json<ChangeUserRequest>,
) -> Result<Answer<AccountView>, ApiError> {
    let ChangeUserRequest { password, role, budget } = request;
    let changes = [role.map(|role| format!("role={}", role.as_str())), password.as_ref().map(|_| "password".to_owned())];
    let budget = BudgetChange::from(budget);
    let changes = changes.into_iter().flatten().chain(budget.is_some().then(|| budget.to_string()));
    let changes: Vec<String> = changes.collect();
    if changes.is_empty() {
        return Err(ApiError::invalid_field("body", FaultCode::Required, "a role, a password or a budget is required"));
    }
    let event = admin.event(AuditAction::UserChange).to(Target::User(name.clone())).detail(changes.join(" "));
    let (auth, whom) = (app.auth.clone(), name.clone());
    app.audited(event, async move { Ok(auth.change_user(&whom, role, password.as_deref(), budget).await?) }).await?;
    get(State(app), admin, Path(name)).await
}

/// Removes a user; for admins.
///
/// Tokens and keys end at once, streams within 15 seconds. Runs stay, go on, and belong to the name as before.
#[utoipa::path(delete, path = "/api/users/{name}", operation_id = "delete_user", tag = "users", params(UserPath),
    extensions(("x-error-codes" = json!(["not_found", "last_admin", "storage"]))),
    responses((status = 204, description = "The user is gone.")))]
pub(in crate::api) async fn delete(
    State(app): State<AppState>,
    admin: AuditContext,
    Path(name): Path<UserName>,
) -> Result<StatusCode, ApiError> {
    let event = admin.event(AuditAction::UserDelete).to(Target::User(name.clone()));
    let auth = app.auth.clone();
    app.audited(event, async move { Ok(auth.remove_user(&name).await?) }).await?;
    Ok(StatusCode::NO_CONTENT)
}
